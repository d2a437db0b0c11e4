"""Tables like the query tables, in which the log is folded again without touching them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from eventstore.records import EventRecord
from projections.connections import Connection
from projections.writer import ProjectionWriter

SCHEMA = "projections_shadow"
BATCH_RECORDS_MAX = 5_000
"""Events that are folded and written at once."""

MAINTENANCE_LOCK = 0x70726F6A
"""Advisory lock: one of rebuild, verify and prune at a time."""

Progress: TypeAlias = Callable[[int, int], None]
"""(events done, events in all)"""


class EventReader(Protocol):
    """What is needed of the event store."""

    async def read(self, partition: int, after: int, limit: int) -> Sequence[EventRecord]:
        """See `eventstore.store.EventStore`."""
        ...

    async def positions(self) -> Mapping[int, int]:
        """See `eventstore.store.EventStore`."""
        ...


def quiet(done: int, total: int) -> None:
    """Show no progress."""


class Catching:
    """Folds the log into the tables that the connection's search path names first, and counts."""

    def __init__(
        self, store: EventReader, writer: ProjectionWriter, connection: Connection, progress: Progress
    ) -> None:
        self._store = store
        self._writer = writer
        self._connection = connection
        self._progress = progress
        self.positions: dict[int, int] = {}

    async def up_to(self, targets: Mapping[int, int]) -> int:
        """Fold up to these positions; return how many events that were."""
        before = sum(self.positions.values())
        total = sum(targets.values())
        for partition, target in sorted(targets.items()):
            position = self.positions.get(partition, 0)
            while position < target:
                limit = min(BATCH_RECORDS_MAX, target - position)
                records = await self._store.read(partition, position, limit)
                if not records:
                    raise LookupError(
                        f"expected partition {partition} to have an event after position {position}, as its checkpoint"
                        f" is at {target}, but it has none"
                    )
                position = await self._writer.apply_in(self._connection, partition, records)
                self.positions[partition] = position
                self._progress(sum(self.positions.values()), total)
        return sum(self.positions.values()) - before


async def make_shadow_table(connection: Connection, name: str) -> None:
    """Make a table like public.<name> in the shadow schema: columns, parts, indexes with their names, storage."""
    row = await connection.fetchrow(
        """
        SELECT array_to_string(c.reloptions, ', ') AS options, pg_get_partkeydef(c.oid) AS parts,
            (SELECT conname FROM pg_constraint WHERE conrelid = c.oid AND contype = 'p') AS key_name,
            (SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = c.oid AND contype = 'p') AS key
        FROM pg_class c WHERE c.oid = ('public.' || $1)::regclass
        """,
        name,
    )
    assert row is not None, f"there is no table {name}"
    like = f"LIKE public.{name} INCLUDING ALL EXCLUDING INDEXES"
    parts = f" PARTITION BY {row['parts']}" if row["parts"] else ""
    options = f" WITH ({row['options']})" if row["options"] else ""
    await connection.execute(f"CREATE TABLE {SCHEMA}.{name} ({like}){parts}{options}")
    await connection.execute(f"ALTER TABLE {SCHEMA}.{name} ADD CONSTRAINT {row['key_name']} {row['key']}")
    indexes = await connection.fetch(
        "SELECT pg_get_indexdef(indexrelid) AS text FROM pg_index"
        " WHERE indrelid = ('public.' || $1)::regclass AND NOT indisprimary",
        name,
    )
    for index in indexes:
        text = index["text"].replace(f" ON ONLY public.{name} ", f" ON {SCHEMA}.{name} ")
        await connection.execute(text.replace(f" ON public.{name} ", f" ON {SCHEMA}.{name} "))
