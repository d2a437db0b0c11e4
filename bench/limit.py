"""What the storage of this machine can do: the events of one-task instances appended, and their final rows upserted.

No engine takes part: events and rows are made before the clock starts. Both writers run side by side, as in the engine.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import asyncpg

from bench.models import ONE_TASK
from domain import commands as c
from domain import events as e
from domain.decide import State, decide, fold, initial
from domain.deployed import Deployed
from domain.instance import Instance
from domain.keys import make_key
from domain.results import Context, Rejected
from domain.streams import DEFINITIONS_STREAM, instance_stream
from eventstore.codec import CODEC
from eventstore.postgres import PostgresEventStore
from eventstore.records import EventRecord
from eventstore.store import Batch
from projections.connections import Connection
from projections.registry import Folded
from projections.writer import ProjectionWriter

EVENTS_PER_COMMIT = 2_000
EVENTS_PER_PROJECTION = 2_000
JOBS_PER_LEASE = 32

_T = TypeVar("_T")


def one_task_records(instances: int) -> list[EventRecord]:
    """Return the events of that many one-task instances on partition 1, as the engine would store them."""
    numbers = iter(range(1, 1 << 40))
    deployed = initial(DEFINITIONS_STREAM)
    assert isinstance(deployed, Deployed)
    now = datetime.now(UTC)
    context = Context(now=now, partition=1, partitions=1, next_number=lambda: next(numbers), definitions=deployed)
    records: list[EventRecord] = []

    def record(stream: str, command_id: str, event: Any) -> None:
        records.append(EventRecord(1, len(records) + 1, stream, now, command_id, "", event))

    def run(stream: str, state: State, command: c.AnyCommand) -> None:
        answer = decide(state, command, context)
        assert not isinstance(answer, Rejected), answer.reason
        for fact in fold(state, answer):
            record(stream, command.id, fact)

    resources = (c.Resource(name="one-task.bpmn", content=ONE_TASK),)
    run(DEFINITIONS_STREAM, deployed, c.DeployResources(id="~deploy", issued_at=now, resources=resources))
    for number in range(instances):
        stream = instance_stream(make_key(1, next(numbers)))
        state = initial(stream)
        assert isinstance(state, Instance)
        create = c.CreateInstance(
            id=f"~create-{number}", issued_at=now, process_id="one-task", variables={"number": number}
        )
        run(stream, state, create)
        job = next(iter(state.jobs))
        if number % JOBS_PER_LEASE == 0:
            record("jobs/work", "~lease", e.JobsLeased(job_type="work", worker="bench", deadline=now, keys=(job,)))
        run(stream, state, c.CompleteJob(id=f"~complete-{number}", issued_at=now, key=job, variables={"done": True}))
    return records


def chunks(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    """Yield runs of at most `size` items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


async def storage_limit(dsn: str, instances: int) -> float:
    """Return how many one-task instances a second this storage takes. The database has the schema and is empty."""
    records = one_task_records(instances)
    async with asyncpg.create_pool(dsn, min_size=2, max_size=4) as pool:
        store = PostgresEventStore(pool, dsn)
        writer = ProjectionWriter(pool)
        ownership = await store.acquire(1, "bench")
        batches = [
            Batch(
                partition=1,
                epoch=ownership.epoch,
                after=chunk[0].position - 1,
                records=chunk,
                bodies=[CODEC.encode(record.event) for record in chunk],
                command_offset=0,
                last_number=0,
                marks={},
                reactions_published=0,
            )
            for chunk in chunks(records, EVENTS_PER_COMMIT)
        ]
        folded = [(chunk, writer.fold(chunk)) for chunk in chunks(records, EVENTS_PER_PROJECTION)]
        begin = time.perf_counter()
        async with pool.acquire() as connection:
            await asyncio.gather(_append(store, batches), _project(writer, connection, folded))
        seconds = time.perf_counter() - begin
        await store.close()
    return instances / seconds


async def _append(store: PostgresEventStore, batches: Sequence[Batch]) -> None:
    for batch in batches:
        await store.commit(batch)


async def _project(
    writer: ProjectionWriter, connection: Connection, folded: Sequence[tuple[Sequence[EventRecord], Folded]]
) -> None:
    for chunk, rows in folded:
        await writer.write(connection, 1, chunk, rows)
