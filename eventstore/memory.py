"""The event store in memory: the twin of `eventstore.postgres` for tests. What it keeps went through the codec."""

from collections.abc import Mapping, Sequence

from domain.keys import FIRST_PARTITION
from domain.streams import DEFINITIONS_STREAM
from eventstore.codec import CODEC, EventCodec, event_type
from eventstore.records import EventRecord
from eventstore.store import Batch, Fenced, Outcome, Ownership, Stored, VersionConflict

_Row = tuple[EventRecord, str, int, bytes]


class _Partition:
    def __init__(self, partition: int) -> None:
        self.ownership = Ownership(partition, 0, 0, 0, 0, {}, 0)
        self.owner = ""
        self.rows: list[_Row] = []
        self.streams: dict[str, list[_Row]] = {}
        self.snapshots: dict[str, tuple[int, bytes]] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.blocks: dict[int, int] = {}


class MemoryEventStore:
    """All of `eventstore.store.EventStore`, in one process, without waiting for anything."""

    def __init__(self, codec: EventCodec = CODEC) -> None:
        self._codec = codec
        self._partitions: dict[int, _Partition] = {}

    def _at(self, partition: int) -> _Partition:
        return self._partitions.setdefault(partition, _Partition(partition))

    async def acquire(self, partition: int, owner: str) -> Ownership:
        """See the port."""
        at = self._at(partition)
        was = at.ownership
        at.owner = owner
        at.ownership = Ownership(
            partition,
            was.epoch + 1,
            was.position,
            was.command_offset,
            was.last_number,
            dict(was.marks),
            was.reactions_published,
        )
        return at.ownership

    async def commit(self, batch: Batch) -> int | None:
        """See the port."""
        definitions = self._definitions()
        at = self._at(batch.partition)
        position = at.ownership.position
        if at.ownership.epoch != batch.epoch:
            raise Fenced(f"expected epoch {batch.epoch} of partition {batch.partition}, but it is {at.ownership.epoch}")
        if position != batch.after:
            raise VersionConflict(
                f"expected partition {batch.partition} at position {batch.after}, but it is at {position}"
            )
        for record, body in zip(batch.records, batch.bodies, strict=True):
            kind = event_type(record.event)
            row = (record, kind, self._codec.version(kind), body)
            at.rows.append(row)
            at.streams.setdefault(record.stream, []).append(row)
        at.ownership = Ownership(
            batch.partition,
            batch.epoch,
            position + len(batch.records),
            batch.command_offset,
            batch.last_number,
            dict(batch.marks),
            batch.reactions_published,
        )
        for outcome in batch.outcomes:
            at.outcomes.setdefault(outcome.command_id, outcome)
        at.blocks.update(batch.blocks)
        return definitions if batch.definitions else None

    def _definitions(self) -> int:
        first = self._partitions.get(FIRST_PARTITION)
        rows = first.streams.get(DEFINITIONS_STREAM) if first is not None else None
        return rows[-1][0].position if rows else 0

    def _record(self, row: _Row) -> EventRecord:
        record, kind, schema, body = row
        return EventRecord(
            record.partition,
            record.position,
            record.stream,
            record.time,
            record.command_id,
            record.by,
            self._codec.decode(kind, schema, body),
        )

    async def load(self, partition: int, streams: Sequence[str]) -> Mapping[str, Stored]:
        """See the port."""
        at = self._at(partition)
        found: dict[str, Stored] = {}
        for stream in streams:
            position, state = at.snapshots.get(stream, (0, None))
            rows = at.streams.get(stream, ())
            found[stream] = Stored(state, position, [self._record(row) for row in rows if row[0].position > position])
        return found

    async def read(self, partition: int, after: int, limit: int) -> Sequence[EventRecord]:
        """See the port."""
        return [self._record(row) for row in self._at(partition).rows[after : after + limit]]

    async def read_stream(self, partition: int, stream: str, after: int = 0) -> Sequence[EventRecord]:
        """See the port."""
        rows = self._at(partition).streams.get(stream, ())
        return [self._record(row) for row in rows if row[0].position > after]

    async def outcomes(self, partition: int, command_ids: Sequence[str]) -> Mapping[str, Outcome]:
        """See the port."""
        known = self._at(partition).outcomes
        return {command_id: known[command_id] for command_id in command_ids if command_id in known}

    async def owners(self, partition: int, blocks: Sequence[int]) -> Mapping[int, int]:
        """See the port."""
        known = self._at(partition).blocks
        return {block: known[block] for block in blocks if block in known}

    async def save_snapshots(self, partition: int, snapshots: Sequence[tuple[str, int, bytes]]) -> None:
        """See the port."""
        kept = self._at(partition).snapshots
        for stream, position, state in snapshots:
            if kept.get(stream, (0, b""))[0] < position:
                kept[stream] = (position, state)

    async def positions(self) -> Mapping[int, int]:
        """See the port."""
        return {partition: at.ownership.position for partition, at in self._partitions.items()}

    async def holder(self, partition: int) -> tuple[int, str]:
        """See the port."""
        at = self._at(partition)
        return at.ownership.epoch, at.owner
