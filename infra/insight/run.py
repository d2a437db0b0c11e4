"""Runs insight in this process until it is told to stop: faust without its own idea of workers, signals, logging and web."""

import asyncio
import contextlib
import logging
import tempfile
import time
from collections.abc import AsyncGenerator, Coroutine, Generator
from pathlib import Path
from typing import Any, Final

from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry, start_http_server
from rich.console import Console

from infra.insight.app import InsightApp, create_app
from infra.insight.cli import InsightCannotRun
from infra.insight.metrics import InsightMetrics
from infra.insight.topics import prepare
from infra.kafka import cluster_of, topics_of
from infra.local_kafka import LocalKafka
from infra.settings import Settings
from infra.stopping import told_to_stop
from streams.insight.limits import BadLimits, Limits
from streams.topics import Cluster, TopicDoesNotFit

TELL_SECONDS: Final = 1.0
SHOW_SECONDS: Final = 5.0
STOP_SECONDS_MAX: Final = 15.0

log = logging.getLogger(__name__)


def run(settings: Settings) -> None:
    """Follow the events topic until SIGTERM or Ctrl-C. Raise `InsightCannotRun`."""
    try:
        limits = _limits(settings.insight_sla_file)
        asyncio.run(_run(settings, limits))
    except (BadLimits, TopicDoesNotFit, KafkaError) as error:
        raise InsightCannotRun(str(error)) from error


def _limits(path: Path | None) -> Limits:
    if path is None:
        return Limits()
    try:
        return Limits.read(path.read_bytes())
    except OSError as error:
        raise InsightCannotRun(
            f"expected PROCESSION_INSIGHT_SLA_FILE to name a file that can be read, but {path}: {error.strerror}"
        ) from error
    except BadLimits as error:
        raise InsightCannotRun(f"{path}: {error}") from error


async def _run(settings: Settings, limits: Limits) -> None:
    if not settings.kafka_bootstrap_servers and LocalKafka.running(settings.data_dir / "kafka") is None:
        raise InsightCannotRun(
            f"no Kafka runs on {settings.data_dir.absolute()}; start the engine with `procession up --kafka`, or name "
            "brokers with PROCESSION_KAFKA_BOOTSTRAP_SERVERS"
        )
    # faust tells each step of each rebalance, also in the name of our own classes.
    for talkative in ("faust", "mode", InsightApp.__module__):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    async with cluster_of(settings) as cluster:
        with told_to_stop() as told, _serving(settings) as (metrics, address):
            async with _watching(settings, cluster, limits, told) as app:
                Console().print(
                    f"Procession insight follows {topics_of(settings).events}   its metrics: {address}",
                    highlight=False,
                    soft_wrap=True,
                )
                await _until(app, metrics, told)


@contextlib.asynccontextmanager
async def _watching(
    settings: Settings, cluster: Cluster, limits: Limits, told: asyncio.Event
) -> AsyncGenerator[InsightApp]:
    """Run the application; at the end, tell and keep what it has."""
    topics = topics_of(settings)
    partitions = await prepare(cluster, topics)
    with tempfile.TemporaryDirectory(prefix="procession-insight-") as folder:
        app = create_app(cluster, topics, partitions, limits, Path(folder))
        try:
            await _unless(told, app.start())
            yield app
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS_MAX):
                    await app.watcher.tell(keep=True)
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS_MAX):
                    await app.stop()


async def _unless(told: asyncio.Event, start: Coroutine[Any, Any, None]) -> None:
    """Start, but no longer than until we are told to stop: the group may wait for a member that died."""
    starting, stop = asyncio.create_task(start), asyncio.create_task(told.wait())
    try:
        await asyncio.wait((starting, stop), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
    finally:
        starting.cancel()
        stop.cancel()


@contextlib.contextmanager
def _serving(settings: Settings) -> Generator[tuple[InsightMetrics, str], None, None]:
    """Serve the metrics' page from a thread of its own; give what it shows, and its address."""
    registry = CollectorRegistry()
    metrics = InsightMetrics(registry)
    try:
        server, thread = start_http_server(settings.insight_port, settings.host, registry)
    except OSError as error:
        raise InsightCannotRun(
            f"cannot listen on {settings.host}, port {settings.insight_port}: {error.strerror}"
        ) from error
    try:
        yield metrics, f"http://{settings.host}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def _until(app: InsightApp, metrics: InsightMetrics, told: asyncio.Event) -> None:
    """Tell and show in turn until we are told to stop. Raise `InsightCannotRun` if the application ends by itself."""
    shown = 0.0
    while not told.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TELL_SECONDS):
                await told.wait()
        if app.crashed or app.should_stop:
            raise InsightCannotRun(
                f"it ends, as faust has: {app.crash_reason!r}; started again, it goes on where it was"
            )
        await app.watcher.tell()
        if time.monotonic() - shown >= SHOW_SECONDS:
            metrics.show(app.watcher.insights.values(), time.time_ns() // 1_000_000)
            shown = time.monotonic()
