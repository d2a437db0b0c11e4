"""How far each partition's commands topic is ahead of what its owner, in whatever process, has carried out.

One look at all partitions together, again and again. It never knows who owns what, nor what becomes of a caller.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

LOOK_SECONDS: Final = 1.0
"""Between two looks."""
LOOK_SECONDS_MAX: Final = 3.0
"""For a look; one that takes longer has failed."""
STALE_SECONDS: Final = 5.0
"""What was seen longer ago says nothing."""

log = logging.getLogger(__name__)


def lag_gauge(registry: CollectorRegistry) -> Gauge:
    """Return the gauge of the lags."""
    return Gauge(
        "procession_command_lag",
        "Records of the commands topic that are not yet carried out, whichever process owns the partition",
        ["partition"],
        registry=registry,
    )


class CommandLag:
    """One per process."""

    def __init__(
        self,
        ends: Callable[[], Awaitable[Mapping[int, int]]],
        carried_out: Callable[[], Awaitable[Mapping[int, int]]],
        registry: CollectorRegistry,
    ) -> None:
        self._ends = ends
        self._carried_out = carried_out
        self._gauge = lag_gauge(registry)
        self._seen: Mapping[int, int] = {}
        self._at = 0.0
        self._failing = False

    def of(self, partition: int) -> int:
        """Return how many records wait in the topic of a partition; 0 if that is not known just now."""
        if asyncio.get_running_loop().time() - self._at > STALE_SECONDS:
            return 0
        return self._seen.get(partition, 0)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                async with asyncio.timeout(LOOK_SECONDS_MAX):
                    await self.look()
                self._failing = False
            except Exception as error:  # noqa: BLE001 - Kafka or the database may be away in many ways; nobody is turned away for it
                self._forget()
                if not self._failing:
                    log.warning("how many commands wait is not known just now: %s", str(error) or type(error).__name__)
                self._failing = True
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """See how things are. Raise what a look at Kafka or the database raises."""
        at = asyncio.get_running_loop().time()
        # The topic first: what comes meanwhile and is carried out at once does not seem to wait.
        ends = await self._ends()
        carried_out = await self._carried_out()
        # A topic that was made anew ends before where the database stands.
        self._seen = {each: max(end - carried_out[each], 0) for each, end in ends.items() if each in carried_out}
        self._at = at
        for partition, lag in self._seen.items():
            self._gauge.labels(str(partition)).set(lag)

    def _forget(self) -> None:
        self._seen = {}
        self._gauge.clear()
