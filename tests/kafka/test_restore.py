"""A database that was lost is made from the events topic, and all goes on as if nothing had happened."""

import asyncio
import json
import signal
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from eventstore.postgres import PostgresEventStore
from infra.chaos.engine_process import EngineProcess
from infra.engine_lock import EngineCannotStart
from infra.restoring import restore
from projections.registry import PROJECTIONS
from projections.verify import digest, verify
from streams.kafka_group import KafkaGroup
from streams.topic_restore import CannotRestore
from streams.topic_restore import engines as members
from streams.topics import Cluster, Topics, delete
from streams.work import decode_result
from tests.kafka.callers import Callers
from tests.kafka.test_distributed import PARTITIONS, Process, process, topic_equals_table, until
from tests.support.bpmn import bpmn

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka"), pytest.mark.timeout(500)]

MODELS = {
    "jobs": "o start -> pack -> O end",
    "people": "o start -> user check -> O end",
    "messages": "o start -> message paid paid -> O end",
    "signals": "o start -> signal go go -> O end",
    "timers": "o start -> timer rest PT4S -> O end",
    "calls": "o start -> call inner jobs -> O end",
}
EACH = 6


async def send(cluster: Cluster, topics: Topics, *commands: dict[str, Any]) -> None:
    async with AIOKafkaProducer(**cluster.options) as producer:
        for number, command in enumerate(commands):
            await producer.send_and_wait(topics.commands, json.dumps(command).encode(), partition=number % PARTITIONS)


def order(number: int, process_id: str = "jobs") -> dict[str, Any]:
    return {"type": "create-instance", "id": f"order-{number}", "process_id": process_id, "variables": {"key": "k"}}


async def completed(one: Process) -> int:
    return len(await one.search("process-instances", state="COMPLETED"))


async def live(one: Process, cluster: Cluster, topics: Topics) -> None:
    """Let some of everything happen, and leave most of it waiting."""
    files = [("resources", (f"{name}.bpmn", bpmn(text, name), "text/xml")) for name, text in MODELS.items()]
    assert (await one.client.post("/v2/deployments", files=files)).is_success
    for name in MODELS:
        for number in range(EACH):
            variables = {"key": f"{name}-{number}"}
            answer = await one.client.post(
                "/v2/process-instances",
                json={"processDefinitionId": name, "variables": variables},
                headers={"Idempotency-Key": f"http-{name}-{number}"},
            )
            assert answer.is_success, answer.text
    await send(cluster, topics, *(order(number) for number in range(8)))
    await send(cluster, topics, {"type": "cancel-instance", "id": "wrong", "key": 1 << 54 | 77 << 14})

    async def created() -> bool:
        return len(await one.search("jobs", type="pack")) == 2 * EACH + 8

    await until(created)
    asked = {"type": "pack", "worker": "w", "timeout": 600_000, "maxJobsToActivate": 4}
    (job, *_) = (await one.post("/jobs/activation", asked))["jobs"]
    await one.post(f"/jobs/{job['jobKey']}/completion", {"variables": {"done": True}})
    await one.post("/messages/publication", {"name": "paid", "correlationKey": "nobody", "timeToLive": 600_000})
    await one.post("/messages/publication", {"name": "paid", "correlationKey": "messages-0", "timeToLive": 600_000})


async def finish(one: Process) -> None:
    """Let everything end that waits."""
    for number in range(1, EACH):
        await one.post("/messages/publication", {"name": "paid", "correlationKey": f"messages-{number}"})
    await one.post("/signals/broadcast", {"signalName": "go"})
    for task in await one.search("user-tasks", state="CREATED"):
        await one.post(f"/user-tasks/{task['userTaskKey']}/completion", {})
    # Workers that were leased jobs before may complete them now.
    for job in await one.search("jobs", type="pack", state="CREATED"):
        await one.post(f"/jobs/{job['jobKey']}/completion", {})


async def forgetful(group: KafkaGroup, offsets: Mapping[int, int]) -> None:
    """Note nothing: the brokers lost it, or the engine had not yet come to it."""


