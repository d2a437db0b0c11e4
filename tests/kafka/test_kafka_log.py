"""The contract of the Log against Kafka, and what only Kafka brings: records of others, wrong ones, and their burial."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from domain import commands as c
from domain.results import Rejected
from streams.kafka_log import NOTHING, CommandsLost, KafkaLog
from streams.log import CommandRecord
from streams.topics import COMMAND_BYTES_MAX, Cluster, Topics
from streams.work import target
from tests.contract import test_log as contract
from tests.contract.test_log import record, take
from tests.kafka.conftest import PARTITIONS

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]

# The port's contract. Only letting go of records is not in it here: that is retention's.
test_commands_are_read_in_the_order_in_which_they_were_published = (
    contract.test_commands_are_read_in_the_order_in_which_they_were_published
)
test_a_reader_goes_on_after_an_offset = contract.test_a_reader_goes_on_after_an_offset
test_a_waiting_reader_is_woken = contract.test_a_waiting_reader_is_woken
test_a_batch_is_bounded = contract.test_a_batch_is_bounded
test_many_publishers_leave_no_hole_that_a_reader_passes = (
    contract.test_many_publishers_leave_no_hole_that_a_reader_passes
)

SECRET = bytes(range(32))
AT = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


@pytest.fixture
async def log(cluster: Cluster, made: Topics) -> AsyncIterator[KafkaLog]:
    adapter = KafkaLog(cluster, made, PARTITIONS, SECRET)
    await adapter.start()
    yield adapter
    await adapter.stop()


@pytest.fixture
async def producer(cluster: Cluster) -> AsyncIterator[AIOKafkaProducer]:
    """Somebody else's producer, who knows nothing of us."""
    async with AIOKafkaProducer(**cluster.options, max_request_size=20_000_000) as foreign:
        yield foreign


async def letters(cluster: Cluster, topics: Topics, count: int) -> "list[ConsumerRecord[bytes, bytes]]":
    found: list[ConsumerRecord[bytes, bytes]] = []
    async with AIOKafkaConsumer(**cluster.options) as consumer, asyncio.timeout(100):
        where = TopicPartition(topics.dead_letters, 0)
        consumer.assign([where])
        await consumer.seek_to_beginning(where)
        while len(found) < count:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
    return found


async def one_command(batches: AsyncIterator[Sequence[CommandRecord]]) -> CommandRecord:
    """Return the next command, beyond what is none."""
    while True:
        for found in await take(batches, 1):
            if found.command != NOTHING:
                return found


def body(**fields: Any) -> bytes:
    return json.dumps({"type": "cancel-instance", "key": str((1 << 54) + (7 << 14)), **fields}).encode()


async def test_a_record_of_anybody_is_a_command(log: KafkaLog, made: Topics, producer: AIOKafkaProducer) -> None:
    await producer.send_and_wait(
        made.commands, body(id="mine", issued_at="2026-01-31T08:00:00Z", by="ada"), partition=0
    )
    (found,) = await take(log.read(1, 0), 1)

    assert found == CommandRecord(
        1, c.CancelInstance(id="mine", issued_at=AT, by="ada", key=(1 << 54) + (7 << 14)), "", 1
    )


async def test_what_a_producer_leaves_out_comes_from_the_record(
    log: KafkaLog, made: Topics, producer: AIOKafkaProducer
) -> None:
    sent = await producer.send_and_wait(
        made.commands, body(), partition=0, headers=[("traceparent", b"00-1"), ("reply-to", b"somebody/1")]
    )
    (found,) = await take(log.read(1, 0), 1)

    assert found.command.id == f"{made.commands}/0/{sent.offset}"
    assert abs((found.command.issued_at - datetime.now(UTC)).total_seconds()) < 60
    assert found.reply_to == "", "only an engine has callers"


