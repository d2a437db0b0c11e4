"""Answers between two processes, as their notifications carry them."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from domain import commands as c
from domain.keys import make_key
from streams.notifications import PAYLOAD_BYTES_MAX, Notifications
from streams.postgres_replies import PostgresReplies
from streams.replies import LocalReplies
from streams.work import Answered, Reply, Unavailable, Work

Heard = Callable[[str | None], None]


class Wire:
    """Stands for PostgreSQL: hands each payload to who listens to its channel."""

    def __init__(self) -> None:
        self.heard: dict[str, Heard] = {}
        self.sent: list[tuple[str, str]] = []

    async def listen(self, channel: str, call: Heard) -> None:
        self.heard[channel] = call

    def send(self, channel: str, payload: str) -> None:
        assert len(payload.encode()) <= PAYLOAD_BYTES_MAX
        self.sent.append((channel, payload))

    def deliver(self, but: Sequence[int] = ()) -> None:
        for at, (channel, payload) in enumerate(self.sent):
            if at not in but:
                self.heard[channel](payload)
        self.sent.clear()


class Two:
    """A process with callers, and the owner who answers them."""

    def __init__(self) -> None:
        self.wire = Wire()
        notifications = cast("Notifications", self.wire)
        self.callers = LocalReplies("callers")
        self.here = PostgresReplies(self.callers, notifications)
        self.owner = PostgresReplies(LocalReplies("owner"), notifications)

    def ask(self, text: str) -> "tuple[Answered, asyncio.Future[Reply]]":
        reply_to, answer = self.callers.expect()
        command = c.CancelInstance(id="~1", issued_at=datetime(2026, 1, 1, tzinfo=UTC), key=make_key(1, 1))
        return (Work(command, None, reply_to), Reply(1, 7, {"text": text})), answer


@pytest.fixture
async def two() -> Two:
    made = Two()
    await made.here.start()
    return made


async def text_of(answer: "asyncio.Future[Reply]") -> Any:
    result = (await answer).result
    assert isinstance(result, dict)
    return result["text"]


@pytest.mark.parametrize("text", ["", "short", "two words\nand a line", "\U0001f680" * 50_000, "x" * 100_000])
async def test_an_answer_arrives_whole_whatever_its_size(two: Two, text: str) -> None:
    first, answer = two.ask(text)
    second, other = two.ask("the next one")
    two.owner.send([first, second])
    two.wire.deliver()

    assert await text_of(answer) == text
    assert await text_of(other) == "the next one"


async def test_an_answer_that_comes_twice_is_one(two: Two) -> None:
    asked, answer = two.ask("x" * 10_000)
    two.owner.send([asked, asked])
    two.wire.deliver()
    assert await text_of(answer) == "x" * 10_000


async def test_an_answer_with_a_hole_is_none(two: Two) -> None:
    asked, answer = two.ask("x" * 10_000)
    two.owner.send([asked])
    two.wire.deliver(but=[2])
    assert not answer.done()
    answer.cancel()


async def test_whoever_waits_is_told_to_try_again_when_answers_may_be_lost(two: Two) -> None:
    _, answer = two.ask("never sent")
    (heard,) = two.wire.heard.values()
    heard(None)
    with pytest.raises(Unavailable, match="the answer may be lost"):
        await answer
