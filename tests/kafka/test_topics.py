import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.topics import RECORD_BYTES_MAX, Cluster, TopicDoesNotFit, Topics, check, create, delete, describe
from tests.kafka.conftest import PARTITIONS

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]


async def test_topics_are_made_once_and_as_the_engine_needs_them(cluster: Cluster, topics: Topics) -> None:
    assert await create(cluster, topics, 2) == [topics.commands, topics.events, topics.dead_letters]
    assert await create(cluster, topics, 2) == []
    await check(cluster, topics, 2)
    found = await describe(cluster, topics)

    assert found[topics.events].partitions == 2
    assert found[topics.events].settings["retention.ms"] == "-1"
    assert found[topics.commands].settings["max.message.bytes"] == str(RECORD_BYTES_MAX)
    assert found[topics.dead_letters].partitions == 1
    await delete(cluster, topics)


async def test_a_topic_with_another_number_of_partitions_is_refused(cluster: Cluster, made: Topics) -> None:
    with pytest.raises(TopicDoesNotFit, match=rf"with 8 partitions, but it has {PARTITIONS}"):
        await create(cluster, made, 8)


async def test_a_compacted_topic_is_refused(cluster: Cluster, topics: Topics) -> None:
    admin = AIOKafkaAdminClient(**cluster.options)
    await admin.start()
    await admin.create_topics([NewTopic(topics.commands, 2, 1, topic_configs={"cleanup.policy": "compact"})])
    await admin.close()

    with pytest.raises(TopicDoesNotFit, match=r"cleanup\.policy=delete, but it is compact"):
        await create(cluster, topics, 2)


async def test_missing_topics_are_named(cluster: Cluster, topics: Topics) -> None:
    with pytest.raises(TopicDoesNotFit, match=rf"expected the topics {topics.commands}"):
        await check(cluster, topics, 2)
