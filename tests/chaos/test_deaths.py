"""Deaths at an instant that is chosen, not drawn."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from infra.chaos.client import Client
from infra.chaos.embedded import EmbeddedEngine
from infra.chaos.ledger import Ledger
from infra.chaos.load import Load
from infra.chaos.model import JOB_TYPES, ROOT
from tests.chaos.conftest import until

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(400)]

PROCESSION = str(Path(sys.executable).with_name("procession"))
GATE = 4711
"""The advisory lock at which commits wait."""


@pytest.fixture
async def database(running: EmbeddedEngine) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(running.dsn())
    try:
        yield connection
    finally:
        connection.terminate()


async def close_gate(database: Any) -> None:
    """Have every commit of events wait, as its last step, until the gate opens."""
    await database.execute(
        f"CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN PERFORM pg_advisory_xact_lock_shared({GATE}); RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION gate();"
        f"SELECT pg_advisory_lock({GATE})"
    )


async def at_gate(database: Any) -> int | None:
    """Return the process id of a commit that waits at the gate."""
    pid: int | None = await database.fetchval(
        f"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = {GATE} AND NOT granted LIMIT 1"
    )
    return pid


async def open_gate(database: Any) -> None:
    await database.execute(f"SELECT pg_advisory_unlock({GATE})")


async def created(database: Any) -> int:
    count: int = await database.fetchval(
        "SELECT count(*) FROM event_log WHERE type = 'instance-created' AND body->>'process_id' = $1", ROOT
    )
    return count


async def deploy(engine: EmbeddedEngine) -> None:
    await Load([engine.port], 0, "test", Ledger()).deploy()


CREATE: dict[str, Any] = {"processDefinitionId": ROOT, "variables": {"order": "one"}}


async def test_a_command_that_was_committed_but_never_answered_acts_once_when_it_is_sent_again(
    running: EmbeddedEngine, database: Any
) -> None:
    await deploy(running)
    await close_gate(database)
    asking = asyncio.create_task(Client([running.port]).post("/v2/process-instances", CREATE, "once"))
    await until(lambda: at_gate(database))
    os.kill(running.pid, signal.SIGSTOP)  # what commits from here on is never answered
    await open_gate(database)
    await until(lambda: created(database))
    running.kill()

    assert (await asking).kind == "in doubt"

    running.start()
    await running.until_ready()
    again = await Client([running.port]).post("/v2/process-instances", CREATE, "once")

    assert again.kind == "answered", again
    assert await created(database) == 1
    read = await Client([running.port]).get(f"/v2/process-instances/{again.body['processInstanceKey']}")
    assert read.kind == "answered"


async def test_a_commit_that_dies_on_its_way_is_carried_out_after_all_and_its_caller_sees_nothing_of_it(
    running: EmbeddedEngine, database: Any
) -> None:
    await deploy(running)
    await close_gate(database)
    asking = asyncio.create_task(Client([running.port]).post("/v2/process-instances", CREATE))
    await until(lambda: at_gate(database))
    await database.fetchval("SELECT pg_terminate_backend($1)", await at_gate(database))
    await open_gate(database)

    assert (await asking).kind == "answered"
    assert await created(database) == 1


async def test_a_job_that_was_leased_before_a_kill_is_not_handed_out_again_after_it(
    running: EmbeddedEngine, database: Any
) -> None:
    await deploy(running)
    client = Client([running.port])
    made = await client.post("/v2/process-instances", CREATE)
    assert made.place is not None
    await client.get(f"/v2/process-instances/{made.body['processInstanceKey']}?after={made.place[0]}-{made.place[1]}")
    wanted = {"type": JOB_TYPES[0], "timeout": 600_000, "maxJobsToActivate": 10, "requestTimeout": -1}
    # The tables stand still from here on: they go on offering what is leased.
    held = database.transaction()
    await held.start()
    await database.execute("LOCK TABLE checkpoints IN EXCLUSIVE MODE")

    first = await client.post("/v2/jobs/activation", wanted)
    running.kill()
    running.start()
    await running.until_ready()
    behind = await client.post("/v2/jobs/activation", wanted)
    if behind.kind == "in doubt":  # the first request after the kill finds the old connection broken
        behind = await client.post("/v2/jobs/activation", wanted)
    await held.rollback()

    async def caught_up() -> bool:
        return bool(
            await database.fetchval(
                "SELECT bool_and(c.position = p.position) FROM checkpoints c JOIN partitions p USING (partition)"
            )
        )

    await until(caught_up)
    after = await client.post("/v2/jobs/activation", wanted)

    assert len(first.body["jobs"]) == 1
    assert behind.body["jobs"] == []
    assert after.body["jobs"] == []


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
async def test_an_engine_that_is_stopped_under_load_leaves_no_process(
    running: EmbeddedEngine, sign: signal.Signals
) -> None:
    ledger = Ledger()
    load = Load([running.port], 1, "stopped", ledger)
    await load.deploy()
    load.start()
    try:
        while len(ledger.told) < 100:
            await load.moved(0.1)

        await running.stop(sign)  # raises what it leaves
    finally:
        await load.stop()

    assert running.postmaster() is None


async def test_a_second_engine_on_the_same_data_is_refused_and_the_first_goes_on(running: EmbeddedEngine) -> None:
    def second(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [PROCESSION, "up", "--port", "0", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={"COLUMNS": "400", **environment},
            timeout=150,
        )

    same_folder = await asyncio.to_thread(second, "--data-dir", str(running.data_dir))
    same_database = await asyncio.to_thread(second, PROCESSION_DATABASE_URL=running.dsn())

    assert same_folder.returncode == same_database.returncode == 1
    assert f"is held by process {running.pid}" in same_folder.stderr
    assert f"held by another engine: process {running.pid}" in same_database.stderr
    assert "Traceback" not in same_folder.stderr + same_database.stderr
    assert (await Client([running.port]).get("/readyz")).status == 200
