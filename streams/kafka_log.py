"""The command log on Kafka: commands of the engine, and of any producer in any language with any partitioner.

A record is one command as JSON. Where reading goes on stands in the partition's row, never in Kafka. What is no command
goes to the dead letters, with the reason, and stops nobody. Reactions change other streams on the engine's word alone:
they count only under a seal that the engines of one database share.

The offset of a record in the port's sense is Kafka's plus one, so that 0 means "from the beginning".
"""

import asyncio
import hmac
import logging
from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import MessageSizeTooLargeError
from prometheus_client import CollectorRegistry, Counter

from domain.commands import AnyCommand, CancelInstance, Reaction
from domain.results import Rejected
from domain.streams import stream_of
from streams.decider import stampable
from streams.kafka_calls import apart, close
from streams.loader import storable
from streams.log import BATCH_RECORDS_MAX, CommandRecord, TooLarge
from streams.topics import COMMAND_BYTES_MAX, LETTER_BYTES_MAX, RECORD_BYTES_MAX, Cluster, Topics
from streams.work import UNSTORABLE, decode_command, encode_command, target

PUBLISH_SECONDS_MAX: Final = 10.0
WAIT_MS: Final = 5_000
"""A read that found nothing asks again; the broker answers at once when a record comes."""
FETCH_BYTES_MAX: Final = 4 * 1024 * 1024
HEADERS_BYTES: Final = 64 * 1024
"""Room in a record for what stands around a command."""
REASON_CHARACTERS_MAX: Final = 500
SEAL_BYTES: Final = 16
SECRET_BYTES: Final = 32
ENGINE_ID: Final = "~"
"""Ids that begin so are made by the engine."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
NOTHING: Final = CancelInstance(id=ENGINE_ID, issued_at=EPOCH, key=0)
"""Stands where records were no commands: it addresses no partition, so nothing comes of it but that reading goes on behind it."""

log = logging.getLogger(__name__)

_encode = msgspec.json.Encoder(decimal_format="number").encode
# Producers in JavaScript cannot write a key as a number without loss: as text it is the same.
_decode_any = msgspec.json.Decoder(AnyCommand, strict=False, float_hook=Decimal).decode
_plain = msgspec.json.Decoder(dict[str, msgspec.Raw])


class NoCommand(Exception):  # noqa: N818 - it names what a record is
    """A record that is no command, or one that its producer may not give."""


class CommandsLost(Exception):  # noqa: N818 - it names what was found
    """The topic ends before where the partition stands: it is another one, or was made anew."""


def dead_letters(registry: CollectorRegistry) -> Counter:
    """Return the counter of records that were no commands."""
    return Counter("procession_dead_letters", "Records that were no commands", ["partition"], registry=registry)


class KafkaLog:
    """All of `streams.log.Log`. Retention lets go of records, so `forget` has nothing to do."""

    def __init__(
        self,
        cluster: Cluster,
        topics: Topics,
        partitions: int,
        secret: bytes,
        registry: CollectorRegistry | None = None,
    ) -> None:
        assert len(secret) == SECRET_BYTES, f"expected a secret of {SECRET_BYTES} bytes, but it has {len(secret)}"
        self._cluster = cluster
        self._topics = topics
        self._partitions = partitions
        self._secret = secret
        self._producer: AIOKafkaProducer | None = None
        self._producing = asyncio.Lock()
        self._looker: AIOKafkaConsumer | None = None
        """Asks where partitions end: a reader's own connection is busy for as long as the broker waits for records."""
        self._looking = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()
        self._dead = dead_letters(registry or CollectorRegistry())

    async def start(self) -> None:
        """Connect. Raise what aiokafka raises if no broker answers."""
        await self._usable()

    async def stop(self) -> None:
        """Let go of the connections, in bounded time."""
        if self._producer is not None:
            await close(self._producer)
            self._producer = None
        if self._looker is not None:
            await close(self._looker)
            self._looker = None
        await asyncio.gather(*self._closing, return_exceptions=True)

    # --- writing -------------------------------------------------------------------------------------------------------

    async def publish(self, records: Sequence[CommandRecord]) -> None:
        """See the port."""
        if not records:
            return
        values = [encode_command(record.command) for record in records]
        largest = max(map(len, values))
        if largest > RECORD_BYTES_MAX - HEADERS_BYTES:
            raise TooLarge(
                f"expected a command of at most {RECORD_BYTES_MAX - HEADERS_BYTES} bytes, but found {largest}"
            )
        producer = await self._usable()
        try:
            async with asyncio.timeout(PUBLISH_SECONDS_MAX):
                await apart(self._send(producer, records, values))
        except BaseException:
            self._replace(producer)
            raise

    async def _send(
        self, producer: AIOKafkaProducer, records: Sequence[CommandRecord], values: Sequence[bytes]
    ) -> None:
        sent: list[asyncio.Future[Any]] = []
        for record, value in zip(records, values, strict=True):
            headers = [("seal", self._seal(value))]
            if record.reply_to:
                headers.append(("reply-to", record.reply_to.encode()))
            sent.append(
                await producer.send(self._topics.commands, value, partition=record.partition - 1, headers=headers)
            )
        await asyncio.gather(*sent)

    def _seal(self, value: bytes) -> bytes:
        return blake2b(value, digest_size=SEAL_BYTES, key=self._secret).digest()

    async def _usable(self) -> AIOKafkaProducer:
        async with self._producing:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **self._cluster.options,
                    enable_idempotence=True,
                    max_request_size=LETTER_BYTES_MAX,
                    max_batch_size=64 * 1024,
                )
                try:
                    async with asyncio.timeout(PUBLISH_SECONDS_MAX):
                        await apart(producer.start())
                except BaseException:
                    self._close(producer)
                    raise
                self._producer = producer
            return self._producer

    def _replace(self, producer: AIOKafkaProducer) -> None:
        """After an error a producer's numbers may have a hole that brokers refuse for ever: take another one."""
        if self._producer is producer:
            self._producer = None
            self._close(producer)

    def _close(self, client: AIOKafkaProducer) -> None:
        task = asyncio.create_task(close(client), name="close producer")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    # --- reading -------------------------------------------------------------------------------------------------------

    async def read(self, partition: int, after: int) -> AsyncGenerator[Sequence[CommandRecord], None]:
        """See the port. Raise `CommandsLost`. Behind records that are no commands comes `NOTHING`: they too are carried out."""
        reader = _Reader(self._cluster, TopicPartition(self._topics.commands, partition - 1), after)
        try:
            await apart(reader.open())
            while True:
                batch: list[CommandRecord] = []
                for found in await apart(reader.next()):
                    try:
                        batch.append(self._command(found))
                    except NoCommand as error:
                        await self._bury(found, str(error))
                given = batch[-1].offset if batch else reader.given
                if reader.passed > given and len(batch) < BATCH_RECORDS_MAX:
                    batch.append(CommandRecord(partition, NOTHING, offset=reader.passed))
                if batch:
                    reader.given = batch[-1].offset
                    yield batch
        finally:
            await close(reader.consumer)

    async def forget(self, partition: int, upto: int) -> None:
        """See the port."""

    async def last(self, partition: int) -> int:
        """See the port."""
        return (await self.ends((partition,)))[partition]

    async def ends(self, partitions: Iterable[int]) -> dict[int, int]:
        """Return `last` of several partitions, with one request."""
        where = {each: TopicPartition(self._topics.commands, each - 1) for each in partitions}
        async with self._looking:
            if self._looker is None:
                looker = _consumer(self._cluster)
                try:
                    await apart(looker.start())
                except BaseException:
                    await close(looker)
                    raise
                self._looker = looker
            found = await apart(self._looker.end_offsets(list(where.values())))
        return {each: int(found[place]) for each, place in where.items()}

    def _command(self, record: "ConsumerRecord[bytes, bytes]") -> CommandRecord:
        """Return the command in a record. Raise `NoCommand`."""
        value, partition = record.value, record.partition + 1
        if value is None:
            raise NoCommand("expected a command, but found a record without a value")
        headers: dict[str, bytes] = dict(record.headers)
        sealed = hmac.compare_digest(headers.get("seal", b""), self._seal(value))
        # A reaction repeats what stands in an event, with a little around it (`domain.bounds`).
        if len(value) > COMMAND_BYTES_MAX and not sealed:
            raise NoCommand(f"expected at most {COMMAND_BYTES_MAX} bytes, but found {len(value)}")
        try:
            command = decode_command(value) if sealed else self._foreign(record, value)
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            raise NoCommand(f"expected a command as JSON, but: {error}") from error
        if not sealed:
            _check_foreign(command, self._partitions)
        reply_to = headers.get("reply-to", b"").decode(errors="replace") if sealed else ""
        return CommandRecord(partition, command, reply_to, record.offset + 1)

    def _foreign(self, record: "ConsumerRecord[bytes, bytes]", value: bytes) -> AnyCommand:
        """Return a command of somebody else: what it may leave out is filled in from its place and time in the topic."""
        fields = _plain.decode(value)
        missing: dict[str, str] = {}
        if "id" not in fields:
            missing["id"] = f"{record.topic}/{record.partition}/{record.offset}"
        if "issued_at" not in fields:
            missing["issued_at"] = (EPOCH + timedelta(milliseconds=max(record.timestamp, 0))).isoformat()
        if missing:
            value = _encode({**fields, **missing})
        command: AnyCommand = _decode_any(value)
        return command

    async def _bury(self, record: "ConsumerRecord[bytes, bytes]", reason: str) -> None:
        """Put a record among the dead letters; it is read again if that fails."""
        self._dead.labels(str(record.partition + 1)).inc()
        log.warning("record %d of %s/%d is no command: %s", record.offset, record.topic, record.partition, reason)
        headers = [
            ("reason", reason[:REASON_CHARACTERS_MAX].encode(errors="replace")),
            ("topic", record.topic.encode()),
            ("partition", str(record.partition).encode()),
            ("offset", str(record.offset).encode()),
        ]
        producer = await self._usable()
        try:
            async with asyncio.timeout(PUBLISH_SECONDS_MAX):
                await apart(self._send_letter(producer, record, headers))
        except BaseException:
            self._replace(producer)
            raise

    async def _send_letter(
        self, producer: AIOKafkaProducer, record: "ConsumerRecord[bytes, bytes]", headers: list[tuple[str, bytes]]
    ) -> None:
        topic = self._topics.dead_letters
        try:
            await producer.send_and_wait(topic, record.value, record.key, partition=0, headers=headers)
        except MessageSizeTooLargeError:
            # It was compressed: here it does not fit. Its beginning and its place say what it was.
            start = (record.value or b"")[:COMMAND_BYTES_MAX]
            cut = [*headers, ("bytes", str(len(record.value or b"")).encode())]
            await producer.send_and_wait(topic, start, partition=0, headers=cut)


