"""Histories of a partition with times, as they stand in the events topic."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from domain import events as e
from domain.keys import make_key
from eventstore.codec import CODEC, event_type
from streams.insight.limits import Limits, Rule
from streams.insight.partition import EPOCH, MILLISECOND, Insight, Record
from streams.relay import headers_of
from streams.rows import EventRow

START = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
LIMITS = Limits([Rule("order", "PT5M"), Rule("order", "PT2M", "ship")])


class History:
    """One partition, written event by event."""

    def __init__(self, partition: int = 1, start: datetime = START) -> None:
        self.partition = partition
        self.rows: list[EventRow] = []
        self._start = start
        self._keys: dict[int, int] = {}

    def add(self, seconds: float, number: int, event: e.Event) -> "History":
        """Append an event of the instance with that number, so long after the start."""
        time = self._start + timedelta(milliseconds=round(seconds * 1000))
        stream = f"instance/{make_key(self.partition, number)}"
        at = len(self.rows) + 1
        self.rows.append(EventRow(at, stream, event_type(event), 1, time, "c", "", CODEC.encode(event)))
        return self

    def begin(self, seconds: float, number: int, process: str = "order", version: int = 1) -> "History":
        key = make_key(self.partition, number)
        return self.add(
            seconds,
            number,
            e.InstanceCreated(key=key, definition_key=7, process_id=process, version=version, root_key=key),
        )

    def end(self, seconds: float, number: int) -> "History":
        return self.add(seconds, number, e.InstanceCompleted(key=make_key(self.partition, number)))

    def enter(self, seconds: float, number: int, element: str, local: int = 1, loop: int | None = None) -> "History":
        key, scope = make_key(self.partition, number, local), make_key(self.partition, number)
        return self.add(seconds, number, e.ElementEntered(key=key, element=element, scope=scope, loop=loop))

    def leave(self, seconds: float, number: int, element: str, local: int = 1) -> "History":
        key, scope = make_key(self.partition, number, local), make_key(self.partition, number)
        return self.add(seconds, number, e.ElementCompleted(key=key, element=element, scope=scope))

    def incident(self, seconds: float, number: int, element: str) -> "History":
        return self.add(
            seconds,
            number,
            e.IncidentRaised(
                key=make_key(self.partition, number, 99),
                element_key=make_key(self.partition, number, 1),
                element=element,
                incident_type="JOB_NO_RETRIES",
                message="",
            ),
        )

    def resolve(self, seconds: float, number: int) -> "History":
        return self.add(seconds, number, e.IncidentResolved(key=make_key(self.partition, number, 99)))

    @property
    def records(self) -> list[Record]:
        return [
            Record(row.position - 1, row.position, (row.time - EPOCH) // MILLISECOND, row.type, 1, row.stream, row.body)
            for row in self.rows
        ]

    def headers(self, row: EventRow) -> list[tuple[str, bytes]]:
        return headers_of(self.partition, row)


def busy(partition: int, instances: int, seed: int = 1, start: datetime = START) -> History:
    """Orders of two versions that begin a few seconds apart, ship, sometimes fail, and mostly complete."""
    chance = Random(seed * 1000 + partition)
    steps: list[tuple[float, int, str]] = []
    at = 0.0
    for number in range(1, instances + 1):
        at += chance.uniform(0, 6)
        took = chance.choice((5.0, 50.0, 200.0))
        steps += [(at, number, "begin"), (at + 0.001, number, "enter")]
        if chance.random() < 0.2:
            steps += [(at + 1, number, "incident"), (at + 3, number, "resolve")]
        if chance.random() < 0.9:
            steps += [(at + took, number, "leave"), (at + took + chance.choice((0.001, 200)), number, "end")]
    history = History(partition, start)
    for seconds, number, step in sorted(steps):
        match step:
            case "begin":
                history.begin(seconds, number, version=1 + number % 2)
            case "enter":
                history.enter(seconds, number, "ship")
            case "leave":
                history.leave(seconds, number, "ship")
            case "incident":
                history.incident(seconds, number, "ship")
            case "resolve":
                history.resolve(seconds, number)
            case _:
                history.end(seconds, number)
    return history


def milliseconds(seconds: float, start: datetime = START) -> int:
    return (start - EPOCH) // MILLISECOND + round(seconds * 1000)


def folded(history: History, limits: Limits = LIMITS) -> Insight:
    """Return the figures of a whole history."""
    return fold(Insight(history.partition, limits), history.records)


def fold(insight: Insight, records: Sequence[Record]) -> Insight:
    for record in records:
        insight.fold(record)
    return insight
