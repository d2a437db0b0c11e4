"""The engine as it is wired, on PostgreSQL."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from domain import commands as c
from domain import events as e
from domain.keys import make_key, partition_of
from domain.results import Rejected
from eventstore.store import Fenced
from infra.clock import ControlledClock, SystemClock
from infra.engine import IDLE_SECONDS_MAX, Engine
from infra.engine_lock import EngineCannotStart
from infra.settings import load
from projections.writer import ProjectionWriter
from streams import projector
from streams.elsewhere import Elsewhere
from streams.gateway import Gateway
from streams.jobs_available import JobsAvailable
from streams.jobs_elsewhere import JobsElsewhere
from streams.notifications import Notifications
from streams.postgres_log import PostgresLog
from streams.postgres_replies import PostgresReplies
from streams.replies import LocalReplies
from streams.work import Reply, Unavailable
from tests.support.bpmn import bpmn

SETTINGS = load({"clock": "controlled", "partitions": 3})


class Stamps:
    """Ids of this test's callers."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, run: Engine, command_id: str | None = None) -> dict[str, Any]:
        self.number += 1
        return {"id": command_id or f"~{self.number}", "issued_at": run.clock.now(), "by": "ada"}


stamp = Stamps()


async def deploy(run: Engine, text: str, process_id: str = "p") -> Reply:
    resource = c.Resource(f"{process_id}.bpmn", bpmn(text, process_id))
    return await run.gateway.submit(c.DeployResources(resources=(resource,), **stamp(run)))


async def create(run: Engine, process_id: str = "p", **variables: Any) -> dict[str, Any]:
    reply = await run.gateway.submit(c.CreateInstance(process_id=process_id, variables=variables, **stamp(run)))
    assert isinstance(reply.result, dict), reply
    return reply.result


async def count(run: Engine, kind: type[e.Event]) -> int:
    found = await run.pool.fetchval("SELECT count(*) FROM events WHERE type = $1", kind.__struct_config__.tag)
    return int(found)


async def test_what_was_acknowledged_is_there_after_a_restart(database_url: str) -> None:
    async with Engine.running(SETTINGS, database_url) as run:
        await deploy(run, "o start -> message m go -> O end", "child")
        await deploy(run, "o start -> call c child -> pack -> timer t PT1M -> O end")
        for number in range(12):
            await create(run, key=f"k{number}")
        await run.idle()
    async with Engine.running(SETTINGS, database_url) as run:
        for number in range(12):
            await run.gateway.submit(c.PublishMessage(name="go", correlation_key=f"k{number}", **stamp(run)))
        await run.idle()
        jobs = await run.gateway.fetch_jobs("pack", "w", 60_000, 100, (), 0)
        assert len(jobs) == 12
    async with Engine.running(SETTINGS, database_url) as run:
        assert not await run.gateway.fetch_jobs("pack", "w", 60_000, 100, (), 0)
        for job in jobs:
            await run.gateway.submit(c.CompleteJob(key=int(job["jobKey"]), **stamp(run)))
        await run.set_time(run.clock.now() + timedelta(minutes=1))

        assert await count(run, e.InstanceCompleted) == 24
        assert await run.pool.fetchval("SELECT count(*) FROM process_instances WHERE state = 'COMPLETED'") == 24
        assert await run.pool.fetchval("SELECT count(*) FROM agenda") == 0
        writer = ProjectionWriter(run.pool)
        for partition, position in (await run.store.positions()).items():
            assert await writer.checkpoint(partition) == position


async def test_a_second_engine_is_told_who_holds_the_database(database_url: str) -> None:
    async with Engine.running(SETTINGS, database_url):
        with pytest.raises(EngineCannotStart, match=r"held by another engine: process \d+ on "):
            async with Engine.running(SETTINGS, database_url):
                pass


async def test_another_number_of_partitions_is_refused(database_url: str) -> None:
    async with Engine.running(SETTINGS, database_url):
        pass
    with pytest.raises(EngineCannotStart, match="has 3 partitions, but PROCESSION_PARTITIONS is 4"):
        async with Engine.running(load({"partitions": 4}), database_url):
            pass


async def test_an_owner_that_lost_its_partition_ends(database_url: str) -> None:
    async with Engine.running(SETTINGS, database_url) as run:
        await run.store.acquire(2, "somebody else")
        with pytest.raises(Unavailable):
            await run.gateway.submit(c.CancelInstance(key=(2 << 54) | (5 << 14), **stamp(run)))
        async with asyncio.timeout(100):
            await run.lost.wait()

        assert isinstance(run._tasks["processor 2"].exception(), Fenced)
        assert not run.ready


async def test_an_event_from_the_future_stops_its_partition_and_says_where(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Engine.running(SETTINGS, database_url) as run:
        await deploy(run, "o start -> pack -> O end")
        key = int((await create(run))["processInstanceKey"])
        await run.idle()
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "UPDATE events SET schema = 9 WHERE stream = $1 AND type = 'job-created'", f"instance/{key}"
    )
    await connection.close()
    async with Engine.running(SETTINGS, database_url) as run:
        with pytest.raises(Unavailable):
            await run.gateway.submit(c.CancelInstance(key=key, **stamp(run)))
        others = [
            await run.gateway.submit(c.CancelInstance(key=make_key(partition, 999), **stamp(run)))
            for partition in (1, 2, 3)
            if partition != partition_of(key)
        ]

        assert not run.ready
        assert all(isinstance(reply.result, Rejected) for reply in others)
    assert "expected version 1 to 1 of event type 'job-created', but found version 9" in caplog.text


