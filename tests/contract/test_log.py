import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import pytest

from domain import commands as c
from streams.listener import Listener
from streams.log import BATCH_RECORDS_MAX, CommandRecord, Log
from streams.memory_log import MemoryLog
from streams.postgres_log import PostgresLog

NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


@pytest.fixture(params=["memory", "postgres"])
async def log(
    request: pytest.FixtureRequest, pool: "asyncpg.Pool[asyncpg.Record]", database_url: str
) -> AsyncIterator[Log]:
    if request.param == "memory":
        yield MemoryLog()
        return
    listener = Listener(database_url)
    await listener.start()
    adapter = PostgresLog(pool, database_url, listener)
    await adapter.start()
    yield adapter
    await adapter.stop()
    await listener.stop()


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
    await log.publish([record(number) for number in range(BATCH_RECORDS_MAX + 1)])

    assert len(await take(log.read(1, 0), 1)) == BATCH_RECORDS_MAX


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
    listeners = [Listener(database_url) for _ in range(3)]
    logs = [PostgresLog(pool, database_url, listener) for listener in listeners]
    for listener, each in zip(listeners, logs, strict=True):
        await listener.start()
        await each.start()
    reading = asyncio.ensure_future(take(logs[0].read(1, 0), 150))
    await asyncio.gather(
        *(each.publish([record(at * 1000 + number)]) for at, each in enumerate(logs) for number in range(50))
    )

    assert len({each.command.id for each in await reading}) == 150
    for listener, each in zip(listeners, logs, strict=True):
        await each.stop()
        await listener.stop()
