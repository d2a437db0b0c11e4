"""Builds query tables anew from the log, beside the live ones, and switches at once.

The engine may run meanwhile: only for the switch are its projectors held off, before they write their next batch.
"""

from collections.abc import Iterable, Mapping, Sequence

import asyncpg

from projections.connections import Connection, Pool
from projections.registry import PROJECTIONS
from projections.retention import prune_to_mark
from projections.rows import Projection
from projections.shadow import MAINTENANCE_LOCK, SCHEMA, Catching, EventReader, Progress, make_shadow_table, quiet
from projections.writer import ProjectionWriter

SWITCH_EVENTS_MAX = 2_000
"""With no more than so many events to go, the projectors are held off and the rest is folded."""

SWITCH_LOCK_TIMEOUT = "5s"
"""So long may long-running reads delay the switch before it is tried again; new reads queue behind it."""

SWITCH_TRIES_MAX = 20


class ProjectedMeanwhile(Exception):  # noqa: N818 - it names what was found
    """Nobody had projected a partition when the rebuild began, and somebody does now: their starts do not fit."""


async def rebuild(
    pool: Pool, store: EventReader, names: Iterable[str] | None = None, progress: Progress = quiet
) -> Sequence[str]:
    """Rebuild the named tables (None: all) and return their names. Raise LookupError if there is no such projection.

    Each comes out at the position of the live projections, those that were behind included.
    """
    chosen = chosen_projections(names)
    tables = [projection.table.name for projection in chosen]
    async with pool.acquire() as connection:
        await connection.execute("SELECT pg_advisory_lock($1)", MAINTENANCE_LOCK)
        try:
            await _make_shadow(connection, tables)
            await connection.execute(f"SET search_path = {SCHEMA}, public")
            catching = Catching(store, ProjectionWriter(pool, chosen), connection, progress)
            for _ in range(SWITCH_TRIES_MAX):
                while await catching.up_to(await _targets(connection, store)) > SWITCH_EVENTS_MAX:
                    pass
                if await _switch(connection, store, catching, tables):
                    return tables
            raise TimeoutError(
                f"expected to get hold of the tables within {SWITCH_TRIES_MAX} tries, but others read them"
            )
        finally:
            await connection.execute("RESET search_path")
            await connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
            await connection.execute("SELECT pg_advisory_unlock($1)", MAINTENANCE_LOCK)


def chosen_projections(names: Iterable[str] | None) -> Sequence[Projection]:
    """Return the projections of these tables."""
    if names is None:
        return PROJECTIONS
    wanted = set(names)
    known = {projection.table.name for projection in PROJECTIONS}
    if wanted - known:
        raise LookupError(
            f"expected a projection of {', '.join(sorted(known))}, but found {', '.join(sorted(wanted - known))}"
        )
    return tuple(projection for projection in PROJECTIONS if projection.table.name in wanted)


async def _make_shadow(connection: Connection, tables: Sequence[str]) -> None:
    await connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    await connection.execute(f"CREATE SCHEMA {SCHEMA}")
    for name in [*tables, "checkpoints"]:
        await make_shadow_table(connection, name)


async def _targets(connection: Connection, store: EventReader) -> Mapping[int, int]:
    """Return where the live projections stand; of a partition that was never projected, where its log ends."""
    rows = await connection.fetch(
        "SELECT partition, max(position) AS position FROM public.checkpoints GROUP BY partition"
    )
    return {**(await store.positions()), **{row["partition"]: row["position"] for row in rows}}


async def _switch(connection: Connection, store: EventReader, catching: Catching, tables: Sequence[str]) -> bool:
    """Fold the rest while the projectors wait, and put the new tables in place; False if others hold the old ones."""
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{SWITCH_LOCK_TIMEOUT}'")
            await connection.execute("LOCK TABLE public.checkpoints IN EXCLUSIVE MODE")
            targets = await _targets(connection, store)
            ahead = {name: at for name, at in catching.positions.items() if at > targets.get(name, 0)}
            if ahead:
                raise ProjectedMeanwhile(
                    f"expected the live projections at {ahead} or beyond, but they have just begun; try again"
                )
            await catching.up_to(targets)
            await prune_to_mark(connection, tables)
            for name in tables:
                await _replace(connection, name)
            for partition, position in targets.items():
                await connection.execute(
                    "INSERT INTO public.checkpoints (projection, partition, position)"
                    " SELECT name, $2, $3 FROM unnest($1::text[]) AS name"
                    " ON CONFLICT (projection, partition) DO UPDATE SET position = excluded.position",
                    tables,
                    partition,
                    position,
                )
    except asyncpg.LockNotAvailableError:
        return False
    return True


async def _replace(connection: Connection, name: str) -> None:
    parts = await connection.fetch(
        "SELECT c.relname FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid WHERE h.inhparent = $1::regclass",
        f"{SCHEMA}.{name}",
    )
    await connection.execute(f"DROP TABLE public.{name}")
    for table in [name, *(part["relname"] for part in parts)]:
        await connection.execute(f"ALTER TABLE {SCHEMA}.{table} SET SCHEMA public")