@asynccontextmanager
async def caller_elsewhere(
    run: Engine, pool: "asyncpg.Pool[asyncpg.Record]", dsn: str, process: str
) -> AsyncGenerator[Gateway]:
    """A process that serves callers and owns no partition."""
    notifications = Notifications(dsn)
    await notifications.start()
    log = PostgresLog(pool, dsn, notifications)
    await log.start()
    local = LocalReplies(process)
    replies = PostgresReplies(local, notifications)
    await replies.start()
    available = JobsAvailable()
    yield Gateway(
        run.partitions, {}, Elsewhere(log, local), run.clock, available, JobsElsewhere(process, available.notify)
    )
    await log.stop()
    await notifications.stop()


async def test_callers_of_other_processes_are_answered(database_url: str, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    async with (
        Engine.running(SETTINGS, database_url) as run,
        caller_elsewhere(run, pool, database_url, "one") as one,
        caller_elsewhere(run, pool, database_url, "two") as two,
    ):
        await deploy(run, "o start -> pack -> O end")
        created = await asyncio.gather(
            *(
                gateway.submit(c.CreateInstance(process_id="p", **stamp(run)))
                for _ in range(100)
                for gateway in (one, two, run.gateway)
            )
        )
        jobs: list[dict[str, Any]] = []
        async with asyncio.timeout(100):
            while len(jobs) < 300:
                for gateway in (one, two):
                    jobs += await gateway.fetch_jobs("pack", "w", 600_000, 200, (), 1)
        refused = await two.submit(c.CancelInstance(key=(2 << 54) | (5_000 << 14), **stamp(run)))
        completed = await asyncio.gather(
            *(one.submit(c.CompleteJob(key=int(job["jobKey"]), **stamp(run))) for job in jobs)
        )

        assert len({str(reply.result) for reply in created}) == 300
        assert len(jobs) == len({job["jobKey"] for job in jobs}) == 300
        assert isinstance(refused.result, Rejected)
        assert all(isinstance(reply.result, dict) for reply in completed)
        assert await count(run, e.InstanceCompleted) == 300


async def test_the_database_may_go_away_and_come_back(database_url: str) -> None:
    async with Engine.running(SETTINGS, database_url) as run:
        await deploy(run, "o start -> pack -> O end")
        answered = 0
        for number in range(60):
            if number % 20 == 10:
                admin = await asyncpg.connect(database_url)
                await admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND usename = current_user AND pid <> pg_backend_pid()"
                )
                await admin.close()
            reply = await run.gateway.submit(c.CreateInstance(process_id="p", **stamp(run)))
            answered += isinstance(reply.result, dict)
        await run.idle()

        assert answered == 60
        assert await count(run, e.InstanceCreated) == 60
        assert await run.pool.fetchval("SELECT count(*) FROM process_instances") == 60


async def test_timers_fire_within_200_ms_by_the_system_clock(database_url: str) -> None:
    async with Engine.running(load({"partitions": 2}), database_url) as run:
        assert isinstance(run.clock, SystemClock)
        for tenths in range(3, 8):
            await deploy(run, f"o start -> timer t PT0.{tenths}S -> O end", f"p{tenths}")
        late = [timedelta.max]
        # A machine that is busy with other tests may hold up whole rounds; one that is not held up is on time from end to end.
        for _ in range(20):
            if max(late) <= timedelta(milliseconds=200):
                break
            late = await _lateness(run)
            assert min(late) >= timedelta()

        assert max(late) <= timedelta(milliseconds=200), late


async def _lateness(run: Engine) -> list[timedelta]:
    """Start five timers that end at different times; return how late each fired."""
    before = await count(run, e.TimerFired)
    for tenths in range(3, 8):
        await create(run, f"p{tenths}")
    async with asyncio.timeout(100):
        while await count(run, e.TimerFired) < before + 5:  # noqa: ASYNC110 - counted in the table, as others would
            await asyncio.sleep(0.01)
    rows = await run.pool.fetch(
        "SELECT f.time - (s.body->>'due')::timestamptz AS late FROM event_log s JOIN event_log f "
        "ON f.type = 'timer-fired' AND f.body->>'key' = s.body->>'key' WHERE s.type = 'timer-set' "
        "ORDER BY f.time DESC LIMIT 5"
    )
    return [row["late"] for row in rows]


async def test_setting_the_clock_returns_when_all_that_was_due_has_happened(database_url: str) -> None:
    async with Engine.running(SETTINGS, database_url) as run:
        assert isinstance(run.clock, ControlledClock)
        await deploy(run, "on timer start R10/PT1M; start -> timer t PT1M -> O end")
        for _ in range(12):
            await run.set_time(run.clock.now() + timedelta(minutes=1))

        assert await run.pool.fetchval("SELECT count(*) FROM process_instances WHERE state = 'COMPLETED'") == 10


async def test_who_waits_for_rest_does_not_wait_for_events_to_gather(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projector, "GATHER_SECONDS", 3600.0)
    async with Engine.running(SETTINGS, database_url) as run:
        await deploy(run, "o start -> O end")
        for _ in range(5):
            await create(run)
            await create(run)
            await asyncio.wait_for(run.idle(), IDLE_SECONDS_MAX)
