"""Writes the events of a lost database into an empty one, byte for byte, and beside them what else was truth there.

It knows where nothing of this comes from. All of it belongs in one transaction: half a log is worse than none.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from eventstore.postgres import EVENT_COLUMNS, Connection, encode_marks
from eventstore.store import Outcome, Ownership

RESTORER: Final = "restored"
"""Stands in a partition's row as its owner until an engine takes it."""

_TRACES: Final = {
    "events": "SELECT FROM events",
    "partitions that were owned": "SELECT FROM partitions WHERE position > 0 OR epoch > 0",
    "waiting commands": "SELECT FROM commands",
    "outcomes of commands": "SELECT FROM command_outcomes",
    "key blocks": "SELECT FROM key_blocks",
    "a log of commands": "SELECT FROM command_log",
}

Row = tuple[int, str, str, int, datetime, str, str, bytes]
"""Position, stream, type, schema, time, command id, by, body."""


class PostgresRestore:
    """On a connection in a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def traces(self) -> list[str]:
        """Return what an engine has left in the database already; nothing if it is as new."""
        return [name for name, query in _TRACES.items() if await self._connection.fetchval(f"SELECT EXISTS ({query})")]

    async def append(self, partition: int, rows: Sequence[Row]) -> None:
        """Write events."""
        await self._connection.copy_records_to_table(
            "events", records=[(partition, *row) for row in rows], columns=EVENT_COLUMNS
        )

    async def remember(self, partition: int, outcomes: Sequence[Outcome], blocks: Mapping[int, int]) -> None:
        """Write what became of commands (the first time counts), and further key blocks with their instances."""
        await self._connection.executemany(
            "INSERT INTO command_outcomes (partition, command_id, stream, position, answer) VALUES ($1, $2, $3, $4, $5) "
            "ON CONFLICT DO NOTHING",
            [(partition, each.command_id, each.stream, each.position, each.answer) for each in outcomes],
        )
        await self._connection.executemany(
            "INSERT INTO key_blocks (partition, block, instance_key) VALUES ($1, $2, $3)",
            [(partition, block, key) for block, key in blocks.items()],
        )

    async def finish(self, partitions: Sequence[Ownership], log_name: str, secret: bytes) -> None:
        """Write the rows of the partitions, and tie the database to its log of commands."""
        await self._connection.execute("DELETE FROM partitions")
        await self._connection.executemany(
            "INSERT INTO partitions "
            "(partition, epoch, owner, position, command_offset, last_number, marks, reactions_published) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            [
                (
                    each.partition,
                    each.epoch,
                    RESTORER,
                    each.position,
                    each.command_offset,
                    each.last_number,
                    encode_marks(each.marks).decode(),
                    each.reactions_published,
                )
                for each in partitions
            ],
        )
        await self._connection.execute("INSERT INTO command_log (name, secret) VALUES ($1, $2)", log_name, secret)
