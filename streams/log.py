"""The port to the command log: where commands wait, in order, until the owner of their partition has read them.

Adapters: `streams.memory_log`, `streams.postgres_log`, `streams.kafka_log`.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

import msgspec

from domain.commands import AnyCommand

BATCH_RECORDS_MAX = 200
"""Past this, PostgreSQL gains little and one bad record costs more."""


class TooLarge(Exception):  # noqa: N818 - it names what was found
    """A command does not fit into the Log, and never will."""


class CommandRecord(msgspec.Struct, frozen=True):
    """A command at its place in the Log. `reply_to` names the waiting process and caller, or is empty."""

    partition: int
    command: AnyCommand
    reply_to: str = ""
    offset: int = 0
    """Given by the Log; grows within a partition."""


class Log(Protocol):
    """Publish and read commands."""

    async def publish(self, records: Sequence[CommandRecord]) -> None:
        """Return when the records cannot be lost before their events are committed. Order within a partition is kept.

        Raise `TooLarge`; after any other error it is unknown whether they were published.
        """
        ...

    def read(self, partition: int, after: int) -> AsyncGenerator[Sequence[CommandRecord], None]:
        """Yield batches of at most `BATCH_RECORDS_MAX` records with offset > `after`, waiting for new ones without polling delay."""
        ...

    async def forget(self, partition: int, upto: int) -> None:
        """Let go of all records up to this offset: what they led to is committed."""
        ...

    async def last(self, partition: int) -> int:
        """Return the offset of the last record published to the partition that is not forgotten; 0 if there is none."""
        ...
