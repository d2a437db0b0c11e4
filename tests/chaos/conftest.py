"""An engine as its own process, for one test: it may be killed, and nothing of it is left."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from infra.chaos.engine_process import EngineProcess

UNTIL_SECONDS_MAX = 100.0


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[EngineProcess]:
    """An engine that is ready."""
    engine = EngineProcess(tmp_path / "data", tmp_path / "engine.log")
    try:
        engine.start()
        await engine.until_ready()
        yield engine
    finally:
        engine.clear_away()


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Return when the condition holds."""
    async with asyncio.timeout(UNTIL_SECONDS_MAX):
        while not await condition():  # noqa: ASYNC110  # the condition is in another process
            await asyncio.sleep(0.01)
