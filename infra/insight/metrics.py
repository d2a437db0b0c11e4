"""The figures as Prometheus sees them: of each kind of window the last one that has ended, all partitions together.

What is shown is made between two events, never while figures change: another thread reads it.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from streams.insight.durations import percentile
from streams.insight.partition import Insight
from streams.insight.windows import FIGURES, WINDOWS, Figures, Key, Window

SETTLE_MS: Final = 5_000
"""So long after its end a window is shown: the last events of it have come by then."""
MEANINGS: Final = {
    "started": "Instances or element instances that began in the window",
    "completed": "Instances or element instances that completed in the window",
    "terminated": "Instances or element instances that were ended by something else in the window",
    "jobs_completed": "Jobs that workers completed in the window",
    "jobs_failed": "Jobs that workers failed in the window",
    "incidents_raised": "Incidents raised in the window",
    "incidents_resolved": "Incidents resolved in the window",
    "breaches": "Instances or element instances whose limit ran out in the window",
}
LABELS: Final = ("process", "version", "element")
SHARES: Final = {"0.5": 50, "0.95": 95, "1": 100}


class InsightMetrics(Collector):
    """What a scrape gets. `show` says what that is."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._shown: list[Metric] = list(families([], 0))
        registry.register(self)

    def show(self, insights: Iterable[Insight], now: int) -> None:
        """Show the figures of these partitions as of `now`, milliseconds since 1970."""
        self._shown = list(families(list(insights), now))

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client."""
        return self._shown


def families(insights: list[Insight], now: int) -> Iterator[Metric]:
    """Yield every metric."""
    counts = {
        figure: GaugeMetricFamily(f"procession_insight_{figure}", meaning, labels=[*LABELS, "window"])
        for figure, meaning in MEANINGS.items()
    }
    took = GaugeMetricFamily(
        "procession_insight_duration_seconds",
        "What those that completed in the window took; quantile 1 is the longest",
        labels=[*LABELS, "window", "quantile"],
    )
    for window in WINDOWS:
        for key, figures in last_window(insights, window, now).items():
            labels = [*_labels(key), window.name]
            for figure in FIGURES:
                counts[figure].add_metric(labels, getattr(figures, figure))
            for share, percent in SHARES.items() if figures.buckets else ():
                took.add_metric([*labels, share], (percentile(figures.buckets, percent, figures.longest) or 0) / 1000)
    yield from counts.values()
    yield took
    yield from _overdue(insights, now)
    yield from _places(insights)


def last_window(insights: list[Insight], window: Window, now: int) -> dict[Key, Figures]:
    """Return the figures of the last window that has ended, for everything that had any lately."""
    end = (now - SETTLE_MS) // window.hop_ms * window.hop_ms
    total: dict[Key, Figures] = {}
    for insight in insights:
        for key in insight.panes.keys:
            total.setdefault(key, Figures()).add(insight.panes.figures(window, end, key))
    return total


def _overdue(insights: list[Insight], now: int) -> Iterator[Metric]:
    overdue = GaugeMetricFamily(
        "procession_insight_overdue",
        "Instances or element instances that are open beyond their limit now",
        labels=LABELS,
    )
    late: dict[Key, int] = {}
    for insight in insights:
        for key, count in insight.memory.late_now(now):
            late[key] = late.get(key, 0) + count
    for key, count in late.items():
        overdue.add_metric(_labels(key), count)
    yield overdue


def _places(insights: list[Insight]) -> Iterator[Metric]:
    position = GaugeMetricFamily(
        "procession_insight_position", "Position of the last event that the figures hold", labels=["partition"]
    )
    newest = GaugeMetricFamily(
        "procession_insight_event_time_seconds", "Time of the newest event that the figures hold", labels=["partition"]
    )
    left_out = GaugeMetricFamily(
        "procession_insight_left_out",
        "What does not count: late, unknown, forgotten, crowded, missed or unreadable",
        labels=["partition", "reason"],
    )
    for insight in insights:
        partition = str(insight.partition)
        position.add_metric([partition], insight.position)
        newest.add_metric([partition], insight.panes.watermark / 1000)
        for reason, count in insight.left_out.items():
            left_out.add_metric([partition, reason], count)
    yield from (position, newest, left_out)


def _labels(key: Key) -> list[str]:
    return [key.process, str(key.version), key.element]
