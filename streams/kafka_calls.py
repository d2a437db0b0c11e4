"""aiokafka's clients and calls, so that they can be cancelled and come to an end: on its own it may do neither."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, Final, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.topics import LETTER_BYTES_MAX, Cluster

START_SECONDS_MAX: Final = 30.0
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


@contextlib.asynccontextmanager
async def producing(cluster: Cluster, batch_bytes: int) -> AsyncGenerator[AIOKafkaProducer]:
    """Give a producer whose records come once and in order. After an error take another one: its numbers may have a hole."""
    producer = AIOKafkaProducer(
        **cluster.options,
        enable_idempotence=True,
        compression_type="zstd",
        max_batch_size=batch_bytes,
        max_request_size=LETTER_BYTES_MAX,
    )
    try:
        async with asyncio.timeout(START_SECONDS_MAX):
            await apart(producer.start())
        yield producer
    finally:
        await close(producer)


@contextlib.asynccontextmanager
async def reading(cluster: Cluster, where: TopicPartition) -> AsyncGenerator[tuple[AIOKafkaConsumer, int, int]]:
    """Give a consumer of no group at the beginning of a partition, and the offsets where that begins and ends."""
    consumer = AIOKafkaConsumer(**cluster.options, enable_auto_commit=False, auto_offset_reset="none")
    try:
        async with asyncio.timeout(START_SECONDS_MAX):
            await consumer.start()
            consumer.assign([where])
            first = int((await consumer.beginning_offsets([where]))[where])
            end = int((await consumer.end_offsets([where]))[where])
            consumer.seek(where, first)
        yield consumer, first, end
    finally:
        await close(consumer)
