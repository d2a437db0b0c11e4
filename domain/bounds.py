"""How much one command may do. Past it the command is undone and the instance is held, with an incident that says why."""

from collections.abc import Iterable, Sequence

from domain.events import CommandHeld, Event
from domain.results import Facts

FACTS_PER_COMMAND_MAX = 50_000
"""A line of 3,000 gateways takes 9,000 facts; more than this is a model that never waits."""


EVENT_BYTES_MAX = 11 * 1024 * 1024
"""Bytes of a fact as JSON: room for the variables of the largest command (8 MiB) with others. A reaction with the same variables
still fits into a record of a topic (16 MiB), also where an instance that stands still holds it as base64, a third larger."""


class TooManyFacts(Exception):  # noqa: N818 - it names what was found
    """A command led to more facts than one command may."""


class FactTooLarge(Exception):  # noqa: N818 - it names what was found
    """A command led to a fact that is larger than one may be."""


def check_sizes(facts: Sequence[Event], bodies: Sequence[bytes]) -> None:
    """Raise `FactTooLarge` if one of the facts is too large as JSON."""
    for fact, body in zip(facts, bodies, strict=True):
        if len(body) > EVENT_BYTES_MAX and not isinstance(fact, CommandHeld):
            raise FactTooLarge(
                f"expected facts of at most {EVENT_BYTES_MAX} bytes, but a {fact.__struct_config__.tag} would have "
                f"{len(body)}: the variables or the resource in it are too large"
            )


def bounded(facts: Iterable[Event]) -> Facts:
    """Yield the facts, and raise `TooManyFacts` past the bound."""
    for count, fact in enumerate(facts):
        if count >= FACTS_PER_COMMAND_MAX:
            raise TooManyFacts(
                f"expected a command to lead to at most {FACTS_PER_COMMAND_MAX} facts, but it led to more;"
                " the model has a loop that never waits"
            )
        yield fact
