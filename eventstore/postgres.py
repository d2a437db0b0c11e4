"""The event store in PostgreSQL: the commit point of the engine.

Each partition has a connection of its own for commits, so that they neither wait for readers nor for each other.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import asyncpg
import msgspec

from domain.keys import FIRST_PARTITION
from domain.streams import DEFINITIONS_STREAM
from eventstore.codec import CODEC, EventCodec, event_type
from eventstore.records import EventRecord
from eventstore.store import Batch, Fenced, Outcome, Ownership, Stored, VersionConflict

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    # asyncpg's classes are generic in its stubs only.
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

EVENT_COLUMNS = ("partition", "position", "stream", "type", "schema", "time", "command_id", "by", "body")

SMALL_RECORDS_MAX = 100
"""Up to so many events, a statement costs less than the four messages of a transaction with COPY."""

COMMIT_SECONDS_MAX = 30.0
"""A commit that takes longer counts as failed: its connection is closed and the partition is taken anew."""

BLOCKED_SECONDS_MAX = 2.0
"""So long an earlier owner may take to end its commit; then its connection is closed by the server."""

CONNECTION_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a call on a connection raises that broke or is just breaking; the last, where the server's farewell came between calls."""

_ACQUIRE = """
INSERT INTO partitions AS p (partition, epoch, owner) VALUES ($1, 1, $2)
ON CONFLICT (partition) DO UPDATE SET epoch = p.epoch + 1, owner = excluded.owner
RETURNING epoch, position, command_offset, last_number, marks, reactions_published
"""

# An engine that stands still between BEGIN and COMMIT holds the row for as long as it stands.
_UNBLOCK = """
SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a
WHERE a.pid = ANY (pg_blocking_pids($1)) AND a.application_name = $2
"""

_LOAD = """
WITH wanted AS MATERIALIZED (
    SELECT w.stream, coalesce(s.position, 0) AS position, s.state
    FROM unnest($2::text[]) AS w (stream) LEFT JOIN snapshots s ON s.partition = $1 AND s.stream = w.stream
)
SELECT stream, position, '' AS type, 0 AS schema, NULL::timestamptz AS time, '' AS command_id, '' AS "by", state AS body
FROM wanted WHERE state IS NOT NULL
UNION ALL
SELECT e.stream, e.position, e.type, e.schema, e.time, e.command_id, e."by", e.body
FROM wanted w JOIN events e ON e.partition = $1 AND e.stream = w.stream AND e.position > w.position
"""

# A whole batch in one round trip: nothing is inserted unless the partition's row moved. A stream that is NULL has no events.
_COMMIT_SMALL = """
WITH moved AS (
    UPDATE partitions SET position = $4, command_offset = $5, last_number = $6, marks = $7, reactions_published = $8
    WHERE partition = $1 AND epoch = $2 AND position = $3 RETURNING partition
), appended AS (
    INSERT INTO events (partition, position, stream, type, schema, time, command_id, "by", body)
    SELECT m.partition, e.* FROM moved AS m CROSS JOIN unnest(
        $9::bigint[], $10::text[], $11::text[], $12::smallint[], $13::timestamptz[], $14::text[], $15::text[], $16::bytea[]
    ) AS e
), remembered AS (
    INSERT INTO command_outcomes (partition, command_id, stream, position, answer)
    SELECT m.partition, o.* FROM moved AS m CROSS JOIN unnest($17::text[], $18::text[], $19::bigint[], $20::bytea[]) AS o
    ON CONFLICT DO NOTHING
), blocked AS (
    INSERT INTO key_blocks (partition, block, instance_key)
    SELECT m.partition, b.* FROM moved AS m CROSS JOIN unnest($21::bigint[], $22::bigint[]) AS b
)
SELECT count(*), (SELECT max(position) FROM events WHERE partition = $23 AND stream = $24) FROM moved
"""

_READ = """
SELECT stream, position, type, schema, time, command_id, "by", body
FROM events WHERE partition = $1 AND position > $2 ORDER BY position LIMIT $3
"""

_READ_STREAM = """
SELECT stream, position, type, schema, time, command_id, "by", body
FROM events WHERE partition = $1 AND stream = $2 AND position > $3 ORDER BY position
"""

_SAVE_SNAPSHOTS = """
INSERT INTO snapshots AS s (partition, stream, position, state)
SELECT $1, n.stream, n.position, n.state FROM unnest($2::text[], $3::bigint[], $4::bytea[]) AS n (stream, position, state)
ON CONFLICT (partition, stream) DO UPDATE SET position = excluded.position, state = excluded.state
WHERE s.position < excluded.position
"""

encode_marks = msgspec.json.Encoder().encode
_marks = msgspec.json.Decoder(dict[int, tuple[int, int]])


