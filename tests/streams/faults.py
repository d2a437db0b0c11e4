"""A store and a log that fail: before they act, after they acted, or slowly. Chance comes from a seed."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from random import Random
from typing import Any

from eventstore.records import EventRecord
from eventstore.store import Batch, EventStore, Outcome, Ownership, Stored
from streams.log import CommandRecord, Log


class Broken(Exception):  # noqa: N818 - it names what happened
    """The connection broke."""


class Faults:
    """When something goes wrong."""

    def __init__(self, random: Random, share: float = 0.0) -> None:
        self.random = random
        self.share = share
        self.count = 0

    async def around(self, work: Any) -> Any:
        """Do the work, slowly, perhaps; or not; or do it and say that it failed."""
        try:
            for _ in range(self.random.randrange(4)):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            work.close()
            raise
        # The first one always comes, so that no run is without.
        chance = self.random.random() if self.count else self.random.random() * self.share
        if chance < self.share / 2:
            self.count += 1
            work.close()
            raise Broken("before")
        result = await work
        if chance < self.share:
            self.count += 1
            raise Broken("after")
        return result


class FaultyStore:
    """An event store behind a bad connection."""

    def __init__(self, store: EventStore, faults: Faults) -> None:
        self.store = store
        self.faults = faults

    async def acquire(self, partition: int, owner: str) -> Ownership:
        found: Ownership = await self.faults.around(self.store.acquire(partition, owner))
        return found

    async def commit(self, batch: Batch) -> int | None:
        found: int | None = await self.faults.around(self.store.commit(batch))
        return found

    async def load(self, partition: int, streams: Sequence[str]) -> Mapping[str, Stored]:
        found: Mapping[str, Stored] = await self.faults.around(self.store.load(partition, streams))
        return found

    async def read(self, partition: int, after: int, limit: int) -> Sequence[EventRecord]:
        found: Sequence[EventRecord] = await self.faults.around(self.store.read(partition, after, limit))
        return found

    async def read_stream(self, partition: int, stream: str, after: int = 0) -> Sequence[EventRecord]:
        found: Sequence[EventRecord] = await self.faults.around(self.store.read_stream(partition, stream, after))
        return found

    async def outcomes(self, partition: int, command_ids: Sequence[str]) -> Mapping[str, Outcome]:
        found: Mapping[str, Outcome] = await self.faults.around(self.store.outcomes(partition, command_ids))
        return found

    async def holder(self, partition: int) -> tuple[int, str]:
        found: tuple[int, str] = await self.faults.around(self.store.holder(partition))
        return found

    async def owners(self, partition: int, blocks: Sequence[int]) -> Mapping[int, int]:
        found: Mapping[int, int] = await self.faults.around(self.store.owners(partition, blocks))
        return found

    async def save_snapshots(self, partition: int, snapshots: Sequence[tuple[str, int, bytes]]) -> None:
        await self.faults.around(self.store.save_snapshots(partition, snapshots))

    async def positions(self) -> Mapping[int, int]:
        found: Mapping[int, int] = await self.faults.around(self.store.positions())
        return found


class FaultyLog:
    """A command log behind a bad connection."""

    def __init__(self, log: Log, faults: Faults) -> None:
        self.log = log
        self.faults = faults

    async def publish(self, records: Sequence[CommandRecord]) -> None:
        await self.faults.around(self.log.publish(records))

    async def read(self, partition: int, after: int) -> AsyncGenerator[Sequence[CommandRecord], None]:
        async for batch in self.log.read(partition, after):
            yield batch

    async def forget(self, partition: int, upto: int) -> None:
        await self.faults.around(self.log.forget(partition, upto))

    async def last(self, partition: int) -> int:
        return await self.log.last(partition)
