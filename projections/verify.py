"""Folds the log again and compares the outcome with the query tables, row by row, at the same positions.

All of it happens in one transaction that sees one moment of the live tables and is taken back at the end: the engine is
neither held off nor disturbed, and nothing is left behind.
"""

from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

from projections.connections import Connection, Pool
from projections.registry import PROJECTIONS
from projections.retention import prune_to_mark
from projections.rows import Table
from projections.shadow import MAINTENANCE_LOCK, Catching, EventReader, Progress, quiet
from projections.writer import ProjectionWriter

ROWS_REPORTED_MAX = 1_000
"""Wrong rows that are reported per table and direction."""

WHOLE_ROW = "(row)"


class Difference(msgspec.Struct, frozen=True):
    """A place where a query table is not what the log says."""

    table: str
    key: str
    """Values of the key columns."""
    column: str
    """The column, or `WHOLE_ROW` if the row is missing or should not be there."""
    expected: str | None
    found: str | None


async def verify(pool: Pool, store: EventReader, progress: Progress = quiet) -> Sequence[Difference]:
    """Return where the query tables differ from the fold of the log; nothing, if all is well."""
    names = [projection.table.name for projection in PROJECTIONS]
    differences: list[Difference] = []
    async with pool.acquire() as connection:
        await connection.execute("SELECT pg_advisory_lock($1)", MAINTENANCE_LOCK)
        whole = connection.transaction(isolation="repeatable_read")
        await whole.start()
        try:
            rows = await connection.fetch(
                "SELECT partition, max(position) AS position FROM checkpoints GROUP BY partition"
            )
            targets = {row["partition"]: row["position"] for row in rows}
            for name in [*names, "checkpoints"]:
                await connection.execute(f"CREATE TEMP TABLE {name} (LIKE public.{name} INCLUDING ALL) ON COMMIT DROP")
            await Catching(store, ProjectionWriter(pool, month_parts=False), connection, progress).up_to(targets)
            await prune_to_mark(connection, names)
            await connection.execute("SET LOCAL enable_seqscan = on")
            await connection.execute("SET LOCAL enable_hashjoin = on")
            for projection in PROJECTIONS:
                differences += await _compare(connection, projection.table)
            checkpoints = Table("checkpoints", (), ("projection", "partition"))
            differences += await _compare(connection, checkpoints)
        finally:
            await whole.rollback()
            await connection.execute("SELECT pg_advisory_unlock($1)", MAINTENANCE_LOCK)
    return differences


async def digest(connection: Connection | Pool, table: str) -> str:
    """Return a digest of all rows of a query table, whatever their order."""
    text: str = await connection.fetchval(
        f"SELECT md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text COLLATE \"C\"), '')) FROM {table} AS t"
    )
    return text


async def _compare(connection: Connection, table: Table) -> list[Difference]:
    expected, found = f"SELECT * FROM pg_temp.{table.name}", f"SELECT * FROM public.{table.name}"
    missing = await _only_in(connection, table, expected, found)
    surplus = await _only_in(connection, table, found, expected)
    differences: list[Difference] = []
    for key in sorted({*missing, *surplus}):
        differences += _row_differences(table, key, missing.get(key), surplus.get(key))
    return differences


async def _only_in(connection: Connection, table: Table, these: str, those: str) -> dict[str, asyncpg.Record]:
    keys = ", ".join(table.key)
    rows = await connection.fetch(
        f"SELECT * FROM ({these} EXCEPT {those}) AS only_here ORDER BY {keys} LIMIT {ROWS_REPORTED_MAX}"
    )
    return {", ".join(str(row[column]) for column in table.key): row for row in rows}


def _row_differences(
    table: Table, key: str, expected: asyncpg.Record | None, found: asyncpg.Record | None
) -> list[Difference]:
    if expected is None or found is None:
        return [Difference(table.name, key, WHOLE_ROW, _row_text(expected), _row_text(found))]
    return [
        Difference(table.name, key, column, _text(expected[column]), _text(found[column]))
        for column in expected.keys()  # noqa: SIM118 - a record iterates over its values
        if expected[column] != found[column]
    ]


def _row_text(row: asyncpg.Record | None) -> str | None:
    return None if row is None else ", ".join(f"{name}={_text(value)}" for name, value in row.items())


def _text(value: Any) -> str | None:
    return None if value is None else str(value)[:200]
