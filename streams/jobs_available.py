"""Wakes long polls when jobs of their type become available. A wake is a hint: whoever is woken asks, and may find nothing."""

import asyncio
from collections import OrderedDict

from streams.unit import Unit


class Waiter:
    """One long poll that waits for jobs of a type."""

    __slots__ = ("_woken", "job_type")

    def __init__(self, job_type: str) -> None:
        self.job_type = job_type
        self._woken = asyncio.Event()

    @property
    def woken(self) -> bool:
        """Whether there was a wake since the last `wait`."""
        return self._woken.is_set()

    def wake(self) -> None:
        """End the waiting."""
        self._woken.set()

    async def wait(self, seconds: float) -> None:
        """Return after a wake, or when the time is over."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return
        finally:
            self._woken.clear()


class JobsAvailable:
    """One per process. Who has waited longest is woken first, and no more of them than there are jobs."""

    def __init__(self) -> None:
        self._waiters: dict[str, OrderedDict[Waiter, None]] = {}
        self.closed = False
        """Nobody may wait any more: the process is about to end."""

    def close(self) -> None:
        """End all waiting."""
        self.closed = True
        self.wake_all()

    def enter(self, job_type: str) -> Waiter:
        """Begin to wait."""
        waiter = Waiter(job_type)
        self._waiters.setdefault(job_type, OrderedDict())[waiter] = None
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Wait no more. A wake that was not used goes to the next."""
        waiters = self._waiters.get(waiter.job_type)
        if waiters is None:
            return
        waiters.pop(waiter, None)
        if not waiters:
            del self._waiters[waiter.job_type]
        elif waiter.woken:
            self.notify(waiter.job_type, 1)

    def notice(self, unit: Unit) -> None:
        """Take from a committed batch which jobs became available."""
        for job_type, count in unit.jobs.items():
            if job_type in self._waiters:
                self.notify(job_type, count)

    def notify(self, job_type: str, count: int) -> None:
        """Wake up to `count` of those who wait for the type."""
        waiters = self._waiters.get(job_type, OrderedDict[Waiter, None]())
        for waiter in list(waiters):
            if count <= 0:
                return
            if not waiter.woken:
                waiter.wake()
                waiters.move_to_end(waiter)
                count -= 1

    def wake_all(self) -> None:
        """Wake everybody: the clock was set."""
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.wake()
