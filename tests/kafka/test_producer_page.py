"""The programs of `docs/how-to/write-a-producer.md`, run as they stand there against a real broker and a real engine."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from infra.local_kafka import programs
from infra.maven_jars import fetch
from streams.topics import Cluster, Topics, delete
from tests.docs.pages import ROOT, blocks
from tests.kafka.test_distributed import Process, process, until
from tests.kafka.test_kafka_log import letters

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka"), pytest.mark.timeout(500)]

PAGE = ROOT / "docs" / "how-to" / "write-a-producer.md"
COMPILER = "org.eclipse.jdt:ecj:3.44.0"
"""Compiles Java where there is a runtime and no compiler."""
PROGRAM_SECONDS_MAX = 120


@pytest.fixture
async def engine(database_url: str, cluster: Cluster, topics: Topics) -> AsyncIterator[Process]:
    """An engine on which the example is deployed."""
    async with process(database_url, cluster, topics) as one:
        files = [("resources", ("order.bpmn", (ROOT / "examples" / "order.bpmn").read_bytes(), "text/xml"))]
        assert (await one.client.post("/v2/deployments", files=files)).is_success
        yield one
    await delete(cluster, topics)


@pytest.fixture
def page(cluster: Cluster, topics: Topics) -> "Page":
    return Page(cluster, topics)


class Page:
    """The page's programs, with this test's broker and topics in them."""

    def __init__(self, cluster: Cluster, topics: Topics) -> None:
        self._server = cluster.bootstrap_servers[0]
        self._prefix = topics.prefix

    def program(self, language: str, at: int = 0) -> str:
        """Return one program of a language."""
        text = blocks(PAGE, language)[at]
        for written, here in (("localhost:9092", self._server), ("procession.", f"{self._prefix}.")):
            assert written in text
            text = text.replace(written, here)
        return text


async def run(*command: str, folder: Path) -> str:
    """Run a program to its end and return what it printed."""
    child = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "TZ": "Asia/Kolkata"},
    )
    async with asyncio.timeout(PROGRAM_SECONDS_MAX):
        printed, complaints = await child.communicate()
    assert child.returncode == 0, f"exit code {child.returncode}:\n{printed.decode()}\n{complaints.decode()}"
    return printed.decode()


async def until_created(engine: Process, count: int = 1) -> list[dict[str, Any]]:
    """Return the instances, once there are so many."""
    found: list[dict[str, Any]] = []

    async def created() -> bool:
        nonlocal found
        found = await engine.search("process-instances", processDefinitionId="order")
        return len(found) >= count

    await until(created, 60)
    return found


async def test_python(engine: Process, page: Page, tmp_path: Path) -> None:
    for _ in range(2):
        await run(sys.executable, "-c", page.program("python"), folder=tmp_path)

    await until_created(engine)
    amounts = await engine.search("variables", name="amount")
    assert [each["value"] for each in amounts] == ["100"], "sent twice, it acted once"


async def test_java(engine: Process, page: Page, tmp_path: Path) -> None:
    java, class_path = programs()
    (tmp_path / "CreateOrder.java").write_text(page.program("java"))
    compiler = f"{fetch(COMPILER)}/modules/*"
    options = ("-17", "-classpath", _spelt_out(class_path), "-d", ".")
    await run(
        java,
        "-cp",
        compiler,
        "org.eclipse.jdt.internal.compiler.batch.Main",
        *options,
        "CreateOrder.java",
        folder=tmp_path,
    )
    printed = await run(java, "-cp", f".:{class_path}", "CreateOrder", folder=tmp_path)

    assert "written to " in printed
    await until_created(engine)


def _spelt_out(class_path: str) -> str:
    # `java` reads dir/* as every jar in it; the compiler does not.
    return ":".join(str(jar) for each in class_path.split(":") for jar in Path(each).parent.glob("*.jar"))


@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat, a client of somebody else's, is not installed here")
async def test_kcat(engine: Process, page: Page, cluster: Cluster, topics: Topics, tmp_path: Path) -> None:
    await run("bash", "-c", page.program("bash", 0), folder=tmp_path)
    await until_created(engine)
    async with AIOKafkaProducer(**cluster.options) as producer:
        await producer.send_and_wait(topics.commands, b"coffee")
    await letters(cluster, topics, 1)
    printed = await run("bash", "-c", page.program("bash", 1), folder=tmp_path)

    assert printed.startswith("reason=expected a command as JSON, but: ")
    assert "\ncoffee\n" in printed


async def test_what_came_of_a_command_is_found_the_first_time_and_again(
    engine: Process, page: Page, tmp_path: Path
) -> None:
    first = await run(sys.executable, "-c", page.program("python", 1), folder=tmp_path)
    again = await run(sys.executable, "-c", page.program("python", 1), folder=tmp_path)

    (instance,) = await until_created(engine)
    assert first.startswith("instance-created at ")
    assert first.strip().endswith(f"key {instance['processInstanceKey']}")
    assert again == first


async def test_a_refusal_is_told_and_remembered(engine: Process, page: Page, tmp_path: Path) -> None:
    program = page.program("python", 1).replace('"process_id": "order"', '"process_id": "nothing"')
    (first, again) = [await run(sys.executable, "-c", program, folder=tmp_path) for _ in range(2)]

    assert first.startswith("refused, NOT_FOUND: ")
    assert again == first
