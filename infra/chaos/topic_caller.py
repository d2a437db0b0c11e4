"""Orders that come in through the commands topic, from a producer that knows nothing of the engine: Kafka's own partitioner, random keys.

It may write a record twice, as producers do whose broker dies, and sometimes does on purpose.
"""

import asyncio
from random import Random
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from infra.chaos.ledger import Order, creation_of, payment_of
from infra.chaos.load import AGAIN_SHARE, RETRY_SECONDS, TIME_TO_LIVE_MILLISECONDS, Load
from infra.chaos.model import MESSAGE, ORDER, ROOT
from streams.kafka_calls import apart, close
from streams.topics import Cluster, Topics

SEND_SECONDS_MAX: Final = 10.0
"""A producer that has not been told by then that the broker has a record is replaced, and the record sent again."""
KEY_BYTES: Final = 8

_encode = msgspec.json.Encoder().encode


class TopicCaller:
    """One plain producer."""

    def __init__(self, cluster: Cluster, topics: Topics) -> None:
        self.acknowledged = 0
        """Records that a broker said it has."""
        self._cluster = cluster
        self._topics = topics
        self._producer: AIOKafkaProducer | None = None

    async def __call__(self, load: Load) -> None:
        """Bring orders in until there are none any more."""
        try:
            while (found := await load.next_order()) is not None:
                order, random = found
                commands = [_creation(order), _payment(order)]
                random.shuffle(commands)
                for command in commands:
                    for _ in range(2 if random.random() < AGAIN_SHARE else 1):
                        await self._send(command, random)
                load.sent(order)
        finally:
            await self._drop()

    async def _send(self, command: dict[str, Any], random: Random) -> None:
        """Return when a broker has the record."""
        while True:
            try:
                async with asyncio.timeout(SEND_SECONDS_MAX):
                    await apart(self._write(_encode(command), random.randbytes(KEY_BYTES)))
            except (KafkaError, OSError, TimeoutError):
                await self._drop()
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self.acknowledged += 1
                return

    async def _write(self, value: bytes, key: bytes) -> None:
        if self._producer is None:
            # Not idempotent: what it sends again after an error may come twice, and that must not matter.
            producer = AIOKafkaProducer(**self._cluster.options, acks="all")
            try:
                await producer.start()
            except BaseException:
                await close(producer)
                raise
            self._producer = producer
        await self._producer.send_and_wait(self._topics.commands, value, key=key)

    async def _drop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await close(producer)


def _creation(order: Order) -> dict[str, Any]:
    return {
        "type": "create-instance",
        "id": creation_of(order.name),
        "process_id": ROOT,
        "variables": {ORDER: order.name},
    }


def _payment(order: Order) -> dict[str, Any]:
    return {
        "type": "publish-message",
        "id": payment_of(order.name),
        "name": MESSAGE,
        "correlation_key": order.name,
        "time_to_live": TIME_TO_LIVE_MILLISECONDS,
    }
