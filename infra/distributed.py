"""An engine of the distributed mode: commands from Kafka, events to Kafka, partitions shared with other processes.

It differs from the embedded one in its log, in the relays, and in that partitions come and go while it runs.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import time
from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final, cast

import asyncpg
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, NodeNotReadyError

from api.resources.jobs import ALIKE
from domain.keys import FIRST_PARTITION
from eventstore.codec import UnknownEvent
from eventstore.store import Fenced
from infra import kafka
from infra.database_watch import DatabaseWatch
from infra.engine import CLOSE_SECONDS_MAX, READY_SECONDS_MAX, STOP_SECONDS_MAX, Engine, Projectors
from infra.engine_lock import EngineCannotStart
from infra.reachable import reachable
from infra.settings import Settings
from projections.writer import ProjectionWriter
from streams.command_lag import CommandLag
from streams.elsewhere import Elsewhere
from streams.job_topics import JobPublisher, JobTopicMetrics
from streams.jobs_elsewhere import JobsHere
from streams.kafka_group import KafkaGroup
from streams.kafka_log import SECRET_BYTES, KafkaLog
from streams.links import Links, LinkServer
from streams.log import Log
from streams.notifications import Notifications
from streams.projector import Projector
from streams.pulse import Pulse
from streams.relay import Relay, RelayMetrics, TopicUnreadable, tail
from streams.replies import LocalReplies
from streams.rows import PostgresEventRows
from streams.tasks import end
from streams.topic_id import topic_id
from streams.topics import Cluster, TopicDoesNotFit, create

BROKER_SECONDS_MAX: Final = 15.0
"""So long a start asks other brokers when one of them does not answer."""
BROKER_LOOK_SECONDS: Final = 0.2
LET_GO_SECONDS_MAX: Final = 5.0
"""For the batch that is being decided when a partition goes elsewhere."""
LOOK_SECONDS: Final = 0.02
"""Between two looks at how far the tables are in a partition that another process projects."""
TAILS_MAX: Final = 16
"""Partitions of the events topic whose end is looked at together."""
NOTE_SECONDS: Final = 1.0
"""Between two notes of how far commands are read."""
NO_LINK: Final = "-"
OWNER_NAMES: Final = 4
"""In a partition's row: machine, process, where it takes commands of callers in other processes, where it serves its API."""
JOBS_CHANNEL: Final = "procession_jobs"
READS_CHANNEL: Final = "procession_reads"
OWNED_LOOK_SECONDS: Final = 0.5
"""A partition that was ours when a read began to wait may be another's now."""

log = logging.getLogger(__name__)


