"""Which jobs of a partition may be leased next: a bounded window in memory over the projected table.

The window holds, per job type, all available jobs up to its horizon, highest priority and oldest first; what lies beyond, and
what was there before this owner came, is in the table. Nothing here is durable: leases are events, and whoever takes a
candidate checks it against its instance.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from heapq import heapify, heappop, heappush, nsmallest
from typing import NamedTuple

from domain.instance import Instance
from streams.tables import JobsTable

READY_MAX = 50_000
"""Jobs in the window of a partition, over all types."""
RETURNING_MAX = 50_000
"""Leases and back-offs whose end is remembered in memory; the ends of others are found in the table."""
TYPES_MAX = 2_000
"""Job types with a window of their own."""
LEASED_MAX = 50_000
"""Leases that are remembered after the table shows them."""
GONE_MAX = 1_000
"""Jobs that have ended and still stand in the window of a type, beside as many as are there."""
REFILL_JOBS = 1_000
"""Jobs read from the table at once."""
REFILL_SECONDS = 0.25
"""Between two looks into the table that find nothing."""

EPOCH = datetime.fromtimestamp(0, UTC)

Candidate = tuple[int, int, int]
"""Negated priority, job key, instance key: sorted in the order in which jobs are offered."""


def activatable(state: Instance, key: int, now: datetime) -> bool:
    """Say whether a job of the instance may be leased now, its leases aside."""
    job = state.jobs.get(key)
    return (
        job is not None
        and job.retries > 0
        and job.state != "ERROR_THROWN"
        and (job.retry_at is None or job.retry_at <= now)
        and state.running
        and not state.suspended
        and state.quarantined is None
        and not any(incident.job_key == key for incident in state.incidents.values())
    )


class _Window:
    __slots__ = ("horizon", "keys", "looked_at", "ready", "recheck_at", "stale", "stale_position")

    def __init__(self, stale_position: int) -> None:
        self.ready: list[Candidate] = []
        """A heap. What is not among the keys has gone."""
        self.keys: set[int] = set()
        self.horizon: Candidate | None = None
        """From here on, jobs are only in the table."""
        self.stale = stale_position > 0
        """The table may have available jobs that the window has not."""
        self.stale_position = stale_position
        """Jobs made up to this position may be missing."""
        self.recheck_at: datetime | None = None
        """When the table will have another available job."""
        self.looked_at = float("-inf")

    def add(self, candidate: Candidate) -> bool:
        """Add a job; say whether the window holds it now."""
        if self.horizon is not None and candidate >= self.horizon:
            return False
        if candidate[1] not in self.keys:
            self.keys.add(candidate[1])
            heappush(self.ready, candidate)
        return True

    def pop(self) -> Candidate | None:
        while self.ready:
            candidate = heappop(self.ready)
            if candidate[1] in self.keys:
                self.keys.discard(candidate[1])
                return candidate
        return None

    def forget(self, key: int) -> None:
        self.keys.discard(key)
        if len(self.ready) > 2 * len(self.keys) + GONE_MAX:
            self._sweep()

    def _sweep(self) -> None:
        # A job that went and came back may stand there twice.
        self.ready = list({candidate for candidate in self.ready if candidate[1] in self.keys})
        heapify(self.ready)

    def trim(self, position: int) -> None:
        self._sweep()
        kept = nsmallest(len(self.ready) // 2 + 1, self.ready)
        self.horizon = kept.pop()
        self.ready = kept
        heapify(self.ready)
        self.keys = {key for _, key, _ in kept}
        self.stale, self.stale_position = True, position


class _Return(NamedTuple):
    """A job that becomes available at a time, if nothing happens to it."""

    at: datetime
    candidate: Candidate
    job_type: str
    ends_lease: bool
    """Then it means nothing once the job has ended or failed."""


class JobOffers:
    """One per partition, used by its processor only."""

    def __init__(self, partition: int, table: JobsTable, projected: Callable[[], int]) -> None:
        self._partition = partition
        self._table = table
        self._projected = projected
        self._start = 0
        self._owned_at = 0
        """Leases up to this position are known from the table only."""
        self._windows: dict[str, _Window] = {}
        self._leased: dict[int, tuple[datetime, int, str]] = {}
        self._returning: list[_Return] = []
        """A heap."""
        self._taken: set[int] = set()

    def reset(self, position: int) -> None:
        """Forget everything: what was made up to `position` is in the table, or will be."""
        self._start = self._owned_at = position
        self._windows.clear()
        self._leased.clear()
        self._returning.clear()
        self._taken.clear()

    def _window(self, job_type: str) -> _Window:
        window = self._windows.get(job_type)
        if window is None:
            if len(self._windows) >= TYPES_MAX:
                self._windows.pop(next(iter(self._windows)))
            window = self._windows[job_type] = _Window(self._start)
        return window

    def offer(self, job_type: str, priority: int, key: int, instance_key: int, position: int) -> None:
        """A job is available, because of the event at `position`."""
        if len(self._windows) >= TYPES_MAX:
            self._start = position
        window = self._window(job_type)
        if not window.add((-priority, key, instance_key)):
            window.stale, window.stale_position = True, position
        elif len(window.keys) > READY_MAX or (len(window.keys) & 1023 == 0 and self._ready() > READY_MAX):
            max(self._windows.values(), key=lambda each: len(each.keys)).trim(position)

    def _ready(self) -> int:
        return sum(len(window.keys) for window in self._windows.values())

    def offer_at(self, at: datetime, job_type: str, priority: int, key: int, instance_key: int) -> None:
        """A job becomes available at a time, after a back-off."""
        self._return_at(_Return(at, (-priority, key, instance_key), job_type, ends_lease=False))

    def _return_at(self, entry: _Return) -> None:
        heappush(self._returning, entry)
        if len(self._returning) > RETURNING_MAX:
            self._thin()

    def _thin(self) -> None:
        kept = sorted(each for each in self._returning if not each.ends_lease or each.candidate[1] in self._leased)
        for entry in kept[RETURNING_MAX // 2 :]:
            self._look_at(entry.job_type, entry.at)
        self._returning = kept[: RETURNING_MAX // 2]

    def _look_at(self, job_type: str, at: datetime) -> None:
        """Have the table looked at then: what becomes available is no longer known here."""
        window = self._window(job_type)
        window.recheck_at = at if window.recheck_at is None else min(at, window.recheck_at)

    def lease(self, job_type: str, candidates: Sequence[Candidate], deadline: datetime, position: int) -> None:
        """Jobs are leased, because of the event at `position`."""
        for candidate in candidates:
            self._leased[candidate[1]] = (deadline, position, job_type)
            self._return_at(_Return(deadline, candidate, job_type, ends_lease=True))
        projected = self._projected()
        while len(self._leased) > LEASED_MAX:
            key, (at, since, of_type) = next(iter(self._leased.items()))
            if since > projected:
                break
            del self._leased[key]
            self._look_at(of_type, at)

    def release(self, key: int) -> None:
        """The job's lease is over: it failed."""
        self._leased.pop(key, None)

    def ended(self, key: int) -> None:
        """The job has ended, and need not be looked at when somebody asks: nobody had leased it, or its lease was over."""
        leased = self._leased.pop(key, None)
        windows = self._windows.values() if leased is None else (self._window(leased[2]),)
        for window in windows:
            window.forget(key)

    def deadline(self, key: int, now: datetime) -> datetime | None:
        """Return until when the job is leased, as far as it is known here."""
        leased = self._leased.get(key)
        return leased[0] if leased is not None and leased[0] > now else None

    async def deadlines(self, keys: Sequence[int], now: datetime) -> dict[int, datetime]:
        """Return until when jobs are leased."""
        found = {key: at for key in keys if (at := self.deadline(key, now)) is not None}
        unknown = [key for key in keys if key not in self._leased]
        if unknown:
            found.update(await self._table.deadlines(self._partition, unknown, now))
        return found

    def hint(self, job_type: str, now: datetime) -> bool:
        """Say whether asking for jobs of the type may be worth it. A cheap guess; wrong only for a short time."""
        self._return(now)
        window = self._windows.get(job_type)
        if window is None:
            return self._start > 0
        return bool(window.keys) or self._must_look(window, now)

    def next_at(self, job_type: str) -> datetime | None:
        """Return the next time at which a job may become available without an event."""
        window = self._windows.get(job_type)
        times = [self._returning[0].at] if self._returning else []
        if window is not None and window.stale:
            return EPOCH  # the table is behind, or was looked at a moment ago
        if window is not None and window.recheck_at is not None:
            times.append(window.recheck_at)
        return min(times, default=None)

    def _must_look(self, window: _Window, now: datetime) -> bool:
        due = window.stale or (window.recheck_at is not None and window.recheck_at <= now)
        return due and time.monotonic() >= window.looked_at + REFILL_SECONDS

    def _return(self, now: datetime) -> None:
        returning = self._returning
        while returning and returning[0].at <= now:
            _, candidate, job_type, ends_lease = heappop(returning)
            leased = self._leased.get(candidate[1])
            if leased is not None and leased[0] > now:
                continue  # extended: a later entry stands for it
            if ends_lease and leased is None:
                continue
            window = self._window(job_type)
            if not window.add(candidate):
                window.stale = True

    async def take(self, job_type: str, wanted: int, now: datetime) -> list[Candidate]:
        """Take up to `wanted` jobs out of the window, each once until `taken`. Those that are leased are passed over."""
        self._return(now)
        window = self._window(job_type)
        if len(window.keys) < wanted and self._must_look(window, now):
            await self._refill(window, job_type, now)
        taken: list[Candidate] = []
        while len(taken) < wanted and (candidate := window.pop()) is not None:
            if self._free(candidate[1], now):
                taken.append(candidate)
        self._taken.update(key for _, key, _ in taken)
        return taken

    def taken(self) -> None:
        """The activation is over: what was taken is leased, or may be offered again."""
        self._taken.clear()

    def _free(self, key: int, now: datetime) -> bool:
        return key not in self._taken and self.deadline(key, now) is None

    def _leased_after(self, position: int) -> int:
        count = 0
        for _, since, _ in reversed(self._leased.values()):
            if since <= position:
                break
            count += 1
        return count

    async def _refill(self, window: _Window, job_type: str, now: datetime) -> None:
        projected = self._projected()
        if projected < self._owned_at:
            # The table may still offer what was leased before this owner came.
            window.looked_at = time.monotonic()
            return
        # The table still offers what was leased since it was brought up to date.
        limit = REFILL_JOBS + self._leased_after(projected) + len(self._taken)
        found = await self._table.open(self._partition, job_type, now, limit)
        new = [(-job.priority, job.key, job.instance_key) for job in found.jobs]
        if len(new) == limit:
            window.horizon = new[-1]
        else:
            window.horizon = None
            window.stale = projected < window.stale_position
        window.recheck_at = found.next_at
        added = 0
        for candidate in new:
            if candidate[1] not in window.keys and self._free(candidate[1], now):
                added += window.add(candidate)
        window.looked_at = float("-inf") if added else time.monotonic()
