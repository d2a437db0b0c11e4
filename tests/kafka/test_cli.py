"""`procession up --kafka` and the commands for topics, as a person runs them: everything local, nothing installed."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from infra.local_kafka import LocalKafka
from streams.topics import Cluster, Topics, delete
from tests.support.bpmn import bpmn

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka"), pytest.mark.timeout(600)]

PROGRAM = [sys.executable, "-P", "-c", "from infra.cli import main; main()"]


def procession(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments, "--data-dir", str(data)],
        env={**os.environ, "PROCESSION_PARTITIONS": "2"},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def up(data: Path, port: int, log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        engine = subprocess.Popen(
            [*PROGRAM, "up", "--kafka", "--data-dir", str(data), "--port", str(port)],
            env={**os.environ, "PROCESSION_PARTITIONS": "2"},
            stdout=output,
            stderr=output,
        )
    until = time.monotonic() + 200
    while time.monotonic() < until:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                return engine
        except httpx.HTTPError:
            pass
        assert engine.poll() is None, log.read_text()
        time.sleep(0.05)
    engine.kill()
    raise AssertionError(log.read_text())


async def test_one_command_runs_it_all_and_a_lost_topic_or_database_is_filled_again(tmp_path: Path) -> None:
    data, log = tmp_path / "data", tmp_path / "log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    engine = up(data, port, log)
    try:
        await work(port)
        checked, described = procession(data, "check-topic"), procession(data, "topics", "describe")
    finally:
        engine.send_signal(signal.SIGTERM)
        code = engine.wait(100)

    assert code == 0, log.read_text()
    assert "gapless, in order and equal" in checked.stdout, checked.stderr
    assert "for ever" in described.stdout
    kafka = await LocalKafka.start(data / "kafka")
    try:
        await delete(Cluster(kafka.bootstrap_servers), Topics())
        assert procession(data, "topics", "describe").returncode == 1
        assert procession(data, "topics", "create").returncode == 0
        filled, again = procession(data, "topics", "refill"), procession(data, "topics", "refill")
        assert "events were missing" in filled.stdout, filled.stderr
        assert again.stdout.startswith("0 events"), again.stderr
        assert "gapless" in procession(data, "check-topic").stdout

        shutil.rmtree(data / "postgres")
        restored, twice = procession(data, "topics", "restore"), procession(data, "topics", "restore")
        assert "events are in the database now" in restored.stdout, restored.stderr
        assert "expected a database in which nothing is, but it has events" in twice.stderr
        assert "gapless" in procession(data, "check-topic").stdout
        assert "are what the log says" in procession(data, "verify").stdout
    finally:
        await kafka.stop()


async def work(port: int) -> None:
    """Let ten instances run."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/v2", timeout=60) as client:
        files = [("resources", ("p.bpmn", bpmn("o start -> O end"), "text/xml"))]
        assert (await client.post("/deployments", files=files)).is_success
        for _ in range(10):
            assert (await client.post("/process-instances", json={"processDefinitionId": "p"})).is_success
