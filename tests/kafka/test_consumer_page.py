"""The programs of `docs/how-to/write-a-consumer.md`, run as they stand there, killed, and fed positions that they have seen."""

import asyncio
import sqlite3
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from streams.relay import position_of
from streams.topics import Cluster, Topics, delete
from tests.docs.pages import ROOT, blocks
from tests.kafka.test_distributed import PARTITIONS, Process, process, until
from tests.support.bpmn import bpmn

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka"), pytest.mark.timeout(500)]

PAGE = ROOT / "docs" / "how-to" / "write-a-consumer.md"
CATCH_UP_SECONDS_MAX = 60
REPEATED_RECORDS = 40
STUCK_LOOKS = 10
"""A transaction that is seen so often in a row is the one that never ends."""

Results = tuple[dict[str, int], dict[int, str]]
"""How many events of each type there are, and the state of each instance."""


class Consumer:
    """One of the page's programs as a process."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._child: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", self._program, cwd=self._folder, stderr=asyncio.subprocess.PIPE
        )

    async def kill(self) -> None:
        assert self._child is not None
        self._child.kill()
        await self._child.communicate()

    async def ended(self) -> tuple[int | None, str]:
        """Wait for it to end by itself; return its exit code and what it complained of."""
        assert self._child is not None
        async with asyncio.timeout(CATCH_UP_SECONDS_MAX):
            _, complaints = await self._child.communicate()
        return self._child.returncode, complaints.decode()


class Made:
    """What the consumer made, beside what the engine has."""

    def __init__(self, folder: Path, engine: Process, database_url: str) -> None:
        self._file = folder / "orders.sqlite"
        self._engine = engine
        self._database_url = database_url

    @contextmanager
    def database(self) -> Generator[sqlite3.Connection]:
        """The consumer's database; a lock is an error at once."""
        with closing(sqlite3.connect(self._file, isolation_level=None, timeout=0)) as database:
            yield database

    def results(self) -> Results | None:
        """Return what is committed; None if there is nothing, or it cannot be read at this instant."""
        try:
            with self.database() as database:
                counts = dict(database.execute("SELECT type, count FROM counts"))
                return counts, dict(database.execute("SELECT key, state FROM instances"))
        except sqlite3.OperationalError:
            return None

    def in_transaction(self) -> bool:
        """Whether the consumer is in the middle of one."""
        try:
            with self.database() as database:
                database.execute("BEGIN IMMEDIATE")
                database.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return True
        return False

    async def expected(self) -> Results:
        """Return what the engine's own tables say."""
        connection = await asyncpg.connect(self._database_url)
        try:
            rows = await connection.fetch("SELECT type, count(*) AS events FROM events GROUP BY type")
        finally:
            await connection.close()
        instances = await self._engine.search("process-instances")
        return (
            {row["type"]: row["events"] for row in rows},
            {int(each["processInstanceKey"]): each["state"] for each in instances},
        )

    async def right(self) -> None:
        """Return once the consumer has everything, and everything once."""
        expected = await self.expected()

        async def caught_up() -> bool:
            return self.results() == expected

        try:
            await until(caught_up, CATCH_UP_SECONDS_MAX)
        except TimeoutError:
            assert self.results() == expected


async def deploy(engine: Process) -> None:
    """A process that ends and one that waits."""
    await engine.deploy("o start -> O end")
    files = [("resources", ("q.bpmn", bpmn("o start -> pack -> O end", "q"), "text/xml"))]
    assert (await engine.client.post("/v2/deployments", files=files)).is_success


async def work(engine: Process, pairs: int) -> None:
    """Create instances of both."""
    await asyncio.gather(
        *(engine.post("/process-instances", {"processDefinitionId": each}) for each in ("p", "q") for _ in range(pairs))
    )


def programs_of(cluster: Cluster, topics: Topics) -> tuple[str, str]:
    """Return the program that reads every partition, and the one for a group, with this test's broker and topics."""
    alone, main_of_group = blocks(PAGE, "python")
    group = alone[: alone.index("async def main()")] + main_of_group
    found: list[str] = []
    for program in (alone, group):
        assert '"localhost:9092"' in program
        assert '"procession.events"' in program
        here = program.replace("localhost:9092", cluster.bootstrap_servers[0])
        found.append(here.replace("procession.events", topics.events))
    return found[0], found[1].replace('group_id="orders"', f'group_id="{topics.prefix}-orders"')


