"""A PostgreSQL that finds no room, under an engine that goes on when there is some again.

A limit for the size of files stands for the full disk: PostgreSQL meets it in the same places, and nobody needs a disk that is small.
"""

import base64
import subprocess
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import psutil
import pytest

from infra.embedded_postgres import EmbeddedPostgres
from streams.topics import Cluster, Topics, delete
from tests.kafka.test_distributed import Process, process, topic_equals_table, until

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka"), pytest.mark.timeout(300)]

MEBIBYTE = 1024 * 1024
SEGMENT_BYTES = 16 * MEBIBYTE
"""Of the write-ahead log: no file of it is larger."""


@pytest.fixture
async def postgres(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A server of this test's own."""
    server = await EmbeddedPostgres.start(tmp_path, durable=False)
    yield server
    await server.stop()


@contextmanager
def files_of_at_most(size: int, server: EmbeddedPostgres) -> Generator[None, None, None]:
    """Let no process of the server, nor those that it starts, write past so many bytes of any file."""
    first = psutil.Process(server.pid)
    _limit(first, str(size), server)
    try:
        yield
    finally:
        if first.is_running():
            _limit(first, "unlimited", server)


def _limit(first: psutil.Process, size: str, server: EmbeddedPostgres) -> None:
    as_its_user = server._prefix  # pyright: ignore[reportPrivateUsage]  # root, too, may not limit others everywhere
    for each in (first, *first.children(recursive=True)):
        limiting = [*as_its_user, "prlimit", f"--pid={each.pid}", f"--fsize={size}:"]
        done = subprocess.run(limiting, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not each.is_running(), done.stderr


async def create(engine: Process, name: str, size: int = 0) -> int:
    """Create an instance under an id, with a variable that no compression makes smaller; return the status."""
    text = base64.b64encode(Random(name).randbytes(size)).decode()
    answer = await engine.client.post(
        "/v2/process-instances",
        json={"processDefinitionId": "p", "variables": {"text": text}},
        headers={"idempotency-key": name},
    )
    return answer.status_code


async def until_all_ended(engine: Process, count: int) -> None:
    async def ended() -> bool:
        return len(await engine.search("process-instances", state="COMPLETED")) == count

    await until(ended)


async def test_a_command_for_which_the_database_has_no_room_acts_once_when_it_has(
    postgres: EmbeddedPostgres, cluster: Cluster, topics: Topics
) -> None:
    async with process(postgres.dsn, cluster, topics) as engine:
        await engine.deploy("o start -> O end")
        with files_of_at_most(SEGMENT_BYTES, postgres):
            at = 0
            while (status := await create(engine, f"large-{at}", 2 * MEBIBYTE)) == 200:
                at += 1
                assert at < 20, "expected no room for so much"
            assert status in (503, 504)

        async def taken() -> bool:
            return await create(engine, f"large-{at}", 2 * MEBIBYTE) == 200

        await until(taken)
        await until_all_ended(engine, at + 1)
    await topic_equals_table(postgres.dsn, cluster, topics)
    await delete(cluster, topics)


async def test_a_database_that_ends_because_its_write_ahead_log_has_no_room_loses_nothing(
    postgres: EmbeddedPostgres, cluster: Cluster, topics: Topics
) -> None:
    async with process(postgres.dsn, cluster, topics) as engine:
        await engine.deploy("o start -> O end")
        first = postgres.pid
        assert await create(engine, "before") == 200
        with files_of_at_most(8192, postgres):
            assert await create(engine, "without room") in (200, 503, 504)

            async def ended() -> bool:
                return not psutil.pid_exists(first)

            await until(ended)

        async def taken() -> bool:
            return await create(engine, "without room") == 200

        await until(taken)
        await until_all_ended(engine, 2)
        assert postgres.pid != first
    await topic_equals_table(postgres.dsn, cluster, topics)
    await delete(cluster, topics)
