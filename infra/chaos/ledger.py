"""What the load asked for and what it was told: the client's side of the story, which the log must bear out.

It draws no conclusions; `infra.chaos.checks` does.
"""

from collections import Counter
from typing import Final, Literal, TypeAlias

import msgspec

SURPRISES_MAX: Final = 50
"""Past this, more of them say nothing new."""

Wanted: TypeAlias = Literal["create-instance", "publish-message", "complete-job", "complete-user-task"]
"""Commands, by their type in the log."""


class Told(msgspec.Struct, frozen=True):
    """An answer that names a position: a promise that the log has it there."""

    wanted: Wanted
    key: str | None
    """The Idempotency-Key, if the request had one."""
    place: tuple[int, int]
    """Partition and position."""
    refused: bool
    subject: str
    """What came of it or was asked for: the key of the instance, message, job or task."""


class Order(msgspec.Struct):
    """One order: an instance that is to be created, and the message it waits for."""

    name: str
    creations: int = 0
    """Requests that were sent for it; without a key each may have acted."""
    keyed: bool = False
    instances: set[str] = msgspec.field(default_factory=set[str])
    """Instance keys that answers named."""
    publications: int = 0
    published_once: bool = False
    """Its message carries a key or an id, so that however often it is sent it exists once."""
    by_topic: bool = False
    """A broker has acknowledged the commands of both; no answer names a position."""


class Ledger:
    """All that happened between the load and the engine."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.told: list[Told] = []
        """In the order in which it was told."""
        self.handed_out: set[int] = set()
        """Jobs that a worker was given."""
        self.in_doubt: Counter[str] = Counter()
        """Requests without an answer, by type of command."""
        self.refused: Counter[str] = Counter()
        self.surprises: list[str] = []
        """Answers that no client should ever get; each is a finding."""
        self.done = 0
        """Orders whose last job was completed."""

    def tell(
        self, wanted: Wanted, key: str | None, place: tuple[int, int] | None, subject: str, *, refused: bool
    ) -> None:
        """Note an answer to a command."""
        if refused:
            self.refused[wanted] += 1
        if place is None:
            self.surprise(f"expected the answer to {wanted} of {subject} to name its position, but it did not")
        else:
            self.told.append(Told(wanted, key, place, refused, subject))

    def surprise(self, sentence: str) -> None:
        """Note an answer that must not be."""
        if len(self.surprises) < SURPRISES_MAX:
            self.surprises.append(sentence)

    def places(self, since: int = 0) -> set[int]:
        """Return the partitions that answered since the n-th answer."""
        return {told.place[0] for told in self.told[since:]}


def creation_of(order: str) -> str:
    """Return the id of the command that creates an order's instance, where it has one."""
    return f"{order}-create"


def payment_of(order: str) -> str:
    """Return the id of the command that publishes an order's message, where it has one."""
    return f"{order}-pay"
