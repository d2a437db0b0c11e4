"""Events as they are stored, undecoded: what is copied to a topic has to be what stands in the table. And their table in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from eventstore.codec import CODEC, event_type
from eventstore.postgres import Pool
from streams.unit import Unit

_READ = """
SELECT position, stream, type, schema, time, command_id, "by", body
FROM events WHERE partition = $1 AND position > $2 ORDER BY position LIMIT $3
"""


class EventRow(NamedTuple):
    """One row of the events table."""

    position: int
    stream: str
    type: str
    schema: int
    time: datetime
    command_id: str
    by: str
    body: bytes


class EventRows(Protocol):
    """The port to the rows of a partition."""

    async def read(self, partition: int, after: int, limit: int) -> Sequence[EventRow]:
        """Return rows in order of position, from `after` (not included) on."""
        ...


class PostgresEventRows:
    """All of `EventRows`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self, partition: int, after: int, limit: int) -> Sequence[EventRow]:
        """See the port."""
        return [EventRow(*row) for row in await self._pool.fetch(_READ, partition, after, limit)]


def rows_of(unit: Unit) -> list[EventRow]:
    """Return the rows that a batch committed."""
    rows: list[EventRow] = []
    for record, body in zip(unit.records, unit.bodies, strict=True):
        kind = event_type(record.event)
        rows.append(
            EventRow(
                record.position,
                record.stream,
                kind,
                CODEC.version(kind),
                record.time,
                record.command_id,
                record.by,
                body,
            )
        )
    return rows
