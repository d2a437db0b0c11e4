"""Notifications on a real PostgreSQL whose connections die in ways that nobody tells of."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import Mock

import asyncpg
import pytest

from streams import notifications
from streams.notifications import Notifications
from tests.kafka.test_splits import wire_to

SECONDS_MAX = 60
"""Only against hanging."""


@asynccontextmanager
async def listening(dsn: str) -> AsyncGenerator[tuple[Notifications, list[str | None]]]:
    heard: list[str | None] = []
    found = Notifications(dsn)
    await found.start()
    try:
        await found.listen("test", heard.append)
        yield found, heard
    finally:
        await found.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "LOOK_SECONDS", 0.02)


async def test_a_connection_whose_other_end_says_nothing_is_replaced(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with wire_to(database_url) as (wire, url), listening(url) as (found, heard):
        first = found._connection
        wire.cut()
        monkeypatch.setattr(notifications, "ANSWER_SECONDS_MAX", 0.1)
        await until(first.is_closed)
        monkeypatch.undo()
        wire.mend()
        await until(lambda: None in heard)
        found.send("test", "again")
        await until(lambda: "again" in heard)


async def test_what_was_sent_on_a_connection_that_breaks_goes_with_the_next(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with wire_to(database_url) as (wire, url), listening(url) as (found, heard):
        first = found._connection
        wire.cut()
        monkeypatch.setattr(notifications, "SEND_SECONDS_MAX", 0.1)
        found.send("test", "while it takes for ever")
        await until(first.is_closed)
        found.send("test", "while there is none")
        monkeypatch.undo()
        wire.mend()
        await until(lambda: heard[-2:] == ["while it takes for ever", "while there is none"])
        assert None in heard


async def test_a_server_on_which_nobody_may_listen_yet_is_asked_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(database_url) as (found, heard):
        listen = asyncpg.Connection.add_listener
        refused = 0

        async def refuse_twice(self: Any, channel: str, call: Any) -> None:
            nonlocal refused
            refused += 1
            if refused <= 2:
                raise asyncpg.FeatureNotSupportedError("cannot execute LISTEN during recovery")
            await listen(self, channel, call)

        monkeypatch.setattr(asyncpg.Connection, "add_listener", refuse_twice)
        found._connection.terminate()
        await until(lambda: None in heard)
        found.send("test", "again")
        await until(lambda: "again" in heard)
        assert refused == 3


async def test_nothing_is_tried_while_the_connection_is_away() -> None:
    found = Notifications("")
    found._connection = away = Mock()
    away.is_closed.return_value = True
    for number in range(3):
        found.send("test", str(number))
        await asyncio.sleep(0)
    assert not away.execute.called
    assert [payload for _, payload in found._waiting] == ["0", "1", "2"]
