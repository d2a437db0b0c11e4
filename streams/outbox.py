"""Reactions for other partitions on their way to the Log, after the events that they follow from are committed.

In order, again and again until the Log has them. What is lost in a crash is derived from the events again.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence

from domain.commands import Reaction
from streams.log import CommandRecord, Log

PUBLISH_RECORDS_MAX = 500
WAITING_MAX = 20_000
"""Past this the partition decides nothing more until the Log has caught up."""
RETRY_SECONDS_MAX = 2.0

log = logging.getLogger(__name__)


class Outbox:
    """One per partition."""

    def __init__(self, target: Log) -> None:
        self._log = target
        self._waiting: deque[CommandRecord] = deque()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, records: Sequence[CommandRecord]) -> None:
        """Have the records published, after those that wait already."""
        if records:
            self._waiting.extend(records)
            self._changed.set()
            if len(self._waiting) > WAITING_MAX:
                self._room.clear()

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        self._room.set()

    async def room(self) -> None:
        """Return when more may be added."""
        await self._room.wait()

    def published(self, committed: int) -> int:
        """Return up to which position all reactions are known to be in the Log, if events are committed to `committed`."""
        if not self._waiting:
            return committed
        first = self._waiting[0].command
        assert isinstance(first, Reaction), f"{first!r} is no reaction"
        return first.source[1] - 1

    async def run(self) -> None:
        """Publish for ever."""
        pause = 0.05
        while True:
            self._changed.clear()
            batch = [self._waiting[at] for at in range(min(len(self._waiting), PUBLISH_RECORDS_MAX))]
            if not batch:
                await self._changed.wait()
                continue
            try:
                await self._log.publish(batch)
            except Exception:
                log.exception("%d reactions could not be published; trying again in %.2f s", len(batch), pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_SECONDS_MAX)
                continue
            pause = 0.05
            # `clear` may have come in between; then the reactions are derived again, and twice is once.
            for record in batch:
                if self._waiting and self._waiting[0] is record:
                    self._waiting.popleft()
            if len(self._waiting) <= WAITING_MAX:
                self._room.set()
