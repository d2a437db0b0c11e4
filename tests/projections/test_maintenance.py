"""Rebuilding, verifying, pruning, and migrating a full database down and up."""

import asyncio
from datetime import timedelta
from random import Random

import asyncpg
import pytest

from domain import events as e
from infra import migrate
from projections.rebuild import rebuild
from projections.retention import prune
from projections.verify import WHOLE_ROW, Difference, verify
from projections.writer import ProjectionWriter
from tests.projections.histories import TABLES, History, digests, of_world, project, with_a_job
from tests.simulation.test_replay_equals_live import simulate


def busy() -> History:
    """Return a log in which instances wait, end, fail and hang."""
    history = of_world(simulate(7))
    for number in range(1001, 1006):
        key, element, job, facts = with_a_job(number)
        history.instance(number, *facts)
        if number < 1004:
            history.instance(number, e.JobCompleted(key=job, element_key=element))
            history.instance(
                number, e.ElementCompleted(key=element, element="pack", scope=key), e.InstanceCompleted(key=key)
            )
    return history


async def test_a_rebuild_gives_the_same_tables(pool: asyncpg.Pool) -> None:
    history = busy()
    await project(pool, history, Random(1))
    before = await digests(pool)
    steps: list[tuple[int, int]] = []

    rebuilt = await rebuild(pool, history, progress=lambda done, total: steps.append((done, total)))

    assert list(rebuilt) == TABLES
    assert await digests(pool) == before
    assert steps[-1][0] == steps[-1][1] == sum((await history.positions()).values())
    assert await pool.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = 'projections_shadow'") == 0


async def test_a_rebuild_keeps_indexes_keys_and_storage(pool: asyncpg.Pool) -> None:
    described = """
        SELECT c.relname, c.relkind, c.reloptions, pg_get_indexdef(i.indexrelid) FROM pg_class c
        LEFT JOIN pg_index i ON i.indexrelid = c.oid WHERE c.relnamespace = 'public'::regnamespace ORDER BY c.relname
    """
    await project(pool, busy())
    before = await pool.fetch(described)

    await rebuild(pool, busy())

    assert await pool.fetch(described) == before


async def test_a_rebuild_mends_one_table_and_leaves_the_others(pool: asyncpg.Pool) -> None:
    history = busy()
    await project(pool, history)
    before = await digests(pool)
    await pool.execute("DELETE FROM jobs")

    await rebuild(pool, history, ["jobs"])

    assert await digests(pool) == before


async def test_a_writer_goes_on_after_a_rebuild(pool: asyncpg.Pool) -> None:
    history = busy()
    writer = ProjectionWriter(pool)
    await project(pool, history, writer=writer)
    await rebuild(pool, history)
    key, _, _, facts = with_a_job(2001)
    history.instance(2001, *facts)

    await project(pool, history, writer=writer)

    assert await pool.fetchval("SELECT state FROM process_instances WHERE key = $1", key) == "ACTIVE"
    assert await verify(pool, history) == []


async def test_a_rebuild_while_the_projector_goes_on_misses_nothing(pool: asyncpg.Pool) -> None:
    history = History()
    for number in range(1, 301):
        for partition in (1, 2):
            key, element, job, facts = with_a_job(number, partition)
            history.instance(number, *facts, e.JobCompleted(key=job, element_key=element), partition=partition)
            history.instance(number, e.InstanceSuspended(key=key), partition=partition)
    writer = ProjectionWriter(pool)
    for partition, log in history.records.items():
        await writer.apply(partition, log[:100])

    live = asyncio.create_task(project(pool, history, Random(5), writer))
    rebuilds = 0
    while not live.done():
        await rebuild(pool, history, None if rebuilds % 2 else ["jobs", "process_instances"])
        rebuilds += 1
    await live

    assert rebuilds > 1
    assert await verify(pool, history) == []


async def test_a_rebuild_of_what_is_behind_brings_it_up(pool: asyncpg.Pool) -> None:
    history = busy()
    await project(pool, history)
    before = await digests(pool)
    await pool.execute("DELETE FROM checkpoints WHERE projection = 'variables'")
    await pool.execute("TRUNCATE variables")

    await rebuild(pool, history, ["variables"])

    assert await digests(pool) == before


