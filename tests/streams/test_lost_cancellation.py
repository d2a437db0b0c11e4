import asyncio
from collections.abc import AsyncGenerator, Sequence
from random import Random

from eventstore.memory import MemoryEventStore
from streams.log import CommandRecord
from streams.memory_log import MemoryLog
from tests.streams.faults import Faults, FaultyStore
from tests.streams.harness import engine
from tests.streams.test_faults import deployed, workload


class SwallowingLog(MemoryLog):
    """A log of which every reader, once, raises another error in place of its cancellation: as asyncpg's pool does."""

    def __init__(self) -> None:
        super().__init__()
        self.swallowed = 0

    async def read(self, partition: int, after: int) -> AsyncGenerator[Sequence[CommandRecord], None]:
        try:
            async for batch in super().read(partition, after):
                yield batch
        except asyncio.CancelledError:
            if self.swallowed < 1:
                self.swallowed += 1
                raise RuntimeError("the connection broke in the same moment") from None
            raise


async def test_a_partition_is_taken_anew_even_if_its_reader_does_not_hear_that_it_has_to_end() -> None:
    faults = Faults(Random(0))
    log = SwallowingLog()
    async with engine(store=FaultyStore(MemoryEventStore(), faults), log=log) as run:
        await deployed(run)
        faults.share = 0.2
        async with asyncio.timeout(100):
            await workload(run, 0, 10)
        faults.share = 0.0

        assert log.swallowed == 1
