"""All figures of one partition, folded from its events in order. The same events always give the same figures.

A snapshot holds all of it and the place in the topic up to which it is folded: whoever goes on from there, after whatever
death, comes to what would have come without it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec

from eventstore.codec import CODEC, UnknownEvent
from streams.insight.durations import middle_of, percentile
from streams.insight.limits import Limits
from streams.insight.rules import HANDLERS, Memory, Open
from streams.insight.windows import FIGURES, Figures, Key, Observation, Panes, Told

FORMAT: Final = 1
"""Of snapshots. One of another format counts as none: everything can be folded again."""
FINALS_MAX: Final = 10_000
"""Final windows that wait to be told; past it no further event is taken until they are."""
TYPES: Final = frozenset(str(each.__struct_config__.tag) for each in HANDLERS)
INSTANCE: Final = "instance/"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
ID_BYTES: Final = 16


class NoEvent(Exception):  # noqa: N818 - it names what a record is
    """A record of the events topic that is not one of the relay's."""


class Record(NamedTuple):
    """A record of the events topic."""

    offset: int
    position: int
    time: int
    """Milliseconds since 1970."""
    type: str
    schema: int
    stream: str
    body: bytes

    @classmethod
    def of(cls, offset: int, headers: Mapping[str, bytes], body: bytes) -> "Record":
        """Return what stands in a record. Raise `NoEvent`."""
        try:
            time = datetime.fromisoformat(headers["time"].decode())
            return cls(
                offset,
                int(headers["position"]),
                (time - EPOCH) // MILLISECOND,
                headers["type"].decode(),
                int(headers["schema"]),
                headers["stream"].decode(),
                body,
            )
        except (KeyError, ValueError, TypeError) as error:
            raise NoEvent(f"expected the headers of an event at offset {offset}, but: {error!r}") from error


class Result(NamedTuple):
    """What is told of one window: `key` names it for ever, `value` is how it stands."""

    told: Told
    key: bytes
    value: bytes


class _Snapshot(msgspec.Struct, array_like=True):
    format: int
    position: int
    offset: int
    watermark: int
    keys: list[Key]
    open: list[tuple[int, int, int, bool]]
    incidents: list[tuple[int, int]]
    panes: list[tuple[int, int, Figures]]
    left_out: dict[str, int]


