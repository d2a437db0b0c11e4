"""How fast a full topic is written from the table, compared with it, and folded by a consumer. No engine runs meanwhile."""

import time
from collections.abc import Mapping

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from domain.instance import Instance, evolve
from eventstore.codec import CODEC
from streams.pulse import Pulse
from streams.relay import NoMore, Relay
from streams.rows import PostgresEventRows
from streams.topic_check import check_topic
from streams.topics import Cluster, Topics, create, delete

READ_RECORDS_MAX = 5_000
INSTANCE = "instance/"


async def measure_topics(dsn: str, cluster: Cluster) -> dict[str, float]:
    """Lose the events topic, fill it from the table, check it and fold it; return records a second of each."""
    async with asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool:
        rows = await pool.fetch("SELECT partition, position FROM partitions ORDER BY partition")
        positions: dict[int, int] = {row[0]: row[1] for row in rows}
        table = PostgresEventRows(pool)
        records = sum(positions.values())
        topics = Topics("refilled")
        await create(cluster, topics, len(positions))
        try:
            relay = await _relay(cluster, topics, table, positions)
            check = await _check(cluster, topics, table, positions)
            fold, instances = await _fold(cluster, topics, positions)
        finally:
            await delete(cluster, topics)
    return {
        "records": records,
        "relay_per_second": records / relay,
        "check_per_second": records / check,
        "fold_per_second": records / fold,
        "folded_instances": instances,
    }


async def _relay(cluster: Cluster, topics: Topics, table: PostgresEventRows, positions: Mapping[int, int]) -> float:
    begin = time.perf_counter()
    for partition, position in positions.items():
        relay = Relay(partition, table, cluster, topics, NoMore(position), Pulse())
        await relay.catch_up(position)
        assert relay.relayed == position, f"expected {position} events, but {relay.relayed} were relayed"
    return time.perf_counter() - begin


async def _check(cluster: Cluster, topics: Topics, table: PostgresEventRows, positions: Mapping[int, int]) -> float:
    begin = time.perf_counter()
    for partition, position in positions.items():
        report = await check_topic(cluster, topics, partition, table, position)
        assert not report.problems, report.problems[0]
    return time.perf_counter() - begin


async def _fold(cluster: Cluster, topics: Topics, positions: Mapping[int, int]) -> tuple[float, int]:
    """Fold every event of every instance, as a consumer would that knows our schemas; return seconds and instances."""
    states: dict[str, Instance] = {}
    left = sum(positions.values())
    async with AIOKafkaConsumer(**cluster.options, enable_auto_commit=False) as consumer:
        where = [TopicPartition(topics.events, partition - 1) for partition in positions]
        consumer.assign(where)
        await consumer.seek_to_beginning(*where)
        begin = time.perf_counter()
        while left:
            for records in (await consumer.getmany(timeout_ms=1_000, max_records=READ_RECORDS_MAX)).values():
                for record in records:
                    headers = dict(record.headers)
                    stream = headers["stream"].decode()
                    event = CODEC.decode(headers["type"].decode(), int(headers["schema"]), record.value or b"")
                    if stream.startswith(INSTANCE):
                        state = states.get(stream)
                        if state is None:
                            state = states[stream] = Instance(key=int(stream[len(INSTANCE) :]))
                        evolve(state, event)
                left -= len(records)
        seconds = time.perf_counter() - begin
    assert all(not state.running for state in states.values()), "expected every instance to have ended"
    return seconds, len(states)
