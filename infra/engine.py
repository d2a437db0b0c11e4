"""An engine in one process: every partition of a database, in the embedded mode, with PostgreSQL alone.

Everything is made here and handed down; nothing below this file knows how it is wired.
"""

import asyncio
import contextlib
import logging
import os
import socket
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg
from prometheus_client import GCCollector, PlatformCollector, ProcessCollector

from domain.keys import FIRST_PARTITION
from eventstore.codec import UnknownEvent
from eventstore.postgres import Pool, PostgresEventStore
from infra import migrate
from infra.clock import ClockNotControlled, ControlledClock, SystemClock
from infra.engine_lock import EngineCannotStart, EngineLock
from infra.settings import Settings
from projections.writer import ProjectionWriter
from streams.definitions_view import DefinitionsView
from streams.elsewhere import Elsewhere
from streams.gateway import Gateway
from streams.jobs_available import JobsAvailable
from streams.jobs_elsewhere import JobsElsewhere
from streams.log import Log
from streams.metrics import Metrics
from streams.notifications import Notifications
from streams.postgres_log import PostgresLog
from streams.postgres_replies import PostgresReplies
from streams.postgres_tables import PostgresAgendaTable, PostgresJobsTable
from streams.processor import PartitionProcessor, Parts
from streams.projector import Projector
from streams.replies import LocalReplies
from streams.tasks import end
from streams.timers import Timers
from streams.work import NoAnswer

POOL_CONNECTIONS_MIN: Final = 4
POOL_CONNECTIONS_MAX: Final = 24
"""For projectors, loads and the API's reads; commits have connections of their own."""
STATEMENT_SECONDS_MAX: Final = 60.0
STANDSTILL_MILLISECONDS_MAX: Final = 3_000
"""A process that stands still in the middle of a transaction loses it then: the next projector waits for the rows that it has locked."""
READY_SECONDS_MAX: Final = 60.0
"""Partitions are owned within milliseconds; this only ends a start on a database that does not answer."""
STOP_SECONDS_MAX: Final = 10.0
"""For what is being decided and projected when the engine is told to stop."""
CLOSE_SECONDS_MAX: Final = 5.0
IDLE_SECONDS_MAX: Final = 60.0
"""How long setting the clock waits until all that was due has happened."""
IDLE_LOOK_SECONDS: Final = 0.002

log = logging.getLogger(__name__)


class Projectors:
    """How far the query tables are, by partition."""

    def __init__(self, projectors: dict[int, Projector]) -> None:
        self._projectors = projectors

    def position(self, partition: int) -> int:
        """Return the position up to which the tables hold what happened."""
        return self._projectors[partition].position

    async def reached(self, partition: int, position: int) -> None:
        """Return once the tables hold what happened up to there."""
        await self._projectors[partition].reached(position)

    async def told_elsewhere(self, partition: int | None) -> Mapping[int, int]:
        """See the port; nobody else answers here."""
        return {}


