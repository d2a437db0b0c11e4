"""The topics of each test, on the one real broker (`tests.conftest`): they share a group of xdist, so that there is one on the machine."""

import itertools
from collections.abc import AsyncIterator

import pytest

from infra.local_kafka import LocalKafka
from streams.topics import Cluster, Topics, create, delete

NUMBERS = itertools.count(1)
PARTITIONS = 3


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