class DistributedEngine(Engine):
    """One process of many."""

    shared = True

    def __init__(self, settings: Settings, dsn: str, cluster: Cluster) -> None:
        super().__init__(settings, dsn)
        self._settings = settings
        self._cluster = cluster
        self.brokers = cluster.bootstrap_servers
        self._topics = kafka.topics_of(settings)
        self._relays: dict[int, Relay] = {}
        self._relay_metrics = RelayMetrics(self.metrics)
        self._pulse = Pulse()
        self._link = NO_LINK
        """Where this process takes commands of callers in others."""
        self._links: Links | None = None
        self._publishers: dict[int, JobPublisher] = {}
        self._publisher_metrics = JobTopicMetrics(self.metrics)
        self._owning: dict[int, asyncio.Task[None]] = {}
        self._hurried_at: dict[int, float] = {}
        self._resting: set[int] = set()
        """Partitions that this version cannot read."""
        self._read: dict[int, tuple[int, int]] = {}
        """Per partition, a position and the offset of the last command that led there, to be noted once it is relayed."""
        self._shown = SharedProjectors(self, self._projectors)
        self._group = KafkaGroup(
            cluster,
            self._topics,
            instance_id=settings.kafka_instance_id,
            session_seconds=settings.kafka_session_seconds,
        )

    @classmethod
    @contextlib.asynccontextmanager
    async def on(cls, settings: Settings, dsn: str, cluster: Cluster) -> AsyncGenerator["DistributedEngine"]:
        """Run an engine on a database and a Kafka. Raise `EngineCannotStart` if it cannot."""
        engine = cls(settings, dsn, cluster)
        try:
            await engine._start()
            yield engine
        finally:
            await engine._stack.aclose()

    # --- for the API ---------------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether commands are taken: by us for our own partitions, through Kafka for the others."""
        return (
            self._group.generation > 0
            and not self._group.aside
            and all(
                partition in self.processors and self.processors[partition].ready
                for partition in self._share - self._resting
            )
        )

    @property
    def _share(self) -> frozenset[int]:
        # Somebody may have added partitions to a topic while we run: what is stored knows nothing of them.
        return frozenset(each for each in self._group.partitions if each <= self.partitions)

    @property
    def projectors(self) -> Projectors:
        """How far reads are."""
        return self._shown

    def _at_rest(self) -> bool:
        relayed = all(relay.idle for relay in self._relays.values())
        return super()._at_rest() and relayed and all(publisher.idle for publisher in self._publishers.values())

    # --- life ----------------------------------------------------------------------------------------------------------

    @property
    def _owner(self) -> str:
        return f"{socket.gethostname()} {os.getpid()} {self._link} {self._settings.host}:{self._settings.port}"

    async def _open_log(self, notifications: Notifications) -> Log:
        name, made = await self._meet_kafka()
        self._notifications = notifications
        await notifications.listen(JOBS_CHANNEL, self._jobs_elsewhere.heard)
        await notifications.listen(READS_CHANNEL, self._hurried)
        secret = await adopt(self._dsn, name, made)
        await self._open_links(secret)
        log_of_commands = KafkaLog(self._cluster, self._topics, self.partitions, secret, self.metrics)
        self._stack.push_async_callback(log_of_commands.stop)
        await log_of_commands.start()
        self._command_lag = CommandLag(
            partial(log_of_commands.ends, range(FIRST_PARTITION, FIRST_PARTITION + self.partitions)),
            self._carried_out,
            self.metrics,
        )
        return log_of_commands

    async def _meet_kafka(self) -> tuple[str, str | None]:
        """Return what the log of commands is called, and the id of its topic, once the topics are as they have to be."""
        until = time.monotonic() + BROKER_SECONDS_MAX
        while True:
            try:
                await create(self._cluster, self._topics, self.partitions)
                name = await kafka.log_name(self._cluster, self._topics)
                made = await topic_id(self._cluster, self._topics.commands)
                await self._compare_with_topic()
            except TopicDoesNotFit as error:
                raise EngineCannotStart(str(error)) from error
            except (KafkaError, OSError, TimeoutError) as error:
                # One broker of several may have died a moment ago: chance names another one.
                if not isinstance(error, NodeNotReadyError) or time.monotonic() > until:
                    servers = ", ".join(self._cluster.bootstrap_servers)
                    reason = str(error) or type(error).__name__
                    raise EngineCannotStart(f"expected Kafka at {servers}, but: {reason}") from error
                log.warning("a broker does not answer, asking again: %s", error)
                await asyncio.sleep(BROKER_LOOK_SECONDS)
            else:
                return name, made

    async def _open_links(self, secret: bytes) -> None:
        """Listen to callers in other processes, and be ready to connect to these; not where Kafka is spoken to with TLS."""
        if "ssl_context" in self._cluster.security:
            return
        server = LinkServer(self.processors, secret)
        try:
            port = await server.start(self._settings.host, self._settings.link_port)
        except OSError as error:
            where = f"{self._settings.host}:{self._settings.link_port}"
            raise EngineCannotStart(f"expected to listen on {where} (PROCESSION_LINK_PORT), but: {error}") from error
        self._stack.push_async_callback(server.stop)
        self._link = f"{reachable(self._settings.host, self._cluster.bootstrap_servers)}:{port}"
        self._links = Links(secret, self._other_links)

    async def _other_links(self) -> Mapping[int, tuple[str, int]]:
        """Return where the owners of the other partitions take commands of callers."""
        own = self._owner
        found: dict[int, tuple[str, int]] = {}
        for partition, owner in (await self.owners()).items():
            names = owner.split(" ")
            if owner != own and len(names) == OWNER_NAMES and names[2] != NO_LINK:
                host, _, port = names[2].rpartition(":")
                found[partition] = (host, int(port))
        return found

    async def _carried_out(self) -> Mapping[int, int]:
        """Return the offset up to which the commands of each partition are carried out."""
        rows = await self.pool.fetch("SELECT partition, command_offset FROM partitions")
        return {row[0]: row[1] for row in rows}

    def _elsewhere(self, replies: LocalReplies) -> Elsewhere:
        return Elsewhere(self.log, replies, self._links, self._command_lag.of)

    async def _compare_with_topic(self) -> None:
        """Raise `EngineCannotStart` if the topic has events that this database has not: it is another one, or an old copy."""
        numbers = range(FIRST_PARTITION, FIRST_PARTITION + self.partitions)
        events = [TopicPartition(self._topics.events, number - 1) for number in numbers]
        # The topic first: other processes may be relaying.
        tails = [
            last
            for at in range(0, len(events), TAILS_MAX)
            for last in await asyncio.gather(*(self._tail(where) for where in events[at : at + TAILS_MAX]))
        ]
        positions = await self.store.positions()
        for number, last in zip(numbers, tails, strict=True):
            if last > positions.get(number, 0):
                raise EngineCannotStart(
                    f"expected topic {self._topics.events} to hold at most position {positions.get(number, 0)} of partition "
                    f"{number}, where the database stands, but it holds {last}: the database is another one, or an old copy; "
                    "`procession topics restore` makes an empty one from the topic"
                )

    async def _tail(self, where: TopicPartition) -> int:
        try:
            return await tail(self._cluster, where)
        except TopicUnreadable as error:
            # The relay says so, too, until it is mended; commands can be carried out.
            log.critical("%s", error)
            return 0

    async def _start_partitions(self) -> None:
        self._run("group", self._group.run())
        self._run("shares", self._follow_shares())
        self._run("notes", self._take_notes())
        self._run("pulse", self._pulse.run())
        self._run("lag", self._command_lag.run())
        if self._links is not None:
            self._run("links", self._links.run())
        # Others may reach the database where we do not: our share is theirs for as long.
        watch = DatabaseWatch(
            self._dsn, self._settings.kafka_session_seconds, self._group.stand_aside, self._group.take_part
        )
        self._run("watch", watch.run())
        try:
            async with asyncio.timeout(READY_SECONDS_MAX):
                while not self.ready and not self.lost.is_set():  # noqa: ASYNC110 - many partitions, no single event
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            raise EngineCannotStart(
                f"expected a share of the partitions within {READY_SECONDS_MAX:g} s, and to own it; see the log"
            ) from None
        if self.lost.is_set():
            raise EngineCannotStart("a part of the engine ended; the log says which")

    async def _follow_shares(self) -> None:
        """Own what the group gives us, let go of what it gives to others."""
        while True:
            self._group.changed.clear()
            wanted = self._share
            gone = [task for partition, task in self._owning.items() if partition not in wanted]
            for task in gone:
                task.cancel()
            await asyncio.gather(*gone, return_exceptions=True)
            self._owning = {partition: task for partition, task in self._owning.items() if partition in wanted}
            for partition in sorted(wanted - self._owning.keys()):
                self._owning[partition] = asyncio.create_task(self._own(partition), name=f"own {partition}")
            await self._group.changed.wait()

    async def _take_notes(self) -> None:
        """Have the brokers note how far commands are read, as far as what they led to is in the events topic, too."""
        while True:
            await asyncio.sleep(NOTE_SECONDS)
            await self._group.note(self._relayed())

    def _relayed(self) -> dict[int, int]:
        """Return, for our partitions, the offset up to which commands are read and all that they led to is relayed."""
        offsets: dict[int, int] = {}
        for partition, relay in self._relays.items():
            processor = self.processors[partition]
            position, offset = self._read.get(partition, (0, 0))
            if offset and relay.position >= position:
                offsets[partition] = offset
            if relay.position >= position:
                self._read[partition] = (processor.position, processor.command_offset)
        return offsets

    async def _own(self, partition: int) -> None:
        """Work on a partition until cancelled. Fenced, wait for the group to say that it is ours after all."""
        while True:
            generation, fenced = self._group.generation, False
            try:
                await self._work_on(partition)
            except Fenced as error:
                fenced = True
                log.warning("partition %d was taken over: %s", partition, error)
            except UnknownEvent:
                self._resting.add(partition)
                log.critical("partition %d cannot be read by this version and rests", partition, exc_info=True)
            except Exception:
                log.exception("partition %d broke; it is taken anew", partition)
            await self._until_newer(generation)
            # Whoever took it may be right: cut off from Kafka, we do not hear of new shares.
            while fenced and self._group.generation == generation and not await self._group.confirm(partition):
                await self._until_newer(generation)

    async def _until_newer(self, generation: int) -> None:
        """Return when there is a newer share, or after a session without one."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.kafka_session_seconds):
                while self._group.generation == generation:  # noqa: ASYNC110 - the event belongs to the shares
                    await asyncio.sleep(LOOK_SECONDS)

    async def _work_on(self, partition: int) -> None:
        self._resting.discard(partition)
        self._make_partition(partition)
        processor, projector = self.processors[partition], self._projectors[partition]
        relay = Relay(
            partition,
            PostgresEventRows(self.pool),
            self._cluster,
            self._topics,
            processor,
            self._pulse,
            self._relay_metrics,
        )
        processor.sinks += [relay.hand, JobsHere(self._process, partition, self._tell_of_jobs).notice]
        self._relays[partition] = relay
        work = {**self._work(partition), f"relay {partition}": _when_ready(processor, relay)}
        if self._topics.job_types:
            publisher = self._publishers[partition] = self._publisher(partition)
            processor.sinks.append(publisher.notice)
            work[f"jobs {partition}"] = publisher.run()
        tasks = {name: asyncio.create_task(each, name=name) for name, each in work.items()}
        try:
            await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_COMPLETED)
            for task in tasks.values():
                if task.done():
                    task.result()
        finally:
            await self._let_go(partition, tasks, projector)

    def hurry(self, partition: int) -> None:
        """Tell the owner of a partition that somebody waits to see in the tables what it has committed; once for all who do."""
        now = time.monotonic()
        if now - self._hurried_at.get(partition, float("-inf")) >= LOOK_SECONDS:
            self._hurried_at[partition] = now
            self._notifications.send(READS_CHANNEL, str(partition))

    def _hurried(self, payload: str | None) -> None:
        projector = self._projectors.get(int(payload)) if payload is not None else None
        if projector is not None:
            projector.hurry()

    def _tell_of_jobs(self, payload: str) -> None:
        self._notifications.send(JOBS_CHANNEL, payload)

    def _publisher(self, partition: int) -> JobPublisher:
        return JobPublisher(
            self.processors[partition],
            self._cluster,
            self._topics,
            timedelta(seconds=self._settings.kafka_job_timeout_seconds),
            self.clock,
            self._publisher_metrics,
            ALIKE,
        )

    async def _let_go(self, partition: int, tasks: Mapping[str, "asyncio.Task[None]"], projector: Projector) -> None:
        """Finish what was begun, in bounded time; callers of this process are answered or turned away."""
        processor, relay = self.processors[partition], self._relays[partition]
        processor.stop()
        if (publisher := self._publishers.get(partition)) is not None:
            publisher.stop()
        finishing = [task for name, task in tasks.items() if name in (f"processor {partition}", f"jobs {partition}")]
        await asyncio.wait(finishing, timeout=LET_GO_SECONDS_MAX)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LET_GO_SECONDS_MAX):
                await projector.reached(processor.position)
                while not relay.idle:  # noqa: ASYNC110 - it is over within milliseconds, or never
                    await asyncio.sleep(LOOK_SECONDS)
        await end(tasks.values())
        if relay.idle:
            await self._group.note({partition: processor.command_offset})
        self._read.pop(partition, None)
        for parts in (self.processors, self._projectors, self._timers, self._relays, self._publishers):
            cast("dict[int, Any]", parts).pop(partition, None)

    async def _end(self) -> None:
        self.available.close()
        shares = self._tasks.pop("shares")
        shares.cancel()
        await asyncio.gather(shares, return_exceptions=True)
        owning = list(self._owning.values())
        for task in owning:
            task.cancel()
        if owning:
            await asyncio.wait(owning, timeout=2 * STOP_SECONDS_MAX)
        # Only now do others get our partitions: they find them at rest.
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


class SharedProjectors(Projectors):
    """How far the query tables are, also in partitions that other processes project."""

    def __init__(self, engine: DistributedEngine, own: dict[int, Projector]) -> None:
        super().__init__(own)
        self._engine = engine
        self._own = own
        self._seen: dict[int, int] = {}

    def position(self, partition: int) -> int:
        """See the base; for other processes' partitions, as far as we know."""
        own = self._own.get(partition)
        return own.position if own is not None else self._seen.get(partition, 0)

    async def reached(self, partition: int, position: int) -> None:
        """See the base."""
        tables = ProjectionWriter(self._engine.pool)
        while True:
            own = self._own.get(partition)
            if own is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(OWNED_LOOK_SECONDS):
                        await own.reached(position)
                        return
            else:
                seen = self._seen[partition] = await tables.checkpoint(partition)
                if seen >= position:
                    return
                self._engine.hurry(partition)
                await asyncio.sleep(LOOK_SECONDS)

    async def told_elsewhere(self, partition: int | None) -> Mapping[int, int]:
        """See the port. Whatever was answered was committed before: what is committed now is enough."""
        committed = await self._engine.store.positions()
        return committed if partition is None else {partition: committed.get(partition, 0)}


