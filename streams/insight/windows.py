"""Windows over event time: figures are kept by the minute, and every longer or overlapping window is a sum of minutes.

A window is final once events have passed its end by `GRACE_MS`; what comes later than that is counted as late and left out.
It knows no event and no clock: times are those of the events, in milliseconds since 1970.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple

import msgspec

from streams.insight.durations import bucket_of

MINUTE_MS: Final = 60_000
PANE_MS: Final = MINUTE_MS
"""What is kept. Every window begins and ends where one of these does."""
GRACE_MS: Final = MINUTE_MS
"""By so much may an event be older than the newest one of its partition: engines' clocks differ after a takeover."""
KEYS_MAX: Final = 1_000
"""Definitions and elements with figures, per partition; what comes beyond them is left out."""


class Window(NamedTuple):
    """Windows of `size_ms`, one beginning every `hop_ms`: equal for tumbling ones."""

    name: str
    size_ms: int
    hop_ms: int

    def ends_around(self, pane: int) -> range:
        """Return the ends of the windows that hold the minute beginning at `pane`."""
        return range(pane // self.hop_ms * self.hop_ms + self.hop_ms, pane + self.size_ms + 1, self.hop_ms)


WINDOWS: Final = (
    Window("tumbling-1m", MINUTE_MS, MINUTE_MS),
    Window("hopping-5m", 5 * MINUTE_MS, MINUTE_MS),
    Window("hopping-1h", 60 * MINUTE_MS, 5 * MINUTE_MS),
)
LONGEST_MS: Final = max(window.size_ms for window in WINDOWS)


class Key(NamedTuple):
    """What figures are about: an element of a definition, or the definition itself (`element` empty)."""

    process: str
    version: int
    element: str = ""


class Observation(NamedTuple):
    """One thing that happened. `duration` in milliseconds, where it took time."""

    time: int
    key: Key
    figure: str
    duration: int | None = None


FIGURES: Final = (
    "started",
    "completed",
    "terminated",
    "jobs_completed",
    "jobs_failed",
    "incidents_raised",
    "incidents_resolved",
    "breaches",
)
"""What is counted; each is a field of `Figures`."""


class Figures(msgspec.Struct, array_like=True):
    """What happened in some time. Adding is all that is ever done to them, so the order of events does not matter."""

    started: int = 0
    completed: int = 0
    terminated: int = 0
    jobs_completed: int = 0
    jobs_failed: int = 0
    incidents_raised: int = 0
    incidents_resolved: int = 0
    breaches: int = 0
    milliseconds: int = 0
    """Sum of the durations of what completed."""
    longest: int = 0
    buckets: dict[int, int] = {}
    """Bucket of `streams.insight.durations` -> how many durations fell into it."""

    def observe(self, observation: Observation) -> None:
        """Count one thing."""
        setattr(self, observation.figure, getattr(self, observation.figure) + 1)
        duration = observation.duration
        if duration is not None:
            self.milliseconds += duration
            self.longest = max(self.longest, duration)
            bucket = bucket_of(duration)
            self.buckets[bucket] = self.buckets.get(bucket, 0) + 1

    def add(self, other: "Figures") -> None:
        """Take in what happened elsewhere, or at another time."""
        for figure in FIGURES:
            setattr(self, figure, getattr(self, figure) + getattr(other, figure))
        self.milliseconds += other.milliseconds
        self.longest = max(self.longest, other.longest)
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count


class Told(NamedTuple):
    """The figures of one key in one window, as they stand."""

    window: Window
    end: int
    key: Key
    figures: Figures
    final: bool

    @property
    def start(self) -> int:
        return self.end - self.window.size_ms


class Panes:
    """The figures of one partition by the minute, for as long as a window needs them."""

    def __init__(self, watermark: int = 0) -> None:
        self.watermark = watermark
        """Time of the newest event."""
        self.panes: dict[int, dict[Key, Figures]] = {}
        self._uses: dict[Key, int] = {}
        self._changed: set[tuple[int, Key]] = set()
        self._waiting: set[tuple[Window, int, Key]] = set()
        """Windows that have changed and were not told since."""

    @property
    def keys(self) -> Iterable[Key]:
        """Return what there are figures about."""
        return self._uses.keys()

    def restore(self, start: int, key: Key, figures: Figures) -> None:
        """Put back a minute as it was; its windows are told again."""
        self.panes.setdefault(start, {})[key] = figures
        self._uses[key] = self._uses.get(key, 0) + 1
        self._changed.add((start, key))

    def observe(self, observation: Observation) -> str:
        """Count it. Return why it was left out: "late", "crowded", or nothing."""
        start = observation.time // PANE_MS * PANE_MS
        if self._final(start + PANE_MS):
            return "late"
        pane = self.panes.get(start)
        figures = None if pane is None else pane.get(observation.key)
        if figures is None:
            if observation.key not in self._uses and len(self._uses) >= KEYS_MAX:
                return "crowded"
            figures = self.panes.setdefault(start, {})[observation.key] = Figures()
            self._uses[observation.key] = self._uses.get(observation.key, 0) + 1
        figures.observe(observation)
        self._changed.add((start, observation.key))
        return ""

    def advance(self, time: int) -> list[Told]:
        """Let time go on to that of an event. Return the windows that are final by it, oldest first; drop what none needs."""
        if time <= self.watermark:
            return []
        before, self.watermark = self.watermark, time
        if (before - GRACE_MS) // PANE_MS == (time - GRACE_MS) // PANE_MS:
            return []
        ended = {
            (end, window)
            for start in self.panes
            for window in WINDOWS
            for end in window.ends_around(start)
            if before < end + GRACE_MS <= time
        }
        told = [
            told
            for end, window in sorted(ended, key=lambda each: (each[0], each[1].size_ms))
            for told in self._all(window, end)
        ]
        for start in [start for start in self.panes if self._final(start + LONGEST_MS)]:
            self._drop(start)
        return told

    def take(self, now: int) -> list[Told]:
        """Return the windows that have ended by `now`, have changed since they were told last, and may change again."""
        for start, key in self._changed:
            self._waiting.update((window, end, key) for window in WINDOWS for end in window.ends_around(start))
        self._changed.clear()
        self._waiting = {each for each in self._waiting if not self._final(each[1])}
        ended = sorted(each for each in self._waiting if each[1] <= now)
        self._waiting.difference_update(ended)
        return [Told(window, end, key, self.figures(window, end, key), final=False) for window, end, key in ended]

    def give_back(self, told: Iterable[Told]) -> None:
        """Take back windows that could not be told."""
        self._waiting.update((each.window, each.end, each.key) for each in told if not each.final)

    def figures(self, window: Window, end: int, key: Key) -> Figures:
        """Return the figures of a key in the window that ends there."""
        total = Figures()
        for start in range(end - window.size_ms, end, PANE_MS):
            found = self.panes.get(start, {}).get(key)
            if found is not None:
                total.add(found)
        return total

    def _final(self, end: int) -> bool:
        return end + GRACE_MS <= self.watermark

    def _all(self, window: Window, end: int) -> Iterator[Told]:
        starts = range(end - window.size_ms, end, PANE_MS)
        for key in sorted(set(chain.from_iterable(self.panes.get(start, {}) for start in starts))):
            yield Told(window, end, key, self.figures(window, end, key), final=True)

    def _drop(self, start: int) -> None:
        for key in self.panes.pop(start):
            self._uses[key] -= 1
            if not self._uses[key]:
                del self._uses[key]
            self._changed.discard((start, key))
