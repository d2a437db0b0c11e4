"""Carries a partition's committed events to the query tables, in order and without gaps.

It is handed events by the processor, reads the store for those that it missed, and tells who waits how far the tables are.
"""

import asyncio
import contextlib
import heapq
import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence

from eventstore.records import EventRecord
from eventstore.store import EventStore
from streams.metrics import Metrics, PartitionMetrics
from streams.tables import Projection
from streams.unit import Unit

BATCH_RECORDS_MAX = 2_000
"""Records in one transaction."""
HANDED_MAX = 20_000
"""Records that wait in memory; past it they are read from the store again."""
GATHER_SECONDS = 0.15
"""Pause after a step, which costs much the same for one event as for a hundred. Whoever waits to see an event ends it."""
BREATH_SHARE = 8
"""Pause between two statements of a step, in times of what the last one took."""
BREATH_SECONDS_MAX = 0.05
RETRY_SECONDS_MAX = 2.0

log = logging.getLogger(__name__)


class Projector:
    """One per partition."""

    def __init__(self, partition: int, store: EventStore, projection: Projection, metrics: Metrics) -> None:
        self.partition = partition
        self.position = 0
        """Up to where the tables are."""
        self.sinks: list[Callable[[], None]] = []
        """Told after each step."""
        self._store = store
        self._projection = projection
        self._metrics = PartitionMetrics(metrics, partition)
        self._handed: deque[EventRecord] = deque()
        self._changed = asyncio.Event()
        self._wanted = asyncio.Event()
        self._resumed = 0.0
        """When the statement that is being carried out began."""
        self._behind = True
        """The store may have events that are not in memory."""
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def hand(self, unit: Unit) -> None:
        """Take the events of a committed batch."""
        if not unit.records:
            return
        if len(self._handed) + len(unit.records) > HANDED_MAX:
            self._handed.clear()
            self._behind = True
        if not self._behind:
            self._handed.extend(unit.records)
        self._changed.set()

    def look(self) -> None:
        """Look into the store again: what was committed up to now may have been handed to somebody else."""
        self._handed.clear()
        self._behind = True
        self._changed.set()

    def hurry(self) -> None:
        """Somebody in another process waits to see what is committed."""
        self._wanted.set()

    @property
    def idle(self) -> bool:
        """Whether all that was handed over is in the tables."""
        return not self._behind and not self._handed

    async def reached(self, position: int) -> None:
        """Return when the tables show the event at `position`."""
        if position <= self.position:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wanted.set()
        heapq.heappush(self._waiting, (position, next(self._numbers), future))
        try:
            await future
        finally:
            if future.cancelled():
                self._forget_gone()

    def _forget_gone(self) -> None:
        """Forget who waits no more: a position that never comes would keep them, and the steps hurried, for ever."""
        self._waiting = [each for each in self._waiting if not each[2].done()]
        heapq.heapify(self._waiting)

    async def run(self) -> None:
        """Project for ever; come back after errors."""
        pause = 0.05
        while True:
            try:
                self._move(await self._projection.checkpoint(self.partition))
                await self._follow()
            except Exception:
                log.exception("partition %d cannot be projected; trying again in %.2f s", self.partition, pause)
                self._handed.clear()
                self._behind = True
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_SECONDS_MAX)

    async def _follow(self) -> None:
        while True:
            self._changed.clear()
            self._wanted.clear()
            batch = await self._next()
            if batch:
                self._resumed = time.monotonic()
                # Whoever is behind has no time to lose.
                between = self._breathe if len(batch) < BATCH_RECORDS_MAX else None
                self._move(await self._projection.apply(self.partition, batch, between))
                # What is left of the batch in memory goes only now: `idle` must not be true in between.
                while self._handed and self._handed[0].position <= self.position:
                    self._handed.popleft()
                if len(batch) < BATCH_RECORDS_MAX:
                    await self._rest(GATHER_SECONDS)
            else:
                await self._changed.wait()

    async def _breathe(self) -> None:
        """Let commits have the machine between two statements: a step in one go held them up for as long as it took."""
        await self._rest(min(BREATH_SHARE * (time.monotonic() - self._resumed), BREATH_SECONDS_MAX))
        self._resumed = time.monotonic()

    async def _rest(self, seconds: float) -> None:
        """Return after a while, or as soon as somebody waits to see what comes."""
        if self._waiting or self._wanted.is_set():
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wanted.wait()

    async def _next(self) -> Sequence[EventRecord]:
        """Return the records that follow the checkpoint, from memory or from the store; none if there are none yet."""
        while self._handed and self._handed[0].position <= self.position:
            self._handed.popleft()
        if self._handed and self._handed[0].position != self.position + 1:
            self._handed.clear()
            self._behind = True
        if self._handed:
            return list(itertools.islice(self._handed, BATCH_RECORDS_MAX))
        if not self._behind:
            return ()
        # From here on, what is committed is handed over; what was before is read.
        self._behind = False
        batch = await self._store.read(self.partition, self.position, BATCH_RECORDS_MAX)
        if len(batch) == BATCH_RECORDS_MAX:
            self._behind = True
            self._handed.clear()
        return batch

    def _move(self, position: int) -> None:
        self.position = position
        self._metrics.projected.set(position)
        while self._waiting and self._waiting[0][0] <= position:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)
        for sink in self.sinks:
            sink()
