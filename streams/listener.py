"""One connection that listens to PostgreSQL's notifications for a whole process, and comes back when it breaks.

A notification only says that there is something to read: after a break everybody is woken, so none is missed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import asyncpg

from eventstore.postgres import CONNECTION_ERRORS

LOOK_SECONDS = 1.0
"""Between two looks at whether the connection still stands, and between two tries to come back."""

log = logging.getLogger(__name__)


class Listener:
    """Calls a function with the payload of each notification of a channel, or with None if any may have been missed."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._wanted: dict[str, Callable[[str | None], None]] = {}
        self._connection: Any = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect. Raise if that fails the first time."""
        await self._connect()
        self._keeper = asyncio.create_task(self._keep(), name="listener")

    async def stop(self) -> None:
        """Stop listening."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._connection is not None:
            self._connection.terminate()

    async def listen(self, channel: str, call: Callable[[str | None], None]) -> None:
        """Have `call` called for each notification of the channel."""
        self._wanted[channel] = call
        if self._connection is not None and not self._connection.is_closed():
            await self._connection.add_listener(channel, self._heard)

    async def _connect(self) -> None:
        self._connection = await asyncpg.connect(
            self._dsn, timeout=10.0, server_settings={"application_name": "procession listener"}
        )
        for channel, call in self._wanted.items():
            await self._connection.add_listener(channel, self._heard)
            call(None)

    def _heard(self, connection: object, pid: int, channel: str, payload: object) -> None:
        self._wanted[channel](str(payload))

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._connection.is_closed():
                with contextlib.suppress(*CONNECTION_ERRORS):
                    await self._connect()
                    log.info("listening to the database again")
