import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from infra.local_kafka import LocalKafka
from streams.topics import Cluster, Topics, create

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]

TOPICS = Topics("procession")


async def _write(cluster: Cluster, values: list[bytes]) -> None:
    async with AIOKafkaProducer(**cluster.options, enable_idempotence=True) as producer:
        for value in values:
            await producer.send_and_wait(TOPICS.commands, value, partition=0)


async def _read(cluster: Cluster, count: int) -> list[bytes | None]:
    found: list[bytes | None] = []
    async with AIOKafkaConsumer(**cluster.options) as consumer, asyncio.timeout(100):
        where = TopicPartition(TOPICS.commands, 0)
        consumer.assign([where])
        await consumer.seek_to_beginning(where)
        while len(found) < count:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += [record.value for record in records]
    return found


async def test_what_was_written_is_there_after_kill_9_and_after_a_new_start(tmp_path: Path) -> None:
    kafka = await LocalKafka.start(tmp_path)
    cluster = Cluster(kafka.bootstrap_servers)
    await create(cluster, TOPICS, 1)
    await _write(cluster, [b"1"])
    kafka.kill()
    await kafka.revive()
    await _write(cluster, [b"2"])
    await kafka.stop()
    again = await LocalKafka.start(tmp_path)
    try:
        assert again.bootstrap_servers == kafka.bootstrap_servers
        assert await _read(cluster, 2) == [b"1", b"2"]
    finally:
        await again.stop()


@pytest.mark.chaos
async def test_three_nodes_that_lose_one_lose_no_acknowledged_record(tmp_path: Path) -> None:
    kafka = await LocalKafka.start(tmp_path, nodes=3)
    try:
        cluster = Cluster(kafka.bootstrap_servers)
        await create(cluster, TOPICS, 1)
        written = [b"%d" % at for at in range(40)]
        for number in (1, 2):
            kafka.kill(number)
            await _write(cluster, written[20 * number - 20 : 20 * number])
            await kafka.revive(number)
        assert await _read(cluster, len(written)) == written
    finally:
        for number in (1, 2, 3):
            kafka.kill(number)  # an orderly end waits for the others, who end as well
        await kafka.stop()
