"""The port to the events table, which is the commit point of the engine.

One writer per partition, fenced by an epoch. Adapters: `eventstore.memory`, `eventstore.postgres`.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from eventstore.records import EventRecord


class Fenced(Exception):  # noqa: N818 - it names what happened to the writer
    """The partition belongs to a newer writer: nothing was committed, and nothing more may be."""


class VersionConflict(Exception):  # noqa: N818 - it names what was found
    """The partition is at another position than its writer believes: nothing was committed."""


class Ownership(msgspec.Struct, frozen=True):
    """A partition as its new writer finds it."""

    partition: int
    epoch: int
    position: int
    """Position of the last event; 0 if there is none."""
    command_offset: int
    """Offset of the last command in the Log that was read to its end."""
    last_number: int
    """Last number given to a key."""
    marks: Mapping[int, tuple[int, int]]
    """Per source partition: position and index of the last reaction taken from it."""
    reactions_published: int
    """Up to which own position the reactions for other partitions are known to be in the Log."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of a command, kept under its id so that the same id acts once and is answered alike."""

    command_id: str
    stream: str
    position: int
    answer: bytes
    """Encoded answer, see `domain.answers`."""


class Batch(msgspec.Struct, frozen=True):
    """All that one transaction commits."""

    partition: int
    epoch: int
    after: int
    """Position of the partition's last event before this batch."""
    records: Sequence[EventRecord]
    bodies: Sequence[bytes]
    """The encoded event of each record (`eventstore.codec`): encoded once, for the table and for every topic."""
    command_offset: int
    last_number: int
    marks: Mapping[int, tuple[int, int]]
    reactions_published: int
    outcomes: Sequence[Outcome] = ()
    blocks: Mapping[int, int] = {}
    """Further key blocks taken: block -> instance key."""
    definitions: bool = False
    """Whether its writer wants to know how far the definitions stream is."""


class Stored(msgspec.Struct, frozen=True):
    """A stream as it is stored: the snapshot, if any, and the events after it."""

    snapshot: bytes | None
    snapshot_position: int
    records: Sequence[EventRecord]


class EventStore(Protocol):
    """Append, load, fence."""

    async def acquire(self, partition: int, owner: str) -> Ownership:
        """Become the only writer of the partition: raise its epoch and return what is there."""
        ...

    async def commit(self, batch: Batch) -> int | None:
        """Append the records and move the partition's row, in one transaction.

        Return the position of the last event of the definitions stream, as it was when the commit began (0: it has none); None
        if the batch does not ask for it, or it would take a question of its own.

        Raise `Fenced` if the epoch is not ours, `VersionConflict` if the position is not. After any other error it is
        unknown whether the batch was committed: `acquire` tells.
        """
        ...

    async def load(self, partition: int, streams: Sequence[str]) -> Mapping[str, Stored]:
        """Return the named streams; one that has no events comes back empty."""
        ...

    async def read(self, partition: int, after: int, limit: int) -> Sequence[EventRecord]:
        """Return events of the partition in order of position, from `after` (not included) on."""
        ...

    async def read_stream(self, partition: int, stream: str, after: int = 0) -> Sequence[EventRecord]:
        """Return all events of a stream after a position."""
        ...

    async def outcomes(self, partition: int, command_ids: Sequence[str]) -> Mapping[str, Outcome]:
        """Return what became of those of the commands that are known."""
        ...

    async def owners(self, partition: int, blocks: Sequence[int]) -> Mapping[int, int]:
        """Return the instance keys of further key blocks."""
        ...

    async def save_snapshots(self, partition: int, snapshots: Sequence[tuple[str, int, bytes]]) -> None:
        """Keep (stream, position, state); a newer one of the same stream replaces an older one, never the reverse."""
        ...

    async def positions(self) -> Mapping[int, int]:
        """Return the last position of each partition."""
        ...

    async def holder(self, partition: int) -> tuple[int, str]:
        """Return the epoch and the name of the partition's owner; 0 and nothing if it never had one."""
        ...
