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
from domain.keys import make_key, partition_of
from infra.distributed import DistributedEngine
from infra.run import serving
from streams import elsewhere, processor
from streams.links import Links
from streams.topics import COMMAND_BYTES_MAX, RECORD_BYTES_MAX, Cluster, Topics, delete
from tests.kafka.test_distributed import PARTITIONS, Process, process, settings_of, topic_equals_table, until
from tests.kafka.test_kafka_log import letters
from tests.support.bpmn import bpmn

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka"), pytest.mark.timeout(500)]

WAITING_MAX = 5
LAG_MAX = 100


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
async def standstill(database_url: str, *partitions: int) -> AsyncGenerator[None]:
    """Nothing can be committed in these partitions for a while; in none at all if none is named."""
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute(
                "SELECT FROM partitions WHERE partition = ANY($1::int[]) OR $1 = '{}' FOR UPDATE", list(partitions)
            )
            yield
    finally:
        await connection.close()


async def test_callers_who_are_too_many_are_turned_away_whoever_owns_their_partition(
    database_url: str, cluster: Cluster, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "WAITING_MAX", WAITING_MAX)
    monkeypatch.setattr(elsewhere, "WAITING_MAX", WAITING_MAX)
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


async def test_past_the_bound_of_a_topics_lag_callers_of_other_processes_are_turned_away_until_it_has_shrunk(
    database_url: str, cluster: Cluster, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_link(*_: object) -> None:
        return None

    monkeypatch.setattr(elsewhere, "LAG_MAX", LAG_MAX)
    monkeypatch.setattr(Links, "submit", no_link)
    async with (
        process(database_url, cluster, topics) as one,
        process(database_url, cluster, topics) as two,
        AIOKafkaProducer(**cluster.options) as producer,
    ):
        await shares(one, two)
        await one.deploy("o start -> pack -> O end")
        for _ in range(4 * PARTITIONS):
            await one.post("/process-instances", {"processDefinitionId": "p"})
        behind = min(two.engine.processors)
        nobody = make_key(behind, 999)

        def lags(engine: Process) -> float | None:
            return engine.engine.metrics.get_sample_value("procession_command_lag", {"partition": str(behind)})

        async def flood(value: bytes) -> None:
            await asyncio.gather(
                *[await producer.send(topics.commands, value, partition=behind - 1) for _ in range(LAG_MAX + 1)]
            )

        def cancel(engine: Process) -> "asyncio.Task[httpx.Response]":
            return asyncio.create_task(engine.client.post(f"/v2/process-instances/{nobody}/cancellation", json={}))

        async with standstill(database_url, behind):
            await flood(json.dumps({"type": "cancel-instance", "key": nobody}).encode())

            async def seen() -> bool:
                return min(lags(one) or 0, lags(two) or 0) > LAG_MAX

            await until(seen)
            owners, refused = cancel(two), await cancel(one)
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) > 0
            assert f"at most {LAG_MAX} commands waiting for partition {behind}" in refused.json()["detail"]
            wanted = {"type": "pack", "worker": "w", "timeout": 60_000, "maxJobsToActivate": 100}
            jobs = (await one.post("/jobs/activation", wanted))["jobs"]
            assert jobs, "what others have is handed out"
            assert behind not in {partition_of(int(job["jobKey"])) for job in jobs}
            assert not owners.done(), "whoever calls the owner waits for it, not behind the topic"
        assert (await owners).status_code == 404

        async def shrunk() -> bool:
            await one.engine._command_lag.look()  # pyright: ignore[reportPrivateUsage]  # what it saw may be a second old
            return lags(one) == 0

        await until(shrunk)
        assert (await cancel(one)).status_code == 404
        await flood(b"no command")
        await letters(cluster, topics, LAG_MAX + 1)
        await until(shrunk)
        assert (await cancel(one)).status_code == 404, "records that are no commands wait for nobody"
    await delete(cluster, topics)


async def test_the_topology_names_the_port_that_was_chosen(database_url: str, cluster: Cluster, topics: Topics) -> None:
    settings = settings_of(database_url, cluster, topics).model_copy(update={"port": 0})
    async with serving(settings) as (_, address), httpx.AsyncClient(base_url=address) as client:
        (broker,) = (await client.get("/v2/topology")).json()["brokers"]

        assert address == f"http://{broker['host']}:{broker['port']}"
    await delete(cluster, topics)
