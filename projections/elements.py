"""Query table `element_instances`: the history of element instances, one row each."""

from domain import events as e
from eventstore.records import EventRecord
from projections.rows import Projection, Rows, table

ELEMENT_INSTANCES = table(
    "element_instances",
    "key, started_at",
    "key bigint, partition integer, instance_key bigint, scope_key bigint, element_id text, loop integer, state text,"
    "started_at timestamptz, ended_at timestamptz",
)


def _entered(rows: Rows, event: e.ElementEntered, record: EventRecord, instance: int) -> None:
    key = event.key
    rows.inserted[key] = [
        key,
        record.partition,
        instance,
        event.scope,
        event.element,
        event.loop,
        "ACTIVE",
        record.time,
        None,
    ]


def _completed(rows: Rows, event: e.ElementCompleted, record: EventRecord, instance: int) -> None:
    rows.update(event.key, {"state": "COMPLETED", "ended_at": record.time})


def _terminated(rows: Rows, event: e.ElementTerminated, record: EventRecord, instance: int) -> None:
    rows.update(event.key, {"state": "TERMINATED", "ended_at": record.time})


ELEMENTS = Projection(
    ELEMENT_INSTANCES,
    {e.ElementEntered: _entered, e.ElementCompleted: _completed, e.ElementTerminated: _terminated},
)
