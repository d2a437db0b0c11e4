"""Jobs as topics: leases the jobs of chosen types as for any worker, and writes each to the topic of its type.

Nothing here is durable. The lease is the fact: what is lost between its commit and the topic is offered again when it ends,
so a job comes at least once. It knows neither who reads the topics nor how far they are; what comes of a job is a command.
"""

import asyncio
import logging
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, MessageSizeTooLargeError
from prometheus_client import CollectorRegistry, Counter

from domain import events as e
from domain.commands import ActivateJobs, AnyCommand, FailJob, UpdateJob
from streams.clock import Clock
from streams.kafka_calls import apart, producing
from streams.processor import PartitionProcessor
from streams.topics import RECORD_BYTES_MAX, Cluster, Topics
from streams.unit import Unit
from streams.work import Overloaded, Reply, Unavailable, Work

BATCH_JOBS_MAX: Final = 200
"""Jobs leased at once, and held in memory until they are written."""
OUT_JOBS_MAX: Final = 1_000
"""Jobs of a type that a partition has in the topic, neither ended nor timed out. More would only grow old there: past what
workers do within the timeout, each would come twice."""
JOB_BYTES_MAX: Final = RECORD_BYTES_MAX - 64 * 1024
"""Bytes of a job's JSON, with room for what Kafka puts around it."""
BATCH_BYTES: Final = 64 * 1024
SEND_SECONDS_MAX: Final = 30.0
HEARD_SECONDS: Final = 1.0
"""A broker that was silent for longer is asked whether it is there before anything is leased for it."""
LOOK_SECONDS: Final = 0.05
"""Before jobs are looked for again that the table may have, but did not show."""
RECHECK_SECONDS: Final = 1.0
"""Jobs are looked for at least so often, whatever wakes were missed."""
RETRY_SECONDS_MIN: Final = 0.05
RETRY_SECONDS_MAX: Final = 2.0

ENDINGS: Final = (e.JobCompleted, e.JobFailed, e.JobErrorThrown, e.JobCanceled)
"""The facts after which a job is no longer its worker's."""

log = logging.getLogger(__name__)

_encode = msgspec.json.Encoder(decimal_format="number").encode


