"""Where a run of chaos takes place: what is started for it, what may die there, and how it is seen to be whole again.

The run knows nothing of engines, databases and brokers beyond this.
"""

from collections.abc import Sequence
from random import Random
from typing import Protocol

from infra.chaos.load import Caller


class Site(Protocol):
    """One place with engines in it."""

    @property
    def victims(self) -> Sequence[str]:
        """Return what may die, in words."""
        ...

    @property
    def ports(self) -> Sequence[int]:
        """Return where engines listen; it changes as they come and go."""
        ...

    @property
    def callers(self) -> Sequence[Caller]:
        """Return who brings orders in other ways than through HTTP."""
        ...

    async def start(self) -> None:
        """Return when commands are taken. Raise `EngineFailed`."""

    async def strike(self, victim: str, random: Random) -> None:
        """Have something die or stand still; return when its engines are ready again. Raise `EngineFailed`."""

    def check_alive(self) -> None:
        """Raise `EngineFailed` if an engine ended by itself."""

    def dsn(self) -> str | None:
        """Return the address of the database; None if none runs."""
        ...

    def last_words(self) -> str:
        """Return the ends of the engines' logs."""
        ...

    async def rest(self) -> None:
        """Stop what can stop while the database goes on. Raise `EngineFailed`."""

    async def stop(self) -> Sequence[str]:
        """Stop the rest in order; return what is wrong with what it leaves. Raise `EngineFailed`."""
        ...

    async def clear_away(self) -> None:
        """Leave no process, whatever state they are in; the data stay."""
