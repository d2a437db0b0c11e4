"""Reads the events topic from its beginning, so that a lost database can be made from it. It knows no table.

What is read must be whole: from position 1, without a gap, every event as it stood in the table.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams.kafka_calls import close, reading
from streams.recollection import Recollection
from streams.rows import EventRow
from streams.topics import REQUEST_MS_MAX, Cluster, Topics

RECORDS_MAX: Final = 2_000
"""Handed on at once."""
WAIT_SECONDS_MAX: Final = 30.0
"""For the broker to bring what it has."""


class CannotRestore(Exception):  # noqa: N818 - it names what was found
    """A topic from which the database cannot be made; one sentence says why."""


async def read_topic(
    cluster: Cluster,
    topics: Topics,
    partition: int,
    take: Callable[[Sequence[EventRow]], Awaitable[None]],
    tell: Callable[[int, int], None],
) -> None:
    """Hand on every event of a partition in order, each once. `tell` is told how many records of how many are read.

    Raise `CannotRestore`.
    """
    where = TopicPartition(topics.events, partition - 1)
    position = 0
    async with reading(cluster, where) as (consumer, first, end):
        while (at := await consumer.position(where)) < end:
            tell(at - first, end - first)
            found = await consumer.getmany(where, timeout_ms=int(WAIT_SECONDS_MAX * 1000), max_records=RECORDS_MAX)
            rows: list[EventRow] = []
            for record in found.get(where, ()):
                row = _row(record)
                if row.position == position + 1:
                    position += 1
                    rows.append(row)
                elif row.position > position:
                    raise CannotRestore(
                        f"expected position {position + 1} at offset {record.offset} of {where.topic}/{where.partition}, "
                        f"but found {row.position}: the topic is not complete"
                    )
            if rows:
                await take(rows)
            elif await consumer.position(where) == at:
                raise CannotRestore(
                    f"expected {where.topic}/{where.partition} to bring offset {at} of {end} within "
                    f"{WAIT_SECONDS_MAX:g} s, but nothing came"
                )
        tell(end - first, end - first)


def _row(record: "ConsumerRecord[bytes, bytes]") -> EventRow:
    """Return the row from which a record was made."""
    try:
        headers = {name: value.decode() for name, value in record.headers}
        assert record.value is not None, "an event has a body"
        return EventRow(
            position=int(headers["position"]),
            stream=headers["stream"],
            type=headers["type"],
            schema=int(headers["schema"]),
            time=datetime.fromisoformat(headers["time"]),
            command_id=headers["cause"],
            by=headers["by"],
            body=record.value,
        )
    except (KeyError, ValueError, AssertionError) as error:
        raise CannotRestore(
            f"expected an event at offset {record.offset} of {record.topic}/{record.partition}, but it is none: {error!r}"
        ) from error


def check_whole(recollections: Mapping[int, Recollection]) -> None:
    """Raise `CannotRestore` if an event of one partition follows from one of another that is not there."""
    for partition, recollection in recollections.items():
        for source, (position, _) in recollection.marks.items():
            last = recollections[source].position if source in recollections else 0
            if position > last:
                raise CannotRestore(
                    f"expected position {position} of partition {source}, from which an event of partition {partition} "
                    f"follows, but the topic ends at {last}: it had not yet all events when the database was lost"
                )


async def engines(cluster: Cluster, topics: Topics) -> int:
    """Return how many processes are in the engines' consumer group."""
    admin = AIOKafkaAdminClient(**cluster.options, request_timeout_ms=REQUEST_MS_MAX)
    try:
        await admin.start()
        # Any: aiokafka's answers have their fields made at run time.
        answers: list[Any] = await admin.describe_consumer_groups([topics.prefix])
        return sum(len(group[5]) for answer in answers for group in answer.groups)
    finally:
        await admin.close()


async def command_offsets(cluster: Cluster, topics: Topics, partitions: int) -> dict[int, int]:
    """Return from where on commands have to be read: by all that is known, those before have their events in the topic.

    That is what the engines noted (`streams.kafka_group`); without a note, or after another topic was made, all that is kept.
    """
    places = {number: TopicPartition(topics.commands, number - 1) for number in range(1, partitions + 1)}
    consumer = AIOKafkaConsumer(
        **cluster.options, group_id=topics.prefix, enable_auto_commit=False, auto_offset_reset="none"
    )
    try:
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await consumer.start()
            consumer.assign(list(places.values()))
            first = await consumer.beginning_offsets(list(places.values()))
            end = await consumer.end_offsets(list(places.values()))
            noted = {where: await consumer.committed(where) for where in places.values()}
    finally:
        await close(consumer)
    offsets: dict[int, int] = {}
    for number, where in places.items():
        note = noted[where]
        # 0 says no more than that somebody was a member (`KafkaGroup.confirm`).
        offsets[number] = note if note and note <= end[where] else first[where]
    return offsets
