"""Query table `rejections`: who wanted what and was refused, and why."""

from domain import events as e
from eventstore.records import EventRecord
from projections.rows import Projection, Rows, table

REJECTIONS_TABLE = table(
    "rejections",
    "partition, position",
    "partition integer, position bigint, stream text, rejected_at timestamptz, command_id text, command text, code text,"
    "reason text, key bigint, by text",
    of_instances=False,
)


def _rejected(rows: Rows, event: e.CommandRejected, record: EventRecord, instance: int) -> None:
    row = [record.partition, record.position, record.stream, record.time, record.command_id, event.command]
    rows.insert((record.partition, record.position), [*row, event.code, event.reason, event.key, record.by])


REJECTIONS = Projection(REJECTIONS_TABLE, {e.CommandRejected: _rejected})
