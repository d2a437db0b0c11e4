"""The engine's clock: the system's, or one that tests and operators set."""

import asyncio
from datetime import UTC, datetime, timedelta

LOOK_SECONDS = 60.0
"""Longest single sleep: the system's clock may be set meanwhile."""


class ClockNotControlled(Exception):  # noqa: N818 - it names what was found
    """The clock is the system's and cannot be set."""


def whole(time: datetime) -> datetime:
    """Return the time in UTC, cut to whole milliseconds."""
    utc = time.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


class SystemClock:
    """The time of the machine."""

    def now(self) -> datetime:
        """See `streams.clock.Clock`."""
        return whole(datetime.now(UTC))

    async def wait_until(self, due: datetime | None) -> None:
        """See `streams.clock.Clock`."""
        if due is None:
            await asyncio.Event().wait()
            return
        left = (due - datetime.now(UTC)).total_seconds()
        await asyncio.sleep(max(0.0, min(left, LOOK_SECONDS)))


class ControlledClock:
    """Follows the machine's time until it is pinned; a pinned clock moves only when it is set again."""

    def __init__(self) -> None:
        self._pinned: datetime | None = None
        self._moved = asyncio.Event()

    def now(self) -> datetime:
        """See `streams.clock.Clock`."""
        return self._pinned or whole(datetime.now(UTC))

    def pin(self, time: datetime) -> None:
        """Stand still at a time. Who waits for it is woken."""
        self._set(whole(time))

    def advance(self, by: timedelta) -> None:
        """Stand still at a time that is later by so much."""
        self._set(self.now() + by)

    def reset(self) -> None:
        """Follow the machine's time again."""
        self._set(None)

    def _set(self, time: datetime | None) -> None:
        self._pinned = time
        self._moved.set()
        self._moved = asyncio.Event()

    async def wait_until(self, due: datetime | None) -> None:
        """See `streams.clock.Clock`."""
        moved = self._moved
        if due is not None and due <= self.now():
            return
        seconds = None
        if due is not None and self._pinned is None:
            seconds = min((due - datetime.now(UTC)).total_seconds(), LOOK_SECONDS)
        try:
            async with asyncio.timeout(seconds):
                await moved.wait()
        except TimeoutError:
            return
