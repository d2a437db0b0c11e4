"""Engines for the conformance cases: one of its own for each scenario and mode, and one that all single requests share."""

import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest
import pytest_asyncio

from api.app import create_app
from infra.distributed import DistributedEngine
from infra.embedded_postgres import EmbeddedPostgres
from infra.engine import Engine
from infra.local_kafka import LocalKafka
from infra.settings import Settings, load
from streams.topics import Cluster, Topics, delete
from tests.conftest import new_database

PARTITIONS = 2
"""More than one, so that what crosses partitions does so here too."""
NUMBERS = itertools.count(1)
MODES = ("embedded", pytest.param("distributed", marks=(pytest.mark.kafka, pytest.mark.xdist_group("kafka"))))


@asynccontextmanager
async def client_of(engine: Engine, settings: Settings) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of an engine in this process, without a network."""
    transport = httpx.ASGITransport(create_app(engine, settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://procession", timeout=60) as client:
        yield client


@asynccontextmanager
async def embedded(database_url: str) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of a fresh engine with a controlled clock."""
    settings = load({"database_url": database_url, "clock": "controlled", "partitions": PARTITIONS})
    async with Engine.running(settings, database_url) as engine, client_of(engine, settings) as client:
        yield client


@asynccontextmanager
async def distributed(database_url: str, cluster: Cluster) -> AsyncGenerator[httpx.AsyncClient]:
    """The same, in the distributed mode and with topics of its own."""
    topics = Topics(f"scenario{next(NUMBERS)}")
    settings = load(
        {
            "database_url": database_url,
            "clock": "controlled",
            "partitions": PARTITIONS,
            "kafka_bootstrap_servers": tuple(cluster.bootstrap_servers),
            "kafka_topic_prefix": topics.prefix,
        }
    )
    async with DistributedEngine.on(settings, database_url, cluster) as engine, client_of(engine, settings) as client:
        yield client
    await delete(cluster, topics)


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """How the engine of a scenario runs."""
    return str(request.param)


@pytest.fixture
def cluster(mode: str, request: pytest.FixtureRequest) -> Cluster | None:
    """The one real broker, where the mode needs it."""
    if mode == "embedded":
        return None
    broker: LocalKafka = request.getfixturevalue("broker")
    return Cluster(broker.bootstrap_servers)


@pytest.fixture
async def client(database_url: str, cluster: Cluster | None) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of an engine of this test's own."""
    async with embedded(database_url) if cluster is None else distributed(database_url, cluster) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_client(postgres_server: EmbeddedPostgres, template_database: str) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of an engine that all cases of the module share."""
    async with new_database(postgres_server, template_database) as url, embedded(url) as found:
        yield found
