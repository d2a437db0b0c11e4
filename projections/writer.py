"""Writes folded batches: few statements per table, with the checkpoints in the same transaction.

A batch is applied once and in order: the checkpoints must stand right before its first event, or nothing is written.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime

import asyncpg

from eventstore.records import EventRecord
from projections.connections import Connection, Pool
from projections.elements import ELEMENT_INSTANCES
from projections.parts import ensure_months
from projections.registry import PROJECTIONS, Folded, Folder
from projections.rows import Projection, Rows
from projections.statements import (
    delete_instances,
    delete_rows,
    insert_rows,
    update_matching,
    update_rows,
    without_nul,
)

Between = Callable[[], Awaitable[None]]

REPAIRS_MAX = 2
"""Causes after which a batch is written again: NUL in a text, a month's part that is gone."""

_STARTED_AT = ELEMENT_INSTANCES.names.index("started_at")

# Batches are small beside the tables: every plan that reads a whole table or hashes it would be wrong.
_BEGIN = "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"

_ADVANCE = """
    UPDATE checkpoints SET position = $3 WHERE projection = ANY($1::text[]) AND partition = $2 AND position = $4
"""

_NEW = """
    INSERT INTO checkpoints (projection, partition, position) SELECT name, $2, 0 FROM unnest($1::text[]) AS name
    ON CONFLICT DO NOTHING
"""


class CheckpointMismatch(Exception):  # noqa: N818 - it names what was found
    """A batch does not follow what was projected before: nothing was written."""


class ProjectionWriter:
    """Applies batches of committed events to the query tables, for any partition."""

    def __init__(
        self, pool: Pool, projections: Iterable[Projection] = PROJECTIONS, *, month_parts: bool = True
    ) -> None:
        self._pool = pool
        self._folder = Folder(projections)
        self._names = [projection.table.name for projection in self._folder.projections]
        self._months: set[datetime] | None = set() if month_parts else None

    async def checkpoint(self, partition: int) -> int:
        """Return up to which position the partition is projected, in all tables."""
        async with self._pool.acquire() as connection:
            return await self._checkpoint(connection, partition)

    async def apply(self, partition: int, records: Sequence[EventRecord], between: Between | None = None) -> int:
        """Project the records, which follow each other from the checkpoint on, in one transaction; return the new position.

        `between` is awaited before each table. Raise `CheckpointMismatch` if they do not start right after the checkpoint.
        """
        if not records:
            return await self.checkpoint(partition)
        async with self._pool.acquire() as connection:
            return await self.apply_in(connection, partition, records, between)

    async def apply_in(
        self, connection: Connection, partition: int, records: Sequence[EventRecord], between: Between | None = None
    ) -> int:
        """Do the same on a connection; if that is in a transaction, in a part of it."""
        return await self.write(connection, partition, records, self.fold(records), between)

    def fold(self, records: Sequence[EventRecord]) -> Folded:
        """Return the final rows of a batch."""
        return self._folder.fold(records)

    async def write(
        self,
        connection: Connection,
        partition: int,
        records: Sequence[EventRecord],
        folded: Folded,
        between: Between | None = None,
    ) -> int:
        """Write what a batch was folded to, with its checkpoints; return the new position."""
        for _ in range(REPAIRS_MAX):
            await self._ensure_months(connection, folded)
            try:
                async with connection.transaction():
                    return await self._write(connection, partition, records, folded, between)
            except asyncpg.CharacterNotInRepertoireError:
                for rows in folded.tables:
                    without_nul(rows)
            except asyncpg.CheckViolationError:  # a month's part that we made is gone: retention dropped it
                if self._months is None:
                    raise
                self._months.clear()
        async with connection.transaction():
            return await self._write(connection, partition, records, folded, between)

    async def _ensure_months(self, connection: Connection, folded: Folded) -> None:
        if self._months is None:
            return
        for rows in folded.tables:
            if rows.table is ELEMENT_INSTANCES:
                await ensure_months(connection, self._months, (row[_STARTED_AT] for row in rows.inserted.values()))

    async def _checkpoint(self, connection: Connection, partition: int) -> int:
        row = await connection.fetchrow(
            "SELECT count(*) AS known, min(position) AS position FROM checkpoints"
            " WHERE projection = ANY($1::text[]) AND partition = $2",
            self._names,
            partition,
        )
        return row["position"] if row is not None and row["known"] == len(self._names) else 0

    async def _advance(self, connection: Connection, partition: int, first: int, last: int) -> None:
        """Move the checkpoints, before anything else: who rebuilds holds us off here (see `rebuild`)."""
        for attempt in range(2):
            done = await connection.execute(_ADVANCE, self._names, partition, last, first - 1)
            if done == f"UPDATE {len(self._names)}":
                return
            if attempt == 0 and first == 1:
                await connection.execute(_NEW, self._names, partition)
            else:
                break
        rows = await connection.fetch(
            "SELECT projection, position FROM checkpoints WHERE partition = $1 AND projection = ANY($2::text[])",
            partition,
            self._names,
        )
        at = {row["projection"]: row["position"] for row in rows}
        wrong = {name: at.get(name, 0) for name in self._names if at.get(name, 0) != first - 1}
        raise CheckpointMismatch(
            f"expected the projections of partition {partition} at position {first - 1}, but found {wrong or at};"
            " `procession projections rebuild` builds what is behind"
        )

    async def _write(
        self,
        connection: Connection,
        partition: int,
        records: Sequence[EventRecord],
        folded: Folded,
        between: Between | None,
    ) -> int:
        first, last = records[0].position, records[-1].position
        assert last - first == len(records) - 1, f"records {first}..{last} of partition {partition} have holes"
        await connection.execute(_BEGIN)
        await self._advance(connection, partition, first, last)
        for rows in folded.tables:
            if between is not None and rows:
                await between()
            await _write_table(connection, partition, rows)
        if folded.deleted_instances:
            for rows in folded.tables:
                await delete_instances(connection, rows.table, folded.deleted_instances)
        return last


async def _write_table(connection: Connection, partition: int, rows: Rows) -> None:
    """Bring the table up to date. Older rows first; what the batch says about single rows comes last."""
    for matching in rows.matching:
        await update_matching(connection, rows.table, partition, matching)
    if rows.deleted:
        await delete_rows(connection, rows.table, rows.deleted)
    if rows.updated:
        await update_rows(connection, rows.table, rows.updated)
    if rows.inserted:
        await insert_rows(connection, rows.table, list(rows.inserted.values()))
