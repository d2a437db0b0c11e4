import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from domain import commands as c
from streams.kafka_log import SECRET_BYTES, KafkaLog
from streams.log import BATCH_RECORDS_MAX, CommandRecord, Log
from streams.memory_log import MemoryLog
from streams.notifications import Notifications
from streams.postgres_log import PostgresLog
from streams.topics import Cluster, Topics, create, delete

NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


NUMBERS = itertools.count(1)


class KeptForSomeTime(KafkaLog):
    """Retention lets go of what is forgotten here, rather than after days."""

    async def forget(self, partition: int, upto: int) -> None:
        admin = AIOKafkaAdminClient(**self._cluster.options)
        await admin.start()
        where = TopicPartition(self._topics.commands, partition - 1)
        await admin.delete_records({where: RecordsToDelete(before_offset=upto)})
        await admin.close()


@asynccontextmanager
async def kafka_log(servers: Sequence[str]) -> AsyncGenerator[Log]:
    cluster, topics = Cluster(servers), Topics(f"contract{next(NUMBERS)}")
    await create(cluster, topics, 2)
    adapter = KeptForSomeTime(cluster, topics, 2, b"s" * SECRET_BYTES)
    await adapter.start()
    yield adapter
    await adapter.stop()
    await delete(cluster, topics)


KAFKA = pytest.param("kafka", marks=[pytest.mark.kafka, pytest.mark.xdist_group("kafka")])


@pytest.fixture(params=["memory", "postgres", KAFKA])
def adapter_of(request: pytest.FixtureRequest) -> tuple[str, Sequence[str]]:
    """Which adapter, and where its brokers are: one is started only where it is Kafka's turn."""
    servers = request.getfixturevalue("broker").bootstrap_servers if request.param == "kafka" else ()
    return request.param, servers


@pytest.fixture
async def log(
    adapter_of: tuple[str, Sequence[str]], pool: "asyncpg.Pool[asyncpg.Record]", database_url: str
) -> AsyncIterator[Log]:
    """Every adapter of the log."""
    name, servers = adapter_of
    if name == "memory":
        yield MemoryLog()
        return
    if name == "kafka":
        async with kafka_log(servers) as found:
            yield found
        return
    notifications = Notifications(database_url)
    await notifications.start()
    adapter = PostgresLog(pool, database_url, notifications)
    await adapter.start()
    yield adapter
    await adapter.stop()
    await notifications.stop()


def record(number: int, partition: int = 1) -> CommandRecord:
    command = c.SetVariables(id=f"c{number}", issued_at=NOW, by="ada", key=7, variables={"n": Decimal("0.10")})
    return CommandRecord(partition, command, reply_to=f"me/{number}")


async def take(batches: AsyncIterator[Sequence[CommandRecord]], count: int) -> list[CommandRecord]:
    found: list[CommandRecord] = []
    async with asyncio.timeout(100):
        while len(found) < count:
            found += await anext(batches)
    return found


async def test_commands_are_read_in_the_order_in_which_they_were_published(log: Log) -> None:
    await log.publish([record(1), record(2)])
    await log.publish([record(3, partition=2), record(4)])
    found = await take(log.read(1, 0), 3)

    assert [(each.command, each.reply_to) for each in found] == [
        (record(number).command, f"me/{number}") for number in (1, 2, 4)
    ]
    assert [each.offset for each in found] == sorted({each.offset for each in found})


async def test_a_reader_goes_on_after_an_offset(log: Log) -> None:
    await log.publish([record(number) for number in range(5)])
    found = await take(log.read(1, 0), 5)

    assert await take(log.read(1, found[1].offset), 3) == found[2:]


async def test_a_waiting_reader_is_woken(log: Log) -> None:
    batches = log.read(1, 0)
    waiting = asyncio.ensure_future(take(batches, 1))
    await asyncio.sleep(0)
    await log.publish([record(1)])

    assert [each.command.id for each in await waiting] == ["c1"]


async def test_a_batch_is_bounded(log: Log) -> None:
    await log.publish([record(number) for number in range(2 * BATCH_RECORDS_MAX + 1)])
    batches = log.read(1, 0)
    sizes: list[int] = []
    async with asyncio.timeout(100):
        while sum(sizes) <= 2 * BATCH_RECORDS_MAX:
            sizes.append(len(await anext(batches)))

    assert max(sizes) <= BATCH_RECORDS_MAX


async def test_what_is_forgotten_is_not_read_again(log: Log) -> None:
    await log.publish([record(1), record(2)])
    found = await take(log.read(1, 0), 2)
    await log.forget(1, found[0].offset)

    assert await take(log.read(1, 0), 1) == found[1:]


async def test_many_publishers_leave_no_hole_that_a_reader_passes(log: Log) -> None:
    async def publisher(number: int) -> None:
        for each in range(20):
            await log.publish([record(number * 100 + each), record(number * 100 + each + 50, partition=2)])

    reading = asyncio.ensure_future(take(log.read(1, 0), 100))
    await asyncio.gather(*(publisher(number) for number in range(1, 6)))

    assert {each.command.id for each in await reading} == {f"c{n * 100 + i}" for n in range(1, 6) for i in range(20)}


async def test_processes_publish_and_read_without_a_hole(
    pool: "asyncpg.Pool[asyncpg.Record]", database_url: str
) -> None:
    processes = [Notifications(database_url) for _ in range(3)]
    logs = [PostgresLog(pool, database_url, notifications) for notifications in processes]
    for notifications, each in zip(processes, logs, strict=True):
        await notifications.start()
        await each.start()
    reading = asyncio.ensure_future(take(logs[0].read(1, 0), 150))
    await asyncio.gather(
        *(each.publish([record(at * 1000 + number)]) for at, each in enumerate(logs) for number in range(50))
    )

    assert len({each.command.id for each in await reading}) == 150
    for notifications, each in zip(processes, logs, strict=True):
        await each.stop()
        await notifications.stop()
