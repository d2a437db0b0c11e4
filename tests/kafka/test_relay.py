"""The relay: what is committed comes to the topic, in order, without gaps, whatever breaks in between."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from infra.local_kafka import LocalKafka
from streams.pulse import Pulse
from streams.relay import Relay, TopicUnreadable, tail
from streams.rows import EventRow
from streams.topic_check import check_topic
from streams.topics import Cluster, Topics, create
from tests.kafka.conftest import PARTITIONS

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]

START = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


class Table:
    """Rows of one partition."""

    def __init__(self) -> None:
        self.rows: list[EventRow] = []
        self.owned = True
        self.asked = 0

    def add(self, count: int) -> None:
        for _ in range(count):
            at = len(self.rows) + 1
            body = f'{{"type":"job-created","n":{at}}}'.encode()
            self.rows.append(
                EventRow(
                    at, f"instance/{at % 7}", "job-created", 1, START + timedelta(milliseconds=at), "c", "ada", body
                )
            )

    @classmethod
    def like(cls, other: "Table") -> "Table":
        """The same rows, with an owner of their own."""
        table = cls()
        table.rows = other.rows
        return table

    @property
    def position(self) -> int:
        return len(self.rows)

    async def still_owns(self) -> bool:
        self.asked += 1
        return self.owned

    async def read(self, partition: int, after: int, limit: int) -> Sequence[EventRow]:
        return self.rows[after : after + limit]


class Stops(Pulse):
    """Stands still when the test says so."""

    number = 0

    def look(self) -> int:
        return self.number


def relay_of(table: Table, cluster: Cluster, topics: Topics, pulse: Pulse | None = None) -> Relay:
    return Relay(1, table, cluster, topics, table, pulse or Pulse())


@asynccontextmanager
async def running(relay: Relay) -> AsyncGenerator[None]:
    task = asyncio.create_task(relay.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def relayed(relay: Relay, position: int) -> None:
    async with asyncio.timeout(200):
        while relay.position < position:  # noqa: ASYNC110 - a test looks from outside
            await asyncio.sleep(0.01)


async def read(cluster: Cluster, topics: Topics, count: int) -> "list[ConsumerRecord[bytes, bytes]]":
    found: list[ConsumerRecord[bytes, bytes]] = []
    async with AIOKafkaConsumer(**cluster.options) as consumer, asyncio.timeout(100):
        where = TopicPartition(topics.events, 0)
        consumer.assign([where])
        await consumer.seek_to_beginning(where)
        while len(found) < count:
            found += (await consumer.getmany(timeout_ms=200)).get(where, [])
    return found


async def test_every_event_comes_in_order_with_what_stands_beside_it(cluster: Cluster, made: Topics) -> None:
    table = Table()
    table.add(5_000)
    relay = relay_of(table, cluster, made)
    await relay.catch_up(5_000)
    found = await read(cluster, made, 5_000)

    assert [record.value for record in found] == [row.body for row in table.rows]
    assert dict(found[8].headers) == {
        "type": b"job-created", "schema": b"1", "stream": b"instance/2", "key": b"2", "partition": b"1",
        "position": b"9", "time": b"2026-01-31T08:00:00.009+00:00", "cause": b"c", "by": b"ada",
    }  # fmt: skip
    assert (found[8].key, found[8].timestamp) == (b"instance/2", int(START.timestamp() * 1000) + 9)
    report = await check_topic(cluster, made, 1, table, 5_000)
    assert (report.problems, report.first, report.last, report.repeated) == ([], 1, 5_000, 0)


async def test_it_goes_on_from_the_end_of_the_topic(cluster: Cluster, made: Topics) -> None:
    table = Table()
    for _ in range(3):
        table.add(10)
        await relay_of(table, cluster, made).catch_up(table.position)

    assert await tail(cluster, TopicPartition(made.events, 0)) == 30
    report = await check_topic(cluster, made, 1, table, 30)
    assert (report.problems, report.records) == ([], 30)


async def test_nothing_is_lost_or_out_of_order_when_relays_are_ended_at_any_moment(
    cluster: Cluster, made: Topics
) -> None:
    chance = Random(7)
    table = Table()
    for _ in range(6):
        table.add(3_000)
        async with running(relay_of(table, cluster, made)):
            await asyncio.sleep(chance.random() * 0.1)
    await relay_of(table, cluster, made).catch_up(table.position)

    report = await check_topic(cluster, made, 1, table, table.position)
    assert (report.problems, report.last) == ([], 18_000)


async def test_a_broker_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    kafka = await LocalKafka.start(tmp_path)
    try:
        cluster, topics, table = Cluster(kafka.bootstrap_servers), Topics(), Table()
        await create(cluster, topics, 1)
        relay = relay_of(table, cluster, topics)
        async with running(relay):
            table.add(2_000)
            relay._behind = True
            relay._changed.set()
            kafka.kill()
            await kafka.revive()
            await relayed(relay, table.position)
        report = await check_topic(cluster, topics, 1, table, table.position)
        assert (report.problems, report.last) == ([], 2_000)
    finally:
        await kafka.stop()


async def test_one_that_stood_still_brings_nothing_that_another_owner_brought(cluster: Cluster, made: Topics) -> None:
    table, pulse = Table(), Stops()
    table.add(10)
    relay = relay_of(table, cluster, made, pulse)
    async with running(relay):
        await relayed(relay, 10)
        table.add(10)
        await relay_of(table, cluster, made).catch_up(20)
        # It wakes up, learns only now that a commit of before had arrived, and is not told yet that others own it.
        pulse.number, table.owned, table.asked = 1, False, 0
        relay._handed.extend(table.rows[10:])
        relay._fresh = asyncio.get_running_loop().time()
        relay._changed.set()
        async with asyncio.timeout(40):
            while table.asked < 2:  # noqa: ASYNC110 - a test looks from outside
                await asyncio.sleep(0.01)
        table.add(5)
        await relay_of(Table.like(table), cluster, made).catch_up(25)
        table.owned = True
        await relayed(relay, 25)

    report = await check_topic(cluster, made, 1, table, 25)
    assert (report.problems, report.repeated, report.records) == ([], 0, 25)


async def test_a_topic_that_differs_from_the_table_is_told(cluster: Cluster, made: Topics) -> None:
    table = Table()
    table.add(10)
    async with AIOKafkaProducer(**cluster.options) as producer:
        for position in (1, 2, 2, 5):
            row = table.rows[position - 1]
            headers = [("position", str(position).encode())]
            await producer.send_and_wait(made.events, b"?" if position == 1 else row.body, partition=0, headers=headers)
    report = await check_topic(cluster, made, 1, table, 10)

    assert report.repeated == 1
    assert "position 1: the body differs from the table's" in report.problems
    assert any("expected position 3 at offset 3, but found 5: a gap" in each for each in report.problems)
    assert report.problems[-1] == "expected the topic to reach position 10, but it ends at 5"


async def test_a_topic_full_of_other_things_is_not_written_to(cluster: Cluster, made: Topics) -> None:
    async with AIOKafkaProducer(**cluster.options) as producer:
        await producer.send_and_wait(made.events, b"other", partition=2)

    with pytest.raises(TopicUnreadable, match="somebody else writes to it"):
        await tail(cluster, TopicPartition(made.events, PARTITIONS - 1))
