"""What the dispatcher and the timers find in `jobs` and `agenda`."""

from datetime import timedelta

import asyncpg
import pytest

from domain import events as e
from domain.keys import make_key
from tests.projections.histories import History, created, project, with_a_job

OFFERED = "SELECT key FROM jobs WHERE activatable AND available_at <= $1 ORDER BY priority DESC, key"
DUE = "SELECT key FROM agenda WHERE NOT suspended AND quarantine_key IS NULL ORDER BY due, key"


async def offered(pool: asyncpg.Pool, history: History, later: float = 0) -> list[int]:
    rows = await pool.fetch(OFFERED, history.time + timedelta(seconds=later))
    return [row[0] for row in rows]


async def test_a_lease_of_many_jobs_ends_at_its_deadline(pool: asyncpg.Pool) -> None:
    history = History()
    jobs: list[int] = []
    for number in (1, 2, 3):
        _, _, job, facts = with_a_job(number)
        history.instance(number, *facts)
        jobs.append(job)
    deadline = history.time + timedelta(seconds=60)
    history.add("jobs/pack", e.JobsLeased(job_type="pack", worker="w", deadline=deadline, keys=(jobs[0], jobs[1])))

    await project(pool, history)

    assert await offered(pool, history) == [jobs[2]]
    assert await offered(pool, history, 60) == jobs
    assert await pool.fetchval("SELECT array_agg(worker ORDER BY key) FROM jobs") == ["w", "w", ""]


@pytest.mark.parametrize("split", [False, True])
async def test_a_failed_job_is_offered_after_its_back_off(pool: asyncpg.Pool, split: bool) -> None:
    _, element, job, facts = with_a_job(1)
    history = History().instance(1, *facts)
    if split:
        await project(pool, history)
    retry_at = history.time + timedelta(seconds=30)
    history.instance(1, e.JobFailed(key=job, element_key=element, retries=2, message="sorry", retry_at=retry_at))

    await project(pool, history)

    assert await offered(pool, history) == []
    assert await offered(pool, history, 30) == [job]
    row = await pool.fetchrow("SELECT state, retries, error_message, failed_with_retries_left FROM jobs")
    assert row is not None
    assert tuple(row) == ("FAILED", 2, "sorry", True)


@pytest.mark.parametrize("split", [False, True])
async def test_a_job_with_an_incident_is_offered_again_once_it_is_resolved(pool: asyncpg.Pool, split: bool) -> None:
    key, element, job, facts = with_a_job(1)
    raised = e.IncidentRaised(
        key=key + 3, element_key=element, element="pack", incident_type="JOB_NO_RETRIES", message="no", job_key=job
    )
    history = History().instance(1, *facts, e.JobFailed(key=job, element_key=element, retries=0), raised)
    history.instance(1, e.JobRetriesUpdated(key=job, retries=1))
    await project(pool, history)
    assert await offered(pool, history) == []
    if not split:
        await pool.execute("TRUNCATE jobs, incidents, checkpoints, process_instances, variables, element_instances")
    history.instance(1, e.IncidentResolved(key=key + 3), e.JobReopened(key=job))

    await project(pool, history)

    assert await offered(pool, history) == [job]


@pytest.mark.parametrize("split", [False, True])
async def test_nothing_of_a_suspended_instance_is_due_or_offered(pool: asyncpg.Pool, split: bool) -> None:
    key, element, job, facts = with_a_job(1)
    timer = e.TimerSet(key=key + 3, element_key=element, target="late", due=History().time)
    history = History().instance(1, *facts, timer)
    if split:
        await project(pool, history)
    history.instance(1, e.InstanceSuspended(key=key))
    await project(pool, history)
    assert await offered(pool, history) == []
    assert await pool.fetch(DUE) == []

    history.instance(1, e.InstanceResumed(key=key))
    await project(pool, history)

    assert await offered(pool, history) == [job]
    assert [row[0] for row in await pool.fetch(DUE)] == [key + 3]


@pytest.mark.parametrize("split", [False, True])
async def test_a_quarantined_instance_is_released_by_its_incident(pool: asyncpg.Pool, split: bool) -> None:
    key, element, job, facts = with_a_job(1)
    timer = e.TimerSet(key=key + 3, element_key=element, target="late", due=History().time)
    history = History().instance(1, *facts, timer)
    if split:
        await project(pool, history)
    history.instance(1, e.InstanceQuarantined(key=key, incident_key=key + 4, reason="too many facts"))
    await project(pool, history)
    assert await offered(pool, history) == []
    assert await pool.fetch(DUE) == []
    assert await pool.fetchval("SELECT error_message FROM incidents WHERE state = 'ACTIVE'") == "too many facts"

    history.instance(1, e.IncidentResolved(key=key + 4))
    await project(pool, history)

    assert await offered(pool, history) == [job]
    assert [row[0] for row in await pool.fetch(DUE)] == [key + 3]


async def test_what_is_done_leaves_the_agenda(pool: asyncpg.Pool) -> None:
    key = make_key(1, 1)
    history = History().instance(1, created(key), e.ElementEntered(key=key + 1, element="wait", scope=key))
    due = history.time + timedelta(hours=1)
    for number in (2, 3, 4):
        history.instance(1, e.TimerSet(key=key + number, element_key=key + 1, target="wait", due=due))
    history.instance(1, e.TimerFired(key=key + 2, element_key=key + 1, target="wait"), e.TimerCanceled(key=key + 3))
    history.add("message/1/m/k", e.MessagePublished(key=make_key(1, 9), name="m", correlation_key="k", deadline=due))
    history.add("message/1/m/k", e.MessagePublished(key=make_key(1, 8), name="m", correlation_key="k", deadline=due))
    history.add("message/1/m/k", e.MessageExpired(key=make_key(1, 8)))
    gone = history.time
    history.add("message/1/m/k", e.MessagePublished(key=make_key(1, 7), name="m", correlation_key="k", deadline=gone))
    start = e.StartTimerSet(key=make_key(1, 6), definition_key=7, process_id="order", element="start", due=due)
    history.add("definitions", start, e.StartTimerFired(key=start.key, definition_key=7, element="start"))
    again = e.StartTimerSet(key=make_key(1, 6), definition_key=7, process_id="order", element="start", due=due)
    history.add("definitions", again)

    await project(pool, history)

    rows = await pool.fetch("SELECT key, kind, name, correlation_key FROM agenda ORDER BY key")
    assert [tuple(row) for row in rows] == [
        (key + 4, "timer", "", ""),
        (make_key(1, 6), "start-timer", "", ""),
        (make_key(1, 9), "message", "m", "k"),
    ]
