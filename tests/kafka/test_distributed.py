"""Engines on a real Kafka and a real PostgreSQL, spoken to through the API and through the topics."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any
from unittest.mock import Mock

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import NodeNotReadyError
from pydantic import SecretStr

from api.app import create_app
from domain.keys import partition_of
from infra import distributed
from infra.distributed import DistributedEngine, adopt
from infra.engine import Engine
from infra.engine_lock import EngineCannotStart
from infra.kafka import Sparing
from infra.settings import Settings, load
from streams.links import Links
from streams.rows import PostgresEventRows
from streams.topic_check import check_topic
from streams.topics import Cluster, Topics, create, delete
from tests.kafka.test_kafka_log import letters
from tests.support.bpmn import bpmn

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]

PARTITIONS = 4


class Process:
    """One engine with its API."""

    def __init__(self, engine: DistributedEngine, client: httpx.AsyncClient) -> None:
        self.engine = engine
        self.client = client

    async def post(self, path: str, body: Any) -> dict[str, Any]:
        answer = await self.client.post(f"/v2{path}", json=body)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found

    async def deploy(self, text: str, process_id: str = "p") -> None:
        model = bpmn(text, process_id)
        answer = await self.client.post("/v2/deployments", files=[("resources", ("p.bpmn", model, "text/xml"))])
        assert answer.is_success, answer.text

    async def search(self, what: str, **wanted: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.post(f"/{what}/search", {"filter": wanted, "page": {"limit": 1000}}))[
            "items"
        ]
        return found


def settings_of(database_url: str, cluster: Cluster, topics: Topics) -> Settings:
    return load(
        {
            "database_url": SecretStr(database_url),
            "partitions": PARTITIONS,
            "kafka_bootstrap_servers": tuple(cluster.bootstrap_servers),
            "kafka_topic_prefix": topics.prefix,
            "kafka_session_seconds": 6,  # none dies here, and none may seem dead because the machine is busy
        }
    )


@asynccontextmanager
async def process(
    database_url: str, cluster: Cluster, topics: Topics, kind: type[DistributedEngine] = DistributedEngine
) -> AsyncGenerator[Process]:
    settings = settings_of(database_url, cluster, topics)
    async with kind.on(settings, database_url, cluster) as engine:
        transport = httpx.ASGITransport(create_app(engine, settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://procession", timeout=30) as client:
            yield Process(engine, client)


async def until(happened: Callable[[], Awaitable[bool]], seconds: float = 100) -> None:
    async with asyncio.timeout(seconds):
        while not await happened():  # noqa: ASYNC110 - a test looks from outside
            await asyncio.sleep(0.02)


async def topic_equals_table(database_url: str, cluster: Cluster, topics: Topics) -> int:
    """Return how many events there are, in both."""
    async with asyncpg.create_pool(database_url, min_size=1, max_size=1) as pool:
        rows = await pool.fetch("SELECT partition, position FROM partitions")
        for row in rows:
            report = await check_topic(cluster, topics, row[0], PostgresEventRows(pool), row[1])
            assert report.problems == []
            assert report.last == row[1]
    return sum(row[1] for row in rows)


async def test_an_instance_runs_through_the_topics(database_url: str, cluster: Cluster, topics: Topics) -> None:
    chance = Random(1)
    async with (
        process(database_url, cluster, topics) as one,
        AIOKafkaProducer(**cluster.options) as producer,
    ):

        async def send(**command: Any) -> None:
            partition = chance.randrange(PARTITIONS)
            await producer.send_and_wait(topics.commands, json.dumps(command).encode(), partition=partition)

        await one.deploy("o start -> pack -> O end")
        for number in range(12):
            for _ in range(2):
                await send(type="create-instance", id=f"order-{number}", process_id="p", variables={"n": number})
        await producer.send_and_wait(topics.commands, b"coffee", partition=2)

        async def created() -> bool:
            return len(await one.search("jobs", type="pack")) == 12

        await until(created)
        jobs = (
            await one.post(
                "/jobs/activation", {"type": "pack", "worker": "w", "timeout": 60_000, "maxJobsToActivate": 50}
            )
        )["jobs"]
        assert sorted(job["variables"]["n"] for job in jobs) == list(range(12)), "each id acted once"
        for job in jobs:
            await send(type="complete-job", id=f"done-{job['jobKey']}", key=job["jobKey"], variables={"ok": True})

        async def completed() -> bool:
            return len(await one.search("process-instances", state="COMPLETED")) == 12

        await until(completed)
        (letter,) = await letters(cluster, topics, 1)
        assert (letter.value, dict(letter.headers)["partition"]) == (b"coffee", b"2")
    assert await topic_equals_table(database_url, cluster, topics) > 12 * 8
    await delete(cluster, topics)


async def test_processes_share_the_partitions_and_answer_for_each_other(
    database_url: str, cluster: Cluster, topics: Topics
) -> None:
    async with process(database_url, cluster, topics) as one:
        await one.deploy("o start -> pack -> O end")
        async with process(database_url, cluster, topics) as two:

            async def shared() -> bool:
                return sorted((len(one.engine.processors), len(two.engine.processors))) == [2, 2] and two.engine.ready

            await until(shared)
            brokers = (await two.client.get("/v2/topology")).json()["brokers"]
            assert sorted(each["partitionId"] for broker in brokers for each in broker["partitions"]) == [1, 2, 3, 4]
            for number in range(8):
                side = (one, two)[number % 2]
                made = await side.post("/process-instances", {"processDefinitionId": "p", "variables": {"n": number}})
                other = (two, one)[number % 2]
                found = await other.search("process-instances", processInstanceKey=made["processInstanceKey"])
                assert len(found) == 1, "a read of one process does not see what another acknowledged"
                one_of_them = await other.client.get(f"/v2/process-instances/{made['processInstanceKey']}")
                assert one_of_them.status_code == 200
            asked = {"type": "pack", "worker": "w", "timeout": 60_000, "maxJobsToActivate": 8, "requestTimeout": 5_000}
            jobs: list[Any] = []
            while len(jobs) < 8:
                jobs += (await two.post("/jobs/activation", asked))["jobs"]
            for job in jobs:
                await one.post(f"/jobs/{job['jobKey']}/completion", {})

        async def alone() -> bool:
            return len(one.engine.processors) == PARTITIONS and one.engine.ready

        await until(alone)
        assert len(await one.search("process-instances", state="COMPLETED")) == 8
        await one.post("/process-instances", {"processDefinitionId": "p"})
    await topic_equals_table(database_url, cluster, topics)
    await delete(cluster, topics)


async def test_an_acknowledged_deployment_counts_at_once_in_processes_that_look_only_now_and_then(
    database_url: str, cluster: Cluster, topics: Topics
) -> None:
    async with process(database_url, cluster, topics) as one, process(database_url, cluster, topics) as two:

        async def shared() -> bool:
            return sorted((len(one.engine.processors), len(two.engine.processors))) == [2, 2] and two.engine.ready

        done = asyncio.Event()

        async def create(side: Process) -> None:
            while not done.is_set():
                await side.post("/process-instances", {"processDefinitionId": "busy"})

        await until(shared)
        await one.deploy("o start -> O end", "busy")
        used: set[int] = set()
        # Their commits tell them that nothing was deployed, so that they do not ask.
        async with asyncio.TaskGroup() as callers:
            for side in (one, two, one, two):
                callers.create_task(create(side))
            try:
                for version in range(1, 11):
                    await (one, two)[version % 2].deploy(f"o start -> t{version} -> O end")
                    made = [side.post("/process-instances", {"processDefinitionId": "p"}) for side in (one, two) * 6]
                    found = await asyncio.gather(*made)
                    assert {each["processDefinitionVersion"] for each in found} == {version}
                    used |= {partition_of(int(each["processInstanceKey"])) for each in found}
            finally:
                done.set()
        assert used == {1, 2, 3, 4}
    await topic_equals_table(database_url, cluster, topics)
    await delete(cluster, topics)


async def test_callers_reach_the_owner_of_their_partition_directly_and_through_the_topic_only_where_no_link_leads(
    database_url: str, cluster: Cluster, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with process(database_url, cluster, topics) as one, process(database_url, cluster, topics) as two:

        async def linked() -> bool:
            links = [engine.engine._links for engine in (one, two)]  # pyright: ignore[reportPrivateUsage]  # nobody else is told
            return all(each is not None and len(each._links) == 1 and len(each._owners) == 2 for each in links)  # pyright: ignore[reportPrivateUsage]  # the same

        async def create(count: int) -> set[int]:
            made = [await one.post("/process-instances", {"processDefinitionId": "p"}) for _ in range(count)]
            return {partition_of(int(each["processInstanceKey"])) for each in made}

        async def in_topic() -> int:
            return sum([await one.engine.log.last(partition) for partition in range(1, PARTITIONS + 1)])

        await until(linked)
        await one.deploy("o start -> O end")
        before = await in_topic()
        assert await create(40) == {1, 2, 3, 4}
        assert await in_topic() == before

        async def no_link(*_: object) -> None:
            return None

        monkeypatch.setattr(Links, "submit", no_link)
        assert await create(40) == {1, 2, 3, 4}
        assert await in_topic() > before
    await topic_equals_table(database_url, cluster, topics)
    await delete(cluster, topics)


def test_many_who_wait_to_see_a_partition_hurry_its_owner_once(
    database_url: str, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(("127.0.0.1:9",))
    engine = DistributedEngine(settings_of(database_url, cluster, topics), database_url, cluster)
    said = engine._notifications = Mock()  # pyright: ignore[reportPrivateUsage]  # what it says goes there
    monkeypatch.setattr(distributed, "LOOK_SECONDS", 3600.0)
    for _ in range(1_000):
        engine.hurry(1)
        engine.hurry(2)
    assert [call.args[1] for call in said.send.call_args_list] == ["1", "2"]
    monkeypatch.setattr(distributed, "LOOK_SECONDS", 0.0)
    engine.hurry(1)
    assert len(said.send.call_args_list) == 3, "a hurry may get lost: whoever still waits hurries again"


async def test_brokers_that_are_not_there_end_the_start_with_a_sentence(database_url: str, topics: Topics) -> None:
    with pytest.raises(EngineCannotStart, match=r"expected Kafka at 127\.0\.0\.1:9, but: "):
        async with process(database_url, Cluster(("127.0.0.1:9",)), topics):
            pass


async def test_a_start_asks_another_broker_when_one_has_just_died(
    database_url: str, cluster: Cluster, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def dead_first(*arguments: Any) -> list[str]:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise NodeNotReadyError
        return await create(*arguments)

    monkeypatch.setattr(distributed, "create", dead_first)
    async with process(database_url, cluster, topics) as one:
        assert one.engine.ready
    assert asked == 2
    await delete(cluster, topics)


async def test_a_link_port_that_is_taken_ends_the_start_with_a_sentence(
    database_url: str, cluster: Cluster, topics: Topics
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = settings_of(database_url, cluster, topics).model_copy(update={"link_port": port})
        with pytest.raises(
            EngineCannotStart, match=rf"expected to listen on 127.0.0.1:{port} \(PROCESSION_LINK_PORT\)"
        ):
            async with DistributedEngine.on(settings, database_url, cluster):
                pass
    await delete(cluster, topics)


def test_lines_of_the_client_are_written_sparingly() -> None:
    sparing = Sparing()

    def line(name: str, number: int, at: float) -> bool:
        record = logging.LogRecord(name, logging.ERROR, "client.py", number, "", None, None)
        record.created = at
        return sparing.filter(record)

    assert [line("aiokafka.conn", 1, at) for at in (0.0 + 100, 101.0, 109.0, 110.0)] == [True, False, False, True]
    assert line("aiokafka.conn", 2, 110.5)
    assert line("streams.relay", 1, 110.5)
    assert line("streams.relay", 1, 110.6)


async def test_a_database_is_tied_to_its_log(database_url: str, cluster: Cluster, topics: Topics) -> None:
    settings = settings_of(database_url, cluster, topics)
    secret = await adopt(database_url, "topic a of Kafka cluster x")

    assert await adopt(database_url, "topic a of Kafka cluster x") == secret
    with pytest.raises(EngineCannotStart, match="are in topic a of Kafka cluster x, but the settings name topic b"):
        await adopt(database_url, "topic b of Kafka cluster x")
    assert await adopt(database_url, "topic a of Kafka cluster x", "first") == secret, "now it is known which one"
    assert await adopt(database_url, "topic a of Kafka cluster x") == secret, "brokers need not tell"
    with pytest.raises(EngineCannotStart, match="with the id first, but it has second: it was made anew"):
        await adopt(database_url, "topic a of Kafka cluster x", "second")
    with pytest.raises(EngineCannotStart, match="start the engine with PROCESSION_KAFKA=1"):
        async with Engine.running(settings, database_url):
            pass


async def test_commands_that_wait_in_the_table_are_not_left_behind(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("INSERT INTO partitions (partition, epoch, owner) VALUES (1, 0, '')")
    await connection.execute("INSERT INTO commands (partition, reply_to, command) VALUES (1, '', '')")
    await connection.close()

    with pytest.raises(EngineCannotStart, match="but 1 wait there"):
        await adopt(database_url, "topic a")
