"""Jobs as topics: each is leased, written to the topic of its type, and written again when its lease ends or it failed."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import httpx
import jsonschema
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaConnectionError

from api.app import create_app
from api.asyncapi import document
from domain.keys import partition_of
from infra import distributed
from infra.distributed import DistributedEngine
from infra.local_kafka import LocalKafka
from infra.run import up
from infra.settings import BadSettings, load
from streams import job_topics
from streams.job_topics import JobPublisher
from streams.topics import JOBS_RETENTION_MS, Cluster, TopicDoesNotFit, Topics, check, delete, describe
from streams.topics import create as create_topics
from tests.docs.pages import ROOT, blocks
from tests.kafka.test_distributed import PARTITIONS, Process, settings_of, topic_equals_table, until

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]

TIMEOUT = timedelta(seconds=300)
WORK = "o start -> pack -> O end"

Record: TypeAlias = "ConsumerRecord[bytes, bytes]"


@pytest.fixture
def topics(topics: Topics) -> Topics:
    return Topics(topics.prefix, ("pack", "ship"))


@asynccontextmanager
async def process(
    database_url: str, cluster: Cluster, topics: Topics, clock: str = "controlled"
) -> AsyncGenerator[Process]:
    settings = settings_of(database_url, cluster, topics).model_copy(
        update={"clock": clock, "kafka_job_types": topics.job_types}
    )
    async with DistributedEngine.on(settings, database_url, cluster) as engine:
        transport = httpx.ASGITransport(create_app(engine, settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://procession", timeout=30) as client:
            yield Process(engine, client)


async def create(one: Process, count: int = 1) -> list[str]:
    made = [
        await one.post("/process-instances", {"processDefinitionId": "p", "variables": {"n": number}})
        for number in range(count)
    ]
    return [each["processInstanceKey"] for each in made]


async def forward(one: Process, seconds: float) -> None:
    """Set the clock forward; return when all that is due by then has happened."""
    await one.engine.set_time(one.engine.clock.now() + timedelta(seconds=seconds))


async def send(cluster: Cluster, topics: Topics, **command: Any) -> None:
    async with AIOKafkaProducer(**cluster.options) as producer:
        await producer.send_and_wait(topics.commands, json.dumps(command).encode())


async def read(cluster: Cluster, topic: str) -> list[Record]:
    """Return all that is in a topic now."""
    found: list[Record] = []
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    async with AIOKafkaConsumer(**cluster.options) as consumer, asyncio.timeout(100):
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(place) < ends[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
    return found


async def records(cluster: Cluster, topics: Topics, count: int, job_type: str = "pack") -> list[Record]:
    """Wait for that many records of a type's topic, and return all that are there."""
    found: list[Record] = []

    async def there() -> bool:
        found[:] = await read(cluster, topics.jobs(job_type))
        return len(found) >= count

    await until(there)
    return found


def jobs(found: list[Record]) -> list[dict[str, Any]]:
    return [json.loads(record.value or b"") for record in found]


def keys(found: list[Record]) -> list[str]:
    return [job["jobKey"] for job in jobs(found)]


