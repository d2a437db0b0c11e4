"""The topics of insight: what it tells, and what it needs to go on after a death. Made beforehand, never by faust."""

import asyncio
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams.kafka_calls import close
from streams.topics import (
    FOR_EVER,
    LOOK_SECONDS,
    RECORD_BYTES_MAX,
    REQUEST_MS_MAX,
    Cluster,
    Topic,
    TopicDoesNotFit,
    Topics,
    make,
)

RETENTION_MS: Final = 7 * 24 * 3600 * 1000
SEGMENT_BYTES: Final = 32 * 1024 * 1024
"""Only full segments are compacted: snapshots that are of no use any more take little room."""
READ_SECONDS_MAX: Final = 30.0


def told(topics: Topics) -> str:
    """Return the name of the topic with the figures."""
    return f"{topics.prefix}.insight"


def kept(topics: Topics) -> str:
    """Return the name of the topic with the snapshots."""
    return f"{topics.prefix}.insight-state"


def names(topics: Topics) -> tuple[str, ...]:
    """Return the names of both."""
    return told(topics), kept(topics)


def misfits(topics: Topics, partitions: int, name: str, found: int) -> list[str]:
    """Return a sentence if a topic that is there has not as many partitions as the events have."""
    if found == partitions:
        return []
    return [f"expected topic {name} with {partitions} partitions, as {topics.events} has, but it has {found}"]


async def prepare(cluster: Cluster, topics: Topics) -> int:
    """Make the topics that are missing, and return the number of partitions. Raise `TopicDoesNotFit`."""
    admin = AIOKafkaAdminClient(**cluster.options, request_timeout_ms=REQUEST_MS_MAX)
    await admin.start()
    try:
        found = await _partitions(admin, topics)
        partitions = found.get(topics.events)
        if partitions is None:
            raise TopicDoesNotFit(
                f"expected topic {topics.events}, but it is not there: start the engine with Kafka first"
            )
        for topic in _wanted(topics, partitions):
            if topic.name not in found:
                await make(admin, topic)
        async with asyncio.timeout(REQUEST_MS_MAX / 1000):
            while len(found := await _partitions(admin, topics)) < 1 + len(_wanted(topics, partitions)):  # noqa: ASYNC110 - brokers tell nobody
                await asyncio.sleep(LOOK_SECONDS)
        for name in names(topics):
            if wrong := misfits(topics, partitions, name, found[name]):
                raise TopicDoesNotFit(*wrong)
        return partitions
    finally:
        await admin.close()


async def last_snapshots(
    cluster: Cluster, topics: Topics, partitions: set[int]
) -> dict[int, tuple[bytes | None, range]]:
    """Return, by partition of the engine, the last snapshot, and the offsets that the events topic has."""
    consumer = AIOKafkaConsumer(**cluster.options, enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        async with asyncio.timeout(READ_SECONDS_MAX):
            await consumer.start()
            events = {each: TopicPartition(topics.events, each - 1) for each in partitions}
            begins, tails = (
                await consumer.beginning_offsets(events.values()),
                await consumer.end_offsets(events.values()),
            )
            states = [TopicPartition(kept(topics), each - 1) for each in partitions]
            first, ends = await consumer.beginning_offsets(states), await consumer.end_offsets(states)
            found: dict[int, bytes | None] = dict.fromkeys(partitions)
            consumer.assign(states)
            for state in states:
                consumer.seek(state, max(first[state], ends[state] - 1))
            waiting = {state for state in states if ends[state] > first[state]}
            while waiting:
                for state, records in (await consumer.getmany(*waiting, timeout_ms=1_000)).items():
                    found[state.partition + 1] = records[-1].value
                    waiting.discard(state)
    finally:
        await close(consumer)
    return {each: (found[each], range(begins[where], tails[where])) for each, where in events.items()}


def _wanted(topics: Topics, partitions: int) -> tuple[Topic, ...]:
    size = {"max.message.bytes": str(RECORD_BYTES_MAX)}
    return (
        Topic(told(topics), partitions, {"cleanup.policy": "delete", "retention.ms": str(RETENTION_MS), **size}),
        Topic(
            kept(topics),
            partitions,
            {
                "cleanup.policy": "compact",
                "retention.ms": str(FOR_EVER),
                "segment.bytes": str(SEGMENT_BYTES),
                **size,
            },
        ),
    )


async def _partitions(admin: AIOKafkaAdminClient, topics: Topics) -> dict[str, int]:
    """Return those of the topics that are there, with how many partitions they have."""
    answers: list[dict[str, Any]] = await admin.describe_topics([topics.events, *names(topics)])
    return {each["topic"]: len(each["partitions"]) for each in answers if each["error_code"] == 0}
