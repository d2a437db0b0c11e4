"""From events to observations: what is open, since when, what it took, and whether it took too long.

It remembers only what is open, up to a limit. Time is that of the events; a breach happens at the moment when the limit
ran out, whenever it is noticed.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from domain import events as e
from streams.insight.limits import Limits
from streams.insight.windows import Key, Observation

OPEN_MAX: Final = 100_000
"""Open instances and element instances of a partition that are remembered; past it the oldest are forgotten."""
INCIDENTS_MAX: Final = 10_000
"""The same for open incidents."""

Seen = Iterator[Observation]


class Open(msgspec.Struct, array_like=True):
    """An instance or an element instance that has not ended."""

    about: Key
    since: int
    breached: bool = False


class Memory:
    """What is open on one partition, oldest first."""

    def __init__(self, limits: Limits) -> None:
        self.open: dict[int, Open] = {}
        self.incidents: dict[int, Key] = {}
        self.unknown = 0
        """Events about what was forgotten, or began before what was read: they count nothing."""
        self.forgotten = 0
        self._limits = limits
        self._within: dict[Key, dict[int, int]] = {}
        """Of what has a limit: key of each open one -> when it runs out, oldest first."""
        self._beyond: dict[Key, set[int]] = {}
        """Of what has a limit: keys of the open ones that took too long already."""

    def observe(self, event: e.AnyEvent, instance: int, time: int) -> Seen:
        """Say what the event of an instance means; the caller takes all of it."""
        handler = HANDLERS.get(type(event))
        return iter(()) if handler is None else handler(self, event, instance, time)

    def overdue(self, time: int) -> Seen:
        """Say which limits have run out before `time`."""
        for about, within in self._within.items():
            while within:
                key, due = next(iter(within.items()))
                if due >= time:
                    break
                del within[key]
                self.open[key].breached = True
                self._beyond.setdefault(about, set()).add(key)
                yield Observation(due, about, "breaches")

    def late_now(self, now: int) -> Iterator[tuple[Key, int]]:
        """Say how many are open beyond their limit at `now`, for everything that has a limit and something open."""
        for about, within in self._within.items():
            count = len(self._beyond.get(about, ()))
            for due in within.values():
                if due >= now:
                    break
                count += 1
            yield about, count

    def remember(self, key: int, one: Open) -> None:
        """Keep what has begun; forget the oldest one if there are too many."""
        if len(self.open) >= OPEN_MAX:
            self.end(next(iter(self.open)))
            self.forgotten += 1
        self.open[key] = one
        limit = self._limits.of(one.about)
        if limit is None:
            return
        within = self._within.setdefault(one.about, {})
        if one.breached:
            self._beyond.setdefault(one.about, set()).add(key)
        else:
            within[key] = one.since + limit

    def end(self, key: int) -> Open | None:
        """Return what has ended, if it is known."""
        one = self.open.pop(key, None)
        if one is None:
            return None
        self._within.get(one.about, {}).pop(key, None)
        self._beyond.get(one.about, set()).discard(key)
        return one

    def raise_incident(self, key: int, about: Key) -> None:
        """Keep an incident until it is resolved."""
        if len(self.incidents) >= INCIDENTS_MAX:
            del self.incidents[next(iter(self.incidents))]
            self.forgotten += 1
        self.incidents[key] = about


# --- one function for each event ------------------------------------------------------------------------------------------


def _created(memory: Memory, event: e.InstanceCreated, instance: int, time: int) -> Seen:
    about = Key(event.process_id, event.version)
    memory.remember(event.key, Open(about, time))
    yield Observation(time, about, "started")


def _entered(memory: Memory, event: e.ElementEntered, instance: int, time: int) -> Seen:
    if event.loop == 0:
        return  # the body of a multi-instance activity: its inner instances are what works
    process = memory.open.get(instance)
    if process is None:
        memory.unknown += 1
        return
    about = Key(process.about.process, process.about.version, event.element)
    memory.remember(event.key, Open(about, time))
    yield Observation(time, about, "started")


def _completed(memory: Memory, event: e.InstanceCompleted | e.ElementCompleted, instance: int, time: int) -> Seen:
    known, one = instance in memory.open, memory.end(event.key)
    if one is None:
        memory.unknown += not known
        return
    yield Observation(time, one.about, "completed", max(time - one.since, 0))


def _terminated(memory: Memory, event: e.InstanceTerminated | e.ElementTerminated, instance: int, time: int) -> Seen:
    known, one = instance in memory.open, memory.end(event.key)
    if one is None:
        memory.unknown += not known
        return
    yield Observation(time, one.about, "terminated")


def _job(figure: str) -> Callable[[Memory, Any, int, int], Seen]:
    def observe(memory: Memory, event: e.JobCompleted | e.JobFailed, instance: int, time: int) -> Seen:
        one = memory.open.get(event.element_key)
        if one is None:
            memory.unknown += instance not in memory.open
            return
        yield from _of_both(time, one.about, figure)

    return observe


def _incident(memory: Memory, event: e.IncidentRaised, instance: int, time: int) -> Seen:
    process = memory.open.get(instance)
    if process is None:
        memory.unknown += 1
        return
    about = Key(process.about.process, process.about.version, event.element)
    memory.raise_incident(event.key, about)
    yield from _of_both(time, about, "incidents_raised")


def _quarantined(memory: Memory, event: e.InstanceQuarantined, instance: int, time: int) -> Seen:
    process = memory.open.get(event.key)
    if process is None:
        memory.unknown += 1
        return
    memory.raise_incident(event.incident_key, process.about)
    yield from _of_both(time, process.about, "incidents_raised")


def _resolved(memory: Memory, event: e.IncidentResolved, instance: int, time: int) -> Seen:
    about = memory.incidents.pop(event.key, None)
    if about is None:
        memory.unknown += 1
        return
    yield from _of_both(time, about, "incidents_resolved")


def _of_both(time: int, about: Key, figure: str) -> Seen:
    """What happens to an element happens to its definition, too."""
    yield Observation(time, about, figure)
    if about.element:
        yield Observation(time, about._replace(element=""), figure)


HANDLERS: Final[dict[type[e.Event], Callable[[Memory, Any, int, int], Seen]]] = {
    e.InstanceCreated: _created,
    e.InstanceCompleted: _completed,
    e.InstanceTerminated: _terminated,
    e.InstanceQuarantined: _quarantined,
    e.ElementEntered: _entered,
    e.ElementCompleted: _completed,
    e.ElementTerminated: _terminated,
    e.JobCompleted: _job("jobs_completed"),
    e.JobFailed: _job("jobs_failed"),
    e.IncidentRaised: _incident,
    e.IncidentResolved: _resolved,
}
"""What each event means. Events that are not here mean nothing to the figures."""