class JobTopicMetrics:
    """What goes to the topics of all partitions of an engine."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.delivered = Counter(
            "procession_jobs_delivered", "Jobs written to the topic of their type", ["type"], registry=registry
        )


class _Delivery(NamedTuple):
    """A leased job on its way to its topic."""

    job_type: str
    job_key: int
    job: Mapping[str, Any]


class JobPublisher:
    """One per partition that this process owns, for all types that have topics."""

    def __init__(
        self,
        processor: PartitionProcessor,
        cluster: Cluster,
        topics: Topics,
        timeout: timedelta,
        clock: Clock,
        metrics: JobTopicMetrics,
        alike: Mapping[str, Any],
    ) -> None:
        """`timeout`: how long a worker has; `alike`: the fields that are the same in every job."""
        self._processor = processor
        self._cluster = cluster
        self._topics = topics
        self._timeout = timeout
        self._clock = clock
        self._delivered = {job_type: metrics.delivered.labels(job_type) for job_type in topics.job_types}
        self._alike = alike
        self._out: dict[str, dict[int, datetime]] = {job_type: {} for job_type in topics.job_types}
        """Job type -> jobs in its topic with the ends of their leases, earliest first."""
        self._hand: list[_Delivery] = []
        """Leased and not known to be in the topic."""
        self._stale_at = clock.now()
        """From then on, workers of the jobs in hand would have less than half of their time."""
        self._heard = 0.0
        self._pause = RETRY_SECONDS_MIN
        self._resting = False
        self._changed = asyncio.Event()
        self._stopped = asyncio.Event()

    def notice(self, unit: Unit) -> None:
        """Take from a committed batch which jobs became available, and which are done with."""
        if not self._out.keys().isdisjoint(unit.jobs):
            self._changed.set()
        for record in unit.records:
            if isinstance(record.event, ENDINGS):
                for out in self._out.values():
                    if out.pop(record.event.key, None) and len(out) == OUT_JOBS_MAX - BATCH_JOBS_MAX:
                        self._changed.set()

    @property
    def idle(self) -> bool:
        """Whether every job that may be delivered is in its topic."""
        return self._resting and not self._changed.is_set() and not self._hand and not self._wanted()

    def stop(self) -> None:
        """Lease no more; write what is leased, then return from `run`."""
        self._stopped.set()
        self._changed.set()

    async def run(self) -> None:
        """Deliver until `stop`; come back after errors."""
        while not self._over:
            try:
                await self._follow()
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning(
                    "jobs of partition %d cannot be written to their topics; trying again in %.2f s: %r",
                    self._processor.partition, self._pause, error,
                )  # fmt: skip
            except Exception:
                log.exception("jobs of partition %d cannot be delivered; trying again", self._processor.partition)
            if not self._over:
                await asyncio.sleep(self._pause)
                self._pause = min(2 * self._pause, RETRY_SECONDS_MAX)

    @property
    def _over(self) -> bool:
        return self._stopped.is_set() and not self._hand

    async def _follow(self) -> None:
        async with producing(self._cluster, BATCH_BYTES) as producer:
            while not self._over:
                self._changed.clear()
                if self._hand:  # what another producer could not write
                    await self._write(producer)
                elif not await self._round(producer):
                    await self._rest()

    async def _round(self, producer: AIOKafkaProducer) -> bool:
        """Deliver a batch of each type that may have jobs; say whether there were any."""
        found = False
        for job_type in self._wanted():
            if self._stopped.is_set():
                break
            await self._reach(producer)
            await self._lease(job_type)
            if self._hand:
                found = True
                await self._write(producer)
        return found

    def _wanted(self) -> list[str]:
        """Return the types of which jobs may be available, and of which the topic has not enough."""
        if not self._processor.ready:
            return []
        now = self._clock.now()
        offers = self._processor.offers
        return [job_type for job_type in self._out if self._has_room(job_type, now) and offers.hint(job_type, now)]

    def _has_room(self, job_type: str, now: datetime) -> bool:
        out = self._out[job_type]
        while out and (first := next(iter(out.items())))[1] <= now:
            del out[first[0]]
        return len(out) <= OUT_JOBS_MAX - BATCH_JOBS_MAX

    async def _reach(self, producer: AIOKafkaProducer) -> None:
        """Return if a broker answered a moment ago, or does now: leases for nobody would run out in vain."""
        time = asyncio.get_running_loop().time
        if time() - self._heard < HEARD_SECONDS:
            return
        async with asyncio.timeout(SEND_SECONDS_MAX):
            if not await apart(_answers(producer)):
                raise KafkaConnectionError("no broker answers")
        self._heard = time()

    async def _rest(self) -> None:
        """Return when there may be something to deliver."""
        now = self._clock.now()
        due = min(filter(None, map(self._next_at, self._out)), default=None)
        waits = [
            asyncio.ensure_future(self._changed.wait()),
            asyncio.ensure_future(self._clock.wait_until(due if due is not None and due > now else None)),
        ]
        self._resting = True
        try:
            soon = not self._processor.ready or (due is not None and due <= now)
            seconds = LOOK_SECONDS if soon else RECHECK_SECONDS
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._resting = False
            for wait in waits:
                wait.cancel()

    def _next_at(self, job_type: str) -> datetime | None:
        """Return when a job of the type may be there to deliver without an event."""
        if self._has_room(job_type, self._clock.now()):
            return self._processor.offers.next_at(job_type)
        return next(iter(self._out[job_type].values()))

    # --- commands ------------------------------------------------------------------------------------------------------

    async def _lease(self, job_type: str) -> None:
        """Take a batch of jobs in hand."""
        command = ActivateJobs(
            **self._stamp(),
            partition=self._processor.partition,
            job_type=job_type,
            worker=f"topic:{self._topics.jobs(job_type)}",
            timeout=self._timeout // timedelta(milliseconds=1),
            jobs_max=BATCH_JOBS_MAX,
        )
        reply = await self._submit(command)
        if reply is None or not isinstance(reply.result, dict):
            return
        for job in reply.result["jobs"]:
            deadline = datetime.fromtimestamp(job["deadline"] / 1000, UTC)
            self._out[job_type][int(job["jobKey"])] = deadline
            self._stale_at = deadline - self._timeout / 2
            self._hand.append(_Delivery(job_type, int(job["jobKey"]), {**job, **self._alike}))

    async def _refuse(self, delivery: _Delivery) -> None:
        """Make an incident of a job that the topic cannot take. It may shrink, or go to a worker that fetches less of it."""
        self._hand.remove(delivery)
        topic = self._topics.jobs(delivery.job_type)
        size = len(_encode(delivery.job))
        message = f"expected a job of at most {JOB_BYTES_MAX} bytes for topic {topic}, but it has {size}"
        await self._submit(FailJob(**self._stamp(), key=delivery.job_key, retries=0, message=message))

    async def _give_back(self) -> None:
        """End the leases of the jobs in hand: they are leased anew at once, as they are then."""
        hand, self._hand = self._hand, []
        for delivery in hand:
            self._out[delivery.job_type].pop(delivery.job_key, None)
        await asyncio.gather(
            *(self._submit(UpdateJob(**self._stamp(), key=delivery.job_key, timeout=0)) for delivery in hand)
        )

    def _stamp(self) -> dict[str, Any]:
        return {"id": f"~{uuid.uuid4().hex}", "issued_at": self._clock.now()}

    async def _submit(self, command: AnyCommand) -> Reply | None:
        """Have a command carried out; None if the partition takes none just now, and whether it acted is unknown."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        try:
            self._processor.submit(Work(command, future))
            return await future
        except (Overloaded, Unavailable):
            return None

    # --- records -------------------------------------------------------------------------------------------------------

    async def _write(self, producer: AIOKafkaProducer) -> None:
        """Write what is in hand. Raise what aiokafka raises; what was not written stays in hand."""
        if self._clock.now() >= self._stale_at and not self._stopped.is_set():
            await self._give_back()
            return
        sent: dict[int, asyncio.Future[Any]] = {}
        try:
            async with asyncio.timeout(SEND_SECONDS_MAX):
                await apart(self._send(producer, sent))
        finally:
            errors = {key: _error(future) for key, future in sent.items()}
            hand, self._hand = self._hand, []
            for delivery in hand:
                if delivery.job_key in errors and errors[delivery.job_key] is None:
                    self._delivered[delivery.job_type].inc()
                else:
                    self._hand.append(delivery)
        for delivery in list(self._hand):
            error = errors[delivery.job_key]
            if not isinstance(error, MessageSizeTooLargeError):
                raise error or KafkaError(f"job {delivery.job_key} was not written")
            await self._refuse(delivery)
        self._heard = asyncio.get_running_loop().time()
        self._pause = RETRY_SECONDS_MIN

    async def _send(self, producer: AIOKafkaProducer, sent: "dict[int, asyncio.Future[Any]]") -> None:
        """Return when the fate of all that is in hand is known."""
        partition = self._processor.partition
        for delivery in self._hand:
            # Not before its turn: a batch of large jobs is not in memory twice.
            value = _encode(delivery.job)
            if len(value) > JOB_BYTES_MAX:
                sent[delivery.job_key] = _failed(MessageSizeTooLargeError())
                continue
            sent[delivery.job_key] = await producer.send(
                self._topics.jobs(delivery.job_type),
                value,
                delivery.job["processInstanceKey"].encode(),
                partition=partition - 1,
                headers=_headers(partition, delivery.job),
            )
        await asyncio.wait(sent.values())


def _headers(partition: int, job: Mapping[str, Any]) -> list[tuple[str, bytes]]:
    return [
        ("type", job["type"].encode()),
        ("key", job["jobKey"].encode()),
        ("partition", b"%d" % partition),
        ("deadline", b"%d" % job["deadline"]),
        ("retries", b"%d" % job["retries"]),
    ]


def _failed(error: Exception) -> "asyncio.Future[Any]":
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.set_exception(error)
    return future


async def _answers(producer: AIOKafkaProducer) -> bool:
    return bool(await producer.client.force_metadata_update())


def _error(future: "asyncio.Future[Any]") -> BaseException | None:
    """Return why a record was not written, as far as it is known; None if it was."""
    if not future.done() or future.cancelled():
        return TimeoutError("the broker did not say whether it has the record")
    return future.exception()
