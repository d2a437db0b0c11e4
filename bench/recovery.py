"""How long the engine needs after kill -9 until it takes commands again, with many open instances.

    python -m bench.recovery [--instances 100000]

Compared with the start on an empty database in the same run. Writes `bench/results/recovery.json`.
"""

import argparse
import json
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.throughput import RESULTS, free_port, load, start, until_ready


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=100_000)
    instances = parser.parse_args().instances
    with tempfile.TemporaryDirectory(prefix="procession-bench-") as temporary:
        folder = Path(temporary) / "engine"
        port = free_port()
        first = start(folder, port)
        until_ready(port, first)
        _kill(first)
        empty = _restart(folder, port)
        load(port, "--instances", str(instances), "--creators", "96", "--workers", "0")
        _kill(empty[0])
        full = _restart(folder, port)
        full[0].send_signal(signal.SIGTERM)
        full[0].wait(timeout=120)
    result = {"instances": instances, "empty_seconds": empty[1], "full_seconds": full[1]}
    table = Table("after kill -9", "seconds until commands are taken")
    table.add_row("no instances", f"{empty[1]:.2f}")
    table.add_row(f"{instances:,} open instances", f"{full[1]:.2f}")
    Console().print(table)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "recovery.json").write_text(json.dumps(result, indent=2) + "\n")


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _restart(folder: Path, port: int) -> tuple[subprocess.Popen[bytes], float]:
    begin = time.perf_counter()
    process = start(folder, port)
    until_ready(port, process)
    return process, time.perf_counter() - begin


if __name__ == "__main__":
    main()
