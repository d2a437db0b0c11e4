"""The command log in memory: the twin of `streams.postgres_log` for tests."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import msgspec

from streams.log import BATCH_RECORDS_MAX, CommandRecord


class MemoryLog:
    """All of `streams.log.Log`, in one process."""

    def __init__(self) -> None:
        self._records: dict[int, list[CommandRecord]] = {}
        self._changed: dict[int, asyncio.Event] = {}
        self._last = 0

    async def publish(self, records: Sequence[CommandRecord]) -> None:
        """See the port."""
        for record in records:
            self._last += 1
            kept = msgspec.structs.replace(record, offset=self._last)
            self._records.setdefault(record.partition, []).append(kept)
            self._event(record.partition).set()

    def _event(self, partition: int) -> asyncio.Event:
        return self._changed.setdefault(partition, asyncio.Event())

    async def read(self, partition: int, after: int) -> AsyncGenerator[Sequence[CommandRecord], None]:
        """See the port."""
        while True:
            self._event(partition).clear()
            waiting = [record for record in self._records.get(partition, ()) if record.offset > after]
            if waiting:
                batch = waiting[:BATCH_RECORDS_MAX]
                after = batch[-1].offset
                yield batch
            else:
                await self._event(partition).wait()

    async def forget(self, partition: int, upto: int) -> None:
        """See the port."""
        kept = [record for record in self._records.get(partition, ()) if record.offset > upto]
        self._records[partition] = kept

    async def last(self, partition: int) -> int:
        """See the port."""
        return max((record.offset for record in self._records.get(partition, ())), default=0)
