"""Event sequences for projections: written by hand, or what a simulated engine left behind."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import asyncpg

from domain import events as e
from domain.keys import make_key
from eventstore.records import EventRecord
from projections.registry import PROJECTIONS
from projections.verify import digest
from projections.writer import ProjectionWriter
from tests.support.world import World

START = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
TABLES = [projection.table.name for projection in PROJECTIONS]


class History:
    """A log of some partitions, written event by event. It is its own event store."""

    def __init__(self) -> None:
        self.records: dict[int, list[EventRecord]] = {}
        self.time = START

    def add(self, stream: str, *events: e.AnyEvent, partition: int = 1, by: str = "") -> "History":
        """Append events, a second apart."""
        log = self.records.setdefault(partition, [])
        for event in events:
            self.time += timedelta(seconds=1)
            log.append(EventRecord(partition, len(log) + 1, stream, self.time, "~test", by, event))
        return self

    def instance(self, number: int, *events: e.AnyEvent, partition: int = 1) -> "History":
        """Append events of one process instance."""
        return self.add(f"instance/{make_key(partition, number)}", *events, partition=partition)

    async def read(self, partition: int, after: int, limit: int) -> Sequence[EventRecord]:
        """See `projections.shadow.EventReader`."""
        return self.records.get(partition, [])[after : after + limit]

    async def positions(self) -> Mapping[int, int]:
        """See `projections.shadow.EventReader`."""
        return {partition: len(log) for partition, log in self.records.items()}


def created(key: int, **more: object) -> e.InstanceCreated:
    """Return the first fact of an instance of the process `order`."""
    given = {"definition_key": 7, "process_id": "order", "version": 1, "root_key": key, **more}
    return e.InstanceCreated(key=key, **given)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - a test's words


def with_a_job(number: int, partition: int = 1) -> tuple[int, int, int, list[e.AnyEvent]]:
    """Return instance, element and job key, and the facts that lead there."""
    key = make_key(partition, number)
    facts: list[e.AnyEvent] = [
        created(key),
        e.VariablesSet(scope=key, variables={"orderId": number}),
        e.ElementEntered(key=key + 1, element="pack", scope=key),
        e.JobCreated(key=key + 2, element_key=key + 1, element="pack", job_type="pack", retries=3),
    ]
    return key, key + 1, key + 2, facts


def of_world(world: World) -> History:
    """Return the log of a simulated engine."""
    history = History()
    for record in world.log:
        history.add(record.stream, record.event, partition=record.partition)
    return history


async def project(
    pool: asyncpg.Pool, history: History, random: Random | None = None, writer: ProjectionWriter | None = None
) -> None:
    """Project the log from the checkpoints on: each partition in one batch, or in random batches, partitions mixed."""
    writer = writer or ProjectionWriter(pool)
    left = {partition: await writer.checkpoint(partition) for partition in history.records}
    while left:
        partition = random.choice(sorted(left)) if random else min(left)
        log = history.records[partition]
        size = random.choice([1, 2, 5, 30, 200]) if random else len(log)
        records = log[left[partition] : left[partition] + size]
        if not records:
            del left[partition]
            continue
        left[partition] = await writer.apply(partition, records)


async def digests(pool: asyncpg.Pool) -> dict[str, str]:
    """Return a digest of each query table and of the checkpoints."""
    return {table: await digest(pool, table) for table in [*TABLES, "checkpoints"]}


async def empty(pool: asyncpg.Pool, tables: Iterable[str] = (*TABLES, "checkpoints")) -> None:
    """Empty the query tables."""
    await pool.execute(f"TRUNCATE {', '.join(tables)}")
