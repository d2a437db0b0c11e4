"""Calls of aiokafka that can be cancelled and come to an end: on its own it may do neither."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

CLOSE_SECONDS_MAX: Final = 5.0

_T = TypeVar("_T")
_left: set[asyncio.Task[Any]] = set()
"""Calls that were given up and have yet to end; a task that nobody holds may vanish."""


async def apart(call: Coroutine[Any, Any, _T]) -> _T:
    """Return what the call returns. A cancellation always comes through, also where aiokafka swallows it."""
    task = asyncio.create_task(call)
    try:
        await asyncio.wait((task,))
    except asyncio.CancelledError:
        _left.add(task)
        task.add_done_callback(_forget)
        task.cancel()
        raise
    return task.result()


def _forget(task: "asyncio.Task[Any]") -> None:
    _left.discard(task)
    if not task.cancelled():
        task.exception()  # seen, so that asyncio does not complain of it


async def close(client: AIOKafkaProducer | AIOKafkaConsumer) -> None:
    """Let go of a client, in bounded time, whatever state it is in."""
    task = asyncio.create_task(client.stop())
    _left.add(task)
    task.add_done_callback(_forget)
    await asyncio.wait((task,), timeout=CLOSE_SECONDS_MAX)
    task.cancel()
