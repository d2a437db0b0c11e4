"""Copies committed events to the events topic: each partition's in order and without gaps, the same bytes as in the table.

Where it stands is read from the end of its own topic partition. After a takeover two relays may overlap for a moment:
a position that comes twice is the same event, a position that is missing is an alarm (`streams.topic_check`).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Any, Final, Protocol, TypeAlias

from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.protocol.produce import ProduceRequest
from prometheus_client import CollectorRegistry, Gauge

from streams.kafka_calls import apart, producing, reading
from streams.pulse import Pulse
from streams.rows import EventRow, EventRows, rows_of
from streams.topics import Cluster, Topics
from streams.unit import Unit

ROWS_MAX: Final = 2_000
"""Events between two waits for the broker."""
GATHER_SECONDS: Final = 0.02
"""Pause after what was sent: one event costs the brokers and us as much as a hundred."""
HANDED_MAX: Final = 20_000
"""Events that wait in memory; past it they are read from the table again."""
BATCH_BYTES: Final = 256 * 1024
SEND_SECONDS_MAX: Final = 30.0
STALE_SECONDS: Final = 2.0
"""Events that waited for longer may have been relayed by another owner meanwhile: the topic is looked at first."""
OWNED_LOOK_SECONDS: Final = 0.5
"""Between two looks at whether a partition is ours after all; whoever runs us ends us when it is not."""
TAIL_RECORDS: Final = 100
"""Looked through for the last position: somebody else's records or a zombie's may stand behind it."""
TAIL_MS: Final = 5_000
RETRY_SECONDS_MAX: Final = 2.0
INSTANCE: Final = "instance/"
TYPES_MAX: Final = 500
"""Types of events whose headers are kept."""

log = logging.getLogger(__name__)


class TopicUnreadable(Exception):  # noqa: N818 - it names what was found
    """The end of the events topic does not say where it stands."""


class StoodStill(KafkaError):  # type: ignore[misc]  # noqa: N818 - aiokafka ships no types; it names what happened
    """Others may have relayed meanwhile what a client was about to send."""


class RelayMetrics:
    """How far the topic is, for all partitions of an engine."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lag = Gauge(
            "procession_relay_lag", "Committed events not yet in the events topic", ["partition"], registry=registry
        )
        self.position = Gauge(
            "procession_relayed_position", "Last position in the events topic", ["partition"], registry=registry
        )


class Owner(Protocol):
    """Whoever writes the partition, in this process."""

    @property
    def position(self) -> int:
        """Return the position up to which events are committed, as far as the owner knows."""
        ...

    async def still_owns(self) -> bool:
        """Return whether nobody else has become the owner."""
        ...


@dataclass(frozen=True)
class NoMore:
    """An owner that writes nothing more."""

    position: int

    async def still_owns(self) -> bool:
        """See the port."""
        return True


