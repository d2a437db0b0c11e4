"""A real engine as its own process, started as the pages tell, and the pages' blocks run against it."""

import contextlib
import os
import re
import selectors
import subprocess
import sys
import time
from collections.abc import Generator, Iterable
from pathlib import Path

from tests.docs.pages import ADDRESS, ROOT

PROCESSION = str(Path(sys.executable).with_name("procession"))
START_SECONDS_MAX = 150
BLOCKS_SECONDS_MAX = 200
"""Both only against hanging: a busy machine must not come near them."""

_SERVES = re.compile(r"Procession serves on (\S+)")


class Running:
    """An engine process, what it has printed, and its address. Settings are those of the environment's variables."""

    def __init__(self, command: str, **settings: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PROCESSION_")}
        self.process = subprocess.Popen(
            [PROCESSION, command, "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**environment, "COLUMNS": "200", **settings},
        )
        self.output = ""
        self.address = self.until(_SERVES)[1]

    def until(self, wanted: "re.Pattern[str]") -> "re.Match[str]":
        """Read what the engine prints until it has printed this."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + START_SECONDS_MAX
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while (found := wanted.search(self.output)) is None:
                left = deadline - time.monotonic()
                assert left > 0, f"expected {wanted.pattern!r} within {START_SECONDS_MAX} s, but found {self.output!r}"
                if selector.select(left):
                    read = os.read(self.process.stdout.fileno(), 65_536).decode()
                    assert read, f"the engine ended: {self.process.wait()}"
                    self.output += read
        return found

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def running(data_dir: Path, command: str = "up") -> Generator[Running]:
    """Run an engine while the block runs, and end it and its PostgreSQL cleanly."""
    with _ending(Running(command, PROCESSION_DATA_DIR=str(data_dir))) as engine:
        yield engine


@contextlib.contextmanager
def running_on(dsn: str) -> Generator[Running]:
    """Run an engine on a database that is there."""
    with _ending(Running("up", PROCESSION_DATABASE_URL=dsn)) as engine:
        yield engine


@contextlib.contextmanager
def _ending(engine: Running) -> Generator[Running]:
    try:
        yield engine
    finally:
        engine.process.terminate()
        engine.process.communicate(timeout=START_SECONDS_MAX)


def run(blocks: Iterable[str], address: str, **variables: str) -> str:
    """Run blocks of bash one after the other in one shell, from the checkout's root; return what they print."""
    # The command as installed here: `./procession` would look whether to install it anew.
    script = "set -eu\n" + "\n".join(blocks).replace(ADDRESS, address).replace("./procession ", f"{PROCESSION} ")
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=BLOCKS_SECONDS_MAX,
    )
    assert done.returncode == 0, f"exit code {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout
