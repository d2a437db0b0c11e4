"""An engine that reaches only one of Kafka and PostgreSQL: others get its partitions, and it gets none back before it reaches both."""

import asyncio
import contextlib
import os
import re
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from infra.local_kafka import LocalKafka
from streams.kafka_group import KafkaGroup
from streams.topics import Cluster, Topics, create, delete
from tests.kafka.test_distributed import PARTITIONS, process, until

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka"), pytest.mark.timeout(300)]

SOCKET = ".s.PGSQL.5432"
WAIT_SECONDS_MAX = 90.0


class Wire:
    """Stands between an engine and PostgreSQL. Cut, it says nothing to either, also to those who come anew."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._whole = asyncio.Event()
        self._whole.set()

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect somebody."""
        there, back = await asyncio.open_unix_connection(self._server)
        try:
            await asyncio.wait(
                [asyncio.create_task(self._copy(reader, back)), asyncio.create_task(self._copy(there, writer))],
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            for each in (writer, back):
                each.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                await self._whole.wait()
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def wire_to(database_url: str) -> AsyncGenerator[tuple[Wire, str]]:
    """Give a wire, and the address of the same database at its other end."""
    found = re.search(r"host=([^&]+)", database_url)
    assert found is not None, f"expected a socket's folder in {database_url}"
    # A socket's path has 107 bytes, and the usual temporary folder may be long.
    with tempfile.TemporaryDirectory(prefix="wire", dir="/tmp") as folder:
        wire = Wire(str(Path(unquote(found[1])) / SOCKET))
        server = await asyncio.start_unix_server(wire.carry, Path(folder) / SOCKET)
        try:
            yield wire, database_url.replace(found[1], quote(os.fspath(folder), safe=""))
        finally:
            wire.mend()
            server.close()


async def test_the_partitions_of_an_engine_that_does_not_reach_the_database_go_to_others(
    database_url: str, cluster: Cluster, topics: Topics
) -> None:
    async with wire_to(database_url) as (wire, other_url), process(database_url, cluster, topics) as one:
        await one.deploy("o start -> pack -> O end")
        async with process(other_url, cluster, topics) as two:

            async def shared() -> bool:
                return two.engine.ready and len(one.engine.processors) == len(two.engine.processors) == PARTITIONS // 2

            async def alone() -> bool:
                return one.engine.ready and len(one.engine.processors) == PARTITIONS

            await until(shared, WAIT_SECONDS_MAX)
            wire.cut()
            await until(alone, WAIT_SECONDS_MAX)

            assert not two.engine.ready
            for number in range(2 * PARTITIONS):
                await one.post("/process-instances", {"processDefinitionId": "p", "variables": {"n": number}})

            wire.mend()
            await until(shared, WAIT_SECONDS_MAX)
            assert len(await two.search("process-instances")) == 2 * PARTITIONS
    await delete(cluster, topics)


async def noted(kafka: LocalKafka, partition: int) -> int | None:
    """Return the offset that the brokers have noted for the group."""
    consumer = AIOKafkaConsumer(**Cluster(kafka.bootstrap_servers).options, group_id=Topics().prefix)
    try:
        await consumer.start()
        offset: int | None = await consumer.committed(TopicPartition(Topics().commands, partition - 1))
        return offset
    finally:
        await consumer.stop()


async def test_only_the_brokers_confirm_a_share(tmp_path: Path) -> None:
    kafka = await LocalKafka.start(tmp_path)
    group = KafkaGroup(Cluster(kafka.bootstrap_servers), Topics(), session_seconds=2)
    member = asyncio.create_task(group.run())
    try:
        await create(Cluster(kafka.bootstrap_servers), Topics(), 2)

        async def has_all() -> bool:
            return group.partitions == frozenset({1, 2}) and await group.confirm(1)

        await until(has_all, WAIT_SECONDS_MAX)
        await group.note({1: 7})
        assert await group.confirm(1)
        assert await noted(kafka, 1) == 7, "to ask is to change nothing"
        assert not await group.confirm(3)
        kafka.kill()
        assert not await group.confirm(1), "nobody was there to say so"
        await kafka.revive()
        await until(has_all, WAIT_SECONDS_MAX)

        group.stand_aside()

        async def has_none() -> bool:
            return group.partitions == frozenset()

        await until(has_none, WAIT_SECONDS_MAX)
        group.take_part()
        await until(has_all, WAIT_SECONDS_MAX)
    finally:
        member.cancel()
        await asyncio.gather(member, return_exceptions=True)
        await kafka.stop()
