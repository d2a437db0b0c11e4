"""Edges of the distributed mode: restarts of named members, callers who are too many, where a process says that it is."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaProducer

from api.app import create_app
from domain.bounds import EVENT_BYTES_MAX
from infra.distributed import DistributedEngine
from infra.run import serving
from streams import gateway, processor
from streams.topics import COMMAND_BYTES_MAX, RECORD_BYTES_MAX, Cluster, Topics, delete
from tests.kafka.test_distributed import PARTITIONS, Process, process, settings_of, topic_equals_table, until
from tests.kafka.test_kafka_log import letters
from tests.support.bpmn import bpmn

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka"), pytest.mark.timeout(500)]

WAITING_MAX = 5


@asynccontextmanager
async def member(database_url: str, cluster: Cluster, topics: Topics, name: str) -> AsyncGenerator[Process]:
    """A process that has its name again after a restart, and time for one."""
    settings = settings_of(database_url, cluster, topics).model_copy(
        update={"kafka_instance_id": name, "kafka_session_seconds": 60.0}
    )
    async with DistributedEngine.on(settings, database_url, cluster) as engine:
        transport = httpx.ASGITransport(create_app(engine, settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://procession", timeout=30) as client:
            yield Process(engine, client)


async def shares(*processes: Process) -> None:
    """Return when the processes have equal shares."""

    async def shared() -> bool:
        return all(
            each.engine.ready and len(each.engine.processors) * len(processes) == PARTITIONS for each in processes
        )

    await until(shared)


async def epochs(database_url: str) -> dict[int, int]:
    connection = await asyncpg.connect(database_url)
    try:
        return {row[0]: row[1] for row in await connection.fetch("SELECT partition, epoch FROM partitions")}
    finally:
        await connection.close()


async def test_a_named_member_that_restarts_within_its_session_moves_no_partition(
    database_url: str, cluster: Cluster, topics: Topics
) -> None:
    async with member(database_url, cluster, topics, "first") as first:
        await first.deploy("o start -> O end")
        async with member(database_url, cluster, topics, "second") as second:
            await shares(first, second)
            firsts, seconds, before = (
                set(first.engine.processors),
                set(second.engine.processors),
                await epochs(database_url),
            )
        async with member(database_url, cluster, topics, "second") as second:
            await shares(first, second)
            for _ in range(8):
                await second.post("/process-instances", {"processDefinitionId": "p"})
            after = await epochs(database_url)

            assert set(first.engine.processors) == firsts
            assert set(second.engine.processors) == seconds
            assert {each for each in after if after[each] != before[each]} == seconds, (
                "only what came back was taken anew"
            )
    await delete(cluster, topics)


async def test_variables_that_are_too_large_for_a_record_hold_their_instance_and_nothing_else(
    database_url: str, cluster: Cluster, topics: Topics
) -> None:
    text = "é" * (COMMAND_BYTES_MAX // 2 - 150)  # two bytes each: what counts is what is written
    models = {
        "p": "o start -> call inner child -> O end",
        "twice": "o start -> pack -> call inner child -> O end",
        "child": "o start -> O end",
    }
    async with (
        process(database_url, cluster, topics) as one,
        AIOKafkaProducer(**cluster.options, max_request_size=RECORD_BYTES_MAX) as producer,
    ):

        async def send(**command: Any) -> None:
            value = json.dumps(command, ensure_ascii=False).encode()
            assert len(value) <= COMMAND_BYTES_MAX
            await producer.send_and_wait(topics.commands, value)

        files = [("resources", (f"{name}.bpmn", bpmn(text, name), "text/xml")) for name, text in models.items()]
        assert (await one.client.post("/v2/deployments", files=files)).is_success
        # The reaction that calls the child is larger than any command of a producer may be.
        for number in range(PARTITIONS):
            await send(type="create-instance", id=f"large-{number}", process_id="p", variables={"a": text})
        await send(type="create-instance", id="too-large", process_id="twice", variables={"a": text})

        async def happened(what: str, count: int, **wanted: Any) -> list[dict[str, Any]]:
            async def there() -> bool:
                return len(await one.search(what, **wanted)) == count

            await until(there, 60)
            return await one.search(what, **wanted)

        await happened("process-instances", 2 * PARTITIONS, state="COMPLETED")
        (job,) = await happened("jobs", 1, type="pack")
        await send(type="complete-job", id="more", key=job["jobKey"], variables={"b": text})
        (incident,) = await happened("incidents", 1, state="ACTIVE")
        assert (
            f"expected facts of at most {EVENT_BYTES_MAX} bytes, but a child-called would have "
            in incident["errorMessage"]
        )
        await send(type="create-instance", id="after", process_id="child", by="somebody")
        await send(type="create-instance", id="nobody", process_id="child", by="some\0body")
        await happened("process-instances", 2 * PARTITIONS + 1, state="COMPLETED")
        (letter,) = await letters(cluster, topics, 1)
        assert b"without NUL" in dict(letter.headers)["reason"]
    await topic_equals_table(database_url, cluster, topics)
    await delete(cluster, topics)


@asynccontextmanager
async def standstill(database_url: str) -> AsyncGenerator[None]:
    """Nothing can be committed for a while."""
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM partitions FOR UPDATE")
            yield
    finally:
        await connection.close()


async def test_callers_who_are_too_many_are_turned_away_whoever_owns_their_partition(
    database_url: str, cluster: Cluster, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "WAITING_MAX", WAITING_MAX)
    monkeypatch.setattr(gateway, "ELSEWHERE_MAX", WAITING_MAX)
    async with process(database_url, cluster, topics) as one, process(database_url, cluster, topics) as two:
        await shares(one, two)
        await one.deploy("o start -> O end")
        async with standstill(database_url):
            callers = [
                asyncio.create_task(one.client.post("/v2/process-instances", json={"processDefinitionId": "p"}))
                for _ in range(200)
            ]

            async def turned_away() -> bool:
                refused = [each.result() for each in callers if each.done()]
                return len(refused) >= 200 - 2 * WAITING_MAX * PARTITIONS

            await until(turned_away)
            refused = [each.result() for each in callers if each.done()]
        assert {answer.status_code for answer in refused} == {503}
        assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
        details = {answer.json()["detail"] for answer in refused}
        assert any(f"at most {WAITING_MAX} waiting commands on partition" in detail for detail in details), details
        assert any(f"at most {WAITING_MAX} commands waiting for other processes" in detail for detail in details), (
            details
        )
        answers = await asyncio.gather(*callers)
        assert {answer.status_code for answer in answers} == {200, 503}, "who was not turned away is served"
    await delete(cluster, topics)


async def test_the_topology_names_the_port_that_was_chosen(database_url: str, cluster: Cluster, topics: Topics) -> None:
    settings = settings_of(database_url, cluster, topics).model_copy(update={"port": 0})
    async with serving(settings) as (_, address), httpx.AsyncClient(base_url=address) as client:
        (broker,) = (await client.get("/v2/topology")).json()["brokers"]

        assert address == f"http://{broker['host']}:{broker['port']}"
    await delete(cluster, topics)
