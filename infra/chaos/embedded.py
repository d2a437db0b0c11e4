"""The site of the embedded mode: one engine with its own PostgreSQL, on one data folder."""

import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

import psutil

from infra.chaos.engine_process import EngineFailed, EngineProcess
from infra.chaos.load import Caller
from infra.embedded_postgres import ROLE, running_dsn

AGAIN_SECONDS_MAX: Final = 2.0
"""An engine that is killed again while it starts dies within so long."""


class EmbeddedEngine(EngineProcess):
    """The engine, and the PostgreSQL that it starts."""

    def __init__(self, data_dir: Path, log: Path) -> None:
        super().__init__(log, ["--data-dir", str(data_dir)])
        self.data_dir = data_dir

    def dsn(self) -> str:
        """Return the address of its PostgreSQL, which runs. Raise `EngineFailed` if none does."""
        dsn = running_dsn(self.data_dir)
        if dsn is None:
            raise EngineFailed(f"expected PostgreSQL to run in {self.data_dir}, but none does:\n{self.last_words()}")
        return dsn

    def kill_postmaster(self) -> None:
        """Kill PostgreSQL's first process with -9; nothing happens if there is none just now."""
        pid = self.postmaster()
        if pid is not None:
            _kill(pid)

    def kill_backend(self, random: Random) -> None:
        """Kill one of the processes that serve the engine with -9. PostgreSQL then ends all of them and recovers."""
        pid = self.postmaster()
        if pid is None:
            return
        try:
            children = psutil.Process(pid).children()
            serving = sorted(
                child.pid for child in children if " ".join(child.cmdline()).startswith(f"postgres: {ROLE}")
            )
        except psutil.NoSuchProcess:
            return
        if serving:
            _kill(random.choice(serving))

    def postmaster(self) -> int | None:
        """Return the process id of PostgreSQL's first process; None if none runs on the data folder."""
        if running_dsn(self.data_dir) is None:
            return None
        return int((self.data_dir / "postgres" / "postmaster.pid").read_text().split()[0])

    def family(self) -> list[psutil.Process]:
        """See the base; PostgreSQL, taken over after a kill, is no child."""
        found = super().family()
        if (pid := self.postmaster()) is not None:
            found += [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        return found

    def clear_away(self) -> None:
        """See the base."""
        super().clear_away()
        self.kill_postmaster()


class EmbeddedSite:
    """All of `infra.chaos.site.Site`."""

    victims: Sequence[str] = ("engine", "postmaster", "backend", "both", "engine, and again while it starts")
    callers: Sequence[Caller] = ()

    def __init__(self, folder: Path) -> None:
        self._engine = EmbeddedEngine(folder / "data", folder / "engine.log")
        self.ports: Sequence[int] = [self._engine.port]

    async def start(self) -> None:
        """See the port."""
        self._engine.start()
        await self._engine.until_ready()

    async def strike(self, victim: str, random: Random) -> None:
        """See the port."""
        engine = self._engine
        match victim:
            case "engine":
                engine.kill()
                engine.start()
            case "postmaster":
                engine.kill_postmaster()
            case "backend":
                engine.kill_backend(random)
            case "both":
                deaths = [engine.kill, engine.kill_postmaster]
                random.shuffle(deaths)
                for die in deaths:
                    die()
                engine.start()
            case _:
                engine.kill()
                engine.start()
                await asyncio.sleep(random.uniform(0, AGAIN_SECONDS_MAX))  # the random instant is what this is about
                engine.kill()
                engine.start()
        await engine.until_ready()

    def check_alive(self) -> None:
        """See the port."""
        self._engine.check_alive()

    def dsn(self) -> str | None:
        """See the port."""
        return running_dsn(self._engine.data_dir)

    def last_words(self) -> str:
        """See the port."""
        return self._engine.last_words()

    async def rest(self) -> None:
        """See the port. The database ends with the engine."""

    async def stop(self) -> Sequence[str]:
        """See the port. What it leaves can be read no more."""
        await self._engine.stop()
        return ()

    async def clear_away(self) -> None:
        """See the port."""
        self._engine.clear_away()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
