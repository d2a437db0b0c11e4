"""Holds the figures of the partitions that this process has, tells them, and keeps snapshots. It knows no faust.

Results go out before the snapshot that leaves them behind: whatever dies in between, what was not told is folded and told again,
under the same keys with the same values.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from infra.insight.topics import kept, last_snapshots, told
from streams.insight.limits import Limits
from streams.insight.partition import FINALS_MAX, Insight, NoEvent, Record
from streams.topics import Cluster, Topics

SNAPSHOT_EVENTS: Final = 10_000
"""At most so many events are folded again after a death, or those of so many seconds:"""
SNAPSHOT_SECONDS: Final = 10.0
SEND_SECONDS_MAX: Final = 30.0
RETRY_SECONDS: Final = 1.0

log = logging.getLogger(__name__)

Send = Callable[[str, bytes, bytes, int], Awaitable[Awaitable[object]]]
"""Hand a record (topic, key, value, Kafka's partition) to a producer; what it gives is done when the record cannot be lost."""


@dataclass
class _Kept:
    offset: int
    at: float


class Watcher:
    """The partitions of this process."""

    def __init__(self, cluster: Cluster, topics: Topics, limits: Limits, send: Send) -> None:
        self.insights: dict[int, Insight] = {}
        self._cluster = cluster
        self._topics = topics
        self._limits = limits
        self._send = send
        self._kept: dict[int, _Kept] = {}
        self._telling = asyncio.Lock()

    async def take_over(self, partitions: set[int]) -> dict[int, int]:
        """Go on where the snapshots end. Return, by partition, the offset from which events are read."""
        missing = partitions - self.insights.keys()
        found = await last_snapshots(self._cluster, self._topics, missing) if missing else {}
        for partition, (snapshot, offsets) in found.items():
            insight = Insight.restored(partition, self._limits, snapshot)
            if not offsets.start <= insight.offset <= offsets.stop:
                # Retention went past us, or the topic was made anew; positions say what is new in it.
                log.warning(
                    "offset %d of partition %d is gone: going on at %d", insight.offset, partition, offsets.start
                )
                insight.offset = offsets.start
            self.insights[partition] = insight
            self._kept[partition] = _Kept(insight.offset, time.monotonic())
            log.info("partition %d goes on at position %d", partition, insight.position + 1)
        return {partition: self.insights[partition].offset for partition in partitions}

    def let_go(self, partitions: set[int]) -> None:
        """Forget partitions that go to another process: its figures come from the snapshot, and so do ours if they return."""
        for partition in partitions:
            self.insights.pop(partition, None)

    async def fold(self, partition: int, offset: int, headers: dict[str, bytes], body: bytes | None) -> None:
        """Take a record of the events topic. Wait if figures cannot be told as fast as they become final."""
        insight = self.insights.get(partition)
        if insight is None:
            return
        try:
            insight.fold(Record.of(offset, headers, body or b""))
        except NoEvent as error:
            log.warning("partition %d: %s", partition, error)
            insight.skip(offset)
        except Exception:
            # A bug of ours in one event's figures must not end all figures.
            log.exception("partition %d: the event at offset %d could not be counted", partition, offset)
            insight.skip(offset)
        while len(insight.finals) > FINALS_MAX:
            await self.tell()

    async def tell(self, *, keep: bool = False) -> None:
        """Tell what is new, and keep snapshots that are due, or all. What cannot be told now is told next time."""
        async with self._telling:
            for partition, insight in list(self.insights.items()):
                results = insight.take(time.time_ns() // 1_000_000)
                # Of the same moment as the results: nothing may be folded between the two.
                offset = insight.offset
                snapshot = insight.snapshot() if self._due(partition, offset, keep=keep) else None
                try:
                    async with asyncio.timeout(SEND_SECONDS_MAX):
                        await self._write(told(self._topics), partition, [(each.key, each.value) for each in results])
                        if snapshot is not None:
                            await self._write(kept(self._topics), partition, [(b"%d" % partition, snapshot)])
                            self._kept[partition] = _Kept(offset, time.monotonic())
                except Exception as error:  # noqa: BLE001 - brokers and faust have many ways to say no; all are tried again
                    log.warning("figures of partition %d cannot be told now: %r", partition, error)
                    insight.give_back(results)
                    await asyncio.sleep(RETRY_SECONDS)

    def _due(self, partition: int, offset: int, *, keep: bool) -> bool:
        kept_ = self._kept[partition]
        new = offset - kept_.offset
        return new > 0 and (keep or new >= SNAPSHOT_EVENTS or time.monotonic() - kept_.at >= SNAPSHOT_SECONDS)

    async def _write(self, topic: str, partition: int, records: list[tuple[bytes, bytes]]) -> None:
        sent = [await self._send(topic, key, value, partition - 1) for key, value in records]
        for each in sent:
            await each
