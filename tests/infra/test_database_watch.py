"""A watch outlives every way in which a connection breaks."""

import asyncio
from typing import Any

import asyncpg
import pytest

from infra import database_watch
from infra.database_watch import DatabaseWatch


@pytest.mark.parametrize(
    "broken",
    [
        asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.AdminShutdownError("terminating connection due to administrator command"),
        ConnectionResetError(),
    ],
)
async def test_a_connection_that_breaks_is_made_anew(broken: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    asked = asyncio.Event()

    class Connection:
        async def execute(self, _: str) -> None:
            if len(made) == 1:
                raise broken
            asked.set()

        def terminate(self) -> None: ...

    async def connect(*_: Any, **__: Any) -> Connection:
        found = Connection()
        made.append(found)
        return found

    monkeypatch.setattr(asyncpg, "connect", connect)
    monkeypatch.setattr(database_watch, "LOOK_SECONDS", 0)
    told: list[str] = []
    watch = DatabaseWatch("", 60, lambda: told.append("away"), lambda: told.append("back"))

    async with asyncio.timeout(10):
        running = asyncio.create_task(watch.run())
        await asked.wait()

    assert not running.done()
    assert len(made) == 2
    assert told == []
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
