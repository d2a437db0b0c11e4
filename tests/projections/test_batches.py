"""Whatever the batches, the tables are the same; and they are what the engine's own fold says."""

import os
from random import Random
from typing import Any

import asyncpg
import msgspec
import pytest

from domain import events as e
from domain.instance import Instance
from domain.keys import make_key
from domain.messages import MessageBucket
from projections.verify import verify
from projections.writer import CheckpointMismatch, ProjectionWriter
from tests.projections.histories import History, created, digests, empty, of_world, project, with_a_job
from tests.simulation.test_replay_equals_live import simulate
from tests.support.world import World

SEEDS = range(int(os.environ.get("PROCESSION_PROJECTIONS", "24")))


@pytest.mark.parametrize("seed", SEEDS)
async def test_any_split_into_batches_gives_the_same_tables(pool: asyncpg.Pool, seed: int) -> None:
    history = of_world(simulate(seed))
    await project(pool, history)
    whole = await digests(pool)

    for attempt in range(2):
        await empty(pool)
        await project(pool, history, Random(seed * 100 + attempt))
        assert await digests(pool) == whole


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_tables_are_what_the_engine_folds(pool: asyncpg.Pool, seed: int) -> None:
    world = simulate(1000 + seed)
    history = of_world(world)
    await project(pool, history, Random(seed))

    for instance in world.instances():
        await same_as_live(pool, instance)
    await same_agenda(pool, world)
    assert await verify(pool, history) == []


async def keys(pool: asyncpg.Pool, statement: str, *arguments: Any) -> set[int]:
    return {row[0] for row in await pool.fetch(statement, *arguments)}


async def same_as_live(pool: asyncpg.Pool, instance: Instance) -> None:
    row = await pool.fetchrow("SELECT * FROM process_instances WHERE key = $1", instance.key)
    if instance.status == "deleted":
        assert row is None
        return
    assert row is not None
    status = "SUSPENDED" if instance.suspended and instance.running else instance.status.upper()
    assert (row["state"], row["definition_key"]) == (status, instance.definition_key)
    if not instance.running:
        return
    assert row["quarantine_key"] == instance.quarantined
    open_elements = "SELECT key FROM element_instances WHERE instance_key = $1 AND ended_at IS NULL"
    assert await keys(pool, open_elements, instance.key) == set(instance.elements) - {instance.key}
    open_tasks = "SELECT key FROM user_tasks WHERE instance_key = $1 AND ended_at IS NULL"
    assert await keys(pool, open_tasks, instance.key) == set(instance.user_tasks)
    open_signals = (
        "SELECT key FROM signal_subscriptions WHERE instance_key = $1 AND closed_at IS NULL AND key = ANY($2::bigint[])"
    )
    assert await keys(pool, open_signals, instance.key, list(instance.signals)) == set(instance.signals)
    incidents = await keys(pool, "SELECT key FROM incidents WHERE instance_key = $1 AND state = 'ACTIVE'", instance.key)
    assert incidents - {instance.quarantined} == set(instance.incidents)
    await same_jobs(pool, instance)
    await same_variables(pool, instance)


async def same_jobs(pool: asyncpg.Pool, instance: Instance) -> None:
    jobs = {
        row["key"]: row
        for row in await pool.fetch("SELECT * FROM jobs WHERE instance_key = $1 AND ended_at IS NULL", instance.key)
    }
    # A job that ended in an error which nobody caught has ended; resolving its incident opens it again.
    live = {key: job for key, job in instance.jobs.items() if job.state != "ERROR_THROWN"}
    assert set(jobs) == set(live)
    held = {incident.job_key for incident in instance.incidents.values()}
    for key, job in live.items():
        row = jobs[key]
        assert (row["retries"], row["job_type"]) == (job.retries, job.job_type)
        offered = job.retries > 0 and key not in held
        assert row["activatable"] == (offered and not instance.suspended and instance.quarantined is None)


async def same_variables(pool: asyncpg.Pool, instance: Instance) -> None:
    from projections.queries.shapes_instances import VARIABLE_VALUE  # noqa: PLC0415 - for this one look

    rows = await pool.fetch(
        f"SELECT v.scope_key, v.name, {VARIABLE_VALUE} AS value FROM variables v WHERE v.instance_key = $1",
        instance.key,
    )
    found = {(row["scope_key"], row["name"]): msgspec.json.decode(row["value"]) for row in rows}
    for element in instance.elements.values():
        for name, value in element.variables.items():
            assert found[element.key, name] == msgspec.json.decode(msgspec.json.encode(value))


