"""One contract per port, run by every adapter."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from eventstore.memory import MemoryEventStore
from eventstore.postgres import PostgresEventStore
from eventstore.store import EventStore


@pytest.fixture(params=["memory", "postgres"])
async def store(
    request: pytest.FixtureRequest, pool: "asyncpg.Pool[asyncpg.Record]", database_url: str
) -> AsyncIterator[EventStore]:
    """Every adapter of the event store."""
    if request.param == "memory":
        yield MemoryEventStore()
        return
    adapter = PostgresEventStore(pool, database_url)
    yield adapter
    await adapter.close()
