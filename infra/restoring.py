"""Makes a lost database from the events topic: all of it or nothing. What `procession topics restore` does."""

import secrets
from collections.abc import Callable, Sequence
from typing import Final

import asyncpg

from domain.keys import FIRST_PARTITION
from eventstore.codec import UnknownEvent
from eventstore.postgres import PostgresEventStore
from eventstore.postgres_restore import PostgresRestore
from infra import kafka, migrate
from infra.engine_lock import EngineLock
from projections.rebuild import rebuild
from streams.kafka_log import SECRET_BYTES
from streams.recollection import Recollection
from streams.rows import EventRow
from streams.topic_restore import CannotRestore, check_whole, command_offsets, engines, read_topic
from streams.topics import Cluster, Topics, check

PROJECTING: Final = "query tables"
"""What the last step is called when it is told of."""

Tell = Callable[[str, int, int], None]
"""Is told of what is being done, how much of it is done, and how much there is."""


def quiet(what: str, done: int, total: int) -> None:
    """For whoever does not want to be told."""


async def restore(cluster: Cluster, topics: Topics, partitions: int, dsn: str, tell: Tell = quiet) -> int:
    """Fill an empty database from the events topic and return how many events it has now.

    Raise `CannotRestore`, `TopicDoesNotFit`, `EngineCannotStart` or `MigrationFailed`; then it is as empty as before.
    """
    await check(cluster, topics, partitions)
    running = await engines(cluster, topics)
    if running:
        raise CannotRestore(
            f"expected no engine to run, but {running} processes are in the consumer group {topics.prefix}; one that was "
            "killed leaves it after its session"
        )
    lock = EngineLock(dsn)
    await lock.acquire()
    try:
        await _fill(cluster, topics, partitions, dsn, tell)
        async with asyncpg.create_pool(dsn, min_size=1, max_size=4) as pool:
            store = PostgresEventStore(pool, dsn)
            await rebuild(pool, store, None, lambda done, total: tell(PROJECTING, done, total))
            return sum((await store.positions()).values())
    finally:
        await lock.release()


async def _fill(cluster: Cluster, topics: Topics, partitions: int, dsn: str, tell: Tell) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await migrate.up(connection)
        async with connection.transaction():
            restoring = PostgresRestore(connection)
            traces = await restoring.traces()
            if traces:
                raise CannotRestore(f"expected a database in which nothing is, but it has {', '.join(traces)}")
            recollections = {
                partition: Recollection(partition, partitions)
                for partition in range(FIRST_PARTITION, FIRST_PARTITION + partitions)
            }
            # Before the events: what is read after an offset of now is read again, what came before it is in the topic.
            offsets = await command_offsets(cluster, topics, partitions)
            for recollection in recollections.values():
                await _fill_partition(cluster, topics, recollection, restoring, tell)
            check_whole(recollections)
            marks = {partition: recollection.marks for partition, recollection in recollections.items()}
            rows = [each.row(marks, offsets[partition]) for partition, each in recollections.items()]
            await restoring.finish(rows, await kafka.log_name(cluster, topics), secrets.token_bytes(SECRET_BYTES))
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def _fill_partition(
    cluster: Cluster, topics: Topics, recollection: Recollection, restoring: PostgresRestore, tell: Tell
) -> None:
    partition = recollection.partition

    async def take(rows: Sequence[EventRow]) -> None:
        await restoring.append(partition, rows)
        try:
            for row in rows:
                recollection.take(row)
        except UnknownEvent as error:
            raise CannotRestore(f"partition {partition}: {error}") from error
        await store()

    async def store() -> None:
        await restoring.remember(partition, recollection.outcomes, recollection.blocks)
        recollection.outcomes.clear()
        recollection.blocks.clear()

    await read_topic(cluster, topics, partition, take, lambda done, total: tell(f"partition {partition}", done, total))
    recollection.end()
    await store()
