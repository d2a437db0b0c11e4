"""How much one command may do. Past it the command is undone and the instance is held, with an incident that says why."""

from collections.abc import Iterable

from domain.events import Event
from domain.results import Facts

FACTS_PER_COMMAND_MAX = 50_000
"""A line of 3,000 gateways takes 9,000 facts; more than this is a model that never waits."""


class TooManyFacts(Exception):  # noqa: N818 - it names what was found
    """A command led to more facts than one command may."""


def bounded(facts: Iterable[Event]) -> Facts:
    """Yield the facts, and raise `TooManyFacts` past the bound."""
    for count, fact in enumerate(facts):
        if count >= FACTS_PER_COMMAND_MAX:
            raise TooManyFacts(
                f"expected a command to lead to at most {FACTS_PER_COMMAND_MAX} facts, but it led to more;"
                " the model has a loop that never waits"
            )
        yield fact