async def truth(database_url: str) -> dict[str, Any]:
    """Return all that has to be in the restored database as it was in the lost one."""
    connection = await asyncpg.connect(database_url)
    try:
        tables = {projection.table.name: await digest(connection, projection.table.name) for projection in PROJECTIONS}
        outcomes = await connection.fetch("SELECT * FROM command_outcomes ORDER BY partition, command_id")
        return {
            "events": await connection.fetch("SELECT * FROM events ORDER BY partition, position"),
            "blocks": await connection.fetch("SELECT * FROM key_blocks ORDER BY partition, block"),
            "outcomes": {
                row["command_id"]: (row["partition"], row["stream"], row["position"], decode_result(row["answer"]))
                for row in outcomes
            },
            "positions": await connection.fetch("SELECT partition, position FROM partitions ORDER BY partition"),
            "read": [
                row[0] for row in await connection.fetch("SELECT command_offset FROM partitions ORDER BY partition")
            ],
            **tables,
        }
    finally:
        await connection.close()


@pytest.mark.parametrize("noted", [True, False], ids=["noted", "all commands read again"])
async def test_a_lost_database_is_made_from_the_topic_and_everything_goes_on(
    database_url: str,
    empty_database_url: str,
    cluster: Cluster,
    topics: Topics,
    noted: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not noted:
        monkeypatch.setattr(KafkaGroup, "note", forgetful)
    async with process(database_url, cluster, topics) as one, process(database_url, cluster, topics) as two:

        async def shared() -> bool:
            return len(one.engine.processors) == len(two.engine.processors) == PARTITIONS // 2 and two.engine.ready

        await until(shared)
        await live(one, cluster, topics)
    await send(cluster, topics, order(100), order(0), order(101))  # while there is no database

    count = await restore(cluster, topics, PARTITIONS, empty_database_url)

    lost, made = await truth(database_url), await truth(empty_database_url)
    assert count == len(lost["events"]) > 0
    was_read, is_read = lost.pop("read"), made.pop("read")
    assert all(then >= now for then, now in zip(was_read, is_read, strict=True)), "rather twice than not at all"
    assert any(is_read) == noted
    for what, was in lost.items():
        assert made[what] == was, what
    assert await topic_equals_table(empty_database_url, cluster, topics) == count
    async with process(empty_database_url, cluster, topics) as one:

        async def again() -> bool:
            return len(await one.search("jobs", type="pack")) == 2 * EACH + 8 + 2

        await until(again)
        known = await one.client.post(
            "/v2/process-instances",
            json={"processDefinitionId": "jobs"},
            headers={"Idempotency-Key": "http-jobs-3"},
        )
        assert known.json()["processInstanceKey"] == lost["outcomes"]["http-jobs-3"][3]["processInstanceKey"]
        await finish(one)
        total = len(MODELS) * EACH + EACH + 8 + 2

        async def all_ended() -> bool:
            return await completed(one) == total

        await until(all_ended)
        assert len(await one.search("process-instances")) == total
        async with asyncpg.create_pool(empty_database_url, min_size=1, max_size=2) as pool:
            assert await verify(pool, PostgresEventStore(pool, empty_database_url)) == []
    await topic_equals_table(empty_database_url, cluster, topics)
    await delete(cluster, topics)


async def test_a_restore_is_refused_where_it_would_do_harm(
    database_url: str, empty_database_url: str, cluster: Cluster, topics: Topics
) -> None:
    async with process(database_url, cluster, topics) as one:
        await one.deploy("o start -> O end")
        with pytest.raises(CannotRestore, match="expected no engine to run, but 1 processes are in the consumer group"):
            await restore(cluster, topics, PARTITIONS, empty_database_url)
    with pytest.raises(
        CannotRestore, match="expected a database in which nothing is, but it has events, partitions that"
    ):
        await restore(cluster, topics, PARTITIONS, database_url)
    with pytest.raises(
        EngineCannotStart, match=r"at most position 0 of partition 1, where .*`procession topics restore`"
    ):
        async with process(empty_database_url, cluster, topics):
            pass
    # Even after that the database counts as empty.
    assert await restore(cluster, topics, PARTITIONS, empty_database_url) == 2
    async with process(empty_database_url, cluster, topics) as one:
        await one.deploy("o start -> pack -> O end")
    await delete(cluster, topics)


async def test_a_topic_without_its_beginning_makes_no_database(
    database_url: str, empty_database_url: str, cluster: Cluster, topics: Topics
) -> None:
    async with process(database_url, cluster, topics) as one:
        await one.deploy("o start -> O end")
    admin = AIOKafkaAdminClient(**cluster.options)
    await admin.start()
    await admin.delete_records({TopicPartition(topics.events, 0): RecordsToDelete(before_offset=1)})
    await admin.close()

    with pytest.raises(CannotRestore, match=r"expected position 1 at offset 1 of .*, but found 2: the topic is not"):
        await restore(cluster, topics, PARTITIONS, empty_database_url)
    async with asyncpg.create_pool(empty_database_url, min_size=1, max_size=1) as pool:
        assert await pool.fetchval("SELECT count(*) FROM events") == 0
    await delete(cluster, topics)


async def test_engines_and_database_die_under_load_and_what_the_topics_hold_acts_once(
    tmp_path: Path, database_url: str, empty_database_url: str, cluster: Cluster, topics: Topics
) -> None:
    settings = {
        "database_url": database_url,
        "partitions": str(PARTITIONS),
        "kafka_bootstrap_servers": ",".join(cluster.bootstrap_servers),
        "kafka_topic_prefix": topics.prefix,
        "kafka_session_seconds": "2",
    }
    engines = [EngineProcess(tmp_path / f"engine-{number}.log", settings=settings) for number in (1, 2)]
    load = Callers([engine.port for engine in engines], cluster, topics, Random(1))
    tasks: list[asyncio.Task[None]] = []
    try:
        for engine in engines:
            engine.start()
        for engine in engines:
            await engine.until_ready()
        models = {"p": "o start -> call inner child -> O end", "child": "o start -> script s done = 1 -> O end"}
        files = [("resources", (f"{name}.bpmn", bpmn(text, name), "text/xml")) for name, text in models.items()]
        async with httpx.AsyncClient() as client:
            assert (await client.post(f"http://127.0.0.1:{engines[0].port}/v2/deployments", files=files)).is_success
        tasks = [asyncio.create_task(load.caller(number)) for number in range(4)]
        tasks.append(asyncio.create_task(load.producer()))

        async def loaded() -> bool:
            return len(load.acknowledged) > 300

        await until(loaded, 60)
        # At once: one that lives on might take up what the other had not yet relayed.
        for engine in engines:
            engine.send(signal.SIGKILL)
        # Without an engine only the producer is answered.
        load.ending = True
        await asyncio.wait_for(tasks[-1], 30)
    finally:
        for task in tasks:
            task.cancel()
        for engine in engines:
            engine.clear_away()

    async def left() -> bool:
        return await members(cluster, topics) == 0

    await until(left)
    await restore(cluster, topics, PARTITIONS, empty_database_url)

    wanted = {name for name in load.acknowledged if name.startswith("topic-")}
    assert wanted
    async with (
        process(empty_database_url, cluster, topics),
        asyncpg.create_pool(empty_database_url, min_size=1, max_size=2) as pool,
    ):

        async def at_rest() -> bool:
            created = await pool.fetch("SELECT command_id FROM events WHERE type = 'instance-created'")
            ended = await pool.fetchval("SELECT count(*) FROM events WHERE type = 'instance-completed'")
            return wanted <= {row[0] for row in created} and ended == len(created)

        await until(at_rest, 60)
        created = await pool.fetch("SELECT command_id FROM events WHERE type = 'instance-created'")
        assert len({row[0] for row in created}) == len(created), "nothing acted twice"
    async with asyncpg.create_pool(empty_database_url, min_size=1, max_size=2) as pool:
        assert await verify(pool, PostgresEventStore(pool, empty_database_url)) == []
    await topic_equals_table(empty_database_url, cluster, topics)
    await delete(cluster, topics)
