"""The record around an event: where it stands, when it happened and what caused it."""

from datetime import datetime

import msgspec

from domain.events import AnyEvent


class EventRecord(msgspec.Struct, frozen=True):
    """An event at its place. `(partition, position)` names it for ever."""

    partition: int
    position: int
    stream: str
    time: datetime
    """When the engine decided it, UTC, whole milliseconds."""
    command_id: str
    """Id of the command that led to it."""
    by: str
    """Who wanted it; empty for the engine itself."""
    event: AnyEvent