class PostgresEventStore:
    """All of `eventstore.store.EventStore`. `pool` serves the reads; commits use connections to the same database."""

    def __init__(self, pool: Pool, dsn: str, codec: EventCodec = CODEC) -> None:
        self._pool = pool
        self._dsn = dsn
        self._codec = codec
        self._writers: dict[int, Connection] = {}

    async def close(self) -> None:
        """Close the commit connections, in bounded time."""
        for writer in self._writers.values():
            await _discard(writer)
        self._writers.clear()

    async def _writer(self, partition: int) -> Connection:
        writer = self._writers.get(partition)
        if writer is None or writer.is_closed():
            writer = self._writers[partition] = await asyncpg.connect(
                self._dsn, server_settings={"application_name": _name(partition)}
            )
        return writer

    async def acquire(self, partition: int, owner: str) -> Ownership:
        """See the port."""
        async with asyncio.timeout(COMMIT_SECONDS_MAX):
            writer = await self._writer(partition)
            row = await self._take(writer, partition, owner)
        assert row is not None, "INSERT … RETURNING returned no row"
        epoch, position, command_offset, last_number, marks, published = row
        return Ownership(partition, epoch, position, command_offset, last_number, _marks.decode(marks), published)

    async def _take(self, writer: Connection, partition: int, owner: str) -> asyncpg.Record | None:
        taking = asyncio.ensure_future(writer.fetchrow(_ACQUIRE, partition, owner))
        try:
            while not (await asyncio.wait((taking,), timeout=BLOCKED_SECONDS_MAX))[0]:
                await self._pool.execute(_UNBLOCK, writer.get_server_pid(), _name(partition))
            return await taking
        finally:
            taking.cancel()

    async def commit(self, batch: Batch) -> int | None:
        """See the port. After any error but `Fenced` it is not known whether the batch was committed."""
        writer = await self._writer(batch.partition)
        try:
            async with asyncio.timeout(COMMIT_SECONDS_MAX):
                return await self._commit(writer, batch)
        except BaseException:
            # A connection in the middle of a transaction is of no use to the next batch, nor is a half-known one.
            self._writers.pop(batch.partition, None)
            writer.terminate()
            raise

    async def _commit(self, writer: Connection, batch: Batch) -> int | None:
        marks = encode_marks(batch.marks).decode()
        rows = self._rows(batch)
        if len(rows) <= SMALL_RECORDS_MAX:
            found = await writer.fetchrow(
                _COMMIT_SMALL,
                batch.partition,
                batch.epoch,
                batch.after,
                batch.after + len(rows),
                batch.command_offset,
                batch.last_number,
                marks,
                batch.reactions_published,
                *(zip(*rows, strict=True) if rows else [()] * 8),
                *_outcome_columns(batch),
                *_block_columns(batch),
                FIRST_PARTITION,
                DEFINITIONS_STREAM if batch.definitions else None,
            )
            if found is None or found[0] != 1:
                await self._explain(writer, batch)
            return (found[1] or 0) if batch.definitions else None
        # All values are numbers of ours: written into the text, so that BEGIN and the fence are one round trip.
        moved = await writer.execute(
            f"BEGIN; UPDATE partitions SET position = {batch.after + len(rows)}, "
            f"command_offset = {batch.command_offset}, last_number = {batch.last_number}, marks = '{marks}', "
            f"reactions_published = {batch.reactions_published} "
            f"WHERE partition = {batch.partition} AND epoch = {batch.epoch} AND position = {batch.after}"
        )
        if moved != "UPDATE 1":
            await self._explain(writer, batch)
        if rows:
            await writer.copy_records_to_table(
                "events", records=[(batch.partition, *row) for row in rows], columns=EVENT_COLUMNS
            )
        await self._append_more(writer, batch)
        await writer.execute("COMMIT")
        return None

    def _rows(self, batch: Batch) -> list[tuple[Any, ...]]:
        version = self._codec.version
        rows: list[tuple[Any, ...]] = []
        for record, body in zip(batch.records, batch.bodies, strict=True):
            kind = event_type(record.event)
            rows.append(
                (record.position, record.stream, kind, version(kind), record.time, record.command_id, record.by, body)
            )
        return rows

    async def _append_more(self, writer: Connection, batch: Batch) -> None:
        if batch.outcomes:
            await writer.execute(
                "INSERT INTO command_outcomes (partition, command_id, stream, position, answer) "
                "SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bytea[]) ON CONFLICT DO NOTHING",
                batch.partition,
                *_outcome_columns(batch),
            )
        if batch.blocks:
            await writer.execute(
                "INSERT INTO key_blocks (partition, block, instance_key) "
                "SELECT $1, * FROM unnest($2::bigint[], $3::bigint[])",
                batch.partition,
                *_block_columns(batch),
            )

    async def _explain(self, writer: Connection, batch: Batch) -> NoReturn:
        row = await writer.fetchrow(
            "SELECT epoch, owner, position FROM partitions WHERE partition = $1", batch.partition
        )
        epoch, owner, position = row if row is not None else (0, "nobody", 0)
        if epoch != batch.epoch:
            raise Fenced(
                f"expected epoch {batch.epoch} of partition {batch.partition}, but it is {epoch}: it belongs to {owner}"
            )
        raise VersionConflict(
            f"expected partition {batch.partition} at position {batch.after}, but it is at {position}"
        )

    def _record(self, partition: int, row: Any) -> EventRecord:
        stream, position, kind, schema, time, command_id, by, body = row
        try:
            event = self._codec.decode(kind, schema, body)
        except Exception as error:
            error.add_note(f"at partition {partition}, position {position}, stream {stream!r}")
            raise
        return EventRecord(partition, position, stream, time, command_id, by, event)

    async def load(self, partition: int, streams: Sequence[str]) -> Mapping[str, Stored]:
        """See the port."""
        rows = await self._pool.fetch(_LOAD, partition, list(streams))
        snapshots: dict[str, tuple[int, bytes]] = {}
        records: dict[str, list[EventRecord]] = {stream: [] for stream in streams}
        for row in rows:
            if row[2]:
                records[row[0]].append(self._record(partition, row))
            else:
                snapshots[row[0]] = (row[1], row[7])
        found: dict[str, Stored] = {}
        for stream, events in records.items():
            events.sort(key=lambda record: record.position)
            position, state = snapshots.get(stream, (0, None))
            found[stream] = Stored(state, position, events)
        return found

    async def read(self, partition: int, after: int, limit: int) -> Sequence[EventRecord]:
        """See the port."""
        rows = await self._pool.fetch(_READ, partition, after, limit)
        return [self._record(partition, row) for row in rows]

    async def read_stream(self, partition: int, stream: str, after: int = 0) -> Sequence[EventRecord]:
        """See the port."""
        rows = await self._pool.fetch(_READ_STREAM, partition, stream, after)
        return [self._record(partition, row) for row in rows]

    async def outcomes(self, partition: int, command_ids: Sequence[str]) -> Mapping[str, Outcome]:
        """See the port."""
        rows = await self._pool.fetch(
            "SELECT command_id, stream, position, answer FROM command_outcomes "
            "WHERE partition = $1 AND command_id = ANY($2::text[])",
            partition,
            list(command_ids),
        )
        return {row[0]: Outcome(row[0], row[1], row[2], row[3]) for row in rows}

    async def owners(self, partition: int, blocks: Sequence[int]) -> Mapping[int, int]:
        """See the port."""
        rows = await self._pool.fetch(
            "SELECT block, instance_key FROM key_blocks WHERE partition = $1 AND block = ANY($2::bigint[])",
            partition,
            list(blocks),
        )
        return {row[0]: row[1] for row in rows}

    async def save_snapshots(self, partition: int, snapshots: Sequence[tuple[str, int, bytes]]) -> None:
        """See the port."""
        newest = {stream: (position, state) for stream, position, state in sorted(snapshots, key=lambda s: s[1])}
        await self._pool.execute(
            _SAVE_SNAPSHOTS,
            partition,
            list(newest),
            [position for position, _ in newest.values()],
            [state for _, state in newest.values()],
        )

    async def positions(self) -> Mapping[int, int]:
        """See the port."""
        rows = await self._pool.fetch("SELECT partition, position FROM partitions")
        return {row[0]: row[1] for row in rows}

    async def holder(self, partition: int) -> tuple[int, str]:
        """See the port."""
        row = await self._pool.fetchrow("SELECT epoch, owner FROM partitions WHERE partition = $1", partition)
        return (0, "") if row is None else (row[0], row[1])


def _outcome_columns(batch: Batch) -> tuple[Sequence[Any], ...]:
    return (
        [outcome.command_id for outcome in batch.outcomes],
        [outcome.stream for outcome in batch.outcomes],
        [outcome.position for outcome in batch.outcomes],
        [outcome.answer for outcome in batch.outcomes],
    )


def _block_columns(batch: Batch) -> tuple[Sequence[Any], ...]:
    return list(batch.blocks), list(batch.blocks.values())


def _name(partition: int) -> str:
    """What the server calls the connection on which a partition is committed."""
    return f"procession partition {partition}"


async def _discard(writer: Connection) -> None:
    try:
        await writer.close(timeout=1.0)
    except CONNECTION_ERRORS:
        writer.terminate()
