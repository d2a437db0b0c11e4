"""An engine that stands still keeps no rows from the next owner."""

import asyncpg
import pytest

from infra import engine as wiring
from infra.engine import Engine
from infra.settings import load

LOCK = "SELECT FROM partitions WHERE partition = 1 FOR UPDATE"


async def test_a_transaction_that_stands_still_lets_go_of_its_rows(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "STANDSTILL_MILLISECONDS_MAX", 100)
    async with Engine.running(load({"database_url": database_url, "partitions": 1}), database_url) as engine:
        frozen = await engine.pool.acquire()
        await frozen.execute(f"BEGIN; {LOCK}")
        other = await asyncpg.connect(database_url, timeout=10)

        # It waits for the lock, and has it when the server ends what stands still.
        await other.execute(LOCK, timeout=30)

        await other.close()
        await engine.pool.release(frozen)
