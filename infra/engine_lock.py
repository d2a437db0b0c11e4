"""One engine per database: an advisory lock, held for as long as the engine lives, that says who holds it.

It is for people, who get a sentence instead of two engines that fence each other; what keeps the log whole is the epoch of
each partition.
"""

import asyncio
import contextlib
import logging
import os
import socket
from typing import Any, Final

import asyncpg

from eventstore.postgres import CONNECTION_ERRORS

LOCK_KEY: Final = 0x50524F43_0002
"""The advisory lock of a running engine."""
ACQUIRE_SECONDS_MAX: Final = 3.0
"""PostgreSQL needs a moment to see that a killed engine's connection is gone."""
LOOK_SECONDS: Final = 1.0

log = logging.getLogger(__name__)


class EngineCannotStart(Exception):  # noqa: N818 - it names what happened
    """The engine cannot run on this database; the sentence says why."""


class EngineLost(Exception):  # noqa: N818 - it names what happened
    """The engine had to end by itself: a partition was taken over."""


class EngineLock:
    """Held by one engine; or `shared` by all engines of the distributed mode."""

    def __init__(self, dsn: str, *, shared: bool = False) -> None:
        self._dsn = dsn
        self._function = "pg_try_advisory_lock_shared" if shared else "pg_try_advisory_lock"
        self._connection: Any = None
        self._keeper: asyncio.Task[None] | None = None

    async def acquire(self) -> None:
        """Take the lock. Raise `EngineCannotStart` if another engine has it."""
        loop = asyncio.get_running_loop()
        until = loop.time() + ACQUIRE_SECONDS_MAX
        while not await self._try():
            if loop.time() >= until:
                holder = await self._holder()
                self._connection.terminate()
                raise EngineCannotStart(f"this database is held by another engine: {holder}; stop it first")
            await asyncio.sleep(0.1)
        self._keeper = asyncio.create_task(self._keep(), name="engine lock")

    async def release(self) -> None:
        """Let the lock go."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._connection is not None:
            self._connection.terminate()

    async def _try(self) -> bool:
        if self._connection is None or self._connection.is_closed():
            name = f"procession engine {socket.gethostname()} {os.getpid()}"
            self._connection = await asyncpg.connect(
                self._dsn, timeout=10.0, server_settings={"application_name": name[:63]}
            )
        return bool(await self._connection.fetchval(f"SELECT {self._function}($1)", LOCK_KEY))

    async def _holder(self) -> str:
        row = await self._connection.fetchrow(
            "SELECT a.application_name, a.client_addr, a.backend_start FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
            "WHERE l.locktype = 'advisory' AND l.granted AND (l.classid::bigint << 32) + l.objid::bigint = $1",
            LOCK_KEY,
        )
        if row is None:
            return "one that is just going away"
        name = row["application_name"].removeprefix("procession engine ")
        host, _, pid = name.rpartition(" ")
        return f"process {pid} on {host or 'an unnamed host'}, since {row['backend_start']:%Y-%m-%d %H:%M:%S} UTC"

    async def _keep(self) -> None:
        """Take the lock again when the database was away."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._connection.is_closed():
                with contextlib.suppress(*CONNECTION_ERRORS):
                    if not await self._try():
                        log.error("another engine took this database while it was away: %s", await self._holder())
                        self._connection.terminate()
