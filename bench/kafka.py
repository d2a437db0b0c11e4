"""One-task instances a second with commands from Kafka and events to Kafka, as a share of what this machine's storage can do.

    python -m bench.kafka [--instances 20000]

One run: storage limit, one engine process, two of them, latencies at half load, relay, topic check, and a consumer that
folds. Engines, their PostgreSQL (durable), a broker and the load share the machine's cores. Prints a table and writes
`bench/results/kafka.json` and a picture of it beside that.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.throughput import RESULTS, free_port, limit, load, run_module, start, until_ready
from bench.topics import measure_topics
from infra.embedded_postgres import EmbeddedPostgres
from infra.local_kafka import LocalKafka
from streams.topics import Cluster

PARTITIONS = 4
SHARE_SECONDS_MAX = 60
STOP_SECONDS_MAX = 60


class Engines:
    """Engine processes on one database and one broker."""

    def __init__(self, folder: Path, dsn: str, servers: str) -> None:
        self._folder = folder
        self._settings = {
            "PROCESSION_DATABASE_URL": dsn,
            "PROCESSION_KAFKA_BOOTSTRAP_SERVERS": servers,
            "PROCESSION_PARTITIONS": str(PARTITIONS),
        }
        self._running: list[subprocess.Popen[bytes]] = []
        self.ports: list[int] = []

    def add(self) -> None:
        """Start one more, and return once each has its share of the partitions."""
        port = free_port()
        process = start(self._folder / "engine", port, settings=self._settings)
        self._running.append(process)
        self.ports.append(port)
        until_ready(port, process)
        deadline = time.monotonic() + SHARE_SECONDS_MAX
        while len(self.owned()) < len(self.ports):
            assert time.monotonic() < deadline, f"expected {len(self.ports)} owners, but found {self.owned()}"
            time.sleep(0.1)
        for each, running in zip(self.ports, self._running, strict=True):
            until_ready(each, running)

    def owned(self) -> dict[int, list[int]]:
        """Return the partitions of each process, by its port."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[0]}/v2/topology", timeout=5) as answer:
            brokers = json.load(answer)["brokers"]
        return {each["port"]: [p["partitionId"] for p in each["partitions"]] for each in brokers}

    def stop(self) -> None:
        """End them in order."""
        for process in self._running:
            process.send_signal(signal.SIGTERM)
        for process in self._running:
            process.wait(STOP_SECONDS_MAX)
        self._running.clear()


@contextlib.asynccontextmanager
async def services(folder: Path) -> AsyncGenerator[tuple[str, LocalKafka]]:
    """A durable PostgreSQL and a broker."""
    server = await EmbeddedPostgres.start(folder / "postgres")
    try:
        kafka = await LocalKafka.start(folder / "kafka")
        try:
            yield server.dsn, kafka
        finally:
            await kafka.stop()
    finally:
        await server.stop()


def through_topics(servers: str, instances: int, *arguments: str) -> dict[str, float]:
    """Run the load through Kafka."""
    known = ("--servers", servers, "--partitions", str(PARTITIONS), "--instances", str(instances))
    return run_module("bench.topic_load", *known, *arguments)


def measure_engines(engines: Engines, servers: str, instances: int) -> dict[str, Any]:
    """Measure one process, then two; stop them."""
    try:
        engines.add()
        load(engines.ports[0], "--instances", "1000")
        through_topics(servers, 2_000)
        one = through_topics(servers, instances)
        foreign = through_topics(servers, instances // 2, "--foreign")
        half = through_topics(servers, instances // 4, "--rate", str(one["instances_per_second"] / 2))
        engines.add()
        through_topics(servers, 2_000)
        two = through_topics(servers, instances)
        http = load(engines.ports, "--instances", str(instances // 2), "--creators", "100", "--workers", "16")
        rate = http["instances_per_second"] / 2
        # For long enough that what comes once in a while (vacuum, the system writing pages) is in it as often as ever.
        http_half = load(engines.ports, "--instances", str(instances), "--rate", str(rate), "--creators", "64")
    finally:
        engines.stop()
    return {"one": one, "foreign": foreign, "half": half, "two": two, "http": http, "http_half": http_half}


async def measure(folder: Path, instances: int) -> dict[str, Any]:
    """Return all figures."""
    storage = await limit(folder / "limit", instances)
    async with services(folder) as (dsn, kafka):
        servers = ",".join(kafka.bootstrap_servers)
        engines = Engines(folder, dsn, servers)
        # The broker's pipes and PostgreSQL's are watched by this loop meanwhile.
        measured = await asyncio.to_thread(measure_engines, engines, servers, instances)
        topics = await measure_topics(dsn, Cluster(kafka.bootstrap_servers))
    # Before and after: a machine that others use as well gets slower or faster meanwhile.
    storage = (storage + await limit(folder / "limit again", instances)) / 2
    return {"storage_limit": storage, **measured, "topics": topics}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=20_000)
    instances = parser.parse_args().instances
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="procession-bench-") as temporary:
        result = asyncio.run(measure(Path(temporary), instances))
    result = {"load_average_before": before, **result}
    RESULTS.mkdir(exist_ok=True)
    show(result)
    (RESULTS / "kafka.json").write_text(json.dumps(result, indent=2) + "\n")


def show(result: dict[str, Any]) -> None:
    """Print the table."""
    table = Table(
        "measure", "value", title="one-task instances through Kafka: engine, broker, PostgreSQL and load together"
    )
    storage, one, two = result["storage_limit"], result["one"], result["two"]
    topics = result["topics"]

    def rate(measured: dict[str, float]) -> str:
        each = measured["instances_per_second"]
        return f"{each:,.0f} instances/s, {each / storage:.2f} of the limit"

    def latency(measured: dict[str, float], name: str) -> str:
        return " / ".join(f"{measured[f'{name}_p{percent}_ms']:.1f}" for percent in (50, 95, 99)) + " ms"

    table.add_row("storage limit", f"{storage:,.0f} instances/s")
    table.add_row("one process", rate(one))
    table.add_row("one process, foreign partitioner", rate(result["foreign"]))
    table.add_row(
        "two processes", f"{rate(two)}, {two['instances_per_second'] / one['instances_per_second']:.2f} of one"
    )
    table.add_row("create → its last event, half load, p50 / p95 / p99", latency(result["half"], "create"))
    table.add_row("complete → its last event, half load", latency(result["half"], "complete"))
    table.add_row("HTTP through both processes", rate(result["http"]))
    table.add_row("HTTP create, half load, all", latency(result["http_half"], "create"))
    table.add_row("HTTP create, half load, owned elsewhere", latency(result["http_half"], "elsewhere"))
    table.add_row("relay, table to topic", f"{topics['relay_per_second']:,.0f} events/s")
    table.add_row("topic compared with table", f"{topics['check_per_second']:,.0f} events/s")
    table.add_row("a consumer folds to states", f"{topics['fold_per_second']:,.0f} events/s")
    table.add_row("load average before", f"{result['load_average_before']:.1f}")
    out = Console(record=True, width=110)
    out.print(table)
    out.save_svg(str(RESULTS / "kafka.svg"), title="python -m bench.kafka")


if __name__ == "__main__":
    main()