async def _when_ready(processor: Any, relay: Relay) -> None:
    # Before the partition is taken its position is not known, and what is committed is another's to relay.
    while not processor.ready:  # noqa: ASYNC110 - the processor says so by a flag only
        await asyncio.sleep(LOOK_SECONDS)
    await relay.run()


async def adopt(dsn: str, name: str, made: str | None = None) -> bytes:
    """Tie the database to its log of commands and return their secret. Raise `EngineCannotStart` if it is tied to another.

    `made` is the id that the topic was given when it was made; None if nobody tells it.
    """
    connection = await asyncpg.connect(dsn, timeout=CLOSE_SECONDS_MAX)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE command_log IN EXCLUSIVE MODE")
            if (known := await _adopted(connection, name, made)) is not None:
                return known
            waiting = await connection.fetchval(
                'SELECT count(*) FROM commands c JOIN partitions p USING (partition) WHERE c."offset" > p.command_offset'
            )
            if waiting:
                raise EngineCannotStart(
                    f"expected no commands in the table `commands`, but {waiting} wait there; run the engine without "
                    "Kafka until they are carried out"
                )
            secret = secrets.token_bytes(SECRET_BYTES)
            await connection.execute(
                "INSERT INTO command_log (name, secret, topic_id) VALUES ($1, $2, $3)", name, secret, made
            )
            await connection.execute("UPDATE partitions SET command_offset = 0, epoch = epoch + 1")
            return secret
    finally:
        await connection.close()


async def _adopted(connection: asyncpg.Connection, name: str, made: str | None) -> bytes | None:
    """Return the secret of a database that is tied to this log already; None if it is tied to none."""
    known = await connection.fetchrow("SELECT name, secret, topic_id FROM command_log")
    if known is None:
        return None
    if known["name"] != name:
        raise EngineCannotStart(f"the commands of this database are in {known['name']}, but the settings name {name}")
    if made is not None and known["topic_id"] is None:
        await connection.execute("UPDATE command_log SET topic_id = $1", made)
    elif made is not None and known["topic_id"] != made:
        raise EngineCannotStart(
            f"expected {name} to be the one with the id {known['topic_id']}, but it has {made}: it was made anew, and where "
            "this database stands means nothing in it; what to do then is told in "
            "docs/how-to/survive-failures-with-kafka.md#the-commands-topic-was-lost"
        )
    return bytes(known["secret"])
