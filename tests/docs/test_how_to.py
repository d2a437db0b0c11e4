"""The how-to pages: every command and program in them is run against a real engine."""

import os
import subprocess
import sys
from pathlib import Path

import httpx

from infra.embedded_postgres import binaries
from tests.docs.pages import ADDRESS, ROOT, blocks
from tests.docs.running import Running, run, running, running_on

HOW_TO = ROOT / "docs" / "how-to"
JOB_SECONDS_MAX = 120
PATH = f"{binaries()}{os.pathsep}{os.environ['PATH']}"
"""With `pg_dump` of the version that the engine's own server has."""


def run_page(name: str, engine: Running, data_dir: Path) -> str:
    """Run all of a page's blocks, on the engine that runs on this folder. Files go beside it."""
    commands = [block.replace("/tmp/", f"{data_dir.parent}/") for block in blocks(HOW_TO / name, "bash")]
    return run(commands, engine.address, PROCESSION_DATA_DIR=str(data_dir), PATH=PATH)


def test_a_worker_written_as_the_page_says_does_its_work(tmp_path: Path) -> None:
    (program,) = blocks(HOW_TO / "write-a-worker.md", "python")
    with running(tmp_path / "data") as engine:
        printed = run_page("write-a-worker.md", engine, tmp_path / "data")
        worker = subprocess.Popen([sys.executable, "-c", program.replace(ADDRESS, engine.address)])
        try:
            parcel = until_variable(engine.address, "parcel")
        finally:
            worker.kill()
            worker.wait()

    assert printed.count("HTTP/1.1 204") == 3, "extended, failed, completed"
    assert parcel == '"parcel of A-1"'


def until_variable(address: str, name: str) -> str:
    """Return the value of the first variable of that name as soon as there is one: asking again is all that a client can do."""
    with httpx.Client(base_url=f"{address}/v2", timeout=60) as client:
        for _ in range(JOB_SECONDS_MAX):
            # The job's completion is what we wait for, and this long poll for jobs that never come keeps us from spinning.
            client.post(
                "/jobs/activation",
                json={"type": "nobody's", "timeout": 1, "maxJobsToActivate": 1, "requestTimeout": 1_000},
            ).raise_for_status()
            found = client.post("/variables/search", json={"filter": {"name": name}}).json()["items"]
            if found:
                return str(found[0]["value"])
    raise AssertionError(f"expected a variable {name!r} within {JOB_SECONDS_MAX} s, but found none")


def test_rebuilding_and_verifying_works_while_the_engine_runs(tmp_path: Path) -> None:
    with running(tmp_path / "data") as engine:
        run(blocks(ROOT / "README.md", "bash"), engine.address)
        printed = run_page("rebuild-and-verify.md", engine, tmp_path / "data")

    assert "the query tables are what the log says" in printed
    assert "rebuilt incidents\n" in printed
    assert "process_instances" in printed
    assert "deployment-created" in printed
    assert "took away 0 process instances" in printed


def test_what_goes_wrong_is_told_and_mended_as_the_page_says(tmp_path: Path) -> None:
    with running(tmp_path / "data") as engine:
        printed = run_page("troubleshoot.md", engine, tmp_path / "data")
        with httpx.Client(base_url=f"{engine.address}/v2", timeout=60) as client:
            incidents = client.post("/incidents/search", json={}).json()["items"]
            jobs = client.post("/jobs/search", json={"filter": {"type": "reserve-stock"}}).json()["items"]

    assert "'refused.bpmn'" in printed
    assert "'pack' (line 4)" in printed
    assert "deploy-resources" in printed, "the refusal stands in the log"
    assert "HTTP/1.1 204" in printed.splitlines()[-1]
    assert [(one["errorType"], one["state"]) for one in incidents] == [("JOB_NO_RETRIES", "RESOLVED")]
    assert [one["retries"] for one in jobs] == [1]


def test_a_dump_of_a_running_engine_is_a_backup(tmp_path: Path) -> None:
    with running(tmp_path / "data") as engine:
        run(blocks(ROOT / "README.md", "bash"), engine.address)
        before = httpx.post(f"{engine.address}/v2/element-instances/search", json={}, timeout=60).json()
        run_page("run-in-production.md", engine, tmp_path / "data")
    with running(tmp_path / "other") as engine:
        other = run(["./procession psql --print"], engine.address, PROCESSION_DATA_DIR=str(tmp_path / "other")).strip()
        make = f'createdb --maintenance-db="{other}" restored'
        load = f'pg_restore --no-owner --dbname="{restored(other)}" "{tmp_path}/procession.dump"'
        run([make, load], engine.address, PATH=PATH)
        with running_on(restored(other)) as second:
            after = httpx.post(f"{second.address}/v2/element-instances/search", json={}, timeout=60).json()

    assert before["page"]["totalItems"] > 0
    assert after == before


def restored(dsn: str) -> str:
    """The address of the database `restored` on the same server."""
    return dsn.replace("@/procession?", "@/restored?")
