"""A small load: callers and a foreign producer that create instances of `p`, each under an id of its own, until it is acknowledged.

What has to be seen of every command under every failure has the load of `infra.chaos`.
"""

import asyncio
import json
from collections.abc import Sequence
from random import Random

import httpx
from aiokafka import AIOKafkaProducer

from streams.topics import Cluster, Topics


class Callers:
    """What they have been told."""

    def __init__(self, ports: Sequence[int], kafka: Cluster, topics: Topics, chance: Random) -> None:
        self.acknowledged: set[str] = set()
        """Ids of creations that were answered, and of those that the broker has."""
        self.ending = False
        self._ports = ports
        self._kafka = kafka
        self._topics = topics
        self._chance = chance

    async def caller(self, number: int) -> None:
        """Create through whichever engine chance names."""
        at = 0
        async with httpx.AsyncClient(timeout=15) as client:
            while not self.ending:
                at += 1
                while not await self._create(client, f"http-{number}-{at}"):  # noqa: ASYNC110  # engines come and go
                    await asyncio.sleep(0.05)

    async def _create(self, client: httpx.AsyncClient, name: str) -> bool:
        try:
            answer = await client.post(
                f"http://127.0.0.1:{self._chance.choice(self._ports)}/v2/process-instances",
                json={"processDefinitionId": "p", "variables": {"name": name}},
                headers={"idempotency-key": name},
            )
        except httpx.HTTPError:
            return False
        if answer.status_code == 200:
            self.acknowledged.add(name)
            return True
        assert answer.status_code in (503, 504), answer.text
        return False

    async def producer(self) -> None:
        """Create through the topic; the producer's own partitioner, murmur2 of a random key, knows nothing of ours."""
        at = 0
        async with AIOKafkaProducer(**self._kafka.options, enable_idempotence=True) as producer:
            while not self.ending:
                at += 1
                name = f"topic-{at}"
                value = {"type": "create-instance", "id": name, "process_id": "p", "variables": {"name": name}}
                key = self._chance.randbytes(8)
                await producer.send_and_wait(self._topics.commands, json.dumps(value).encode(), key=key)
                self.acknowledged.add(name)
                await asyncio.sleep(0.01)
