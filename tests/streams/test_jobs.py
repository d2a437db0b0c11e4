import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

import pytest

from domain import commands as c
from domain import events as e
from domain.results import Rejected
from eventstore.memory import MemoryEventStore
from eventstore.store import Stored
from infra.clock import ControlledClock
from streams import job_offers
from streams.job_offers import GONE_MAX, JobOffers
from streams.memory_log import MemoryLog
from streams.tables import JobsTable
from tests.streams.harness import START, MemoryEngine, MemoryTables, engine


def keys(jobs: list[dict[str, Any]]) -> list[str]:
    return [job["jobKey"] for job in jobs]


async def with_jobs(run: MemoryEngine, count: int) -> None:
    await run.deploy("o start -> pack -> O end")
    await asyncio.gather(*(run.create(n=number) for number in range(count)))


def watch_loads(run: MemoryEngine, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the streams that are loaded from now on, as they come."""
    loaded: list[str] = []
    load = run.store.load

    async def watched(partition: int, streams: Sequence[str]) -> Mapping[str, Stored]:
        loaded.extend(streams)
        return await load(partition, streams)

    monkeypatch.setattr(run.store, "load", watched)
    return loaded


async def test_a_leased_job_is_not_offered_again_before_its_deadline() -> None:
    async with engine() as run:
        await with_jobs(run, 10)
        leased = await run.jobs("pack", timeout=60_000)
        await run.advance(seconds=59)
        assert not await run.jobs("pack")
        await run.advance(seconds=1)

        assert sorted(keys(await run.jobs("pack"))) == sorted(keys(leased))


async def test_a_lease_counts_from_when_the_job_is_handed_out_however_long_the_command_waited() -> None:
    async with engine(partitions=1) as run:
        await with_jobs(run, 1)
        issued_at = run.clock.now()
        await run.advance(seconds=30)
        activate = c.ActivateJobs(
            partition=1, job_type="pack", timeout=10_000, jobs_max=1, id="~late", issued_at=issued_at
        )
        leased = (await run.gateway.submit(activate)).result

        assert isinstance(leased, dict)
        assert len(leased["jobs"]) == 1
        assert not await run.jobs("pack")
        [record] = await run.events(e.JobsLeased)
        assert isinstance(record.event, e.JobsLeased)
        assert record.event.deadline == run.clock.now() + timedelta(seconds=10)


async def test_one_fact_leases_a_batch() -> None:
    async with engine(partitions=1) as run:
        await with_jobs(run, 10)
        await run.jobs("pack", jobs_max=7)
        [record] = await run.events(e.JobsLeased)

        assert isinstance(record.event, e.JobsLeased)
        assert len(record.event.keys) == 7
        assert (record.stream, record.event.worker) == ("jobs/pack", "worker")


async def test_a_restart_hands_nothing_out_twice() -> None:
    async with engine() as run:
        await with_jobs(run, 20)
        first = await run.jobs("pack", jobs_max=9)
        await run.idle()
    async with engine(store=run.store, log=run.log, clock=run.clock, tables=run.tables) as again:
        rest = await again.jobs("pack")

        assert len(first) == 9
        assert len(rest) == 11
        assert not set(keys(first)) & set(keys(rest))


async def test_the_oldest_is_offered_first_and_more_from_the_table_than_the_window_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job_offers, "READY_MAX", 10)
    monkeypatch.setattr(job_offers, "REFILL_JOBS", 7)
    monkeypatch.setattr(job_offers, "REFILL_SECONDS", 0.0)
    async with engine(partitions=1) as run:
        await with_jobs(run, 100)
        await run.idle()
        found: list[str] = []
        while jobs := await run.jobs("pack", jobs_max=9):
            found += keys(jobs)

        assert found == [str(key) for key in sorted(map(int, found))]
        assert len(found) == 100


async def test_failing_offers_again_at_once_or_after_the_back_off_or_not() -> None:
    async with engine(partitions=1) as run:
        await with_jobs(run, 3)
        at_once, later, never = map(int, keys(await run.jobs("pack")))
        await run.gateway.submit(c.FailJob(key=at_once, retries=2, **run.stamp()))
        await run.gateway.submit(c.FailJob(key=later, retries=2, back_off=30_000, **run.stamp()))
        await run.gateway.submit(c.FailJob(key=never, retries=0, **run.stamp()))

        assert keys(await run.jobs("pack", timeout=600_000)) == [str(at_once)]
        await run.advance(seconds=30)
        assert keys(await run.jobs("pack", timeout=600_000)) == [str(later)]
        await run.gateway.submit(c.UpdateJob(key=never, retries=1, **run.stamp()))
        [incident] = await run.events(e.IncidentRaised)
        assert isinstance(incident.event, e.IncidentRaised)
        await run.gateway.submit(c.ResolveIncident(key=incident.event.key, **run.stamp()))
        assert keys(await run.jobs("pack")) == [str(never)]


async def test_a_lease_can_be_extended_by_who_has_one() -> None:
    async with engine(partitions=1) as run:
        await with_jobs(run, 2)
        [key] = map(int, keys(await run.jobs("pack", jobs_max=1, timeout=10_000)))
        await run.gateway.submit(c.UpdateJob(key=key, timeout=100_000, **run.stamp()))
        await run.advance(seconds=50)
        assert len(await run.jobs("pack", timeout=10_000)) == 1
        await run.advance(seconds=50)
        refused = await run.gateway.submit(c.UpdateJob(key=key, timeout=100_000, **run.stamp()))

        assert isinstance(refused.result, Rejected)
        assert str(key) in keys(await run.jobs("pack"))


async def test_a_lease_can_be_extended_after_a_restart() -> None:
    async with engine(partitions=1) as run:
        await with_jobs(run, 1)
        [key] = map(int, keys(await run.jobs("pack", timeout=10_000)))
        await run.idle()
    async with engine(1, run.store, run.log, run.clock, run.tables) as again:
        extended = await again.gateway.submit(c.UpdateJob(key=key, timeout=100_000, **again.stamp()))

        assert isinstance(extended.result, dict)
        await again.advance(seconds=50)
        assert not await again.jobs("pack")


async def test_suspended_and_cancelled_instances_offer_nothing() -> None:
    async with engine(partitions=1) as run:
        await run.deploy("o start -> pack -> O end")
        suspended, cancelled = [int((await run.create()).result["processInstanceKey"]) for _ in range(2)]  # type: ignore[index]
        await run.gateway.submit(c.SuspendInstance(key=suspended, **run.stamp()))
        await run.gateway.submit(c.CancelInstance(key=cancelled, **run.stamp()))
        assert not await run.jobs("pack")
        await run.gateway.submit(c.ResumeInstance(key=suspended, **run.stamp()))

        assert [job["processInstanceKey"] for job in await run.jobs("pack")] == [str(suspended)]


async def test_a_long_poll_is_woken_by_a_new_job() -> None:
    async with engine() as run:
        await run.deploy("o start -> pack -> O end")
        polling = [asyncio.ensure_future(run.jobs("pack", jobs_max=1, wait=100)) for _ in range(3)]
        await asyncio.sleep(0.01)
        assert not any(poll.done() for poll in polling)
        for _ in range(3):
            await run.create()
        found = await asyncio.wait_for(asyncio.gather(*polling), 100)

        assert len({key for jobs in found for key in keys(jobs)}) == 3


async def test_a_long_poll_is_woken_when_a_lease_ends() -> None:
    async with engine(partitions=1) as run:
        await with_jobs(run, 1)
        await run.jobs("pack", timeout=60_000)
        polling = asyncio.ensure_future(run.jobs("pack", wait=10))
        await asyncio.sleep(0.01)
        await run.advance(seconds=60)

        assert len(await asyncio.wait_for(polling, 100)) == 1


async def test_a_caller_who_went_away_leases_nothing() -> None:
    async with engine() as run:
        await run.deploy("o start -> pack -> O end")
        for steps in range(40):
            polling = asyncio.ensure_future(run.jobs("pack", wait=10))
            await asyncio.sleep(0)
            await run.create(n=steps)
            for _ in range(steps % 8):
                await asyncio.sleep(0)
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)
            await run.until(lambda: not run.gateway._releasing)
        await run.idle()
        answered = set(keys(await run.jobs("pack", jobs_max=100)))

        assert len(answered) == 40


async def test_partitions_take_turns() -> None:
    async with engine(partitions=4) as run:
        await with_jobs(run, 80)
        first = [(await run.jobs("pack", jobs_max=1))[0] for _ in range(8)]

        assert {int(job["jobKey"]) >> 54 for job in first} == {1, 2, 3, 4}


async def test_what_a_worker_does_not_want_is_not_sent() -> None:
    async with engine(partitions=1) as run:
        await run.deploy("o start -> pack -> O end")
        await run.create(a=1, b=2)
        [job] = await run.gateway.fetch_jobs("pack", "w", 1_000, 1, ("b", "c"), 0)

        assert job["variables"] == {"b": 2}
        assert job["deadline"] == int((run.clock.now() + timedelta(seconds=1)).timestamp() * 1000)


async def test_jobs_of_a_faster_clock_are_offered_at_once_by_an_owner_with_a_slower_one() -> None:
    store, log, tables, slow = MemoryEventStore(), MemoryLog(), MemoryTables(), ControlledClock()
    slow.pin(START - timedelta(hours=1))
    async with engine(partitions=1, store=store, log=log, tables=tables) as run:
        await with_jobs(run, 2)
        await run.jobs("pack", jobs_max=1)

    async with engine(partitions=1, store=store, log=log, tables=tables, clock=slow) as run:
        assert len(await run.jobs("pack")) == 1


async def test_jobs_that_ended_without_a_lease_are_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with engine(partitions=1) as run:
        await run.deploy("o start -> pack -> O end")
        await asyncio.gather(*(run.create() for _ in range(300)))
        made = [record.event.key for record in await run.events(e.JobCreated) if isinstance(record.event, e.JobCreated)]
        await asyncio.gather(*(run.gateway.submit(c.CompleteJob(key=key, **run.stamp())) for key in made[:-1]))
        await run.idle()
        loaded = watch_loads(run, monkeypatch)
        assert [int(job["jobKey"]) for job in await run.jobs("pack")] == made[-1:]
        assert loaded == [], "the one that is open is in memory, and of the others none is wanted"


async def test_jobs_that_ended_do_not_come_back_when_their_lease_would_have(monkeypatch: pytest.MonkeyPatch) -> None:
    async with engine(partitions=1) as run:
        await with_jobs(run, 300)
        leased = await run.jobs("pack", jobs_max=300, timeout=60_000)
        late, soon = leased[:100], leased[100:]
        await asyncio.gather(*(run.complete(job) for job in soon))
        await run.advance(seconds=61)
        assert len(await run.jobs("pack", jobs_max=1, timeout=1_000)) == 1
        await asyncio.gather(*(run.complete(job) for job in late))
        await run.advance(seconds=61)
        loaded = watch_loads(run, monkeypatch)
        assert await run.jobs("pack") == []
        assert loaded == []


def test_a_back_off_is_remembered_among_many_leases_of_jobs_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_offers, "RETURNING_MAX", 100)
    offers = JobOffers(1, cast("JobsTable", None), lambda: 0)
    offers.offer_at(START + timedelta(seconds=90), "pack", 0, 1, 1)
    for key in range(2, 1_000):
        offers.lease("pack", [(0, key, key)], START + timedelta(seconds=60), key)
        offers.ended(key)
    assert len(offers._returning) <= 100
    assert not offers.hint("pack", START + timedelta(seconds=89))
    assert offers.hint("pack", START + timedelta(seconds=90))
    assert offers._window("pack").pop() == (0, 1, 1)


def test_the_end_of_a_lease_that_is_remembered_no_longer_is_looked_for_in_the_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job_offers, "LEASED_MAX", 10)
    offers = JobOffers(1, cast("JobsTable", None), lambda: 100)
    for key in range(1, 12):
        offers.lease("pack", [(0, key, key)], START + timedelta(seconds=key), key)
    assert not offers.hint("pack", START)
    assert offers.hint("pack", START + timedelta(seconds=1))
    assert offers._window("pack").pop() is None


def test_what_has_ended_leaves_the_window_and_may_come_back() -> None:
    offers = JobOffers(1, cast("JobsTable", None), lambda: 0)
    window = offers._window("pack")
    for key in range(10_000):
        offers.offer("pack", 0, key, key, 1)
        offers.ended(key)
    assert len(window.ready) <= GONE_MAX + 1
    assert not offers.hint("pack", START)
    offers.offer("pack", 0, 7, 7, 2)
    assert offers.hint("pack", START)
    assert window.pop() == (0, 7, 7)
    assert window.pop() is None
