"""The faust application: it reads the events topic in a group of its own and hands each record on. Nothing is counted here.

faust's tables are not used: where reading goes on stands in our own snapshots, so it is told to begin there, and what the group
has committed only says, to whoever looks at it, how far behind the figures are.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import faust
from faust.auth import SASLCredentials, SSLCredentials
from faust.transport.drivers import aiokafka as driver

from infra.insight.watcher import Watcher
from streams.insight.limits import Limits
from streams.topics import LETTER_BYTES_MAX, Cluster, Topics

RECOVERY_SECONDS: Final = 3.0
"""Before that, faust 0.15 goes on while the first rebalances are still under way."""
FETCH_BYTES_MAX: Final = 4 * 1024 * 1024
BUFFER_RECORDS_MAX: Final = 4_096
SESSION_SECONDS: Final = 10.0


class _Consumer(driver.Consumer):
    """Begins where the snapshots end, whatever the group has committed."""

    async def on_partitions_revoked(self, revoked: set[Any]) -> None:
        _watcher(self).let_go({each.partition + 1 for each in revoked})
        await super().on_partitions_revoked(revoked)

    async def seek_to_committed(self) -> Mapping[Any, int]:
        assigned = {each.partition + 1: each for each in self.assignment()}
        offsets = await _watcher(self).take_over(set(assigned))
        start = {assigned[partition]: offset for partition, offset in offsets.items()}
        await self.seek_wait(start)
        return start


def _watcher(consumer: driver.Consumer) -> Watcher:
    app: Any = consumer.app  # faust knows only its own class of applications here
    watcher: Watcher = app.watcher
    return watcher


class _Transport(driver.Transport):
    Consumer = _Consumer


class InsightApp(faust.App):
    """The application, with what it hands the records to."""

    watcher: Watcher


def create_app(cluster: Cluster, topics: Topics, partitions: int, limits: Limits, folder: Path) -> InsightApp:
    """Return the application; nothing runs yet. faust wants a folder, in which it keeps nothing."""
    app = InsightApp(
        f"{topics.prefix}-insight",
        broker=";".join(f"kafka://{server}" for server in cluster.bootstrap_servers),
        broker_credentials=_credentials(cluster),
        broker_session_timeout=SESSION_SECONDS,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=FETCH_BYTES_MAX,
        producer_acks=-1,
        producer_compression_type="lz4",
        producer_max_request_size=LETTER_BYTES_MAX,
        processing_guarantee="at_least_once",
        store="memory://",
        datadir=str(folder),
        autodiscover=False,
        key_serializer="raw",
        value_serializer="raw",
        stream_buffer_maxsize=BUFFER_RECORDS_MAX,
        stream_recovery_delay=RECOVERY_SECONDS,
        stream_wait_empty=False,
        topic_partitions=partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )
    app.transport = _Transport(app.conf.broker_consumer, app)

    async def send(topic: str, key: bytes, value: bytes, partition: int) -> Any:
        return await app.producer.send(topic, key, value, partition, None, None)

    app.watcher = Watcher(cluster, topics, limits, send)
    events = app.topic(topics.events, key_type=bytes, value_type=bytes, partitions=partitions, allow_empty=True)

    @app.agent(events, concurrency=1, name="insight")
    async def watch(stream: Any) -> None:  # pyright: ignore[reportUnusedFunction]  # the decorator keeps it
        async for event in stream.events():
            message = event.message
            await app.watcher.fold(message.partition + 1, message.offset, dict(message.headers or ()), message.value)

    return app


def _credentials(cluster: Cluster) -> Any:
    """Return how brokers are spoken to, in faust's words."""
    security = dict(cluster.security)
    protocol = security.get("security_protocol", "PLAINTEXT")
    if protocol == "PLAINTEXT":
        return None
    if protocol == "SSL":
        return SSLCredentials(security["ssl_context"])
    return SASLCredentials(
        username=security["sasl_plain_username"],
        password=security["sasl_plain_password"],
        ssl_context=security.get("ssl_context"),
        mechanism=security["sasl_mechanism"],
    )
