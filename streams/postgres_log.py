"""The command log in PostgreSQL: the table `commands`, notifications to wake readers, and direct wakes inside a process.

Publishing waits for the disk (PostgreSQL's `synchronous_commit`, which is not to be turned off here): a publisher that outlives a
crash of the server goes on from what it was told, and a reaction that it holds for published and the server forgot would be lost.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence

import asyncpg
import msgspec

from eventstore.postgres import Connection, Pool
from streams.log import BATCH_RECORDS_MAX, CommandRecord
from streams.notifications import Notifications
from streams.work import decode_command, encode_command

CHANNEL = "procession_commands"
LOCK_SPACE = 0x434D44
"""First half of the advisory lock under which a publisher draws offsets ("CMD"); the second is the partition."""
PUBLISH_RECORDS_MAX = 1_000
"""Records in one statement."""
PUBLISH_SECONDS_MAX = 10.0
POLL_SECONDS = 5.0
"""A reader looks at least this often, should a notification get lost in a way that nobody thought of."""

# The locks come before the first offset is drawn: rows are made from `locked`, which is counted first.
_PUBLISH = f"""
WITH locked AS MATERIALIZED (SELECT pg_advisory_xact_lock({LOCK_SPACE}, p) FROM unnest($1::int[]) AS p)
INSERT INTO commands (partition, reply_to, command)
SELECT r.partition, r.reply_to, r.command
FROM (SELECT count(*) FROM locked) AS l
CROSS JOIN unnest($2::smallint[], $3::text[], $4::bytea[]) WITH ORDINALITY AS r (partition, reply_to, command, number)
ORDER BY r.number
"""

log = logging.getLogger(__name__)


class PostgresLog:
    """All of `streams.log.Log`."""

    def __init__(self, pool: Pool, dsn: str, notifications: Notifications) -> None:
        self._pool = pool
        self._dsn = dsn
        self._notifications = notifications
        self._publisher: Connection | None = None
        self._waiting: list[tuple[Sequence[CommandRecord], asyncio.Future[None]]] = []
        self._publishing: asyncio.Task[None] | None = None
        self._readers: dict[int, asyncio.Event] = {}

    async def start(self) -> None:
        """Begin to listen."""
        await self._notifications.listen(CHANNEL, self._heard)

    async def stop(self) -> None:
        """End publishing, in bounded time."""
        if self._publishing is not None:
            self._publishing.cancel()
            await asyncio.gather(self._publishing, return_exceptions=True)
        if self._publisher is not None:
            self._publisher.terminate()

    def _heard(self, payload: str | None) -> None:
        for partition, reader in self._readers.items():
            if payload is None or str(partition) in payload.split(","):
                reader.set()

    async def publish(self, records: Sequence[CommandRecord]) -> None:
        """See the port. Records of many callers share one statement."""
        if not records:
            return
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((records, done))
        if self._publishing is None or self._publishing.done():
            self._publishing = asyncio.create_task(self._publish_waiting(), name="publish commands")
        await done

    async def _publish_waiting(self) -> None:
        while self._waiting:
            taken: list[tuple[Sequence[CommandRecord], asyncio.Future[None]]] = []
            count = 0
            while self._waiting and (not taken or count + len(self._waiting[0][0]) <= PUBLISH_RECORDS_MAX):
                count += len(self._waiting[0][0])
                taken.append(self._waiting.pop(0))
            try:
                async with asyncio.timeout(PUBLISH_SECONDS_MAX):
                    await self._insert([record for records, _ in taken for record in records])
            except BaseException as error:
                self._drop_publisher()
                _settle(taken, error)
                if not isinstance(error, Exception):
                    raise
            else:
                _settle(taken, None)

    async def _insert(self, records: list[CommandRecord]) -> None:
        if self._publisher is None or self._publisher.is_closed():
            self._publisher = await asyncpg.connect(
                self._dsn,
                server_settings={"synchronous_commit": "on", "application_name": "procession publisher"},
            )
        partitions = sorted({record.partition for record in records})
        await self._publisher.execute(
            _PUBLISH,
            partitions,
            [record.partition for record in records],
            [record.reply_to for record in records],
            [encode_command(record.command) for record in records],
        )
        elsewhere: list[str] = []
        for partition in partitions:
            reader = self._readers.get(partition)
            if reader is not None:
                reader.set()
            else:
                elsewhere.append(str(partition))
        if elsewhere:
            await self._publisher.execute("SELECT pg_notify($1, $2)", CHANNEL, ",".join(elsewhere))

    def _drop_publisher(self) -> None:
        if self._publisher is not None:
            self._publisher.terminate()
            self._publisher = None

    async def read(self, partition: int, after: int) -> AsyncGenerator[Sequence[CommandRecord], None]:
        """See the port."""
        woken = self._readers[partition] = asyncio.Event()
        try:
            while True:
                woken.clear()
                rows = await self._pool.fetch(
                    'SELECT "offset", reply_to, command FROM commands WHERE partition = $1 AND "offset" > $2 '
                    'ORDER BY "offset" LIMIT $3',
                    partition,
                    after,
                    BATCH_RECORDS_MAX,
                )
                if rows:
                    after = rows[-1][0]
                    yield [record for row in rows if (record := _record(partition, row)) is not None]
                else:
                    await _wait(woken)
        finally:
            if self._readers.get(partition) is woken:
                del self._readers[partition]

    async def forget(self, partition: int, upto: int) -> None:
        """See the port."""
        await self._pool.execute('DELETE FROM commands WHERE partition = $1 AND "offset" <= $2', partition, upto)

    async def last(self, partition: int) -> int:
        """See the port."""
        last: int = await self._pool.fetchval(
            'SELECT coalesce(max("offset"), 0) FROM commands WHERE partition = $1', partition
        )
        return last


def _record(partition: int, row: asyncpg.Record) -> CommandRecord | None:
    try:
        return CommandRecord(partition, decode_command(row[2]), row[1], row[0])
    except msgspec.MsgspecError:
        log.exception("command at partition %d, offset %d cannot be read and is passed over", partition, row[0])
        return None


def _settle(taken: list[tuple[Sequence[CommandRecord], asyncio.Future[None]]], error: BaseException | None) -> None:
    for _, done in taken:
        if done.done():
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)


async def _wait(woken: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(POLL_SECONDS):
            await woken.wait()
    except TimeoutError:
        return
