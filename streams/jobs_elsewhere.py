"""Jobs between processes: an owner tells the others once that it has some, and they ask until they get fewer than they want.

Nothing of it is certain. A partition that nothing was heard of is asked again after a while, whatever was lost on the way.
"""

import time
from collections.abc import Callable
from typing import Final

from streams.unit import Unit

RECHECK_SECONDS: Final = 0.5
"""Between two questions to a partition of which nothing is heard: leases and back-offs end there without a word."""
OVERDUE_SECONDS: Final = 4 * RECHECK_SECONDS
"""A partition that was not asked for so long is no longer passed over for others that have jobs all the time."""
PLACES_MAX: Final = 10_000
"""Pairs of partition and job type that are remembered; past it all are forgotten, which costs questions."""
TYPE_CHARACTERS_MAX: Final = 1_000
"""Longer types are not told of: they are found by asking again."""

PLENTY: Final = 100
"""Who gets so many has no reason to think that there are no more, however many were wanted."""

Send = Callable[[str], None]


def enough(wanted: int, got: int) -> bool:
    """Say whether an answer leaves it open that there are more jobs."""
    return got >= min(wanted, PLENTY)


class _Place:
    """One type of jobs on one partition of another process, as its callers here see it."""

    __slots__ = ("asked_at", "plenty", "told")

    def __init__(self) -> None:
        self.plenty = True
        """The last answer was as much as was wanted, or nobody asked yet."""
        self.told = False
        """The owner said that there are jobs, and nobody has asked since."""
        self.asked_at = float("-inf")


class JobsElsewhere:
    """One per process: whether asking other processes for jobs is worth it."""

    def __init__(self, process: str, found: Callable[[str, int], None]) -> None:
        self._process = process
        self._found = found
        """Told of a type, and of how many more callers may get jobs of it."""
        self._places: dict[tuple[int, str], _Place] = {}

    def heard(self, payload: str | None) -> None:
        """Take what an owner told (None: something may have been missed)."""
        if payload is None:
            self._places.clear()
            return
        process, partition, count, job_type = payload.split("/", 3)
        if process == self._process:
            return
        self._place(int(partition), job_type).told = True
        self._found(job_type, int(count))

    def worth_asking(self, partition: int, job_type: str) -> bool:
        """Say whether the partition may have jobs for one more caller. Whoever is told so asks."""
        return self._after(RECHECK_SECONDS, partition, job_type)

    def likely(self, partition: int, job_type: str) -> bool:
        """Say whether there is more reason to ask it than that it was not asked for a while."""
        return self._after(OVERDUE_SECONDS, partition, job_type)

    def _after(self, seconds: float, partition: int, job_type: str) -> bool:
        place = self._places.get((partition, job_type))
        return place is None or place.plenty or place.told or time.monotonic() - place.asked_at >= seconds

    def asked(self, partition: int, job_type: str) -> None:
        """A question goes out: what is told from here on is news."""
        place = self._place(partition, job_type)
        place.told = False
        place.asked_at = time.monotonic()

    def answered(self, partition: int, job_type: str, wanted: int, got: int) -> None:
        """A caller got so many of the jobs that it wanted."""
        place = self._place(partition, job_type)
        place.plenty = enough(wanted, got)
        if place.plenty:
            self._found(job_type, 1)

    def _place(self, partition: int, job_type: str) -> _Place:
        place = self._places.get((partition, job_type))
        if place is None:
            if len(self._places) >= PLACES_MAX:
                self._places.clear()
            place = self._places[partition, job_type] = _Place()
        return place


class JobsHere:
    """One per partition of this process: tells the others when they may find jobs again."""

    def __init__(self, process: str, partition: int, send: Send) -> None:
        self._prefix = f"{process}/{partition}/"
        self._send = send
        self._told: set[str] = set()
        """Types that the others know of: none of them got too few since."""

    def notice(self, unit: Unit) -> None:
        """Take from a committed batch which jobs became available, and who got too few."""
        self._told -= unit.unmet
        for job_type, count in unit.jobs.items():
            if job_type in self._told or len(job_type) > TYPE_CHARACTERS_MAX:
                continue
            if len(self._told) >= PLACES_MAX:
                self._told.clear()
            # Whoever got too few in this very batch may have asked before the jobs were there, or after.
            if job_type not in unit.unmet:
                self._told.add(job_type)
            self._send(f"{self._prefix}{count}/{job_type}")
