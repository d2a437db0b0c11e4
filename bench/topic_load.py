"""Load through Kafka alone: commands are produced, events consumed, and a job is completed once its event is here. Prints one JSON object.

python -m bench.topic_load --servers 127.0.0.1:9092 --partitions 4 --instances 10000
python -m bench.topic_load --servers 127.0.0.1:9092 --partitions 4 --instances 5000 --rate 300      for latencies
"""

import argparse
import asyncio
import json
import time
import uuid
from collections.abc import Mapping

import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from bench.quantiles import quantiles
from domain.keys import partition_of
from domain.streams import spread
from streams.topics import Topics

SECONDS_MAX = 300
READ_MS = 1_000


class _Job(msgspec.Struct):
    key: int


_job = msgspec.json.Decoder(_Job)
_encode = msgspec.json.Encoder().encode


class TopicLoad:
    """A producer and a consumer that know nothing but the topics."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.topics = Topics()
        self.completed = 0
        self.run_id = uuid.uuid4().hex[:8]
        self.sent: dict[bytes, float] = {}
        self.create_seconds: list[float] = []
        self.complete_seconds: list[float] = []
        self.room = asyncio.Semaphore(arguments.open)
        self.done = asyncio.Event()
        self.producer = AIOKafkaProducer(bootstrap_servers=arguments.servers, enable_idempotence=True)
        self.consumer = AIOKafkaConsumer(bootstrap_servers=arguments.servers, enable_auto_commit=False)

    async def run(self) -> dict[str, float]:
        """Send everything and wait until the last instance is complete."""
        async with self.producer, self.consumer, asyncio.timeout(SECONDS_MAX):
            where = [TopicPartition(self.topics.events, each) for each in range(self.arguments.partitions)]
            self.consumer.assign(where)
            await self.consumer.seek_to_end(*where)
            reading = asyncio.create_task(self._read())
            begin = time.perf_counter()
            await self._create_all(begin)
            await self.done.wait()
            seconds = time.perf_counter() - begin
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        return {
            "instances": self.arguments.instances,
            "seconds": seconds,
            "instances_per_second": self.arguments.instances / seconds,
            **quantiles("create", self.create_seconds),
            **quantiles("complete", self.complete_seconds),
        }

    async def _create_all(self, begin: float) -> None:
        rate = self.arguments.rate
        for number in range(self.arguments.instances):
            wait = begin + number / rate - time.perf_counter() if rate else 0
            if wait > 0:
                await asyncio.sleep(wait)
            await self.room.acquire()
            name = f"{self.run_id}-{number}"
            command = {"type": "create-instance", "id": name, "process_id": "one-task", "variables": {"number": number}}
            await self._send(name, command, spread(name, self.arguments.partitions))

    async def _send(self, name: str, command: Mapping[str, object], partition: int) -> None:
        key = name.encode()
        self.sent[key] = time.perf_counter()
        # Kafka's own partitioner knows nothing of where a command belongs: most are forwarded.
        place = None if self.arguments.foreign else partition - 1
        await self.producer.send(self.topics.commands, _encode(command), key, partition=place)

    async def _read(self) -> None:
        while True:
            for records in (await self.consumer.getmany(timeout_ms=READ_MS)).values():
                for record in records:
                    await self._take(record)

    async def _take(self, record: "ConsumerRecord[bytes, bytes]") -> None:
        headers = dict(record.headers)
        match headers["type"]:
            case b"job-created":
                sent = self.sent.pop(headers["cause"], None)
                if sent is not None:
                    self.create_seconds.append(time.perf_counter() - sent)
                    key = _job.decode(record.value or b"").key
                    name = f"{self.run_id}-{key}"
                    command = {"type": "complete-job", "id": name, "key": key, "variables": {"done": True}}
                    await self._send(name, command, partition_of(key))
            case b"instance-completed":
                sent = self.sent.pop(headers["cause"], None)
                if sent is not None:
                    self.complete_seconds.append(time.perf_counter() - sent)
                    self.completed += 1
                    self.room.release()
                    if self.completed == self.arguments.instances:
                        self.done.set()
            case _:
                pass


def main() -> None:
    """Run the load that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", required=True)
    parser.add_argument("--partitions", type=int, required=True)
    parser.add_argument("--instances", type=int, default=10_000)
    parser.add_argument("--open", type=int, default=2_000, help="instances that are open at the same time, at most")
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--foreign", action="store_true", help="leave the partition to Kafka's own partitioner")
    arguments = parser.parse_args()

    async def run() -> dict[str, float]:
        return await TopicLoad(arguments).run()

    print(json.dumps(uvloop.run(run())))


if __name__ == "__main__":
    main()