async def test_a_rebuild_of_an_unknown_table_is_refused(pool: asyncpg.Pool) -> None:
    with pytest.raises(LookupError, match=r"expected a projection of .*, but found nonsense"):
        await rebuild(pool, History(), ["nonsense"])


async def test_verify_finds_what_was_broken(pool: asyncpg.Pool) -> None:
    history = busy()
    await project(pool, history)
    assert await verify(pool, history) == []
    key, _, job, _ = with_a_job(1005)
    await pool.execute("UPDATE jobs SET retries = 99 WHERE key = $1", job)
    await pool.execute("DELETE FROM variables WHERE scope_key = $1", key)
    await pool.execute("INSERT INTO sequence_flows (instance_key, flow_id, partition) VALUES (5, 'never', 1)")

    found = await verify(pool, history)

    assert Difference("jobs", str(job), "retries", "3", "99") in found
    assert [(entry.key, entry.column, entry.found) for entry in found if entry.table == "variables"] == [
        (f"{key}, orderId", WHOLE_ROW, None)
    ]
    assert [(entry.key, entry.expected) for entry in found if entry.table == "sequence_flows"] == [("5, never", None)]
    assert len(found) == 3


async def test_verify_leaves_nothing_behind(pool: asyncpg.Pool) -> None:
    history = busy()
    await project(pool, history)
    before = await digests(pool)

    await verify(pool, history)

    assert await digests(pool) == before
    assert await pool.fetchval("SELECT count(*) FROM pg_class WHERE relpersistence = 't'") == 0


async def test_what_was_pruned_stays_away(pool: asyncpg.Pool) -> None:
    history = History()
    for number, ends in ((1, True), (2, False), (3, True)):
        if number == 3:
            history.time += timedelta(days=60)
        key, element, job, facts = with_a_job(number)
        history.instance(number, *facts)
        if ends:
            history.instance(number, e.JobCompleted(key=job, element_key=element))
            history.instance(
                number, e.ElementCompleted(key=element, element="pack", scope=key), e.InstanceCompleted(key=key)
            )
    history.add("decisions", e.CommandRejected(command="create-instance", code="NOT_FOUND", reason="no"))
    await project(pool, history)

    pruned = await prune(pool, history.time - timedelta(days=30))

    assert (pruned.instances, pruned.parts) == (1, [])
    assert [row[0] for row in await pool.fetch("SELECT key FROM jobs ORDER BY key")] == [
        with_a_job(2)[2],
        with_a_job(3)[2],
    ]
    assert await verify(pool, history) == []
    before = await digests(pool)
    await rebuild(pool, history)
    assert await digests(pool) == before
    await rebuild(pool, history, ["jobs", "element_instances"])
    assert await digests(pool) == before


async def test_a_month_in_which_everything_has_ended_is_dropped(pool: asyncpg.Pool) -> None:
    history = History()
    key, element, job, facts = with_a_job(1)
    history.instance(1, *facts, e.JobCompleted(key=job, element_key=element))
    history.instance(1, e.ElementCompleted(key=element, element="pack", scope=key), e.InstanceCompleted(key=key))
    history.time += timedelta(days=60)
    _, _, _, facts = with_a_job(2)
    history.instance(2, *facts)
    writer = ProjectionWriter(pool)
    await project(pool, history, writer=writer)

    pruned = await prune(pool, history.time - timedelta(days=20))

    assert pruned.parts == ["element_instances_2026_02"]
    assert await verify(pool, history) == []
    history.time -= timedelta(days=60)
    _, _, _, facts = with_a_job(3)
    history.instance(3, *facts)
    await project(pool, history, writer=writer)
    assert await pool.fetchval("SELECT count(*) FROM element_instances") == 2


async def test_down_and_up_on_a_full_database_loses_nothing(pool: asyncpg.Pool, database_url: str) -> None:
    history = busy()
    await project(pool, history)
    before = await digests(pool)

    connection = await asyncpg.connect(database_url)
    newest_first = [step.name for step in await migrate.status(connection)][::-1]
    count = 1 + next(index for index, name in enumerate(newest_first) if name.endswith("_projections"))
    down = await migrate.down(connection, count=count)
    up = await migrate.up(connection)
    await connection.close()
    assert down == newest_first[:count]
    assert up == down[::-1]
    assert await pool.fetchval("SELECT count(*) FROM process_instances") == 0

    await project(pool, history)
    assert await digests(pool) == before