def _consumer(cluster: Cluster) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **cluster.options,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        max_partition_fetch_bytes=FETCH_BYTES_MAX,
    )


class _Reader:
    """One consumer of one partition, without a group."""

    def __init__(self, cluster: Cluster, where: TopicPartition, after: int) -> None:
        self.given = after
        """Last offset, in the port's sense, that was handed on."""
        self.passed = after
        """Kafka's offset up to which all is read."""
        self._where = where
        self.consumer = _consumer(cluster)

    async def open(self) -> None:
        """Connect and go to where reading goes on."""
        where = self._where
        await self.consumer.start()
        self.consumer.assign([where])
        first = (await self.consumer.beginning_offsets([where]))[where]
        end = await self.end()
        if self.passed > end:
            raise CommandsLost(
                f"expected {where.topic}/{where.partition} to reach offset {self.passed}, where the database stands, but it "
                f"ends at {end}: it is another topic, or it was made anew"
            )
        if self.passed < first:
            log.critical(
                "records %d to %d of %s/%d are gone before they were read: retention is shorter than the engine was away",
                self.passed, first - 1, where.topic, where.partition,
            )  # fmt: skip
            self.passed = first
        self.consumer.seek(where, self.passed)

    async def end(self) -> int:
        """Return the offset after the last record that may be read."""
        return int((await self.consumer.end_offsets([self._where]))[self._where])

    async def next(self) -> "list[ConsumerRecord[bytes, bytes]]":
        """Return the next records, none after a while without any."""
        found = (await self.consumer.getmany(self._where, timeout_ms=WAIT_MS, max_records=BATCH_RECORDS_MAX)).get(
            self._where, []
        )
        # It also moves over what is no record: the marks of other producers' transactions.
        self.passed = await self.consumer.position(self._where)
        return list(found)


def _check_foreign(command: AnyCommand, partitions: int) -> None:
    if isinstance(command, Reaction):
        raise NoCommand(f"{command.__struct_config__.tag} follows from events; only the engine may say so")
    if not command.id or command.id.startswith(ENGINE_ID):
        raise NoCommand(
            f"expected an id that is not empty and does not begin with {ENGINE_ID}, but found {command.id!r}"
        )
    if command.issued_at.tzinfo is None:
        raise NoCommand(f"expected issued_at with a time zone, but found {command.issued_at.isoformat()}")
    place = target(command, partitions)
    if isinstance(place, Rejected):
        raise NoCommand(place.reason)
    if not stampable(command):
        raise NoCommand(UNSTORABLE.reason)
    if not storable(stream_of(command, place, lambda: 1)):
        raise NoCommand(UNSTORABLE.reason)