class Relay:
    """One per partition that this process owns."""

    def __init__(
        self,
        partition: int,
        rows: EventRows,
        cluster: Cluster,
        topics: Topics,
        owner: Owner,
        pulse: Pulse,
        metrics: RelayMetrics | None = None,
    ) -> None:
        self.partition = partition
        self.position = 0
        """Up to where the topic is known to be."""
        self.relayed = 0
        """Events brought to the topic by this relay."""
        self._rows = rows
        self._cluster = cluster
        self._where = TopicPartition(topics.events, partition - 1)
        self._owner = owner
        self._pulse = pulse
        self._standstills = 0
        """Those that there had been when the topic was looked at last."""
        metrics = metrics or RelayMetrics(CollectorRegistry())
        self._lag, self._at = metrics.lag.labels(str(partition)), metrics.position.labels(str(partition))
        self._handed: deque[EventRow] = deque()
        self._behind = True
        """The table may have events that are not in memory."""
        self._fresh = 0.0
        """When the oldest event in memory came, or when the topic was looked at last."""
        self._changed = asyncio.Event()

    def hand(self, unit: Unit) -> None:
        """Take the events of a committed batch."""
        if not unit.records:
            return
        if len(self._handed) + len(unit.records) > HANDED_MAX:
            self._handed.clear()
            self._behind = True
        if not self._behind:
            if not self._handed:
                self._fresh = asyncio.get_running_loop().time()
            self._handed.extend(rows_of(unit))
        self._lag.set(unit.last - self.position)
        self._changed.set()

    @property
    def idle(self) -> bool:
        """Whether all that is committed is in the topic."""
        return self.position >= self._owner.position

    async def run(self) -> None:
        """Relay for ever; come back after errors."""
        pause = 0.05
        while True:
            try:
                await self._follow(None)
            except StoodStill:
                log.warning("partition %d: the process stood still; its topic is looked at anew", self.partition)
            except Exception:
                log.exception("partition %d cannot be relayed; trying again in %.2f s", self.partition, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_SECONDS_MAX)

    async def catch_up(self, upto: int, tell: Callable[[int], None] = lambda _: None) -> None:
        """Return when the topic has the events up to there; `tell` is told of each step. Raise what goes wrong."""
        await self._follow(upto, tell)

    async def _follow(self, upto: int | None, tell: Callable[[int], None] = lambda _: None) -> None:
        async with producing(self._cluster, BATCH_BYTES) as producer:
            self._guard(producer)
            await self._find()
            while upto is None or self.position < upto:
                self._changed.clear()
                rows = await self._next()
                if not rows:
                    self._lag.set(max(self._owner.position - self.position, 0))
                    await self._changed.wait()
                elif self._stale:
                    await self._find()
                else:
                    await self._send(producer, rows)
                    tell(self.position)
                    if upto is None and len(rows) < ROWS_MAX:
                        await asyncio.sleep(GATHER_SECONDS)

    def _guard(self, producer: AIOKafkaProducer) -> None:
        """Have the client send no batch after a standstill, however far it had come with it: the look is just before the write."""
        send = producer.client.send

        async def send_unless_stale(node_id: int, request: object, **rest: Any) -> object:
            if isinstance(request, ProduceRequest) and self._pulse.look() != self._standstills:
                raise StoodStill
            return await send(node_id, request, **rest)

        producer.client.send = send_unless_stale

    async def _find(self) -> None:
        """Look where the topic stands. What is no longer ours to relay is another's."""
        self._standstills = self._pulse.look()
        while not await self._owner.still_owns():  # noqa: ASYNC110 - another process is the one that knows
            await asyncio.sleep(OWNED_LOOK_SECONDS)
        self._move(await apart(tail(self._cluster, self._where)))
        self._behind = True
        self._handed.clear()

    def _move(self, position: int) -> None:
        self.position = position
        self._fresh = asyncio.get_running_loop().time()
        while self._handed and self._handed[0].position <= position:
            self._handed.popleft()
        self._at.set(position)
        self._lag.set(max(self._owner.position - position, 0))

    async def _next(self) -> Sequence[EventRow]:
        """Return the events that follow, from memory or from the table; none if there are none yet."""
        if self._handed and self._handed[0].position != self.position + 1:
            self._handed.clear()
            self._behind = True
        if self._handed:
            return list(islice(self._handed, ROWS_MAX))
        if not self._behind:
            return ()
        # What is committed from here on is handed over. What another owner committed is theirs to relay.
        self._behind = False
        count = min(self._owner.position - self.position, ROWS_MAX)
        rows = await self._rows.read(self.partition, self.position, count) if count > 0 else ()
        if rows and rows[-1].position < self._owner.position:
            self._behind = True
            self._handed.clear()
        self._fresh = asyncio.get_running_loop().time()
        return rows

    @property
    def _stale(self) -> bool:
        """Whether another owner may have relayed meanwhile what we have, or what a commit that ends only now gives us."""
        waited = asyncio.get_running_loop().time() - self._fresh
        return waited > STALE_SECONDS or self._pulse.look() != self._standstills

    async def _send(self, producer: AIOKafkaProducer, rows: Sequence[EventRow]) -> None:
        """Bring them to the topic, one batch at a time: what a client holds goes out after any pause, so it holds little."""
        done = 0
        while done < len(rows) and not self._stale:
            batch = producer.create_batch()
            end = self._fill(batch, rows, done)
            async with asyncio.timeout(SEND_SECONDS_MAX):
                await apart(self._write(producer, batch))
            self.relayed += end - done
            self._move(rows[end - 1].position)
            done = end

    def _fill(self, batch: BatchBuilder, rows: Sequence[EventRow], start: int) -> int:
        """Put as many rows into the batch as it takes, and return where the rest begins."""
        for at in range(start, len(rows)):
            row = rows[at]
            if (
                batch.append(
                    timestamp=int(row.time.timestamp() * 1000),
                    key=row.stream.encode(),
                    value=row.body,
                    headers=headers_of(self.partition, row),
                )
                is None
            ):
                return at
        return len(rows)

    async def _write(self, producer: AIOKafkaProducer, batch: BatchBuilder) -> None:
        await (await producer.send_batch(batch, self._where.topic, partition=self._where.partition))


def headers_of(partition: int, row: EventRow) -> list[tuple[str, bytes]]:
    """Return what stands beside an event's body in the topic."""
    return [
        *_of_type(row.type, row.schema),
        *_of_command(partition, row.stream, row.time, row.command_id, row.by),
        ("position", b"%d" % row.position),
    ]


_Headers: TypeAlias = tuple[tuple[str, bytes], ...]


@lru_cache(maxsize=TYPES_MAX)
def _of_type(kind: str, schema: int) -> _Headers:
    return ("type", kind.encode()), ("schema", b"%d" % schema)


@lru_cache(maxsize=1)  # the events of a command stand one after the other
def _of_command(partition: int, stream: str, time: datetime, command_id: str, by: str) -> _Headers:
    headers = (
        ("stream", stream.encode()),
        ("partition", b"%d" % partition),
        ("time", time.isoformat(timespec="milliseconds").encode()),
        ("cause", command_id.encode()),
        ("by", by.encode()),
    )
    return (*headers, ("key", stream[len(INSTANCE) :].encode())) if stream.startswith(INSTANCE) else headers


def position_of(record: "ConsumerRecord[bytes, bytes]") -> int | None:
    """Return the position that a record of the events topic names."""
    for name, value in record.headers:
        if name == "position" and value.isdigit():
            return int(value)
    return None


async def tail(cluster: Cluster, where: TopicPartition) -> int:
    """Return the highest position at the end of a partition of the events topic; 0 if there is none. Raise `TopicUnreadable`."""
    highest = 0
    async with asyncio.timeout(SEND_SECONDS_MAX), reading(cluster, where) as (consumer, first, end):
        if first == end:
            return 0
        consumer.seek(where, max(first, end - TAIL_RECORDS))
        while await consumer.position(where) < end:
            for record in (await consumer.getmany(where, timeout_ms=TAIL_MS)).get(where, []):
                highest = max(highest, position_of(record) or 0)
    if not highest:
        raise TopicUnreadable(
            f"expected a position in one of the last {TAIL_RECORDS} records of {where.topic}/{where.partition}, but found "
            "none: somebody else writes to it"
        )
    return highest
