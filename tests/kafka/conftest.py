"""One real broker for all tests of this folder: they share a group of xdist, so that there is one on the machine."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

from infra.local_kafka import LocalKafka
from streams.topics import Cluster, Topics, create, delete

NUMBERS = itertools.count(1)
PARTITIONS = 3


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A broker that nobody kills. Tests that do start one of their own."""
    with asyncio.Runner() as runner:
        kafka = runner.run(LocalKafka.start(tmp_path_factory.mktemp("kafka")))
        try:
            yield kafka
        finally:
            runner.run(kafka.stop())


@pytest.fixture
def cluster(broker: LocalKafka) -> Cluster:
    return Cluster(broker.bootstrap_servers)


@pytest.fixture
def topics() -> Topics:
    """Names of this test's own."""
    return Topics(f"test{next(NUMBERS)}")


@pytest.fixture
async def made(cluster: Cluster, topics: Topics) -> AsyncIterator[Topics]:
    """The topics, made."""
    await create(cluster, topics, PARTITIONS)
    yield topics
    await delete(cluster, topics)
