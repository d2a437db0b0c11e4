"""Asks the database every second whether it is there, on a connection of its own, so that nobody's load is in the way."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

import asyncpg

from eventstore.postgres import CONNECTION_ERRORS

LOOK_SECONDS: Final = 1.0

log = logging.getLogger(__name__)


class DatabaseWatch:
    """Tells when a database has not answered for about `patience` seconds, and when it answers again."""

    def __init__(self, dsn: str, patience_seconds: float, away: Callable[[], None], back: Callable[[], None]) -> None:
        self._dsn = dsn
        # Two looks have to fail: the first may have, because this process stood still.
        self._half_seconds = patience_seconds / 2
        self._away = away
        self._back = back
        self._connection: Any = None

    async def run(self) -> None:
        """Watch until cancelled."""
        failing_since: float | None = None
        told = False
        try:
            while True:
                try:
                    await self._look()
                except CONNECTION_ERRORS as error:
                    self._drop()
                    now = time.monotonic()
                    failing_since = failing_since or now
                    if not told and now - failing_since >= self._half_seconds:
                        reason = str(error) or type(error).__name__
                        log.error("the database does not answer: %s", reason)  # noqa: TRY400 - a network has no traceback
                        told = True
                        self._away()
                else:
                    failing_since = None
                    if told:
                        log.info("the database answers again")
                        told = False
                        self._back()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._drop()

    async def _look(self) -> None:
        async with asyncio.timeout(self._half_seconds):
            if self._connection is None:
                self._connection = await asyncpg.connect(
                    self._dsn, server_settings={"application_name": "procession watch"}
                )
            await self._connection.execute("SELECT 1")

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
