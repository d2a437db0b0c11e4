"""PostgreSQL's notifications for a whole process: one connection that listens and sends, and comes back when it breaks.

What is sent while it is broken goes when it is back. What others sent meanwhile was not heard: after a break every listener is told
that it may have missed some.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import asyncpg

from eventstore.postgres import CONNECTION_ERRORS
from streams.tasks import end

LOOK_SECONDS: Final = 1.0
"""Between two looks at whether the connection still stands, and between two tries to come back."""
PAYLOAD_BYTES_MAX: Final = 7_999
"""PostgreSQL takes no longer ones."""
WAITING_MAX: Final = 50_000
"""Notifications on their way; past it the oldest are lost."""
SENT_MAX: Final = 5_000
"""Notifications in one statement."""
SEND_SECONDS_MAX: Final = 10.0
"""For a statement; past it the connection counts as broken."""
CONNECT_SECONDS_MAX: Final = 10.0
ANSWER_SECONDS_MAX: Final = 5.0
"""A connection that has not answered for so long is broken, though nobody said so: its other end may be gone."""

_SEND = """
SELECT pg_notify(n.channel, n.payload)
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS n (channel, payload, number) ORDER BY n.number
"""

log = logging.getLogger(__name__)


class Notifications:
    """One per process. A listener is called with the payload, or with None if any may have been missed."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._wanted: dict[str, Callable[[str | None], None]] = {}
        self._connection: Any = None
        self._talking = asyncio.Lock()
        self._waiting: deque[tuple[str, str]] = deque(maxlen=WAITING_MAX)
        self._sending: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect. Raise if that fails the first time."""
        await self._connect()
        self._keeper = asyncio.create_task(self._keep(), name="notifications")

    async def stop(self) -> None:
        """Stop listening and sending."""
        await end(task for task in (self._keeper, self._sending) if task is not None)
        if self._connection is not None:
            self._connection.terminate()

    async def listen(self, channel: str, call: Callable[[str | None], None]) -> None:
        """Have `call` called for each notification of the channel."""
        self._wanted[channel] = call
        async with self._talking:
            if self._connection is not None and not self._connection.is_closed():
                await self._connection.add_listener(channel, self._heard)

    def send(self, channel: str, payload: str) -> None:
        """Send soon, and in order; those that wait for the same moment go with one statement."""
        self._waiting.append((channel, payload))
        self._send_on()

    def _send_on(self) -> None:
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_waiting(), name="notify")

    async def _send_waiting(self) -> None:
        while self._waiting and not self._connection.is_closed():
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), SENT_MAX))]
            try:
                async with self._talking, asyncio.timeout(SEND_SECONDS_MAX):
                    await self._connection.execute(_SEND, *map(list, zip(*taken, strict=True)))
            except CONNECTION_ERRORS as error:
                if isinstance(error, TimeoutError):
                    self._connection.terminate()
                if self._connection.is_closed():
                    # They go when there is a connection again; one that arrived after all says what is known already.
                    self._waiting.extendleft(reversed(taken))
                    return
                log.warning("%d notifications are lost: %s", len(taken), str(error) or type(error).__name__)

    async def _connect(self) -> None:
        async with self._talking, asyncio.timeout(CONNECT_SECONDS_MAX):
            # What a crash of the server takes with it, it would have taken from the listeners as well.
            settings = {"application_name": "procession notifications", "synchronous_commit": "off"}
            connection = await asyncpg.connect(self._dsn, server_settings=settings)
            try:
                for channel in self._wanted:
                    await connection.add_listener(channel, self._heard)
            except BaseException:
                # A server that is only a copy so far takes connections, and nobody who listens.
                connection.terminate()
                raise
            self._connection = connection
        for call in self._wanted.values():
            call(None)
        if self._waiting:
            self._send_on()

    def _heard(self, connection: object, pid: int, channel: str, payload: object) -> None:
        self._wanted[channel](str(payload))

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                if self._connection.is_closed():
                    await self._connect()
                    log.info("listening to the database again")
                elif not self._talking.locked():
                    await self._look()
            except CONNECTION_ERRORS:
                self._connection.terminate()

    async def _look(self) -> None:
        async with self._talking, asyncio.timeout(ANSWER_SECONDS_MAX):
            await self._connection.execute("SELECT 1")
