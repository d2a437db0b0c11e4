"""Moves a database to another version of its schema, with the SQL files of `migrations/`. It never knows what a table means.

A file is named `0007_what_it_does.sql` and has this form (pogo's: one line of meaning, then `depends` at once; `-- transaction: false` may follow):

    -- What it does
    -- depends: 0006_what_came_before

    -- migrate: apply
    …
    -- migrate: rollback
    …
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

import asyncpg
from pogo_core.error import BadMigrationError
from pogo_core.migration import Migration, topological_sort
from pogo_core.util import sql

LOCK_KEY: Final = 0x50524F43
"""Whoever migrates holds this advisory lock ("PROC")."""
LOCK_POLL_SECONDS: Final = 0.2
LOCK_SECONDS_MAX: Final = 600.0
"""A migration of a large database takes long; others wait this long for it before they give up."""
SCHEMA: Final = "public"

log = logging.getLogger(__name__)


class MigrationFailed(Exception):  # noqa: N818  # reads as the fact that it is
    """The schema could not be moved; the sentence says which file and why. What had been applied before it stays."""


@dataclass(frozen=True)
class Step:
    """One migration file as this database knows it."""

    name: str
    meaning: str
    applied: bool


def folder() -> Path:
    """Where the released migrations lie, installed or in the checkout."""
    return Path(str(resources.files("migrations")))


async def up(connection: asyncpg.Connection, migrations: Path | None = None) -> list[str]:
    """Apply what this database has not yet; answer the names of the files applied, in order."""
    async with _alone(connection):
        return [
            await _move(connection, step, up=True) for step in await _read(connection, migrations) if not step.applied
        ]


async def down(connection: asyncpg.Connection, migrations: Path | None = None, *, count: int = 1) -> list[str]:
    """Take the last `count` applied files back; answer their names, newest first."""
    async with _alone(connection):
        applied = [step for step in await _read(connection, migrations) if step.applied]
        return [await _move(connection, step, up=False) for step in reversed(applied[max(0, len(applied) - count) :])]


async def status(connection: asyncpg.Connection, migrations: Path | None = None) -> list[Step]:
    """Every migration file in order, and whether this database has it."""
    return [Step(step.id, step.__doc__, step.applied) for step in await _read(connection, migrations)]


async def _read(connection: asyncpg.Connection, migrations: Path | None) -> list[Migration]:
    if not await connection.fetchval("select exists (select from pg_namespace where nspname = 'public')"):
        raise MigrationFailed("this database has no schema named public, where the engine keeps its tables")
    await sql.ensure_pogo_sync(connection)
    applied = await sql.get_applied_migrations(connection, schema_name=SCHEMA)
    files = sorted((migrations or folder()).glob("*.sql"))
    known = {path.stem for path in files}
    if applied - known:
        newer = ", ".join(sorted(applied - known))
        raise MigrationFailed(
            f"this database has migrations that this version does not know: {newer}; run a newer version"
        )
    steps = [Migration(path.stem, path, applied) for path in files]
    try:
        return topological_sort([step.load() for step in steps])
    except BadMigrationError as error:
        raise MigrationFailed(
            f"{error} A file begins with one line '-- meaning' and the line '-- depends: …'."
        ) from error


async def _move(connection: asyncpg.Connection, step: Migration, *, up: bool) -> str:
    log.info("%s migration %s", "applying" if up else "taking back", step.id)
    try:
        async with connection.transaction() if step.use_transaction else contextlib.nullcontext():
            if up:
                await step.apply(connection)
                await sql.migration_applied(connection, step.id, step.hash, schema_name=SCHEMA)
            else:
                await step.rollback(connection)
                await sql.migration_unapplied(connection, step.id, schema_name=SCHEMA)
    except asyncpg.PostgresError as error:
        raise MigrationFailed(f"migration {step.id} failed on its way {'up' if up else 'down'}: {error}") from error
    return step.id


@contextlib.asynccontextmanager
async def _alone(connection: asyncpg.Connection) -> AsyncGenerator[None]:
    """Hold the lock. Polled: a waiting statement would keep a snapshot open, for which CREATE INDEX CONCURRENTLY waits in turn."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LOCK_SECONDS_MAX
    while not await connection.fetchval("select pg_try_advisory_lock($1)", LOCK_KEY):
        if loop.time() > deadline:
            raise MigrationFailed(f"another process has been migrating this database for {LOCK_SECONDS_MAX:.0f} s")
        await asyncio.sleep(LOCK_POLL_SECONDS)
    try:
        yield
    finally:
        # A connection that broke has let go of the lock by itself.
        if not connection.is_closed():
            await connection.fetchval("select pg_advisory_unlock($1)", LOCK_KEY)