class Insight:
    """The figures of one partition."""

    def __init__(self, partition: int, limits: Limits) -> None:
        self.partition = partition
        self.position = 0
        """Of the last event that counts here."""
        self.offset = 0
        """In the topic, where reading goes on."""
        self.panes = Panes()
        self.memory = Memory(limits)
        self.finals: list[Result] = []
        """Windows that are final and were not told yet."""
        self._left_out: dict[str, int] = {}

    @property
    def left_out(self) -> dict[str, int]:
        """Return how much does not count, by reason."""
        return {
            **dict.fromkeys(("late", "crowded", "missed", "unreadable"), 0),
            **self._left_out,
            "unknown": self.memory.unknown,
            "forgotten": self.memory.forgotten,
        }

    def fold(self, record: Record) -> None:
        """Take the next event. One that came before changes nothing."""
        self.offset = max(self.offset, record.offset + 1)
        if record.position <= self.position:
            return
        self._leave_out("missed", record.position - self.position - 1)
        self.position = record.position
        for observation in self.memory.overdue(record.time):
            self._count(observation)
        if record.type in TYPES and record.stream.startswith(INSTANCE):
            self._observe(record)
        self.finals += [self._result(told) for told in self.panes.advance(record.time)]

    def skip(self, offset: int) -> None:
        """Go on behind a record that is no event."""
        self.offset = max(self.offset, offset + 1)
        self._leave_out("unreadable", 1)

    def take(self, now: int) -> list[Result]:
        """Return what is to be told: windows that are final, and those that ended by `now` and changed."""
        finals, self.finals = self.finals, []
        return finals + [self._result(told) for told in self.panes.take(now)]

    def give_back(self, results: list[Result]) -> None:
        """Take back what could not be told."""
        self.finals = [each for each in results if each.told.final] + self.finals
        self.panes.give_back(each.told for each in results)

    # --- snapshots -----------------------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """Return all of it. Keep it only after everything that was taken has been told: what is final is not in it."""
        keys: dict[Key, int] = {}

        def number(key: Key) -> int:
            return keys.setdefault(key, len(keys))

        return msgspec.msgpack.encode(
            _Snapshot(
                FORMAT,
                self.position,
                self.offset,
                self.panes.watermark,
                open=[(key, number(one.about), one.since, one.breached) for key, one in self.memory.open.items()],
                incidents=[(key, number(about)) for key, about in self.memory.incidents.items()],
                panes=[
                    (start, number(key), figures)
                    for start, pane in self.panes.panes.items()
                    for key, figures in pane.items()
                ],
                left_out=self.left_out,
                keys=list(keys),
            )
        )

    @classmethod
    def restored(cls, partition: int, limits: Limits, snapshot: bytes | None) -> "Insight":
        """Return what a snapshot holds; an empty one if there is none that can be read: then all is folded again."""
        insight = cls(partition, limits)
        try:
            found = None if snapshot is None else msgspec.msgpack.decode(snapshot, type=_Snapshot)
        except msgspec.MsgspecError:
            return insight
        if found is None or found.format != FORMAT:
            return insight
        insight.position, insight.offset = found.position, found.offset
        insight.panes = Panes(found.watermark)
        for start, key, figures in found.panes:
            insight.panes.restore(start, found.keys[key], figures)
        for key, about, since, breached in found.open:
            insight.memory.remember(key, Open(found.keys[about], since, breached))
        insight.memory.incidents = {key: found.keys[about] for key, about in found.incidents}
        insight.memory.unknown = found.left_out.pop("unknown", 0)
        insight.memory.forgotten = found.left_out.pop("forgotten", 0)
        insight._left_out = found.left_out
        return insight

    # --- one event -----------------------------------------------------------------------------------------------------

    def _observe(self, record: Record) -> None:
        try:
            event = CODEC.decode(record.type, record.schema, record.body)
            instance = int(record.stream.removeprefix(INSTANCE))
        except (UnknownEvent, ValueError):
            # Of a newer engine: the figures go on without it. Whoever needs every event reads the topic themselves.
            self._leave_out("unreadable", 1)
            return
        for observation in self.memory.observe(event, instance, record.time):
            self._count(observation)

    def _count(self, observation: Observation) -> None:
        reason = self.panes.observe(observation)
        if reason:
            self._leave_out(reason, 1)

    def _leave_out(self, reason: str, count: int) -> None:
        if count:
            self._left_out[reason] = self._left_out.get(reason, 0) + count

    def _result(self, told: Told) -> Result:
        window, end, about, figures, final = told
        name = msgspec.json.encode((self.partition, window.name, told.start, about))
        body: dict[str, Any] = {
            "process": about.process,
            "version": about.version,
            "element": about.element or None,
            "window": window.name,
            "start": _text(told.start),
            "end": _text(end),
            "final": final,
            "partition": self.partition,
            "position": self.position,
            **{figure: getattr(figures, figure) for figure in FIGURES},
            "durations": durations(figures),
        }
        return Result(told, blake2b(name, digest_size=ID_BYTES).hexdigest().encode(), msgspec.json.encode(body))


def durations(figures: Figures) -> dict[str, Any]:
    """Return what is told of the durations of what completed, in milliseconds; None where nothing did.

    `counts` says how many took about how long: those of several partitions can be added, percentiles cannot.
    """
    count = sum(figures.buckets.values())
    return {
        "mean": figures.milliseconds // count if count else None,
        "p50": percentile(figures.buckets, 50, figures.longest),
        "p95": percentile(figures.buckets, 95, figures.longest),
        "max": figures.longest if count else None,
        "counts": {str(middle_of(bucket)): figures.buckets[bucket] for bucket in sorted(figures.buckets)},
    }


def _text(milliseconds: int) -> str:
    return (EPOCH + milliseconds * MILLISECOND).isoformat(timespec="seconds").replace("+00:00", "Z")
