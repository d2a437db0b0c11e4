"""Two engine processes under load from HTTP and from a foreign producer, while one of them, PostgreSQL's or Kafka's is killed or paused.

`PROCESSION_TEST_CHAOS_ROUNDS=50 PROCESSION_TEST_CHAOS_SEED=7 pytest tests/kafka/test_two_processes.py` runs more of it.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaProducer

from infra.embedded_postgres import EmbeddedPostgres
from infra.local_kafka import LocalKafka
from streams.topics import Cluster, Topics
from tests.kafka.test_distributed import PARTITIONS, topic_equals_table, until
from tests.support.bpmn import bpmn

pytestmark = [pytest.mark.kafka, pytest.mark.chaos, pytest.mark.xdist_group("kafka"), pytest.mark.timeout(600)]

ROUNDS = int(os.environ.get("PROCESSION_TEST_CHAOS_ROUNDS", "4"))
SEED = int(os.environ.get("PROCESSION_TEST_CHAOS_SEED", "1"))
SESSION_SECONDS = 2
CALLERS = 4
VICTIMS = ("engine", "paused engine", "broker", "database connections")


class EngineProcess:
    """One `procession up` on the shared database and broker."""

    def __init__(self, number: int, folder: Path, environment: dict[str, str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / f"engine-{number}.log"
        self._environment = environment
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as output:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-c", "from infra.cli import main; main()", "up", "--port", str(self.port)],
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    async def ready(self) -> None:
        async with httpx.AsyncClient() as client:

            async def is_ready() -> bool:
                assert self._child is not None
                assert self._child.poll() is None, self._log.read_text()[-3000:]
                try:
                    return (await client.get(f"{self.url}/readyz", timeout=5)).status_code == 200
                except httpx.HTTPError:
                    return False

            await until(is_ready, 200)

    def signal(self, number: signal.Signals) -> None:
        assert self._child is not None
        self._child.send_signal(number)

    def kill(self) -> None:
        assert self._child is not None
        self._child.kill()
        self._child.wait(100)

    def stop(self) -> int:
        """Return its exit code."""
        assert self._child is not None
        self._child.send_signal(signal.SIGCONT)
        self._child.terminate()
        try:
            return self._child.wait(100)
        except subprocess.TimeoutExpired:
            self.kill()
            return -9


class Load:
    """Callers that create an instance and complete its job, each under ids of their own, again and again until it is answered."""

    def __init__(self, engines: list[EngineProcess], kafka: Cluster, topics: Topics, chance: Random) -> None:
        self.acknowledged: set[str] = set()
        """Ids of creations that were answered, and values of commands that the broker has."""
        self.keys: dict[str, set[str]] = {}
        """Id of a creation -> the instance keys that were answered for it."""
        self.ending = False
        self._engines = engines
        self._kafka = kafka
        self._topics = topics
        self._chance = chance

    async def caller(self, number: int) -> None:
        at = 0
        async with httpx.AsyncClient(timeout=15) as client:
            while not self.ending:
                at += 1
                name = f"http-{number}-{at}"
                while True:
                    engine = self._chance.choice(self._engines)
                    try:
                        answer = await client.post(
                            f"{engine.url}/v2/process-instances",
                            json={"processDefinitionId": "p", "variables": {"name": name}},
                            headers={"idempotency-key": name},
                        )
                    except httpx.HTTPError:
                        await asyncio.sleep(0.05)
                        continue
                    if answer.status_code == 200:
                        self.acknowledged.add(name)
                        self.keys.setdefault(name, set()).add(answer.json()["processInstanceKey"])
                        break
                    assert answer.status_code in (500, 503, 504), answer.text
                    await asyncio.sleep(0.05)

    async def producer(self) -> None:
        at = 0
        async with AIOKafkaProducer(**self._kafka.options, enable_idempotence=True) as producer:
            while not self.ending:
                at += 1
                name = f"topic-{at}"
                value = {"type": "create-instance", "id": name, "process_id": "p", "variables": {"name": name}}
                # The producer's own partitioner, murmur2 of a random key, knows nothing of ours.
                key = self._chance.randbytes(8)
                await producer.send_and_wait(self._topics.commands, json.dumps(value).encode(), key=key)
                self.acknowledged.add(name)
                await asyncio.sleep(0.01)


@pytest.fixture
async def postgres(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    server = await EmbeddedPostgres.start(tmp_path / "postgres", durable=False)
    yield server
    await server.stop()


@pytest.fixture
async def kafka(tmp_path: Path) -> AsyncIterator[LocalKafka]:
    broker = await LocalKafka.start(tmp_path / "kafka")
    yield broker
    await broker.stop()


async def test_whatever_dies_nothing_is_lost_and_nothing_acts_twice(
    tmp_path: Path, postgres: EmbeddedPostgres, kafka: LocalKafka
) -> None:
    chance = Random(SEED)
    cluster, topics = Cluster(kafka.bootstrap_servers), Topics()
    environment = {
        "PROCESSION_DATABASE_URL": postgres.dsn,
        "PROCESSION_PARTITIONS": str(PARTITIONS),
        "PROCESSION_KAFKA_BOOTSTRAP_SERVERS": ",".join(kafka.bootstrap_servers),
        "PROCESSION_KAFKA_SESSION_SECONDS": str(SESSION_SECONDS),
    }
    engines = [EngineProcess(number, tmp_path, environment) for number in (1, 2)]
    tasks: list[asyncio.Task[None]] = []
    try:
        for engine in engines:
            engine.start()
            await engine.ready()
        async with httpx.AsyncClient(timeout=60) as client:
            files = [("resources", ("p.bpmn", bpmn("o start -> script s done = 1 -> O end"), "text/xml"))]
            assert (await client.post(f"{engines[0].url}/v2/deployments", files=files)).is_success
        load = Load(engines, cluster, topics, chance)
        tasks += [asyncio.create_task(load.caller(number)) for number in range(CALLERS)]
        tasks.append(asyncio.create_task(load.producer()))
        for number in range(ROUNDS):
            await asyncio.sleep(chance.uniform(0.5, 2))
            await strike(VICTIMS[number % len(VICTIMS)], chance.choice(engines), postgres, kafka)
            before = len(load.acknowledged)

            async def goes_on(least: int = before + 20) -> bool:
                return len(load.acknowledged) > least

            await until(goes_on, 200)
        load.ending = True
        async with asyncio.timeout(200):
            await asyncio.gather(*tasks)
        await settle(postgres.dsn, load)
        codes = [engine.stop() for engine in engines]
        assert codes == [0, 0]
        await claim(postgres.dsn, cluster, topics, load)
    finally:
        for task in tasks:
            task.cancel()
        for engine in engines:
            engine.kill()


async def strike(victim: str, engine: EngineProcess, postgres: EmbeddedPostgres, kafka: LocalKafka) -> None:
    match victim:
        case "engine":
            engine.kill()
            await asyncio.sleep(0.2)
            engine.start()
        case "paused engine":
            engine.signal(signal.SIGSTOP)
            await asyncio.sleep(2 * SESSION_SECONDS)
            engine.signal(signal.SIGCONT)
        case "broker":
            kafka.kill()
            await kafka.revive()
        case _:
            connection = await asyncpg.connect(postgres.dsn)
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name LIKE 'procession%' AND application_name NOT LIKE 'procession engine%'"
            )
            await connection.close()
    await engine.ready()


async def settle(dsn: str, load: Load) -> None:
    """Return when everything that was acknowledged is in the table."""
    connection = await asyncpg.connect(dsn)

    async def all_there() -> bool:
        found = await connection.fetch("SELECT DISTINCT command_id FROM events WHERE type = 'instance-created'")
        return load.acknowledged <= {row[0] for row in found}

    try:
        await until(all_there, 200)
    finally:
        await connection.close()


async def claim(dsn: str, cluster: Cluster, topics: Topics, load: Load) -> None:
    connection = await asyncpg.connect(dsn)
    twice = await connection.fetch(
        "SELECT command_id FROM events WHERE type = 'instance-created' GROUP BY command_id HAVING count(*) > 1"
    )
    unfinished = await connection.fetchval(
        "SELECT count(*) FILTER (WHERE type = 'instance-created') - count(*) FILTER (WHERE type = 'instance-completed') "
        "FROM events"
    )
    await connection.close()

    assert len(load.acknowledged) > 20 * ROUNDS
    assert [row[0] for row in twice] == []
    assert [keys for keys in load.keys.values() if len(keys) != 1] == []
    assert unfinished == 0
    assert await topic_equals_table(dsn, cluster, topics) > 0
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-P", "-c", "from infra.cli import main; main()", "verify"],
        env={**os.environ, "PROCESSION_DATABASE_URL": dsn},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
