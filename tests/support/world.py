"""All partitions of an engine in memory, with no time and no chance but what a test gives: the pure core, run as it runs live.

After every command the fold of the stored (encoded) events must equal the live state, and every state must be sound.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from domain import commands as c
from domain import events as e
from domain.decide import State, decide, fold, initial
from domain.deployed import Deployed
from domain.instance import Instance
from domain.keys import FIRST_PARTITION, block_of
from domain.reactions import reactions
from domain.results import Context, Rejected
from domain.soundness import sound
from domain.streams import DEFINITIONS_STREAM, route, stream_of

START = datetime(2026, 1, 1, tzinfo=UTC)

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_EVENTS = msgspec.json.Decoder(e.AnyEvent, float_hook=Decimal)


@dataclass(frozen=True)
class Record:
    """A stored event."""

    partition: int
    position: int
    stream: str
    body: bytes

    @property
    def event(self) -> e.AnyEvent:
        event: e.AnyEvent = _EVENTS.decode(self.body)
        return event


@dataclass
class World:
    """An engine without I/O."""

    partitions: int = 3
    now: datetime = START
    log: list[Record] = field(default_factory=list)
    rejections: list[Rejected] = field(default_factory=list)
    _states: dict[tuple[int, str], State] = field(default_factory=dict)
    _positions: dict[int, int] = field(default_factory=dict)
    _numbers: dict[int, int] = field(default_factory=dict)
    _owners: dict[int, int] = field(default_factory=dict)
    _ids: int = 0
    _checked: int = 0
    _twins: dict[tuple[int, str], State] = field(default_factory=dict)

    def submit(self, kind: type[c.Command], **arguments: Any) -> list[e.Event] | Rejected:
        """Carry out a command and all reactions that follow; return its own facts, or the refusal."""
        self._ids += 1
        command = kind(id=f"test-{self._ids}", issued_at=self.now, **arguments)
        queue: deque[c.AnyCommand] = deque()
        answer = self._run(command, queue)
        while queue:
            self._run(queue.popleft(), queue)
        return answer

    def _run(self, command: Any, queue: deque[c.AnyCommand]) -> list[e.Event] | Rejected:
        partition = route(command, self.partitions)
        stream = stream_of(command, partition, lambda: self._next(partition))
        stream = self._resolved(stream)
        state = self._state(partition, stream)
        context = Context(
            now=self.now,
            partition=partition,
            partitions=self.partitions,
            next_number=lambda: self._next(partition),
            definitions=self.deployed,
        )
        answer = decide(state, command, context)
        if isinstance(answer, Rejected):
            self.rejections.append(answer)
            return answer
        facts = list(fold(state, answer))
        for fact in facts:
            self._append(partition, stream, fact, queue)
        return facts

    def _append(self, partition: int, stream: str, fact: e.Event, queue: deque[c.AnyCommand]) -> None:
        position = self._positions.get(partition, 0) + 1
        self._positions[partition] = position
        self.log.append(Record(partition, position, stream, _ENCODER.encode(fact)))
        if isinstance(fact, e.KeyBlockTaken):
            self._owners[fact.block] = fact.key
        queue.extend(reactions(fact, partition, position, self.now))

    def _resolved(self, stream: str) -> str:
        kind, _, key = stream.partition("/")
        if kind == "instance" and int(key) in self._owners:
            return f"instance/{self._owners[int(key)]}"
        return stream

    def _next(self, partition: int) -> int:
        self._numbers[partition] = self._numbers.get(partition, 0) + 1
        return self._numbers[partition]

    def _state(self, partition: int, stream: str) -> State:
        return self._states.setdefault((partition, stream), initial(stream))

    @property
    def deployed(self) -> Deployed:
        state = self._state(FIRST_PARTITION, DEFINITIONS_STREAM)
        assert isinstance(state, Deployed)
        return state

    def deploy(self, *contents: bytes) -> list[e.Event] | Rejected:
        """Deploy BPMN files."""
        resources = tuple(c.Resource(name=f"{index}.bpmn", content=content) for index, content in enumerate(contents))
        return self.submit(c.DeployResources, resources=resources)

    def instances(self) -> Iterator[Instance]:
        """Yield all process instances, oldest first."""
        yield from (state for state in list(self._states.values()) if isinstance(state, Instance) and state.block)

    def instance_of(self, key: int) -> Instance:
        """Return the instance that a key belongs to."""
        block = block_of(key)
        return next(state for state in self.instances() if state.key == self._owners.get(block, block))

    def advance(self, by: timedelta) -> None:
        """Let time pass; timers fire in the order of their due dates."""
        until = self.now + by
        while True:
            due = sorted((timer.due, key) for key, timer in self._timers() if timer.due <= until)
            if not due:
                break
            self.now = max(self.now, due[0][0])
            self.submit(c.TriggerTimer, key=due[0][1])
        self.now = until

    def _timers(self) -> Iterator[tuple[int, Any]]:
        yield from self.deployed.timers.items()
        for instance in self.instances():
            if not instance.suspended and instance.quarantined is None:
                yield from instance.timers.items()

    def events(self, partition: int | None = None, stream: str | None = None) -> list[e.AnyEvent]:
        """Return stored events, decoded."""
        return [
            record.event
            for record in self.log
            if partition in (None, record.partition) and stream in (None, record.stream)
        ]

    def check(self) -> None:
        """Raise AssertionError if replay differs from live, or a state is not sound. Only what is new is looked at."""
        touched: dict[tuple[int, str], None] = {}
        for record in self.log[self._checked :]:
            at = (record.partition, record.stream)
            touched[at] = None
            twin = self._twins.setdefault(at, initial(record.stream))
            list(fold(twin, (record.event,)))
        self._checked = len(self.log)
        for at in touched:
            state = self._states[at]
            assert self._twins[at] == state, f"{at[1]}: replay differs from live"
            if isinstance(state, Instance) and state.block:
                sound(state)

    def check_snapshots(self) -> None:
        """Raise AssertionError if a state that went through a snapshot, and the events after it, differs from the live one."""
        stored: dict[tuple[int, str], list[e.AnyEvent]] = {}
        for record in self.log:
            stored.setdefault((record.partition, record.stream), []).append(record.event)
        for at, events in stored.items():
            state = initial(at[1])
            half = len(events) // 2
            list(fold(state, events[:half]))
            snapshot = msgspec.json.decode(_ENCODER.encode(state), type=type(state), strict=False)
            list(fold(snapshot, events[half:]))
            assert snapshot == self._states[at], f"{at[1]}: snapshot and the events after it differ from live"
