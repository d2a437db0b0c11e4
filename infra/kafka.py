"""Which Kafka the engine speaks to: the brokers that the settings name, or a local one that is held for as long as it is needed."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from infra.kafka_access import check_access, security
from infra.local_kafka import LocalKafka
from infra.settings import Settings
from streams.topics import Cluster, Topics, cluster_id

SPARING_SECONDS: Final = 10.0


class Sparing(logging.Filter):
    """Lets each kind of line of Kafka's client through once in a while: without a broker it writes some ten times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the line is written."""
        if not record.name.startswith("aiokafka"):
            return True
        if "GroupCoordinatorNotAvailable" in record.getMessage():
            return False  # brokers that have just started have none yet; the client asks again
        kind = (record.pathname, record.lineno)
        if record.created - self._last.get(kind, 0.0) < SPARING_SECONDS:
            return False
        self._last[kind] = record.created
        return True


def topics_of(settings: Settings) -> Topics:
    """Return the names of the topics."""
    return Topics(settings.kafka_topic_prefix, settings.kafka_job_types)


async def log_name(cluster: Cluster, topics: Topics) -> str:
    """Return how a database names the log of commands that it is tied to."""
    return f"topic {topics.commands} of Kafka cluster {await cluster_id(cluster)}"


@asynccontextmanager
async def cluster_of(settings: Settings) -> AsyncGenerator[Cluster]:
    """The cluster that the settings name, else a local one. Raise `LocalKafkaError` or `NoAccess`."""
    logging.getLogger("aiokafka").setLevel(logging.WARNING)  # it would tell each step of each rebalance
    sparing = Sparing()
    for handler in logging.getLogger().handlers:
        handler.addFilter(sparing)
    if settings.kafka_bootstrap_servers:
        cluster = Cluster(settings.kafka_bootstrap_servers, security(settings))
        await check_access(cluster)
        yield cluster
        return
    folder = settings.data_dir / "kafka"
    running = LocalKafka.running(folder)
    if running is not None:
        yield Cluster(running)
        return
    kafka = await LocalKafka.start(folder, watched=True)
    try:
        yield Cluster(kafka.bootstrap_servers)
    finally:
        await kafka.stop()
