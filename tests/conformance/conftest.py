"""Engines for the conformance cases: one of its own for each scenario, and one that all single requests share."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest
import pytest_asyncio

from api.app import create_app
from infra.embedded_postgres import EmbeddedPostgres
from infra.engine import Engine
from infra.settings import load
from tests.conftest import new_database

PARTITIONS = 2
"""More than one, so that what crosses partitions does so here too."""


@asynccontextmanager
async def engine_client(database_url: str) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of a fresh engine with a controlled clock, in this process and without a network."""
    settings = load({"database_url": database_url, "clock": "controlled", "partitions": PARTITIONS})
    async with Engine.running(settings, database_url) as engine:
        transport = httpx.ASGITransport(create_app(engine, settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://procession", timeout=60) as client:
            yield client


@pytest.fixture
async def client(database_url: str) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of an engine of this test's own."""
    async with engine_client(database_url) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_client(postgres_server: EmbeddedPostgres, template_database: str) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of an engine that all cases of the module share."""
    async with new_database(postgres_server, template_database) as url, engine_client(url) as found:
        yield found