async def same_agenda(pool: asyncpg.Pool, world: World) -> None:
    expected: set[tuple[int, str]] = {(key, "start-timer") for key in world.deployed.timers}
    suspended: set[int] = set()
    for instance in world.instances():
        expected |= {(key, "timer") for key in instance.timers if instance.running}
        if instance.suspended or instance.quarantined is not None:
            suspended |= set(instance.timers)
    states = list(world._states.values())
    buckets = [state for state in states if isinstance(state, MessageBucket)]
    expected |= {(key, "message") for bucket in buckets for key in bucket.messages}
    rows = await pool.fetch("SELECT key, kind, suspended OR quarantine_key IS NOT NULL AS held FROM agenda")
    found = {(row["key"], row["kind"]) for row in rows}
    # A message without time to live that waits for an answer is not on the agenda: it goes when the answer comes.
    assert found - expected == set()
    assert all(kind == "message" for _, kind in expected - found)
    assert {row["key"] for row in rows if row["held"]} == suspended


async def test_a_batch_that_does_not_follow_is_refused_and_writes_nothing(pool: asyncpg.Pool) -> None:
    _, _, _, facts = with_a_job(1)
    history = History().instance(1, *facts)
    writer = ProjectionWriter(pool)
    await writer.apply(1, history.records[1][:2])

    for again in (history.records[1][:2], history.records[1][3:]):
        with pytest.raises(CheckpointMismatch, match="partition 1 at position"):
            await writer.apply(1, again)

    assert await writer.checkpoint(1) == 2
    assert await pool.fetchval("SELECT count(*) FROM jobs") == 0


async def test_a_projection_that_is_new_is_named_when_it_is_behind(pool: asyncpg.Pool) -> None:
    _, _, _, facts = with_a_job(1)
    history = History().instance(1, *facts)
    writer = ProjectionWriter(pool)
    await writer.apply(1, history.records[1][:2])
    await pool.execute("DELETE FROM checkpoints WHERE projection = 'jobs'")

    with pytest.raises(CheckpointMismatch, match=r"'jobs': 0.*rebuild"):
        await writer.apply(1, history.records[1][2:])


async def test_a_deleted_instance_leaves_all_tables(pool: asyncpg.Pool) -> None:
    key, element, job, facts = with_a_job(1)
    history = History().instance(
        1, *facts, e.FlowTaken(flow="f", scope=key), e.JobCompleted(key=job, element_key=element)
    )
    history.instance(1, e.ElementCompleted(key=element, element="pack", scope=key), e.InstanceCompleted(key=key))
    history.instance(1, e.InstanceDeleted(key=key))

    await project(pool, history)

    for table in ("process_instances", "element_instances", "variables", "jobs", "sequence_flows"):
        assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 0, table


async def test_each_month_of_history_has_a_part_of_its_own(pool: asyncpg.Pool) -> None:
    key = make_key(1, 1)
    history = History().instance(1, created(key), e.ElementEntered(key=key + 1, element="a", scope=key))
    history.time = history.time.replace(year=2026, month=2, day=3)
    history.instance(1, e.ElementEntered(key=key + 2, element="b", scope=key))
    history.instance(1, e.ElementCompleted(key=key + 1, element="a", scope=key))

    await project(pool, history, Random(1))

    rows = await pool.fetch(
        "SELECT tableoid::regclass::text AS part, element_id, state FROM element_instances ORDER BY key"
    )
    assert [tuple(row) for row in rows] == [
        ("element_instances_2026_02", "a", "COMPLETED"),
        ("element_instances_2026_02", "b", "ACTIVE"),
    ]


async def test_text_that_postgresql_cannot_have_does_not_stop_a_partition(pool: asyncpg.Pool) -> None:
    key, element, job, facts = with_a_job(1)
    long = "x" * 100_000
    history = History().instance(1, *facts, e.VariablesSet(scope=key, variables={"a\x00b": 1, long: 2, long + "y": 3}))
    history.instance(1, e.JobFailed(key=job, element_key=element, retries=2, message="no \x00 please"))

    await project(pool, history)

    assert await pool.fetchval("SELECT error_message FROM jobs") == "no \ufffd please"
    assert await pool.fetchval("SELECT count(*) FROM variables") == 4
    assert await verify(pool, history) == []