async def written(cluster: Cluster, topics: Topics) -> "list[ConsumerRecord[bytes, bytes]]":
    """Return the records of the partition with the most of them."""
    async with AIOKafkaConsumer(**cluster.options) as consumer:
        places = [TopicPartition(topics.events, each) for each in range(PARTITIONS)]
        ends = await consumer.end_offsets(places)
        where = max(places, key=ends.__getitem__)
        consumer.assign([where])
        await consumer.seek_to_beginning(where)
        found: list[ConsumerRecord[bytes, bytes]] = []
        async with asyncio.timeout(CATCH_UP_SECONDS_MAX):
            while not found or found[-1].offset + 1 < ends[where]:
                found += (await consumer.getmany(where, timeout_ms=1_000)).get(where, [])
    return found


async def write_again(cluster: Cluster, topics: Topics, record: "ConsumerRecord[bytes, bytes]", **changed: str) -> None:
    """Write a record of the events topic as if a second relay did, or with other headers."""
    headers = [(name, changed[name].encode() if name in changed else value) for name, value in record.headers]
    async with AIOKafkaProducer(**cluster.options) as producer:
        await producer.send_and_wait(
            topics.events, record.value, record.key, partition=record.partition, headers=headers
        )


# While this trigger is there, the transaction that counts so many ended instances never comes to its end.
ENDLESS = """
CREATE VIEW endless AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x FROM c) SELECT count(*) FROM c;
CREATE TRIGGER stuck AFTER UPDATE ON counts WHEN new.type = 'instance-completed' AND new.count = 30
BEGIN SELECT (SELECT * FROM endless); END;
"""


async def test_a_consumer_killed_anywhere_and_fed_repetitions_has_everything_once(
    database_url: str, cluster: Cluster, topics: Topics, tmp_path: Path
) -> None:
    consumer = Consumer(programs_of(cluster, topics)[0], tmp_path)
    async with process(database_url, cluster, topics) as engine:
        made = Made(tmp_path, engine, database_url)
        await deploy(engine)
        await consumer.start()
        await made.right()
        await consumer.kill()

        with made.database() as database:
            database.executescript(ENDLESS)
        await work(engine, 40)
        await consumer.start()

        looks = 0

        async def stuck() -> bool:
            nonlocal looks
            looks = looks + 1 if made.in_transaction() else 0
            return looks == STUCK_LOOKS

        await until(stuck, CATCH_UP_SECONDS_MAX)
        await consumer.kill()
        with made.database() as database:
            database.executescript("DROP TRIGGER stuck; DROP VIEW endless;")
        half = made.results()
        assert half is not None
        assert half[0].get("instance-completed", 0) < 30, "killed in the middle"
        await consumer.start()
        await made.right()

        for record in (await written(cluster, topics))[-REPEATED_RECORDS:]:
            await write_again(cluster, topics, record)
        await work(engine, 5)
        await made.right()
        await consumer.kill()

        with made.database() as database:
            database.execute("UPDATE positions SET next_offset = 0")
        await work(engine, 5)
        await consumer.start()
        await made.right()
        last = (await written(cluster, topics))[-1]
        await write_again(cluster, topics, last, position=str((position_of(last) or 0) + 2))
        code, complaints = await consumer.ended()
        assert code == 1
        assert "Gap: expected position " in complaints
        assert made.results() == await made.expected(), "nothing was made of what came after the gap"
    await delete(cluster, topics)


async def test_consumers_of_a_group_share_the_work_and_take_over(
    database_url: str, cluster: Cluster, topics: Topics, tmp_path: Path
) -> None:
    program = programs_of(cluster, topics)[1]
    one, two = Consumer(program, tmp_path), Consumer(program, tmp_path)
    async with process(database_url, cluster, topics) as engine:
        made = Made(tmp_path, engine, database_url)
        await deploy(engine)
        await one.start()
        await made.right()
        await two.start()
        await work(engine, 20)
        await made.right()
        await one.kill()
        await work(engine, 20)
        await made.right()
        await two.kill()
    await delete(cluster, topics)
