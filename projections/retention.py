"""Retention: what ended long ago leaves the query tables. The log keeps it; rebuilding does not bring it back.

The mark in the table `retention` says before which time; rebuild and verify hold to it.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from projections.connections import Connection, Pool
from projections.elements import ELEMENT_INSTANCES
from projections.instances import PROCESS_INSTANCES
from projections.parts import month_of, part_name
from projections.registry import PROJECTIONS
from projections.shadow import MAINTENANCE_LOCK
from projections.statements import delete_instances_text

INSTANCES_PER_BATCH = 5_000
"""Process instances that one transaction takes away."""

_TIMED = {
    "rejections": "rejected_at < $1",
    "decision_instances": "instance_key IS NULL AND evaluated_at < $1",
}
"""What belongs to no instance leaves by its own time."""

_ENDED = "SELECT key FROM public.process_instances WHERE ended_at < $1 ORDER BY key LIMIT $2"


class Pruned(msgspec.Struct, frozen=True):
    """What a prune took away."""

    instances: int
    parts: Sequence[str]
    """Months of the history that were dropped as a whole."""


async def prune(pool: Pool, before: datetime) -> Pruned:
    """Take away process instances that ended before the time, with all that belongs to them."""
    async with pool.acquire() as connection:
        await connection.execute("SELECT pg_advisory_lock($1)", MAINTENANCE_LOCK)
        try:
            await connection.execute(
                "INSERT INTO retention (pruned_before) VALUES ($1) ON CONFLICT (single)"
                " DO UPDATE SET pruned_before = greatest(retention.pruned_before, excluded.pruned_before)",
                before,
            )
            parts = await _drop_parts(connection, before)
            instances = 0
            while keys := [row["key"] for row in await connection.fetch(_ENDED, before, INSTANCES_PER_BATCH)]:
                async with connection.transaction():
                    await _delete(connection, keys)
                instances += len(keys)
            for name, condition in _TIMED.items():
                await connection.execute(f"DELETE FROM {name} WHERE {condition}", before)
            parts += await _drop_parts(connection, before)
            return Pruned(instances, parts)
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", MAINTENANCE_LOCK)


async def prune_to_mark(connection: Connection, tables: Sequence[str]) -> None:
    """Apply the mark to tables that were folded anew."""
    before = await connection.fetchval("SELECT pruned_before FROM public.retention")
    if before is None:
        return
    # Whose rows go is asked of the table folded anew, if it is among them: the live one has been pruned already.
    source = PROCESS_INSTANCES.name if PROCESS_INSTANCES.name in tables else None
    for projection in PROJECTIONS:
        table = projection.table
        if table.name not in tables:
            continue
        if table.of_instances and table is not PROCESS_INSTANCES:
            gone = (
                f"IN (SELECT key FROM {source} WHERE ended_at < $1)"
                if source
                else "IS NOT NULL AND NOT EXISTS (SELECT FROM public.process_instances i"
                f" WHERE i.key = {table.name}.instance_key) AND $1::timestamptz IS NOT NULL"
            )
            await connection.execute(f"DELETE FROM {table.name} WHERE instance_key {gone}", before)
        if table.name in _TIMED:
            await connection.execute(f"DELETE FROM {table.name} WHERE {_TIMED[table.name]}", before)
    if source:
        await connection.execute(f"DELETE FROM {source} WHERE ended_at < $1", before)


async def _delete(connection: Connection, keys: Sequence[int]) -> None:
    # The instances themselves last: they say what is still to be done if this is cut off.
    for projection in sorted(PROJECTIONS, key=lambda projection: projection.table is PROCESS_INSTANCES):
        text = delete_instances_text(projection.table)
        if text:
            await connection.execute(text, keys)


async def _drop_parts(connection: Connection, before: datetime) -> list[str]:
    """Drop the months of the history in which nothing is left that has to stay."""
    dropped: list[str] = []
    rows = await connection.fetch(
        "SELECT c.relname AS name FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid"
        " WHERE h.inhparent = $1::regclass ORDER BY c.relname",
        ELEMENT_INSTANCES.name,
    )
    last = part_name(month_of(before))
    for name in (row["name"] for row in rows if row["name"] < last):
        stays = await connection.fetchval(
            f"SELECT EXISTS (SELECT FROM {name} e JOIN process_instances i ON i.key = e.instance_key"
            " WHERE i.ended_at IS NULL OR i.ended_at >= $1)",
            before,
        )
        if not stays:
            await connection.execute(f"DROP TABLE {name}")
            dropped.append(name)
    return dropped