async def test_what_is_no_command_is_buried_and_stops_nobody(
    log: KafkaLog, cluster: Cluster, made: Topics, producer: AIOKafkaProducer
) -> None:
    bad: list[tuple[bytes | None, str]] = [
        (b"\x00\xff", "as JSON"),
        (None, "without a value"),
        (body(type="make-coffee"), "make-coffee"),
        (body(key="a lot"), "key"),
        (body(id="~mine"), "does not begin with ~"),
        (body(id="x" * 501), "500"),
        (body(issued_at="2026-01-31T08:00:00"), "time zone"),
        (body(key=1), "of partition 1 to 3"),
        (body(type="trigger-timer", source=[1, 5]), "only the engine"),
        (b'{"type":"set-variables","key":1,"variables":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}", "as JSON"),
        (body(by="x" * COMMAND_BYTES_MAX), f"at most {COMMAND_BYTES_MAX} bytes"),
    ]
    for value, _ in bad:
        await producer.send_and_wait(made.commands, value, key=b"k", partition=1)
    await producer.send_and_wait(made.commands, body(id="good"), partition=1)
    found = await one_command(log.read(2, 0))
    buried = await letters(cluster, made, len(bad))

    assert found.command.id == "good"
    assert [(letter.value, letter.key) for letter in buried] == [(value, b"k") for value, _ in bad]
    for at, (letter, (_, reason)) in enumerate(zip(buried, bad, strict=True)):
        headers = dict(letter.headers)
        assert reason in headers["reason"].decode()
        assert (headers["topic"], headers["partition"], headers["offset"]) == (
            made.commands.encode(), b"1", str(at).encode(),
        )  # fmt: skip


async def test_a_reaction_counts_only_under_the_engines_seal(log: KafkaLog, cluster: Cluster, made: Topics) -> None:
    reaction = c.TriggerTimer(id="~1", issued_at=AT, key=7, source=(2, 5))
    stranger = KafkaLog(cluster, made, PARTITIONS, bytes(32))
    await stranger.publish([CommandRecord(1, reaction, "me/1")])
    await stranger.stop()
    await log.publish([CommandRecord(1, reaction, "me/2")])
    found = await one_command(log.read(1, 0))

    assert (found.command, found.reply_to) == (reaction, "me/2")


async def test_reading_goes_on_behind_what_is_no_command(
    log: KafkaLog, cluster: Cluster, made: Topics, producer: AIOKafkaProducer
) -> None:
    assert await log.ends((1, 2)) == {1: 0, 2: 0}
    await log.publish([record(1), record(2)])
    for value in (b"?", b"??"):
        await producer.send_and_wait(made.commands, value, partition=0)
    assert await log.last(1) == 4
    found = await take(log.read(1, 0), 2)
    while found[-1].offset < await log.last(1):
        found += await take(log.read(1, found[-1].offset), 1)

    assert [each.command for each in found if each.command != NOTHING] == [record(1).command, record(2).command]
    assert isinstance(target(NOTHING, PARTITIONS), Rejected), "it addresses nobody"
    assert [letter.value for letter in await letters(cluster, made, 2)] == [b"?", b"??"], "each was buried once"


async def test_a_topic_that_was_made_anew_is_not_read(log: KafkaLog) -> None:
    with pytest.raises(CommandsLost, match="reach offset 5, where the database stands, but it ends at 0"):
        await anext(log.read(1, 5))


async def test_aborted_transactions_of_producers_are_not_read(log: KafkaLog, cluster: Cluster, made: Topics) -> None:
    async with AIOKafkaProducer(**cluster.options, transactional_id=made.prefix) as foreign:
        await foreign.begin_transaction()
        await foreign.send_and_wait(made.commands, body(id="taken back"), partition=0)
        await foreign.abort_transaction()
        async with foreign.transaction():
            await foreign.send_and_wait(made.commands, body(id="meant"), partition=0)

    assert (await one_command(log.read(1, 0))).command.id == "meant"
