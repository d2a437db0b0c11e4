"""Is the events topic what the table says: gapless, in order and equal? Reads both from the beginning, changes nothing."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from streams.kafka_calls import reading
from streams.relay import headers_of, position_of
from streams.rows import EventRow, EventRows
from streams.topics import Cluster, Topics

RECORDS_MAX: Final = 2_000
"""Compared at once."""
WAIT_SECONDS_MAX: Final = 5.0
"""For the relay to bring what is in the table already."""
ANSWER_SECONDS_MAX: Final = 60.0
"""For a busy broker to answer, and to hand out records that it has."""
PROBLEMS_MAX: Final = 50
"""After these, a partition is wrong in a way that more sentences do not tell."""


@dataclass
class TopicReport:
    """What was found in one partition."""

    partition: int
    first: int = 0
    """First position in the topic; later than 1 if retention took the beginning away."""
    last: int = 0
    records: int = 0
    repeated: int = 0
    """Records whose position came before: after a takeover, harmless."""
    problems: list[str] = field(default_factory=list[str])


async def check_topic(
    cluster: Cluster,
    topics: Topics,
    partition: int,
    rows: EventRows,
    upto: int,
    tell: Callable[[int], None] = lambda _: None,
) -> TopicReport:
    """Compare one partition of the topic with the table up to position `upto`, which the table has reached."""
    report = TopicReport(partition)
    where = TopicPartition(topics.events, partition - 1)
    async with reading(cluster, where) as (consumer, _, _):
        while report.last < upto and len(report.problems) < PROBLEMS_MAX:
            found = await _next(consumer, where)
            if not found:
                report.problems.append(f"expected the topic to reach position {upto}, but it ends at {report.last}")
                break
            await _compare(report, found[where], rows)
            tell(report.last)
    return report


async def _next(
    consumer: AIOKafkaConsumer, where: TopicPartition
) -> "dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]":
    """Return the next records; none if the topic ends here and stays so for a while."""
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        while True:
            found: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]] = await consumer.getmany(
                where, timeout_ms=int(WAIT_SECONDS_MAX * 1000), max_records=RECORDS_MAX
            )
            if found or await consumer.position(where) >= (await consumer.end_offsets([where]))[where]:
                return found


async def _compare(report: TopicReport, found: "Sequence[ConsumerRecord[bytes, bytes]]", rows: EventRows) -> None:
    new: list[ConsumerRecord[bytes, bytes]] = []
    for record in found:
        report.records += 1
        position = position_of(record)
        if position is None:
            report.problems.append(f"expected an event at offset {record.offset}, but it names no position")
        elif report.last and position <= report.last:
            report.repeated += 1
        else:
            if report.last and position != report.last + 1:
                report.problems.append(
                    f"expected position {report.last + 1} at offset {record.offset}, but found {position}: a gap"
                )
            report.first = report.first or position
            report.last = position
            new.append(record)
    if new:
        await _compare_rows(report, new, rows)


async def _compare_rows(report: TopicReport, new: "Sequence[ConsumerRecord[bytes, bytes]]", rows: EventRows) -> None:
    first, last = position_of(new[0]) or 0, position_of(new[-1]) or 0
    stored = {row.position: row for row in await rows.read(report.partition, first - 1, last - first + 1)}
    for record in new:
        position = position_of(record) or 0
        row = stored.get(position)
        if row is None:
            report.problems.append(f"the topic has position {position}, but the table has not")
        else:
            report.problems += _differences(report.partition, record, row)


def _differences(partition: int, record: "ConsumerRecord[bytes, bytes]", row: EventRow) -> list[str]:
    wrong: list[str] = []
    if record.value != row.body:
        wrong.append(f"position {row.position}: the body differs from the table's")
    there = dict(record.headers)
    wrong += [
        f"position {row.position}: expected the header {name} to be {value!r}, but it is {there.get(name)!r}"
        for name, value in headers_of(partition, row)
        if there.get(name) != value
    ]
    return wrong
