"""An engine in memory: real processors, projectors, timers and gateway over the memory adapters, with a clock that tests set."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from domain import commands as c
from domain import events as e
from eventstore.memory import MemoryEventStore
from eventstore.records import EventRecord
from eventstore.store import EventStore
from infra.clock import ControlledClock
from streams.definitions_view import DefinitionsView
from streams.elsewhere import Elsewhere
from streams.gateway import Gateway
from streams.jobs_available import JobsAvailable
from streams.jobs_elsewhere import JobsElsewhere
from streams.log import Log
from streams.memory_log import MemoryLog
from streams.metrics import Metrics
from streams.processor import PartitionProcessor, Parts
from streams.projector import Projector
from streams.replies import LocalReplies
from streams.tables import Due, OpenJob, OpenJobs
from streams.timers import Timers
from streams.work import Reply
from tests.support.bpmn import bpmn

START = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
IDLE_SECONDS_MAX = 100
"""Only against hanging: a busy machine must not come near it."""


class _Job(msgspec.Struct):
    key: int
    instance_key: int
    job_type: str
    priority: int
    retries: int
    available_at: datetime
    deadline: datetime | None = None


class MemoryTables:
    """The projected tables that the moving parts ask, folded in memory: jobs and agenda."""

    def __init__(self) -> None:
        self.positions: dict[int, int] = {}
        self.jobs: dict[int, dict[int, _Job]] = {}
        self.agenda: dict[int, dict[int, Due]] = {}
        self.applied: list[EventRecord] = []

    async def checkpoint(self, partition: int) -> int:
        return self.positions.get(partition, 0)

    async def apply(
        self, partition: int, records: Sequence[EventRecord], between: Callable[[], Awaitable[None]] | None = None
    ) -> int:
        assert records[0].position == self.positions.get(partition, 0) + 1
        await (between() if between is not None else asyncio.sleep(0))
        for record in records:
            self._fold(record, self.jobs.setdefault(partition, {}), self.agenda.setdefault(partition, {}))
        self.applied += records
        self.positions[partition] = records[-1].position
        return records[-1].position

    def _fold(self, record: EventRecord, jobs: dict[int, _Job], agenda: dict[int, Due]) -> None:
        match record.event:
            case e.JobCreated(key=key):
                instance = int(record.stream.partition("/")[2])
                jobs[key] = _Job(
                    key, instance, record.event.job_type, record.event.priority, record.event.retries, record.time
                )
            case e.JobCompleted(key=key) | e.JobCanceled(key=key):
                jobs.pop(key, None)
            case e.JobFailed(key=key):
                jobs[key].retries = record.event.retries
                jobs[key].available_at = record.event.retry_at or record.time
                jobs[key].deadline = None
            case e.JobsLeased(keys=keys):
                for key in keys:
                    if key in jobs:
                        jobs[key].available_at = jobs[key].deadline = record.event.deadline
            case e.JobLeaseExtended(key=key):
                jobs[key].available_at = jobs[key].deadline = record.event.deadline
            case e.TimerSet(key=key):
                agenda[key] = Due(record.event.due, key, "timer", "", "")
            case e.StartTimerSet(key=key):
                agenda[key] = Due(record.event.due, key, "start-timer", "", "")
            case e.MessagePublished(key=key) if record.event.deadline > record.time:
                agenda[key] = Due(
                    record.event.deadline, key, "message", record.event.name, record.event.correlation_key
                )
            case (
                e.TimerFired(key=key)
                | e.TimerCanceled(key=key)
                | e.StartTimerFired(key=key)
                | e.StartTimerCanceled(key=key)
                | e.MessageExpired(key=key)
            ):
                agenda.pop(key, None)
            case _:
                pass

    async def open(self, partition: int, job_type: str, now: datetime, limit: int) -> OpenJobs:
        found = [job for job in self.jobs.get(partition, {}).values() if job.job_type == job_type and job.retries > 0]
        ready = sorted((job for job in found if job.available_at <= now), key=lambda job: (-job.priority, job.key))
        later = [job.available_at for job in found if job.available_at > now]
        return OpenJobs(
            [OpenJob(job.key, job.instance_key, job.priority) for job in ready[:limit]], min(later, default=None)
        )

    async def deadlines(self, partition: int, keys: Sequence[int], now: datetime) -> dict[int, datetime]:
        jobs = self.jobs.get(partition, {})
        found = {key: jobs[key].deadline for key in keys if key in jobs}
        return {key: deadline for key, deadline in found.items() if deadline is not None and deadline > now}

    async def due(self, partition: int, now: datetime, limit: int) -> Sequence[Due]:
        found = [due for due in self.agenda.get(partition, {}).values() if due.due <= now]
        return sorted(found, key=lambda due: (due.due, due.key))[:limit]

    async def next_due(self, partition: int) -> datetime | None:
        return min((due.due for due in self.agenda.get(partition, {}).values()), default=None)


class MemoryEngine:
    """All parts of one process that owns every partition."""

    def __init__(
        self, partitions: int, store: EventStore, log: Log, clock: ControlledClock, tables: MemoryTables, owner: str
    ) -> None:
        self.partitions = partitions
        self.store = store
        self.log = log
        self.clock = clock
        self.tables = tables
        self.replies = LocalReplies(owner)
        self.available = JobsAvailable()
        self.metrics = Metrics()
        self.definitions = DefinitionsView(store)
        parts = Parts(partitions, owner, store, log, self.replies, self.definitions, clock, tables, self.metrics)
        self.processors: dict[int, PartitionProcessor] = {}
        self.projectors: dict[int, Projector] = {}
        self.timers: dict[int, Timers] = {}
        for partition in range(1, partitions + 1):
            projector = Projector(partition, store, tables, self.metrics)
            processor = PartitionProcessor(partition, parts, _position(projector))
            timers = Timers(processor, projector, tables, clock)
            processor.sinks += [projector.hand, timers.notice, self.available.notice]
            processor.on_owned.append(projector.look)
            self.processors[partition], self.projectors[partition] = processor, projector
            self.timers[partition] = timers
        self.gateway = Gateway(
            partitions,
            self.processors,
            Elsewhere(log, self.replies),
            clock,
            self.available,
            JobsElsewhere(owner, self.available.notify),
        )
        self.tasks: list[asyncio.Task[None]] = []
        self.numbers = 0

    def start(self) -> None:
        for partition in self.processors:
            for run in (self.processors[partition].run, self.projectors[partition].run, self.timers[partition].run):
                self.tasks.append(asyncio.create_task(run()))

    async def ready(self) -> None:
        await self.until(lambda: all(processor.ready for processor in self.processors.values()))

    async def stop(self) -> None:
        for processor in self.processors.values():
            processor.stop()
        await asyncio.sleep(0)
        self.kill()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def kill(self) -> None:
        for task in self.tasks:
            task.cancel()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(IDLE_SECONDS_MAX):
            while not condition():  # noqa: ASYNC110 - any condition
                await asyncio.sleep(0.001)

    async def idle(self) -> None:
        """Wait until nothing is going on any more."""
        async with asyncio.timeout(IDLE_SECONDS_MAX):
            while not await self._quiet():  # noqa: ASYNC110 - rest has no event
                await asyncio.sleep(0.001)

    async def _quiet(self) -> bool:
        if not self._at_rest():
            return False
        for partition, processor in self.processors.items():
            if await self.log.last(partition) > processor.command_offset:
                return False
        return self._at_rest()

    def _at_rest(self) -> bool:
        return all(
            processor.idle and self.projectors[partition].position == processor.position and self.timers[partition].idle
            for partition, processor in self.processors.items()
        )

    async def advance(self, **time: float) -> None:
        self.clock.advance(timedelta(**time))
        self.available.wake_all()
        await self.idle()

    def stamp(self, command_id: str | None = None) -> dict[str, Any]:
        self.numbers += 1
        return {"id": command_id or f"~{self.numbers}", "issued_at": self.clock.now(), "by": "ada"}

    async def deploy(self, text: str, process_id: str = "p") -> Reply:
        resource = c.Resource(f"{process_id}.bpmn", bpmn(text, process_id))
        return await self.gateway.submit(c.DeployResources(resources=(resource,), **self.stamp()))

    async def create(self, process_id: str = "p", command_id: str | None = None, **variables: Any) -> Reply:
        return await self.gateway.submit(
            c.CreateInstance(process_id=process_id, variables=variables, **self.stamp(command_id))
        )

    async def jobs(self, job_type: str, jobs_max: int = 100, wait: float = 0, timeout: int = 60_000) -> list[Any]:
        return await self.gateway.fetch_jobs(job_type, "worker", timeout, jobs_max, (), wait)

    async def complete(self, job: dict[str, Any], **variables: Any) -> Reply:
        return await self.gateway.submit(c.CompleteJob(key=int(job["jobKey"]), variables=variables, **self.stamp()))

    async def events(self, kind: type[e.Event] | None = None) -> list[EventRecord]:
        found: list[EventRecord] = []
        for partition in self.processors:
            found += await self.store.read(partition, 0, 1_000_000)
        return [record for record in found if kind is None or isinstance(record.event, kind)]


def _position(projector: Projector) -> Callable[[], int]:
    return lambda: projector.position


@asynccontextmanager
async def engine(
    partitions: int = 3,
    store: EventStore | None = None,
    log: Log | None = None,
    clock: ControlledClock | None = None,
    tables: MemoryTables | None = None,
    owner: str = "me",
) -> AsyncGenerator[MemoryEngine]:
    """A running engine; what it is given outlives it."""
    if clock is None:
        clock = ControlledClock()
        clock.pin(START)
    running = MemoryEngine(
        partitions, store or MemoryEventStore(), log or MemoryLog(), clock, tables or MemoryTables(), owner
    )
    running.start()
    try:
        await running.ready()
        yield running
    finally:
        await running.stop()
