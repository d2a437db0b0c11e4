"""What deciding gives back: facts, or a refusal. Errors that cannot happen are exceptions, not results."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from domain.events import Event

if TYPE_CHECKING:
    from domain.definitions import Definitions

RejectionCode: TypeAlias = Literal[
    "NOT_FOUND", "INVALID_STATE", "INVALID_ARGUMENT", "ALREADY_EXISTS", "PROCESSING_ERROR"
]


class Rejected(msgspec.Struct, frozen=True):
    """The command is refused: a value, not an exception. `reason` says what was expected and what was found."""

    code: RejectionCode
    reason: str


Facts: TypeAlias = Iterator[Event]
"""A lazy run of facts over the state that they evolve: each is folded in before the next is asked for."""


class Context(msgspec.Struct, frozen=True):
    """What is not determined by the state and the command, given as data."""

    now: datetime
    """The engine's time, aware, in UTC, whole milliseconds."""
    partition: int
    partitions: int
    """How many partitions there are."""
    next_number: Callable[[], int]
    """A number of this partition that was never given before (`domain.keys.make_key`)."""
    definitions: "Definitions"
    """What is deployed, with compiled models."""
    leases: Mapping[int, datetime] = {}
    """Deadlines of the jobs that are leased to workers, for the jobs that the command addresses."""
