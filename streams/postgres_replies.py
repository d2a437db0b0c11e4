"""Answers to callers in other processes, through PostgreSQL: one statement for all answers of a batch, one wake per process."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence

from eventstore.postgres import Pool
from streams.listener import Listener
from streams.replies import LocalReplies
from streams.tasks import end
from streams.work import Answered, decode_reply, encode_reply

CHANNEL = "procession_replies"
WAITING_MAX = 50_000
"""Answers on their way; past it the oldest are lost, and their callers try again."""

_SEND = """
WITH sent AS (
    INSERT INTO replies (process, caller, reply) SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[]) RETURNING process
)
SELECT pg_notify($4, process) FROM (SELECT DISTINCT process FROM sent) AS processes
"""

log = logging.getLogger(__name__)


class PostgresReplies:
    """All of `streams.processor.Replies`."""

    def __init__(self, local: LocalReplies, pool: Pool, listener: Listener) -> None:
        self._local = local
        self._pool = pool
        self._listener = listener
        self._waiting: deque[tuple[str, int, bytes]] = deque(maxlen=WAITING_MAX)
        self._sending: asyncio.Task[None] | None = None
        self._taking: asyncio.Task[None] | None = None
        self._more = False

    async def start(self) -> None:
        """Begin to listen."""
        await self._listener.listen(CHANNEL, self._heard)

    async def stop(self) -> None:
        """End, in bounded time."""
        await end(task for task in (self._sending, self._taking) if task is not None)

    def send(self, replies: Sequence[Answered]) -> None:
        """See the port."""
        elsewhere = False
        for work, reply in replies:
            process, _, caller = work.reply_to.rpartition("/")
            if process == self._local.process:
                self._local.deliver(int(caller), reply)
            elif caller.isdecimal():
                self._waiting.append((process, int(caller), encode_reply(reply)))
                elsewhere = True
        if elsewhere and (self._sending is None or self._sending.done()):
            self._sending = asyncio.create_task(self._send_waiting(), name="send replies")

    async def _send_waiting(self) -> None:
        while self._waiting:
            taken = list(self._waiting)
            self._waiting.clear()
            try:
                await self._pool.execute(_SEND, *map(list, zip(*taken, strict=True)), CHANNEL)
            except Exception:
                log.exception("%d answers could not be sent; their callers will try again", len(taken))

    def _heard(self, payload: str | None) -> None:
        if payload not in (None, self._local.process):
            return
        self._more = True
        if self._taking is None or self._taking.done():
            self._taking = asyncio.create_task(self._take(), name="take replies")

    async def _take(self) -> None:
        while self._more:
            self._more = False
            try:
                rows = await self._pool.fetch(
                    "DELETE FROM replies WHERE process = $1 RETURNING caller, reply", self._local.process
                )
            except Exception:
                log.exception("answers could not be read; their callers will try again")
                return
            for row in rows:
                self._local.deliver(row[0], decode_reply(row[1]))
