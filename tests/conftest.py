"""What every test may ask for: a PostgreSQL server per test process, a migrated database of its own per test, a Kafka broker."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from infra import migrate
from infra.embedded_postgres import SUPERUSER, EmbeddedPostgres
from tests.conformance.summary import pytest_terminal_summary  # noqa: F401 # pyright: ignore[reportUnusedImport]  # a hook, which pytest takes from here

# The same examples on every machine and every day: what a new one finds is for us to look for, with --hypothesis-profile=random.
settings.register_profile("same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("random", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")

if TYPE_CHECKING:
    from infra.local_kafka import LocalKafka

TEMPLATE = "migrated"
NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server that gives up durability for speed. Tests that kill or break a server start one of their own."""
    with asyncio.Runner() as runner:
        server = runner.run(EmbeddedPostgres.start(tmp_path_factory.mktemp("postgres"), durable=False))
        try:
            yield server
        finally:
            runner.run(server.stop())


@pytest.fixture(scope="session")
def template_database(postgres_server: EmbeddedPostgres) -> str:
    """The name of a database at the newest version of the schema, with nobody connected to it."""

    async def make() -> None:
        admin = await asyncpg.connect(postgres_server.dsn_of("postgres", role=SUPERUSER))
        await admin.execute(f"create database {TEMPLATE} owner procession")
        await admin.close()
        connection = await asyncpg.connect(postgres_server.dsn_of(TEMPLATE))
        await migrate.up(connection)
        await connection.close()

    asyncio.run(make())
    return TEMPLATE


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[LocalKafka]":
    """A broker that nobody kills, for tests of the group `kafka`. Those that kill one start one of their own."""
    from infra.local_kafka import LocalKafka  # noqa: PLC0415 - most tests need no Kafka

    with asyncio.Runner() as runner:
        kafka = runner.run(LocalKafka.start(tmp_path_factory.mktemp("kafka")))
        try:
            yield kafka
        finally:
            runner.run(kafka.stop())


@asynccontextmanager
async def new_database(server: EmbeddedPostgres, template: str) -> AsyncGenerator[str]:
    """A fresh database for one test; dropped afterwards, whoever is still connected."""
    name = f"test_{next(NUMBERS)}"
    admin = await asyncpg.connect(server.dsn_of("postgres", role=SUPERUSER))
    await admin.execute(f"create database {name} owner procession template {template} strategy file_copy")
    try:
        yield server.dsn_of(name)
    finally:
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()


@pytest.fixture
async def empty_database_url(postgres_server: EmbeddedPostgres) -> AsyncIterator[str]:
    """A database of this test's own, with nothing in it."""
    async with new_database(postgres_server, "template0") as url:
        yield url


@pytest.fixture
async def database_url(postgres_server: EmbeddedPostgres, template_database: str) -> AsyncIterator[str]:
    """A database of this test's own at the newest version of the schema."""
    async with new_database(postgres_server, template_database) as url:
        yield url


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """A pool of connections to this test's database."""
    async with asyncpg.create_pool(database_url, min_size=1, max_size=10) as connections:
        yield connections