class Engine:
    """One process that owns every partition of a database."""

    shared = False
    """Whether other engines of the same kind may work on the database at the same time."""
    brokers: Sequence[str] = ()
    """The Kafka that commands come from and events go to, host:port each."""

    def __init__(self, settings: Settings, dsn: str) -> None:
        self.partitions = settings.partitions
        self.clock: SystemClock | ControlledClock = (
            ControlledClock() if settings.clock == "controlled" else SystemClock()
        )
        self.lost = asyncio.Event()
        """Another engine took a partition: this one has to end."""
        self.available = JobsAvailable()
        self.processors: dict[int, PartitionProcessor] = {}
        self._dsn = dsn
        self._process = uuid.uuid4().hex
        """Names this process to the others, as no other ever was."""
        self._jobs_elsewhere = JobsElsewhere(self._process, self.available.notify)
        self._metrics = Metrics()
        self.metrics = self._metrics.registry
        ProcessCollector(registry=self.metrics)
        PlatformCollector(registry=self.metrics)
        GCCollector(registry=self.metrics)
        self._lock = EngineLock(dsn, shared=self.shared)
        self._parts: Parts | None = None
        self._projectors: dict[int, Projector] = {}
        self._timers: dict[int, Timers] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stack = contextlib.AsyncExitStack()

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, settings: Settings, dsn: str) -> AsyncGenerator["Engine"]:
        """Run an engine on a database. Raise `EngineCannotStart` if it cannot."""
        engine = cls(settings, dsn)
        try:
            await engine._start()
            yield engine
        finally:
            await engine._stack.aclose()

    # --- for the API ---------------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether commands are taken, on every partition."""
        return bool(self.processors) and all(processor.ready for processor in self.processors.values())

    @property
    def projectors(self) -> Projectors:
        """How far reads are."""
        return Projectors(self._projectors)

    async def owners(self) -> Mapping[int, str]:
        """Return who owns each partition, as its row says."""
        rows = await self.pool.fetch("SELECT partition, owner FROM partitions ORDER BY partition")
        return {row[0]: row[1] for row in rows}

    async def set_time(self, now: datetime | None) -> None:
        """Pin the controlled clock (None: let it run), and return once all that was due by then has happened.

        Raise `ClockNotControlled` where the clock is the system's.
        """
        if not isinstance(self.clock, ControlledClock):
            raise ClockNotControlled("the clock is the system's; PROCESSION_CLOCK=controlled allows to set it")
        if now is None:
            self.clock.reset()
        else:
            self.clock.pin(now)
        self.available.wake_all()
        await self.idle()

    async def idle(self) -> None:
        """Return once nothing is waiting, being decided, committed, published, projected or due. Raise `NoAnswer` in the end."""
        try:
            async with asyncio.timeout(IDLE_SECONDS_MAX):
                while not await self._is_idle():  # idleness has many causes and no single event
                    for projector in self._projectors.values():
                        projector.hurry()
                    await asyncio.sleep(IDLE_LOOK_SECONDS)
        except TimeoutError:
            raise NoAnswer(
                f"expected the engine to come to rest within {IDLE_SECONDS_MAX:g} s, but it did not"
            ) from None

    async def _is_idle(self) -> bool:
        if not self._at_rest():
            return False
        # Nothing is about to be published: what the log holds now is all there is.
        for partition, processor in self.processors.items():
            if await self.log.last(partition) > processor.command_offset:
                return False
        return self._at_rest()

    def _at_rest(self) -> bool:
        return all(
            processor.idle
            and self._projectors[partition].position == processor.position
            and self._timers[partition].idle
            for partition, processor in self.processors.items()
        )

    # --- life ----------------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        await self._lock.acquire()
        self._stack.push_async_callback(self._lock.release)
        await self._prepare_database()
        self.pool: Pool = await asyncpg.create_pool(
            self._dsn,
            min_size=POOL_CONNECTIONS_MIN,
            max_size=POOL_CONNECTIONS_MAX,
            command_timeout=STATEMENT_SECONDS_MAX,
            reset=_keep_session,
            server_settings={
                "application_name": "procession",
                "idle_in_transaction_session_timeout": f"{STANDSTILL_MILLISECONDS_MAX}ms",
            },
        )
        self._stack.push_async_callback(_close, self.pool)
        notifications = Notifications(self._dsn)
        self._stack.push_async_callback(notifications.stop)
        await notifications.start()
        self.store = PostgresEventStore(self.pool, self._dsn)
        self._stack.push_async_callback(self.store.close)
        self.log = await self._open_log(notifications)
        local = LocalReplies(self._process)
        replies = PostgresReplies(local, notifications)
        await replies.start()
        self._parts = Parts(
            partitions=self.partitions,
            owner=self._owner,
            store=self.store,
            log=self.log,
            replies=replies,
            definitions=DefinitionsView(self.store, shared=self.shared),
            clock=self.clock,
            jobs=PostgresJobsTable(self.pool),
            metrics=self._metrics,
        )
        self.gateway = Gateway(
            self.partitions,
            self.processors,
            self._elsewhere(local),
            self.clock,
            self.available,
            self._jobs_elsewhere,
        )
        self._stack.push_async_callback(self.gateway.stop)
        self._stack.push_async_callback(self._end)
        await self._start_partitions()

    @property
    def _owner(self) -> str:
        """Names this process in the rows of its partitions."""
        return f"{socket.gethostname()} {os.getpid()}"

    def _elsewhere(self, replies: LocalReplies) -> Elsewhere:
        """Return the way to owners in other processes."""
        return Elsewhere(self.log, replies)

    async def _open_log(self, notifications: Notifications) -> Log:
        """Return the log of commands; it is closed with the engine."""
        log_of_commands = PostgresLog(self.pool, self._dsn, notifications)
        self._stack.push_async_callback(log_of_commands.stop)
        await log_of_commands.start()
        return log_of_commands

    async def _start_partitions(self) -> None:
        """Return once commands are taken."""
        for partition in range(FIRST_PARTITION, FIRST_PARTITION + self.partitions):
            self._make_partition(partition)
        for partition in self.processors:
            for name, work in self._work(partition).items():
                self._run(name, work)
        await self._until_ready()

    def _make_partition(self, partition: int) -> None:
        assert self._parts is not None, "partitions are made when their parts are there"
        projector = Projector(partition, self.store, ProjectionWriter(self.pool), self._metrics)
        processor = PartitionProcessor(partition, self._parts, _position_of(projector))
        timers = Timers(processor, projector, PostgresAgendaTable(self.pool), self.clock)
        processor.sinks += [projector.hand, timers.notice, self.available.notice]
        processor.on_owned.append(projector.look)
        self.processors[partition], self._projectors[partition] = processor, projector
        self._timers[partition] = timers

    def _work(self, partition: int) -> dict[str, Coroutine[Any, Any, None]]:
        """Return what runs for a partition, by name."""
        return {
            f"processor {partition}": self.processors[partition].run(),
            f"projector {partition}": self._projectors[partition].run(),
            f"timers {partition}": self._timers[partition].run(),
        }

    async def _prepare_database(self) -> None:
        connection = await asyncpg.connect(self._dsn, timeout=CLOSE_SECONDS_MAX)
        try:
            await migrate.up(connection)
            await connection.execute(
                "INSERT INTO partitions (partition, epoch, owner) "
                "SELECT number, 0, '' FROM generate_series(1, $1::int) AS number WHERE NOT EXISTS (SELECT FROM partitions)",
                self.partitions,
            )
            found = await connection.fetchval("SELECT count(*) FROM partitions")
            elsewhere = await connection.fetchval("SELECT name FROM command_log")
        finally:
            await connection.close()
        if found != self.partitions:
            raise EngineCannotStart(
                f"this database has {found} partitions, but PROCESSION_PARTITIONS is {self.partitions}; "
                "the number is fixed when a database is first used"
            )
        if elsewhere is not None and not self.shared:
            raise EngineCannotStart(
                f"the commands of this database are in {elsewhere}; start the engine with PROCESSION_KAFKA=1"
            )

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks[name] = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        log.critical("%s ended: %s", task.get_name(), error, exc_info=error)
        # A partition with an event that this version cannot read stands still; the others go on.
        if not isinstance(error, UnknownEvent):
            self.lost.set()

    async def _until_ready(self) -> None:
        """Return when every partition is owned, or has said why not."""
        try:
            async with asyncio.timeout(READY_SECONDS_MAX):
                while not all(  # noqa: ASYNC110 - many partitions, no single event
                    processor.ready or self._tasks[f"processor {partition}"].done()
                    for partition, processor in self.processors.items()
                ):
                    await asyncio.sleep(IDLE_LOOK_SECONDS)
        except TimeoutError:
            raise EngineCannotStart(
                f"the partitions could not be taken within {READY_SECONDS_MAX:g} s; see the log"
            ) from None
        if self.lost.is_set():
            raise EngineCannotStart("a partition was taken by another engine; the log says which")

    async def _end(self) -> None:
        """Finish what was begun, in bounded time: first the batches, then what the tables show."""
        self.available.close()
        for processor in self.processors.values():
            processor.stop()
        await asyncio.wait([self._tasks[f"processor {each}"] for each in self.processors], timeout=STOP_SECONDS_MAX)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS_MAX):
                for partition, projector in self._projectors.items():
                    await projector.reached(self.processors[partition].position)
        await end(self._tasks.values())


async def _close(pool: Pool) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS_MAX):
            await pool.close()
    except TimeoutError:
        pool.terminate()


async def _keep_session(connection: Any) -> None:
    # Nothing of ours changes a session beyond its transaction: the round trip that resets it is saved.
    return


def _position_of(projector: Projector) -> Callable[[], int]:
    return lambda: projector.position
