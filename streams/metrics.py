"""What the moving parts count and measure, for Prometheus. One registry per engine; label values are partitions only."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)


class Metrics:
    """All metrics of one engine."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.commands = Counter("procession_commands", "Commands carried out", ["partition"], registry=self.registry)
        self.rejections = Counter("procession_rejections", "Commands refused", ["partition"], registry=self.registry)
        self.quarantines = Counter(
            "procession_quarantines", "Commands that could not be processed", ["partition"], registry=self.registry
        )
        self.events = Counter("procession_events", "Events committed", ["partition"], registry=self.registry)
        self.batch_events = Histogram(
            "procession_batch_events",
            "Events per committed batch",
            ["partition"],
            buckets=_COUNTS,
            registry=self.registry,
        )
        self.commit_seconds = Histogram(
            "procession_commit_seconds", "Time of a commit", ["partition"], buckets=_SECONDS, registry=self.registry
        )
        self.failures = Counter(
            "procession_partition_failures",
            "Times a partition had to be taken anew",
            ["partition"],
            registry=self.registry,
        )
        self.waiting = Gauge(
            "procession_commands_waiting", "Commands that wait in this process", ["partition"], registry=self.registry
        )
        self.streams = Gauge(
            "procession_streams_in_memory", "Streams kept in memory", ["partition"], registry=self.registry
        )
        self.position = Gauge("procession_position", "Last committed position", ["partition"], registry=self.registry)
        self.projected = Gauge(
            "procession_projected_position",
            "Position that the query tables show",
            ["partition"],
            registry=self.registry,
        )


class PartitionMetrics:
    """The metrics of one partition, with their labels looked up once."""

    def __init__(self, metrics: Metrics, partition: int) -> None:
        label = str(partition)
        self.commands = metrics.commands.labels(label)
        self.rejections = metrics.rejections.labels(label)
        self.quarantines = metrics.quarantines.labels(label)
        self.events = metrics.events.labels(label)
        self.batch_events = metrics.batch_events.labels(label)
        self.commit_seconds = metrics.commit_seconds.labels(label)
        self.failures = metrics.failures.labels(label)
        self.waiting = metrics.waiting.labels(label)
        self.streams = metrics.streams.labels(label)
        self.position = metrics.position.labels(label)
        self.projected = metrics.projected.labels(label)
