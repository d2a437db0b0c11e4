"""Rounds of load and death: something dies at a random instant in each, and checks come after each and at the end."""

import asyncio
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import asyncpg
import msgspec

from domain.keys import FIRST_PARTITION
from infra.chaos import checks
from infra.chaos.engine_process import EngineFailed
from infra.chaos.ledger import Ledger, Told
from infra.chaos.load import Load
from infra.chaos.site import Site
from infra.chaos.story import Story
from infra.settings import Settings

INSTANT_SECONDS_MAX: Final = 1.0
"""The kill comes within so long after every partition has answered again."""
PROGRESS_SECONDS_MAX: Final = 200.0
"""Within that, every partition must have answered somebody after a kill."""
DRAIN_SECONDS_MAX: Final = 200.0
"""Within that, all instances must have ended once no further one comes in; leases and retries included."""
LOOK_SECONDS: Final = 0.2


class Round(msgspec.Struct, frozen=True):
    """What one round saw."""

    number: int
    victim: str
    instant_seconds: float
    """Of load before the kill."""
    recovery_seconds: float
    """From the kill until every partition had answered somebody again."""
    answered: int
    in_doubt: int
    """Requests that stayed without an answer."""


class Outcome(msgspec.Struct, frozen=True):
    """What the whole run saw."""

    story: Story
    ledger: Ledger
    findings: list[str]
    drain_seconds: float


class Chaos:
    """One run."""

    def __init__(self, site: Site, seed: int) -> None:
        self.ledger = Ledger()
        self._site = site
        self._random = Random(seed)  # noqa: S311  # chance, not secrets
        self._name = f"chaos-{seed}"
        self._load = Load(site.ports, seed, self._name, self.ledger)
        self._victims: list[str] = []
        self._checked = 0

    async def run(self, rounds: int, say: Callable[[Round], None]) -> Outcome:
        """Run it all; `say` is told of each round. Raise `EngineFailed` if there is no use in going on."""
        try:
            await self._site.start()
            await self._load.deploy()
            self._load.start(self._site.callers)
            await self._all_partitions_answer(0)
            for number in range(1, rounds + 1):
                say(await self._round(number))
            began = time.monotonic()
            await self._drain()
            drained = time.monotonic() - began
            await self._load.stop()
            await self._site.rest()
            story, findings = await checks.everything(self._dsn(), self.ledger, self._name)
            findings += await self._site.stop()
            return Outcome(story, self.ledger, findings, drained)
        finally:
            await self._load.stop()
            await self._site.clear_away()

    def _dsn(self) -> str:
        dsn = self._site.dsn()
        if dsn is None:
            raise EngineFailed(f"expected PostgreSQL to run, but none does:\n{self._site.last_words()}")
        return dsn

    async def _round(self, number: int) -> Round:
        told, doubts = len(self.ledger.told), self.ledger.in_doubt.total()
        instant = self._random.uniform(0, INSTANT_SECONDS_MAX)
        await asyncio.sleep(instant)  # the random instant is what this is about
        victim = self._next_victim()
        began = time.monotonic()
        await self._site.strike(victim, self._random)
        await self._check()
        # What was told before the database was back may have been on its way when it died.
        await self._all_partitions_answer(len(self.ledger.told))
        recovery = time.monotonic() - began
        return Round(
            number,
            victim,
            instant,
            recovery,
            len(self.ledger.told) - told,
            self.ledger.in_doubt.total() - doubts,
        )

    def _next_victim(self) -> str:
        if not self._victims:
            self._victims = [*self._site.victims]
            self._random.shuffle(self._victims)
        return self._victims.pop()

    async def _all_partitions_answer(self, mark: int) -> None:
        """Return when every partition has answered somebody since the mark."""
        partitions = set(range(FIRST_PARTITION, FIRST_PARTITION + Settings.model_fields["partitions"].default))
        until = time.monotonic() + PROGRESS_SECONDS_MAX
        while silent := partitions - self.ledger.places(mark):
            self._site.check_alive()
            if time.monotonic() > until:
                raise EngineFailed(
                    f"expected every partition to answer within {PROGRESS_SECONDS_MAX:g} s, but {sorted(silent)} did not:\n"
                    f"{self._site.last_words()}"
                )
            await self._load.moved(LOOK_SECONDS)

    async def _check(self) -> None:
        """Hold what was told since the last check against the log, once the database is back."""
        told = self.ledger.told[self._checked :]
        until = time.monotonic() + PROGRESS_SECONDS_MAX
        while (found := await self._compare(told)) is None:
            self._site.check_alive()
            if time.monotonic() > until:
                raise EngineFailed(
                    f"expected the database to be back within {PROGRESS_SECONDS_MAX:g} s:\n{self._site.last_words()}"
                )
            await self._load.moved(LOOK_SECONDS)
        self._checked += len(told)
        if found or self.ledger.surprises:
            raise EngineFailed("\n".join([*self.ledger.surprises, *found]))

    async def _compare(self, told: Sequence[Told]) -> list[str] | None:
        """Return what the log does not bear out; None if the database is away."""
        try:
            dsn = self._site.dsn()
            if dsn is None:
                return None
            connection = await asyncpg.connect(dsn)
            try:
                return [*await checks.promises(connection, told), *await checks.holes(connection)]
            finally:
                connection.terminate()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            return None

    async def _drain(self) -> None:
        """Let no more orders come in, and return when all that there are have ended."""
        await self._load.finish_creating()
        until = time.monotonic() + DRAIN_SECONDS_MAX
        connection = await asyncpg.connect(self._dsn())
        try:
            while (left := await checks.open_instances(connection) + await checks.unborn(connection, self.ledger)) > 0:
                self._site.check_alive()
                if time.monotonic() > until:
                    raise EngineFailed(
                        f"expected all instances to end within {DRAIN_SECONDS_MAX:g} s, but {left} are open or to be created still:\n"
                        f"{self._site.last_words()}"
                    )
                await self._load.moved(LOOK_SECONDS)
        finally:
            await connection.close()
