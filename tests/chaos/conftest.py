"""An engine as its own process, for one test: it may be killed, and nothing of it is left."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from infra.chaos.embedded import EmbeddedEngine

UNTIL_SECONDS_MAX = 100.0


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[EmbeddedEngine]:
    """An engine that is ready."""
    engine = EmbeddedEngine(tmp_path / "data", tmp_path / "engine.log")
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
