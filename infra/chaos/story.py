"""What the log says happened: the whole of it, read once and counted by what must happen exactly once."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from domain import events as e
from eventstore.records import EventRecord
from infra.chaos.model import ORDER, ROOT

ONCE: Final[Mapping[type[e.Event], str]] = {
    e.InstanceCreated: "key",
    e.InstanceCompleted: "key",
    e.JobCompleted: "key",
    e.UserTaskCompleted: "key",
    e.TimerFired: "key",
    e.MessageCorrelated: "key",
    e.MessageTaken: "message_key",
    e.ChildReturned: "child_key",
    e.ChildCalled: "child_key",
    e.MessagePublished: "key",
}
"""Event type -> the field that names what it may happen to only once."""
PAIRS: Final = (
    (e.InstanceCreated, e.InstanceCompleted),
    (e.JobCreated, e.JobCompleted),
    (e.UserTaskCreated, e.UserTaskCompleted),
    (e.TimerSet, e.TimerFired),
    (e.MessageSubscribed, e.MessageCorrelated),
    (e.ChildCalled, e.ChildReturned),
)
"""What begins, and how it ends once everything is over: as many of the one as of the other."""
NEVER: Final = (
    e.InstanceTerminated,
    e.InstanceQuarantined,
    e.IncidentRaised,
    e.JobFailed,
    e.JobCanceled,
    e.UserTaskCanceled,
    e.TimerCanceled,
)
"""The load asks for none of these."""
WANTED: Final[Mapping[type[e.Event], str]] = {
    e.InstanceCreated: "create-instance",
    e.MessagePublished: "publish-message",
    e.JobCompleted: "complete-job",
    e.UserTaskCompleted: "complete-user-task",
}
"""Event type -> the command that asks for it."""


class Story:
    """Fed with every event of every partition, in order."""

    def __init__(self) -> None:
        self.events = 0
        self.kinds: Counter[type[e.Event]] = Counter()
        self.instances: defaultdict[str, set[str]] = defaultdict(set)
        """Order -> keys of its instances."""
        self.messages: Counter[str] = Counter()
        """Order -> messages published for it."""
        self.effects: set[tuple[str, str]] = set()
        """(type of command, key) of all that was done for a command."""
        self.leased: set[int] = set()
        self.findings: list[str] = []
        self._roots: set[int] = set()
        self._once: Counter[tuple[type[e.Event], int]] = Counter()
        self._runs: Counter[str] = Counter()
        self._last_command: dict[int, str] = {}
        self._deadlines: dict[int, datetime] = {}

    def read(self, records: Sequence[EventRecord]) -> None:
        """Take the next events of one partition."""
        for record in records:
            self.events += 1
            event = record.event
            self.kinds[type(event)] += 1
            if (name := ONCE.get(type(event))) is not None:
                self._once[type(event), getattr(event, name)] += 1
            if (command := WANTED.get(type(event))) is not None:
                self.effects.add((command, str(getattr(event, "key"))))  # noqa: B009  # the four have it, their union has not
            self._run(record)
            self._take(record)

    def _run(self, record: EventRecord) -> None:
        """The events of one command stand together: an id that comes back later acted twice."""
        if self._last_command.get(record.partition) != record.command_id:
            self._runs[record.command_id] += 1
        self._last_command[record.partition] = record.command_id

    def _take(self, record: EventRecord) -> None:
        match record.event:
            case e.InstanceCreated(key=key, process_id=process_id) if process_id == ROOT:
                self._roots.add(key)
            case e.VariablesSet(scope=scope, variables=variables) if scope in self._roots and ORDER in variables:
                self.instances[str(variables[ORDER])].add(str(scope))
            case e.MessagePublished(correlation_key=order):
                self.messages[order] += 1
            case e.JobsLeased(keys=keys, deadline=deadline):
                for key in keys:
                    self._lease(key, record.time, deadline)
            case e.JobLeaseExtended(key=key, deadline=deadline):
                self._deadlines[key] = deadline
            case _:
                pass

    def _lease(self, key: int, now: datetime, deadline: datetime) -> None:
        self.leased.add(key)
        held = self._deadlines.get(key)
        if held is not None and now < held:
            self.findings.append(f"expected job {key} to stay leased until {held}, but it was leased again at {now}")
        self._deadlines[key] = deadline

    def judge(self, ids_begin: str) -> list[str]:
        """Return what happened that must not have; nothing, if all is well. `ids_begin`: of ids that a client chose."""
        found = [*self.findings]
        for (kind, key), count in self._once.items():
            if count > 1:
                found.append(f"expected {kind.__name__} of {key} once, but found it {count} times")
        for begun, ended in PAIRS:
            if self.kinds[begun] != self.kinds[ended]:
                found.append(
                    f"expected every {begun.__name__} to end in {ended.__name__}, but found {self.kinds[begun]} of the one "
                    f"and {self.kinds[ended]} of the other"
                )
        found += [
            f"expected no {kind.__name__}, but found {self.kinds[kind]}" for kind in NEVER if self.kinds[kind] > 0
        ]
        for command_id, count in self._runs.items():
            if command_id.startswith(ids_begin) and count > 1:
                found.append(f"expected the command {command_id} to act once, but it acted {count} times")
        return found
