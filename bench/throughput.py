"""One-task instances a second, as a share of what this machine's storage can do, measured in one run.

    python -m bench.throughput [--instances 20000]

The engine, its PostgreSQL (durable), the API and the load share the machine's cores. Prints a table and
writes `bench/results/throughput.json` and a picture of it beside that.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg
from rich.console import Console
from rich.table import Table

from bench.limit import storage_limit
from infra import migrate
from infra.embedded_postgres import EmbeddedPostgres

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"
START_SECONDS_MAX = 60

LATENCIES = {"create": "create acknowledged", "complete": "complete acknowledged", "visible": "created and read back"}


async def limit(folder: Path, instances: int) -> float:
    """Measure the storage alone, on a durable PostgreSQL of its own with the engine's settings."""
    server = await EmbeddedPostgres.start(folder)
    try:
        connection = await asyncpg.connect(server.dsn)
        await migrate.up(connection)
        await connection.close()
        return await storage_limit(server.dsn, instances)
    finally:
        await server.stop()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def start(
    folder: Path, port: int, *arguments: str, settings: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Run `procession up` as its own process. `settings` are those that have no option, by variable."""
    command = [sys.executable, "-c", "from infra.cli import main; main()", "up", "--port", str(port)]
    with (folder.parent / "engine.log").open("a") as log:
        return subprocess.Popen(
            [*command, "--data-dir", str(folder), *arguments],
            cwd=ROOT,
            env={**os.environ, **(settings or {})},
            stderr=log,
            stdout=log,
        )


def until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when the engine takes commands."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1).close()
            return
        time.sleep(0.02)
    raise RuntimeError(f"the engine was not ready within {START_SECONDS_MAX} s (exit code {process.poll()})")


@contextlib.contextmanager
def engine(folder: Path, *arguments: str) -> Generator[int]:
    """Run the engine while the block runs; yield its port once commands are taken."""
    port = free_port()
    process = start(folder, port, *arguments)
    try:
        until_ready(port, process)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def load(ports: int | Sequence[int], *arguments: str) -> dict[str, float]:
    """Run the load over HTTP in its own process, on one engine process or several, and return what it measured."""
    each = [ports] if isinstance(ports, int) else ports
    return run_module("bench.load", "--port", *map(str, each), *arguments)


def run_module(name: str, *arguments: str) -> dict[str, float]:
    """Run a load as a process and return the JSON object that it prints."""
    done = subprocess.run(
        [sys.executable, "-m", name, *arguments],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        timeout=600,
    )
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=20_000)
    instances = parser.parse_args().instances
    with tempfile.TemporaryDirectory(prefix="procession-bench-") as temporary:
        folder = Path(temporary)
        storage = asyncio.run(limit(folder / "limit", instances))
        with engine(folder / "engine") as port:
            load(port, "--instances", "2000")
            full = load(port, "--instances", str(instances), "--creators", "200", "--workers", "32")
            rate = full["instances_per_second"] / 2
            half = load(port, "--instances", str(instances // 4), "--rate", str(rate), "--visible")
        # Before and after: a machine that others use as well gets slower or faster meanwhile.
        storage = (storage + asyncio.run(limit(folder / "limit again", instances))) / 2
    result = {"storage_limit": storage, "full": full, "half": half}
    RESULTS.mkdir(exist_ok=True)
    show(result)
    (RESULTS / "throughput.json").write_text(json.dumps(result, indent=2) + "\n")


def show(result: dict[str, Any]) -> None:
    """Print the table."""
    table = Table("measure", "value", title="one-task instances: engine, PostgreSQL, API and load on one machine")
    full, half = result["full"], result["half"]
    share = full["instances_per_second"] / result["storage_limit"]
    table.add_row("storage limit", f"{result['storage_limit']:,.0f} instances/s")
    table.add_row("engine", f"{full['instances_per_second']:,.0f} instances/s")
    table.add_row("share of the limit", f"{share:.2f}")
    for name, meaning in LATENCIES.items():
        row = " / ".join(f"{half[f'{name}_p{percent}_ms']:.1f}" for percent in (50, 95, 99))
        table.add_row(f"{meaning} at half load, p50 / p95 / p99", f"{row} ms")
    out = Console(record=True, width=100)
    out.print(table)
    out.save_svg(str(RESULTS / "throughput.svg"), title="python -m bench.throughput")


if __name__ == "__main__":
    main()
