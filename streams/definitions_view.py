"""What is deployed, as every partition of this process sees it: the fold of the committed definitions stream.

Where the first partition lives in this process it is fed by its owner before the deployment is answered; elsewhere it reads
the stream's new events whenever a command depends on them. Either way an acknowledged deployment is visible everywhere.
"""

import asyncio
from collections.abc import Iterable

from domain.decide import fold
from domain.deployed import Deployed
from domain.keys import FIRST_PARTITION
from domain.streams import DEFINITIONS_STREAM
from eventstore.records import EventRecord
from eventstore.store import EventStore


class DefinitionsView:
    """One per process."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._position = 0
        self._reading = asyncio.Lock()
        self._fed = False
        self.deployed = Deployed()

    async def refresh(self) -> None:
        """Return when everything is visible that was committed before the call."""
        if self._fed:
            return
        async with self._reading:
            records = await self._store.read_stream(FIRST_PARTITION, DEFINITIONS_STREAM, self._position)
            self._add(records)

    async def own(self) -> None:
        """The owner of the first partition is in this process from now on, and feeds every event."""
        await self.refresh()
        self._fed = True

    def disown(self) -> None:
        """The owner of the first partition is elsewhere, or does not know where it stands."""
        self._fed = False

    def feed(self, records: Iterable[EventRecord]) -> None:
        """Take committed events of the first partition."""
        self._add(record for record in records if record.stream == DEFINITIONS_STREAM)

    def _add(self, records: Iterable[EventRecord]) -> None:
        for record in records:
            if record.position > self._position:
                self._position = record.position
                for _ in fold(self.deployed, (record.event,)):
                    pass
