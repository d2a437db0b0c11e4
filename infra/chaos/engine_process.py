"""An engine as its own process, started, watched, paused and killed from outside."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

from infra.chaos.client import Client
from infra.settings import PREFIX

READY_SECONDS_MAX: Final = 200.0
"""A start, with the recovery of a PostgreSQL that was killed in the middle of its work, on a busy machine."""
STOP_SECONDS_MAX: Final = 150.0
LOOK_SECONDS: Final = 0.02
LAST_LINES: Final = 30
"""Of the engine's log, for a person who has to find out why."""


class EngineFailed(Exception):  # noqa: N818  # it names what happened
    """The engine did not do what an engine must; the sentence and the end of its log say more."""


class EngineProcess:
    """One `procession up`, now or again. Settings come from here only, not from who runs this."""

    def __init__(self, log: Path, arguments: Sequence[str] = (), settings: Mapping[str, str] | None = None) -> None:
        self.log = log
        self.port = _free_port()
        self._arguments = arguments
        self._settings = settings or {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it is not ready yet."""
        # Ends with us, should we be killed.
        setpriv = shutil.which("setpriv")
        prefix = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
        program = [*prefix, sys.executable, "-P", "-c", "from infra.cli import main; main()", "up"]
        environment = {name: value for name, value in os.environ.items() if not name.upper().startswith(PREFIX)}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*program, "--port", str(self.port), *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment | {f"{PREFIX}{name.upper()}": value for name, value in self._settings.items()},
                start_new_session=True,  # Ctrl-C reaches us, and we stop it
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None, "it was started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def check_alive(self) -> None:
        """Raise `EngineFailed` if it ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            raise EngineFailed(
                f"expected the engine to run, but it ended with code {self._process.returncode}:\n{self.last_words()}"
            )

    async def until_ready(self) -> None:
        """Return when it takes commands on every partition. Raise `EngineFailed` if that does not come."""
        client = Client([self.port])
        try:
            async with asyncio.timeout(READY_SECONDS_MAX):
                while (await client.get("/readyz")).status != 200:
                    self.check_alive()
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            raise EngineFailed(
                f"expected the engine to be ready within {READY_SECONDS_MAX:g} s, but it was not:\n{self.last_words()}"
            ) from None
        finally:
            client.close()

    def last_words(self) -> str:
        """Return the end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LAST_LINES:])

    # --- killing -------------------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """Kill the engine with -9 and bury it."""
        assert self._process is not None, "it was started"
        self._process.kill()
        self._process.wait()

    def send(self, sign: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None, "it was started"
        self._process.send_signal(sign)

    def family(self) -> list[psutil.Process]:
        """Return what ends with it."""
        return psutil.Process(self.pid).children(recursive=True)

    async def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        """Stop it as an operator or, with SIGINT, as a person at a terminal would. Raise `EngineFailed` if it does not end well, or leaves processes behind."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        family = self.family()
        process.send_signal(sign)
        try:
            await asyncio.to_thread(process.wait, STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            raise EngineFailed(
                f"expected the engine to stop within {STOP_SECONDS_MAX:g} s:\n{self.last_words()}"
            ) from None
        left = sorted({each.pid for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE})
        if left or process.returncode != 0:
            raise EngineFailed(
                f"expected the engine to end with code 0 and to leave no process, but the code is {process.returncode} "
                f"and these are left: {left}:\n{self.last_words()}"
            )

    def clear_away(self) -> None:
        """Leave no process of it, whatever state it is in; the data stay."""
        if self.running:
            self.kill()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
