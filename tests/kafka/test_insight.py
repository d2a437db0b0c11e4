"""Insight as a person runs it, against a real broker: killed at any moment, it tells what would have been told without."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from infra.insight.topics import kept, prepare, told
from infra.kafka import cluster_of
from infra.local_kafka import LocalKafka
from infra.settings import load
from streams.insight.durations import bucket_of, middle_of
from streams.rows import EventRow
from streams.topics import Cluster, Topics, create
from tests.docs.pages import ROOT, blocks
from tests.insight.histories import START, History, busy, folded, milliseconds
from tests.kafka.conftest import PARTITIONS
from tests.kafka.test_access import DOORS, Guarded, guarded  # noqa: F401  # pyright: ignore[reportUnusedImport] - a fixture

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka"), pytest.mark.timeout(500)]

PROGRAM = [sys.executable, "-P", "-c", "from infra.cli import main; main()", "insight"]
SECONDS_MAX = 90
AGES_AFTER = milliseconds(10 * 365 * 24 * 3600)
RULES = [
    {"process": "order", "limit": "PT5M"},
    {"process": "order", "element": "ship", "limit": "PT2M"},
]


class Insight:
    """A process that follows the topics."""

    def __init__(self, cluster: Cluster, topics: Topics, folder: Path, **settings: str) -> None:
        (folder / "sla.json").write_text(json.dumps(RULES))
        (folder / "tmp").mkdir(exist_ok=True)
        self.log = folder / "log"
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                PROGRAM,
                cwd=folder,
                env={
                    **os.environ,
                    "PROCESSION_KAFKA_BOOTSTRAP_SERVERS": ",".join(cluster.bootstrap_servers),
                    "PROCESSION_KAFKA_TOPIC_PREFIX": topics.prefix,
                    "PROCESSION_INSIGHT_SLA_FILE": "sla.json",
                    "PROCESSION_INSIGHT_PORT": "0",
                    "TMPDIR": str(folder / "tmp"),
                    **{f"PROCESSION_{name.upper()}": value for name, value in settings.items()},
                },
                stdout=output,
                stderr=output,
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    async def page(self, line: str) -> str:
        """Return the page for Prometheus once it has the line."""
        (address,) = re.findall(r"http://\S+/metrics", self.log.read_text())[-1:]
        async with httpx.AsyncClient() as client, asyncio.timeout(SECONDS_MAX):
            while line not in (page := (await client.get(address)).text):
                assert self.process.poll() is None, self.log.read_text()
                await asyncio.sleep(0.2)
        return page


@asynccontextmanager
async def following(cluster: Cluster, topics: Topics, folder: Path, **settings: str) -> AsyncGenerator[Insight]:
    insight = Insight(cluster, topics, folder, **settings)
    try:
        yield insight
    finally:
        insight.kill()


async def relay(cluster: Cluster, topics: Topics, history: History, rows: Iterable[EventRow]) -> None:
    """Write events as the relay does."""
    async with AIOKafkaProducer(**cluster.options, enable_idempotence=True) as producer:
        for row in rows:
            await producer.send(
                topics.events,
                row.body,
                row.stream.encode(),
                partition=history.partition - 1,
                headers=history.headers(row),
            )
        await producer.flush()


Value = dict[str, Any]


def expected(histories: Iterable[History]) -> dict[bytes, Value]:
    """Return what stands in the topic in the end: every window of every partition, without any process or broker."""
    results = [each for history in histories for each in folded(history).take(AGES_AFTER)]
    return {each.key: figures_of(each.value) for each in results}


def figures_of(value: bytes) -> Value:
    figures: Value = json.loads(value)
    del figures["position"]  # as of which it was told; windows that may still change are told again at later ones
    return figures


async def read_until(cluster: Cluster, topics: Topics, wanted: dict[bytes, Value]) -> dict[bytes, Value]:
    """Read the topic until it says what is wanted, or for so long."""
    last: dict[bytes, Value] = {}
    async with AIOKafkaConsumer(**cluster.options) as consumer:
        consumer.assign([TopicPartition(told(topics), each) for each in range(PARTITIONS)])
        await consumer.seek_to_beginning()
        try:
            async with asyncio.timeout(SECONDS_MAX):
                while last != wanted:
                    for records in (await consumer.getmany(timeout_ms=500)).values():
                        last |= {each.key or b"": figures_of(each.value or b"") for each in records}
        except TimeoutError:
            pass
    return last


async def snapshots(cluster: Cluster, topics: Topics) -> int:
    async with AIOKafkaConsumer(**cluster.options) as consumer:
        ends = await consumer.end_offsets([TopicPartition(kept(topics), each) for each in range(PARTITIONS)])
    return sum(ends.values())


@pytest.fixture
async def ready(cluster: Cluster, made: Topics) -> AsyncGenerator[Topics]:
    """The topics, those of insight among them."""
    assert await prepare(cluster, made) == PARTITIONS
    yield made
    admin = AIOKafkaAdminClient(**cluster.options)
    await admin.start()
    await admin.delete_topics([told(made), kept(made)])
    await admin.close()


async def test_killed_and_started_again_it_tells_every_window_as_if_it_had_lived(
    cluster: Cluster, ready: Topics, tmp_path: Path
) -> None:
    histories = [busy(partition, 120) for partition in range(1, PARTITIONS + 1)]
    parts = [(history, len(history.rows) // 2, len(history.rows) * 3 // 4) for history in histories]
    for history, first, _ in parts:
        await relay(cluster, ready, history, history.rows[:first])
    async with following(cluster, ready, tmp_path) as insight:
        some = expected([first_of(history, first) for history, first, _ in parts])
        assert await read_until(cluster, ready, some) == some, insight.log.read_text()
        insight.kill()
    # Kept at the end, told, and then killed without a word: both ways to go on.
    async with following(cluster, ready, tmp_path) as insight:
        for history, first, second in parts:
            await relay(cluster, ready, history, history.rows[first:second])
        more = expected([first_of(history, second) for history, _, second in parts])
        assert await read_until(cluster, ready, more) == more, insight.log.read_text()
        assert insight.end() == 0, insight.log.read_text()
    assert await snapshots(cluster, ready) >= PARTITIONS
    async with following(cluster, ready, tmp_path) as insight:
        for history, first, second in parts:
            await relay(cluster, ready, history, history.rows[second : second + 9])
            # What a relay that was taken over brings again counts once.
            await relay(cluster, ready, history, history.rows[first : second + 9])
            await relay(cluster, ready, history, history.rows[second + 9 :])
        wanted = expected(histories)
        found = await read_until(cluster, ready, wanted)

        assert found == wanted, insight.log.read_text()
        page = await insight.page(f'procession_insight_position{{partition="3"}} {len(histories[2].rows)}')
        assert insight.end() == 0, insight.log.read_text()
    assert 'procession_insight_left_out{partition="1",reason="missed"} 0.0' in page
    assert 'procession_insight_overdue{element="ship",process="order",version="2"}' in page
    assert "Traceback" not in insight.log.read_text()


async def test_two_processes_share_the_partitions_and_one_goes_on_when_the_other_dies(
    cluster: Cluster, ready: Topics, tmp_path: Path
) -> None:
    histories = [busy(partition, 60, seed=2) for partition in range(1, PARTITIONS + 1)]
    halves = [(history, len(history.rows) // 2) for history in histories]
    (tmp_path / "other").mkdir()
    async with following(cluster, ready, tmp_path) as one, following(cluster, ready, tmp_path / "other") as other:
        for history, half in halves:
            await relay(cluster, ready, history, history.rows[:half])
        some = expected([first_of(history, half) for history, half in halves])
        assert await read_until(cluster, ready, some) == some, one.log.read_text()
        other.kill()
        for history, half in halves:
            await relay(cluster, ready, history, history.rows[half:])
        wanted = expected(histories)

        assert await read_until(cluster, ready, wanted) == wanted, one.log.read_text()
        page = await one.page(f'procession_insight_position{{partition="2"}} {len(histories[1].rows)}')
    assert page.count("procession_insight_position{") == PARTITIONS


async def test_it_outlives_the_death_of_the_broker(tmp_path: Path) -> None:
    histories = [busy(partition, 40, seed=3) for partition in range(1, PARTITIONS + 1)]
    halves = [(history, len(history.rows) // 2) for history in histories]
    topics = Topics("mortal")
    broker = await LocalKafka.start(tmp_path / "kafka")
    cluster = Cluster(broker.bootstrap_servers)
    try:
        await create(cluster, topics, PARTITIONS)
        async with following(cluster, topics, tmp_path) as insight:
            for history, half in halves:
                await relay(cluster, topics, history, history.rows[:half])
            some = expected([first_of(history, half) for history, half in halves])
            await prepare(cluster, topics)
            assert await read_until(cluster, topics, some) == some, insight.log.read_text()
            broker.kill()
            await broker.revive()
            for history, half in halves:
                await relay(cluster, topics, history, history.rows[half:])
            wanted = expected(histories)

            assert await read_until(cluster, topics, wanted) == wanted, insight.log.read_text()
            assert insight.end() == 0, insight.log.read_text()
    finally:
        await broker.stop()


@pytest.mark.parametrize(("protocol", "mechanism"), DOORS, ids=["SCRAM", "PLAIN", "certificates on both sides"])
async def test_it_works_behind_every_door(
    guarded: Guarded,  # noqa: F811 - the fixture
    topics: Topics,
    tmp_path: Path,
    protocol: str,
    mechanism: str,
) -> None:
    settings = guarded.settings(protocol, kafka_sasl_mechanism=mechanism)
    history = History().begin(0, 1).end(30, 1)
    async with cluster_of(load(settings)) as cluster:
        await create(cluster, topics, PARTITIONS)
        await relay(cluster, topics, history, history.rows)
        async with following(cluster, topics, tmp_path, **settings) as insight:
            await prepare(cluster, topics)
            wanted = expected([history])

            assert await read_until(cluster, topics, wanted) == wanted, insight.log.read_text()


async def test_the_program_of_the_page_adds_the_partitions_up(cluster: Cluster, ready: Topics, tmp_path: Path) -> None:
    histories = [History(partition).begin(0, 1).end(30 * partition, 1) for partition in (1, 2, 3)]
    (program,) = blocks(ROOT / "docs" / "how-to" / "watch-live.md", "python")
    program = program.replace("localhost:9092", cluster.bootstrap_servers[0]).replace("procession.insight", told(ready))
    async with following(cluster, ready, tmp_path) as insight:
        for history in histories:
            await relay(cluster, ready, history, history.rows)
        wanted = expected(histories)
        assert await read_until(cluster, ready, wanted) == wanted, insight.log.read_text()
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, timeout=200, check=True
    )

    lines = done.stdout.splitlines()
    assert f"{START:%Y-%m-%dT%H:%M:%SZ} order 3 3 {middle_of(bucket_of(90_000))}" in lines
    assert len(lines) == 12, done.stdout


async def test_it_hears_that_it_shall_stop_while_it_starts(cluster: Cluster, ready: Topics, tmp_path: Path) -> None:
    async with following(cluster, ready, tmp_path) as insight:
        async with asyncio.timeout(SECONDS_MAX):
            while not left_behind(tmp_path):  # noqa: ASYNC110 - a test looks from outside
                await asyncio.sleep(0.01)
        code = await asyncio.to_thread(insight.end)

    assert code == 0, insight.log.read_text()
    assert not left_behind(tmp_path)


async def test_without_the_engines_topics_it_says_what_is_missing(
    cluster: Cluster, topics: Topics, tmp_path: Path
) -> None:
    async with following(cluster, topics, tmp_path) as insight:
        code = await asyncio.to_thread(insight.process.wait, 60)

    assert code == 1
    assert f"expected topic {topics.events}, but it is not there" in insight.log.read_text()


def first_of(history: History, count: int) -> History:
    part = History(history.partition)
    part.rows = history.rows[:count]
    return part


def left_behind(folder: Path) -> list[Path]:
    """The folders that a process has made for itself."""
    return list(folder.glob("tmp/*"))