async def events(database_url: str, kind: str) -> int:
    connection = await asyncpg.connect(database_url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM events WHERE type = $1", kind))
    finally:
        await connection.close()


async def test_a_job_comes_as_it_is_activated_and_a_record_completes_it_once(
    database_url: str, cluster: Cluster, topics: Topics
) -> None:
    async with process(database_url, cluster, topics) as one:
        await one.deploy(WORK)
        [instance] = await create(one)
        [record] = await records(cluster, topics, 1)
        [job] = jobs([record])
        for command_id in ("done", "done again"):
            await send(cluster, topics, type="complete-job", id=command_id, key=job["jobKey"], variables={"ok": True})

        async def told() -> bool:
            return (
                bool(await one.search("jobs", state="COMPLETED"))
                and await events(database_url, "command-rejected") == 1
            )

        await until(told)
        [leased] = await one.search("jobs", jobKey=job["jobKey"])

        described = document()["components"]["schemas"]["ActivatedJob"]
        jsonschema.validate(job, described)
        assert job.keys() == described["properties"].keys()
        assert (job["processInstanceKey"], job["variables"], job["type"]) == (instance, {"n": 0}, "pack")
        assert job["worker"] == leased["worker"] == f"topic:{topics.jobs('pack')}"
        assert record.key == instance.encode()
        assert record.partition == partition_of(int(instance)) - 1
        assert dict(record.headers) == {
            "type": b"pack",
            "key": job["jobKey"].encode(),
            "partition": str(record.partition + 1).encode(),
            "deadline": str(job["deadline"]).encode(),
            "retries": b"3",
        }
        assert await events(database_url, "job-completed") == 1
        assert one.engine.metrics.get_sample_value("procession_jobs_delivered_total", {"type": "pack"}) == 1
    await topic_equals_table(database_url, cluster, topics)
    await delete(cluster, topics)


async def test_a_job_comes_again_when_its_time_is_over_and_not_before(
    database_url: str, cluster: Cluster, topics: Topics
) -> None:
    async with process(database_url, cluster, topics) as one:
        await one.deploy(WORK)
        await create(one, 3)
        first = await records(cluster, topics, 3)
        await forward(one, TIMEOUT.total_seconds() - 30)
        before = await read(cluster, topics.jobs("pack"))
        await forward(one, 31)
        after = await records(cluster, topics, 6)

        assert len(before) == 3
        assert Counter(keys(after)) == dict.fromkeys(keys(first), 2)
        assert len({(job["jobKey"], job["deadline"]) for job in jobs(after)}) == 6
    await delete(cluster, topics)


async def test_a_job_that_failed_comes_after_its_back_off_and_without_retries_only_once_its_incident_is_resolved(
    database_url: str, cluster: Cluster, topics: Topics
) -> None:
    async with process(database_url, cluster, topics) as one:
        await one.deploy(WORK)
        await create(one)
        [key] = keys(await records(cluster, topics, 1))
        await send(cluster, topics, type="fail-job", id="1", key=key, retries=1, back_off=60_000)

        async def failed() -> bool:
            return bool(await one.search("jobs", state="FAILED"))

        await until(failed)
        await forward(one, 50)
        assert len(await read(cluster, topics.jobs("pack"))) == 1
        await forward(one, 11)
        again = await records(cluster, topics, 2)
        assert dict(again[-1].headers)["retries"] == b"1"

        await send(cluster, topics, type="fail-job", id="2", key=key, retries=0, message="no stock")

        async def stands() -> bool:
            return bool(await one.search("incidents", state="ACTIVE"))

        await until(stands)
        await forward(one, 2 * TIMEOUT.total_seconds())
        assert len(await read(cluster, topics.jobs("pack"))) == 2
        [incident] = await one.search("incidents")
        assert (await one.client.patch(f"/v2/jobs/{key}", json={"changeset": {"retries": 5}})).is_success
        await one.post(f"/incidents/{incident['incidentKey']}/resolution", {})

        assert dict((await records(cluster, topics, 3))[-1].headers)["retries"] == b"5"
    await delete(cluster, topics)


async def test_a_suspended_instance_delivers_nothing_until_it_is_resumed(
    database_url: str, cluster: Cluster, topics: Topics
) -> None:
    async with process(database_url, cluster, topics) as one:
        await one.deploy("o start -> pack -> ship -> O end")
        [instance] = await create(one)
        [key] = keys(await records(cluster, topics, 1))
        await one.post(f"/process-instances/{instance}/suspension", {})
        await forward(one, 2 * TIMEOUT.total_seconds())
        assert len(await read(cluster, topics.jobs("pack"))) == 1
        await one.post(f"/process-instances/{instance}/resumption", {})

        assert keys(await records(cluster, topics, 2)) == [key, key]
    await delete(cluster, topics)


async def test_a_restart_delivers_what_is_available_and_nothing_that_is_leased(
    database_url: str, cluster: Cluster, topics: Topics
) -> None:
    async with process(database_url, cluster, Topics(topics.prefix), "system") as one:
        await one.deploy(WORK)
        await create(one, 6)
    found: list[Record] = []
    for _ in range(2):
        async with process(database_url, cluster, topics) as one:
            found = await records(cluster, topics, 6)
            await forward(one, 0)
            assert len(await read(cluster, topics.jobs("pack"))) == len(set(keys(found))) == 6
            await one.engine.set_time(None)
    async with process(database_url, cluster, topics) as one:
        await forward(one, TIMEOUT.total_seconds() + 1)
        assert Counter(keys(await records(cluster, topics, 12))) == dict.fromkeys(keys(found), 2)
    await delete(cluster, topics)


async def test_a_lease_whose_owner_died_before_it_was_written_is_made_up_for_when_it_ends(
    database_url: str, cluster: Cluster, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(publisher: JobPublisher, producer: Any, sent: Any) -> None:
        raise KafkaConnectionError("it dies here")

    with monkeypatch.context() as dying:
        dying.setattr(JobPublisher, "_send", never)
        dying.setattr(distributed, "LET_GO_SECONDS_MAX", 0.1)
        async with process(database_url, cluster, topics, "system") as one:
            await one.deploy(WORK)
            await create(one)

            async def leased() -> bool:
                return await events(database_url, "jobs-leased") == 1

            await until(leased)
    async with process(database_url, cluster, topics) as one:
        await forward(one, TIMEOUT.total_seconds() - 100)
        assert await read(cluster, topics.jobs("pack")) == []
        await forward(one, 101)
        assert len(await records(cluster, topics, 1)) == 1
    await delete(cluster, topics)


async def test_partitions_that_move_deliver_each_job_once(database_url: str, cluster: Cluster, topics: Topics) -> None:
    async with process(database_url, cluster, topics, "system") as one:
        await one.deploy(WORK)
        await create(one, 20)
        async with process(database_url, cluster, topics, "system") as two:

            async def shared() -> bool:
                return sorted((len(one.engine.processors), len(two.engine.processors))) == [2, 2] and two.engine.ready

            await until(shared)
            await create(two, 20)
            await records(cluster, topics, 40)
        await create(one, 20)
        found = await records(cluster, topics, 60)

        assert len(found) == len(set(keys(found))) == 60
    await topic_equals_table(database_url, cluster, topics)
    await delete(cluster, topics)


async def test_without_a_broker_nothing_is_leased_and_once_it_is_back_each_job_comes_once(
    database_url: str, tmp_path: Path, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_topics, "HEARD_SECONDS", 0)
    broker = await LocalKafka.start(tmp_path / "kafka")
    try:
        cluster = Cluster(broker.bootstrap_servers)
        async with process(database_url, cluster, topics, "system") as one:
            await one.deploy(WORK)
            await create(one, 4)
            await records(cluster, topics, 4)
            broker.kill()
            leases = await events(database_url, "jobs-leased")
            await create(one, 20)
            polled = {"type": "pack", "worker": "w", "timeout": 60_000, "maxJobsToActivate": 5}
            by_http = (await one.post("/jobs/activation", polled))["jobs"]
            assert await events(database_url, "jobs-leased") == leases + len({partition(job) for job in by_http})
            await broker.revive()
            found = await records(cluster, topics, 19)

            assert len(by_http) == 5
            assert len(found) == len(set(keys(found))) == 19
            assert not set(keys(found)) & {job["jobKey"] for job in by_http}
    finally:
        await broker.stop()


def partition(job: dict[str, Any]) -> int:
    return partition_of(int(job["jobKey"]))


async def test_no_more_jobs_are_out_than_workers_may_be_given_at_once(
    database_url: str, cluster: Cluster, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_topics, "OUT_JOBS_MAX", 4)
    monkeypatch.setattr(job_topics, "BATCH_JOBS_MAX", 2)
    async with process(database_url, cluster, topics) as one:
        await one.deploy("o start -> each items pack -> O end")
        await one.post("/process-instances", {"processDefinitionId": "p", "variables": {"items": list(range(10))}})
        await records(cluster, topics, 4)
        await forward(one, 1)
        first = await read(cluster, topics.jobs("pack"))
        assert len(first) == 4
        for key in keys(first)[:2]:
            await one.post(f"/jobs/{key}/completion", {})
        assert len(await records(cluster, topics, 6)) == 6
        await forward(one, TIMEOUT.total_seconds())

        async def come_again() -> bool:
            times = Counter(keys(await read(cluster, topics.jobs("pack"))))
            return times.most_common(2)[1][1] == 2

        await until(come_again)
    await delete(cluster, topics)


async def test_a_job_that_no_record_can_hold_becomes_an_incident(
    database_url: str, cluster: Cluster, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_topics, "JOB_BYTES_MAX", 2_000)
    async with process(database_url, cluster, topics) as one:
        await one.deploy(WORK)
        await one.post("/process-instances", {"processDefinitionId": "p", "variables": {"text": "x" * 2_000}})
        await create(one)

        async def stands() -> bool:
            return bool(await one.search("incidents", state="ACTIVE"))

        await until(stands)
        [incident] = await one.search("incidents")
        assert incident["errorMessage"].startswith("expected a job of at most 2000 bytes for topic")
        assert [job["variables"] for job in jobs(await records(cluster, topics, 1))] == [{"n": 0}]
    await delete(cluster, topics)


async def test_a_job_that_could_not_be_written_for_long_is_leased_anew_so_that_its_worker_has_time(
    database_url: str, cluster: Cluster, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried, away = asyncio.Event(), True
    send_for_real = JobPublisher._send

    async def broken(publisher: JobPublisher, producer: Any, sent: Any) -> None:
        tried.set()
        if away:
            raise KafkaConnectionError("the broker is away")
        await send_for_real(publisher, producer, sent)

    monkeypatch.setattr(JobPublisher, "_send", broken)
    async with process(database_url, cluster, topics) as one:
        await one.deploy(WORK)
        await create(one)
        await tried.wait()
        now = one.engine.clock.now() + TIMEOUT * 0.6
        one.engine.clock.pin(now)  # type: ignore[union-attr]  # the clock is controlled
        away = False
        [job] = jobs(await records(cluster, topics, 1))

        assert job["deadline"] == int((now + TIMEOUT).timestamp() * 1000)
        assert await events(database_url, "jobs-leased") == 2
    await delete(cluster, topics)


@pytest.mark.parametrize("wrong", ["charge card", "lagerbestand-prüfen", "x" * 234, "a,b c"])
def test_a_type_that_no_topic_can_be_named_after_is_refused(wrong: str) -> None:
    with pytest.raises(
        BadSettings, match=r"PROCESSION_KAFKA_JOB_TYPES: .*expected job types of 1 to 233 of the characters"
    ):
        load({"kafka_job_types": wrong})

    assert load({"kafka_job_types": "charge-card, ship, ship"}).kafka_job_types == ("charge-card", "ship")


def test_types_with_topics_need_kafka() -> None:
    with pytest.raises(BadSettings, match="expected Kafka for the topics of the job types ship, but"):
        up(load({"kafka_job_types": "ship"}))


async def test_topics_of_jobs_are_made_and_checked_like_the_others(cluster: Cluster, topics: Topics) -> None:
    await create_topics(cluster, Topics(topics.prefix), 2)
    assert await create_topics(cluster, topics, 2) == [topics.jobs("pack"), topics.jobs("ship")]
    found = await describe(cluster, topics.names)
    with pytest.raises(TopicDoesNotFit, match=rf"expected topic {topics.jobs('ship')} with 3 partitions, but it has 2"):
        await check(cluster, topics, 3)

    assert found[topics.jobs("pack")].partitions == 2
    assert int(found[topics.jobs("pack")].settings["retention.ms"]) == JOBS_RETENTION_MS
    assert TIMEOUT.total_seconds() * 1000 < JOBS_RETENTION_MS
    await delete(cluster, topics)


async def test_the_worker_of_the_documentation_works(database_url: str, cluster: Cluster, topics: Topics) -> None:
    [program] = blocks(ROOT / "docs" / "how-to" / "work-from-a-topic.md", "python")
    topics = Topics(topics.prefix, ("reserve-stock",))
    for written, here in (("localhost:9092", cluster.bootstrap_servers[0]), ("procession.", f"{topics.prefix}.")):
        assert written in program
        program = program.replace(written, here)
    async with process(database_url, cluster, topics, "system") as one:
        files = [("resources", ("order.bpmn", (ROOT / "examples" / "order.bpmn").read_bytes(), "text/xml"))]
        assert (await one.client.post("/v2/deployments", files=files)).is_success
        good, bad = [
            await one.post("/process-instances", {"processDefinitionId": "order", "variables": variables})
            for variables in ({"orderId": "A-1", "amount": 100}, {"amount": 100})
        ]
        worker = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
        try:

            async def worked() -> bool:
                done = await one.search("jobs", processInstanceKey=good["processInstanceKey"], state="COMPLETED")
                failed = await one.search("jobs", processInstanceKey=bad["processInstanceKey"], state="FAILED")
                return bool(done and failed)

            await until(worked)
        finally:
            worker.kill()
            await worker.wait()
        [shelf] = await one.search("variables", name="shelf")

        assert shelf["value"] == '"shelf of A-1"'
    await delete(cluster, topics)


async def test_a_thousand_jobs_are_worked_on_from_their_topic_in_batches(
    database_url: str, cluster: Cluster, topics: Topics
) -> None:
    async with (
        process(database_url, cluster, topics, "system") as one,
        AIOKafkaProducer(**cluster.options) as producer,
        AIOKafkaConsumer(topics.jobs("pack"), auto_offset_reset="earliest", **cluster.options) as worker,
    ):
        await one.deploy(WORK)
        for number in range(1_000):
            command = {"type": "create-instance", "id": str(number), "process_id": "p", "variables": {"n": number}}
            await producer.send(topics.commands, json.dumps(command).encode())
        seen: list[int] = []
        async with asyncio.timeout(60):
            while len(seen) < 1_000:
                for found in (await worker.getmany(timeout_ms=200)).values():
                    for job in jobs(found):
                        seen.append(job["variables"]["n"])
                        done = {"type": "complete-job", "id": job["jobKey"], "key": job["jobKey"]}
                        await producer.send(topics.commands, json.dumps(done).encode())

        async def completed() -> bool:
            return await events(database_url, "instance-completed") == 1_000

        await until(completed, 60)
        assert sorted(seen) == list(range(1_000))
        assert await events(database_url, "jobs-leased") <= 250
    await topic_equals_table(database_url, cluster, topics)
    await delete(cluster, topics)
