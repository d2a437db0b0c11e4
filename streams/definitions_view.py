"""What is deployed, as every partition of this process sees it: the fold of the committed definitions stream.

Where the first partition lives in this process it is fed by its owner before the deployment is answered. Elsewhere it reads the
stream's new events when a command may depend on them, unless it has just done so: what it found counts for `FRESH_SECONDS`, and each
commit tells whether there is anything new. For longer than that an owner keeps a deployment to itself. Either way an acknowledged
deployment is visible everywhere (decision 0008).
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from domain.decide import fold
from domain.deployed import Deployed
from domain.keys import FIRST_PARTITION
from domain.streams import DEFINITIONS_STREAM
from eventstore.records import EventRecord
from eventstore.store import EventStore

FRESH_SECONDS: Final = 0.02
"""So long after a look at the stream nobody knows of anything newer. Under load each commit is one."""
HIDDEN_SECONDS: Final = 0.03
"""So long the owner tells nobody of a deployment that it has committed; half as much again, for clocks that do not run alike."""


def elapsed() -> float:
    """Return seconds since some moment; a machine that was asleep has them pass, where the system can tell."""
    clock: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


class DefinitionsView:
    """One per process. `shared`: other processes have views of the same store."""

    def __init__(self, store: EventStore, *, shared: bool = False, now: Callable[[], float] = elapsed) -> None:
        self._store = store
        self._shared = shared
        self._position = 0
        self._reading = asyncio.Lock()
        self._fed = False
        self._looked = float("-inf")
        """Everything is here that was committed before."""
        self.now = now
        self.deployed = Deployed()

    @property
    def follows(self) -> bool:
        """Whether the first partition is owned elsewhere, or its owner does not know where it stands."""
        return not self._fed

    async def refresh(self) -> None:
        """Return when everything is visible that anybody was told of before the call."""
        if self._current():
            return
        async with self._reading:
            if self._current():
                return  # another partition has looked meanwhile
            looked = self.now()
            records = await self._store.read_stream(FIRST_PARTITION, DEFINITIONS_STREAM, self._position)
            self._add(records)
            self._looked = looked

    def _current(self) -> bool:
        return self._fed or self.now() - self._looked < FRESH_SECONDS

    def saw(self, position: int, looked: float) -> None:
        """Take note of a commit that began at `looked` and found the stream at a position."""
        self._looked = max(self._looked, looked) if position <= self._position else float("-inf")

    async def hide(self) -> None:
        """Return when every process looks before it depends on what was deployed before the call."""
        if self._shared:
            await asyncio.sleep(HIDDEN_SECONDS)

    async def hide_deployed(self, records: Iterable[EventRecord]) -> None:
        """Do the same for committed events of the first partition, if any of them is of a deployment."""
        if self._shared and any(_definitions(records)):
            await self.hide()

    async def own(self) -> None:
        """The owner of the first partition is in this process from now on, and feeds every event."""
        self._looked = float("-inf")
        await self.refresh()
        self._fed = True

    def disown(self) -> None:
        """The owner of the first partition is elsewhere, or does not know where it stands."""
        self._fed = False

    def feed(self, records: Iterable[EventRecord]) -> None:
        """Take committed events of the first partition."""
        self._add(_definitions(records))

    def _add(self, records: Iterable[EventRecord]) -> None:
        for record in records:
            if record.position > self._position:
                self._position = record.position
                for _ in fold(self.deployed, (record.event,)):
                    pass


def _definitions(records: Iterable[EventRecord]) -> Iterator[EventRecord]:
    return (record for record in records if record.stream == DEFINITIONS_STREAM)
