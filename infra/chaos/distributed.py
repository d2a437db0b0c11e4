"""The site of the distributed mode: engines that share a PostgreSQL and a Kafka, all of them processes of this machine."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from random import Random
from typing import Final

import asyncpg

from infra.chaos.engine_process import LOOK_SECONDS, EngineFailed, EngineProcess
from infra.chaos.load import Caller, Load
from infra.chaos.topic_caller import TopicCaller
from infra.embedded_postgres import EmbeddedPostgres
from infra.local_kafka import LocalKafka
from streams.rows import PostgresEventRows
from streams.topic_check import check_topic
from streams.topics import Cluster, Topics

SESSION_SECONDS: Final = 2
"""Of the consumer group: an engine that is silent for so long loses its partitions."""
AWAY_SECONDS_MAX: Final = 1.0
"""A lone broker stays dead for so long, and a guest stays for so long."""
ELECTED_SECONDS_MAX: Final = 60.0
"""Within that, three brokers have another controller."""
TAKEN_SECONDS_MAX: Final = 60.0
"""Within that, others own the partitions of an engine that stands still."""

VICTIMS: Final = (
    "engine",
    "both engines",
    "engine, paused past its session",
    "engine, stopped in order and started",
    "nobody, but a third engine comes and goes",
    "broker",
    "postmaster",
    "all connections to the database",
)
OF_THREE_BROKERS: Final = (*VICTIMS, "active controller")
"""What may die where one of three brokers may."""

_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'procession%'"
_OWNED = "SELECT count(*) FROM partitions WHERE owner LIKE '% ' || $1::int || ' %'"


class DistributedSite:
    """All of `infra.chaos.site.Site`. With three brokers one that was killed stays away until the next strike."""

    callers: Sequence[Caller]

    def __init__(self, folder: Path, *, brokers: int = 1, victims: Sequence[str] | None = None) -> None:
        self.victims = victims or (OF_THREE_BROKERS if brokers > 1 else VICTIMS)
        self.ports: list[int] = []
        self.callers = [self._call]
        self.repeated = 0
        """Records of the events topic that came before; known once the site has stopped."""
        self.records_acknowledged = 0
        """Commands that a broker said it has."""
        self._folder = folder
        self._brokers = brokers
        self._dead_broker: int | None = None
        self._engines: list[EngineProcess] = []
        self._guest: EngineProcess | None = None
        self._postgres: EmbeddedPostgres | None = None
        self._kafka: LocalKafka | None = None

    @property
    def postgres(self) -> EmbeddedPostgres:
        """The database, which this process owns."""
        assert self._postgres is not None, "the site was started"
        return self._postgres

    @property
    def kafka(self) -> LocalKafka:
        """The brokers, which this process owns."""
        assert self._kafka is not None, "the site was started"
        return self._kafka

    async def start(self) -> None:
        """See the port."""
        self._postgres = await EmbeddedPostgres.start(self._folder / "data")
        self._kafka = await LocalKafka.start(self._folder / "kafka", nodes=self._brokers)
        # One with a name of its own, as its pod would have it, and one that is a stranger after each start.
        self._engines = [self._engine(1, kafka_instance_id="engine-1"), self._engine(2)]
        self.ports += [engine.port for engine in self._engines]
        for engine in self._engines:
            engine.start()
        await self._all_ready()

    def _engine(self, number: int, **settings: str) -> EngineProcess:
        shared = {
            "database_url": self.postgres.dsn,
            "kafka_bootstrap_servers": ",".join(self.kafka.bootstrap_servers),
            "kafka_session_seconds": str(SESSION_SECONDS),
        }
        return EngineProcess(self._folder / f"engine-{number}.log", settings=shared | settings)

    async def _all_ready(self) -> None:
        for engine in self._engines:
            await engine.until_ready()

    async def _call(self, load: Load) -> None:
        caller = TopicCaller(Cluster(self.kafka.bootstrap_servers), Topics())
        try:
            await caller(load)
        finally:
            self.records_acknowledged += caller.acknowledged

    # --- striking ------------------------------------------------------------------------------------------------------

    async def strike(self, victim: str, random: Random) -> None:
        """See the port."""
        await self._heal()
        engine = random.choice(self._engines)
        match victim:
            case "engine":
                engine.kill()
                engine.start()
            case "both engines":
                for each in self._engines:
                    each.kill()
                for each in self._engines:
                    each.start()
            case "engine, paused past its session":
                await self._pause(engine)
            case "engine, stopped in order and started":
                await engine.stop()
                engine.start()
            case "nobody, but a third engine comes and goes":
                await self._visit(random)
            case "broker":
                self._kill_broker(random.randint(1, self._brokers))
                if self._brokers == 1:
                    await asyncio.sleep(random.uniform(0, AWAY_SECONDS_MAX))  # the random instant is what this is about
                    await self._heal()
            case "active controller":
                await self._kill_controller()
            case "postmaster":
                await self._kill_postmaster()
            case _:
                async with _connected(self.postgres.dsn) as connection:
                    await connection.execute(_CUT)
        await self._all_ready()

    async def _pause(self, engine: EngineProcess) -> None:
        """Have an engine stand still until others own what it had, and wake it."""
        engine.send(signal.SIGSTOP)
        try:
            await asyncio.sleep(SESSION_SECONDS)  # it may own nothing just now, and is to be late all the same
            async with asyncio.timeout(TAKEN_SECONDS_MAX), _connected(self.postgres.dsn) as connection:
                while await connection.fetchval(_OWNED, engine.pid):  # noqa: ASYNC110  # others do it, in their own time
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            raise EngineFailed(
                f"expected the partitions of engine {engine.pid}, which stands still, to be others' within "
                f"{TAKEN_SECONDS_MAX:g} s:\n{self.last_words()}"
            ) from None
        finally:
            engine.send(signal.SIGCONT)

    async def _visit(self, random: Random) -> None:
        guest = self._guest = self._engine(3)
        guest.start()
        await guest.until_ready()
        self.ports.append(guest.port)
        await asyncio.sleep(random.uniform(0, AWAY_SECONDS_MAX))  # the random instant is what this is about
        self.ports.remove(guest.port)
        await guest.stop()
        self._guest = None

    def _kill_broker(self, number: int) -> None:
        self.kafka.kill(number)
        self._dead_broker = number

    async def _kill_controller(self) -> None:
        """Kill the broker that leads the metadata, too; return when another does."""
        number = self.kafka.active_controller
        assert number is not None, "all brokers serve"
        self._kill_broker(number)
        try:
            async with asyncio.timeout(ELECTED_SECONDS_MAX):
                while self.kafka.active_controller in (number, None):  # noqa: ASYNC110  # brokers do it, in their own time
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            raise EngineFailed(
                f"expected a controller instead of broker {number} within {ELECTED_SECONDS_MAX:g} s, but there is none"
            ) from None

    async def _heal(self) -> None:
        if self._dead_broker is not None:
            number, self._dead_broker = self._dead_broker, None
            await self.kafka.revive(number)

    async def _kill_postmaster(self) -> None:
        """Kill PostgreSQL's first process with -9. Whoever owns the server starts it again: return when it is back."""
        os.kill(self.postgres.pid, signal.SIGKILL)
        while True:
            with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError):
                async with _connected(self.postgres.dsn):
                    return
            await asyncio.sleep(LOOK_SECONDS)

    # --- seeing --------------------------------------------------------------------------------------------------------

    def check_alive(self) -> None:
        """See the port."""
        for engine in self._engines:
            engine.check_alive()

    def dsn(self) -> str | None:
        """See the port."""
        return self.postgres.dsn

    def last_words(self) -> str:
        """See the port."""
        return "\n".join(f"{engine.log.name}:\n{engine.last_words()}" for engine in self._engines)

    # --- the end -------------------------------------------------------------------------------------------------------

    async def rest(self) -> None:
        """See the port: the engines."""
        await self._heal()
        for engine in self._engines:
            await engine.stop()

    async def stop(self) -> Sequence[str]:
        """See the port: the topic of events must be what the table is."""
        cluster, found = Cluster(self.kafka.bootstrap_servers), list[str]()
        async with asyncpg.create_pool(self.postgres.dsn, min_size=1, max_size=1) as pool:
            for row in await pool.fetch("SELECT partition, position FROM partitions ORDER BY partition"):
                report = await check_topic(
                    cluster, Topics(), row["partition"], PostgresEventRows(pool), row["position"]
                )
                self.repeated += report.repeated
                found += [f"topic of events, partition {report.partition}: {problem}" for problem in report.problems]
        return found

    async def clear_away(self) -> None:
        """See the port."""
        for engine in (*self._engines, *((self._guest,) if self._guest is not None else ())):
            engine.clear_away()
        if self._kafka is not None:
            for number in range(1, self._brokers + 1):
                self._kafka.kill(number)  # an orderly end of three waits for the others, who end as well
            await self._kafka.stop()
        if self._postgres is not None:
            await self._postgres.stop()


@contextlib.asynccontextmanager
async def _connected(dsn: str) -> "AsyncGenerator[asyncpg.Connection[asyncpg.Record]]":
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()
