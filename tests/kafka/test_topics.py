import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from typer.testing import CliRunner, Result

from infra.cli import app
from infra.insight import topics as insight
from infra.local_kafka import LocalKafka
from streams.topic_id import topic_id
from streams.topics import RECORD_BYTES_MAX, Cluster, TopicDoesNotFit, Topics, check, create, delete, describe
from tests.kafka.conftest import PARTITIONS
from tests.kafka.test_failures_page import remove

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]


async def test_topics_are_made_once_and_as_the_engine_needs_them(cluster: Cluster, topics: Topics) -> None:
    assert await create(cluster, topics, 2) == [topics.commands, topics.events, topics.dead_letters]
    assert await create(cluster, topics, 2) == []
    await check(cluster, topics, 2)
    found = await describe(cluster, topics.names)

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


async def test_the_topics_of_insight_are_described_once_they_are_there(
    cluster: Cluster, made: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROCESSION_KAFKA_BOOTSTRAP_SERVERS", ",".join(cluster.bootstrap_servers))
    monkeypatch.setenv("PROCESSION_KAFKA_TOPIC_PREFIX", made.prefix)
    monkeypatch.setenv("PROCESSION_PARTITIONS", str(PARTITIONS))

    async def described() -> Result:
        # In a thread: a command has an event loop of its own.
        return await asyncio.to_thread(CliRunner().invoke, app, ["topics", "describe"])

    before = await described()
    await insight.prepare(cluster, made)
    after = await described()
    monkeypatch.setenv("PROCESSION_PARTITIONS", "8")
    misfit = await described()

    assert (before.exit_code, after.exit_code, misfit.exit_code) == (0, 0, 1), before.output + after.output
    for name in insight.names(made):
        assert f"{name} is not there; `procession insight` makes it when it starts" in before.stdout
        assert f" {name} " in after.stdout
        assert "is not there" not in after.stdout
        assert f"expected topic {name} with 8 partitions" in misfit.stderr
    await remove(cluster, *insight.names(made))


async def test_a_topic_that_was_made_anew_has_another_id(cluster: Cluster, topics: Topics, broker: LocalKafka) -> None:
    assert await topic_id(cluster, topics.commands) is None, "it is not there"
    await create(cluster, topics, 2)
    first = await topic_id(cluster, topics.commands)
    assert first == await topic_id(cluster, topics.commands)
    folder = broker._nodes[0].folder  # pyright: ignore[reportPrivateUsage]  # what Kafka itself has written down
    [noted] = folder.glob(f"**/{topics.commands}-0/partition.metadata")
    assert f"topic_id: {first}" in noted.read_text().splitlines()
    await delete(cluster, topics)
    await create(cluster, topics, 2)

    assert await topic_id(cluster, topics.commands) not in {None, first}
    await delete(cluster, topics)
