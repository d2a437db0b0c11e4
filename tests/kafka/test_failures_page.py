"""What `docs/how-to/survive-failures-with-kafka.md` tells of topics that are lost or not as they were, done as it says."""

import json

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from domain.keys import partition_of
from infra.engine_lock import EngineCannotStart
from streams.topics import Cluster, Topics, create, delete
from tests.docs.pages import ROOT, blocks
from tests.kafka.test_distributed import PARTITIONS, Process, process, topic_equals_table, until

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka"), pytest.mark.timeout(500)]

PAGE = ROOT / "docs" / "how-to" / "survive-failures-with-kafka.md"


async def remove(cluster: Cluster, *names: str) -> None:
    """Delete topics."""
    admin = AIOKafkaAdminClient(**cluster.options)
    await admin.start()
    try:
        await admin.delete_topics(list(names))
    finally:
        await admin.close()


async def write(cluster: Cluster, topics: Topics, *ids: str) -> None:
    """Write commands to every partition in turn."""
    async with AIOKafkaProducer(**cluster.options) as producer:
        for at, each in enumerate(ids):
            value = json.dumps({"type": "create-instance", "id": each, "process_id": "p"}).encode()
            await producer.send_and_wait(topics.commands, value, partition=at % PARTITIONS)


async def until_ended(engine: Process, count: int) -> None:
    async def ended() -> bool:
        return len(await engine.search("process-instances", state="COMPLETED")) >= count

    await until(ended, 60)


async def say_that_it_is_a_new_one(database_url: str) -> None:
    (statements,) = blocks(PAGE, "sql")
    connection = await asyncpg.connect(database_url)
    await connection.execute(statements)
    await connection.close()


@pytest.mark.parametrize("elsewhere", [False, True], ids=["the same brokers", "other brokers"])
async def test_a_lost_commands_topic_is_replaced_and_known_ids_act_no_second_time(
    database_url: str, cluster: Cluster, topics: Topics, elsewhere: bool
) -> None:
    old = [f"old-{at}" for at in range(3 * PARTITIONS)]
    async with process(database_url, cluster, topics) as engine:
        await engine.deploy("o start -> O end")
        await write(cluster, topics, *old)
        await until_ended(engine, len(old))
    if elsewhere:
        others = Topics(f"{topics.prefix}-other")
        with pytest.raises(EngineCannotStart, match="the commands of this database are in"):
            async with process(database_url, cluster, others):
                pass
    else:
        others = topics
        await remove(cluster, topics.commands)
        await create(cluster, topics, PARTITIONS)
        await write(cluster, topics, *2 * old)  # beyond where the old one ended
        with pytest.raises(EngineCannotStart, match=r"it was made anew.*#the-commands-topic-was-lost"):
            async with process(database_url, cluster, topics):
                pass

    await say_that_it_is_a_new_one(database_url)
    async with process(database_url, cluster, others) as engine:
        await write(cluster, others, *old, *(f"new-{at}" for at in range(2 * PARTITIONS)))
        await until_ended(engine, len(old) + 2 * PARTITIONS)
        assert len(await engine.search("process-instances")) == len(old) + 2 * PARTITIONS
    await topic_equals_table(database_url, cluster, others)
    await delete(cluster, others)


async def test_an_events_topic_that_is_lost_under_a_running_engine_is_filled_by_it(
    database_url: str, cluster: Cluster, topics: Topics
) -> None:
    async with process(database_url, cluster, topics) as engine:
        await engine.deploy("o start -> O end")
        await engine.post("/process-instances", {"processDefinitionId": "p"})
        await remove(cluster, topics.events)
        await create(cluster, topics, PARTITIONS)
        # A relay finds out when it has something to bring: chance decides where an instance goes, so until each has.
        moved: set[int] = set()
        while len(moved) < PARTITIONS:
            made = await engine.post("/process-instances", {"processDefinitionId": "p"})
            moved.add(partition_of(int(made["processInstanceKey"])))

        async def filled() -> bool:
            return engine.engine._at_rest()  # pyright: ignore[reportPrivateUsage]  # relays included

        await until(filled, 90)
    assert await topic_equals_table(database_url, cluster, topics) > 0
    await delete(cluster, topics)


async def test_partitions_that_were_added_to_a_topic_are_nobodys(
    database_url: str, cluster: Cluster, topics: Topics
) -> None:
    async with process(database_url, cluster, topics) as engine:
        await engine.deploy("o start -> O end")
        group = engine.engine._group  # pyright: ignore[reportPrivateUsage]  # Kafka tells of them within five minutes
        group.given(range(1, PARTITIONS + 2))

        async def ready() -> bool:
            return engine.engine.ready

        await until(ready)
        await engine.post("/process-instances", {"processDefinitionId": "p"})
        assert set(engine.engine.processors) == set(range(1, PARTITIONS + 1))
    async with process(database_url, cluster, topics) as engine:
        assert engine.engine.ready
    await delete(cluster, topics)
