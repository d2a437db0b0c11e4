"""The ports to what the moving parts ask the query tables: which jobs may be leased, and what is due.

The tables follow the events at a small distance; whoever asks makes up for that. Adapter: `streams.postgres_tables`.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from eventstore.records import EventRecord


class OpenJob(msgspec.Struct, frozen=True):
    """A job that may be leased."""

    key: int
    instance_key: int
    priority: int


class OpenJobs(msgspec.Struct, frozen=True):
    """The first of the jobs that may be leased now, and when the next one becomes available."""

    jobs: Sequence[OpenJob]
    next_at: datetime | None


class JobsTable(Protocol):
    """Jobs as they are projected."""

    async def open(self, partition: int, job_type: str, now: datetime, limit: int) -> OpenJobs:
        """Return jobs of the type that may be leased, highest priority and oldest first."""
        ...

    async def deadlines(self, partition: int, keys: Sequence[int], now: datetime) -> dict[int, datetime]:
        """Return the deadlines of those of the jobs that are leased now."""
        ...


class Due(msgspec.Struct, frozen=True):
    """Something that is due."""

    due: datetime
    key: int
    kind: str
    """timer, start-timer or message."""
    name: str
    correlation_key: str


class AgendaTable(Protocol):
    """What is to be done at a time."""

    async def due(self, partition: int, now: datetime, limit: int) -> Sequence[Due]:
        """Return what is due, in order of due time."""
        ...

    async def next_due(self, partition: int) -> datetime | None:
        """Return the earliest due time of all."""
        ...


class Projection(Protocol):
    """Writes committed events to the query tables. Adapter: `projections.writer`."""

    async def apply(
        self, partition: int, records: Sequence[EventRecord], between: Callable[[], Awaitable[None]] | None = None
    ) -> int:
        """Fold the records into the tables and move the checkpoint, in one transaction; return the new checkpoint.

        `between` is awaited between two statements of it.
        """
        ...

    async def checkpoint(self, partition: int) -> int:
        """Return the position up to which the tables show the partition."""
        ...
