"""The port to the engine: what the API needs of it, and nothing more. `infra.run` provides it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import asyncpg
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from domain.commands import AnyCommand, CreateInstance
from streams.work import Reply


class Gateway(Protocol):
    """Carries commands to the owners of their partitions, and answers back."""

    async def submit(self, command: AnyCommand) -> Reply:
        """Return once the command's events are committed. Raises `Overloaded`, `Unavailable`, `NoAnswer`."""
        ...

    async def submit_and_await_completion(self, command: CreateInstance, seconds: float, /) -> Reply:
        """Return once the instance has ended, with its `variables` in the result. Raises `NoAnswer` after so many seconds."""
        ...

    async def fetch_jobs(
        self,
        job_type: str,
        worker: str,
        lease_milliseconds: int,
        jobs_max: int,
        fetch_variables: Sequence[str],
        wait_seconds: float,
        /,
    ) -> list[dict[str, Any]]:
        """Lease jobs; wait for the first of them. Safe to cancel."""
        ...


class Clock(Protocol):
    """The engine's time."""

    def now(self) -> datetime:
        """Return the time: aware, UTC, whole milliseconds."""
        ...


class Projectors(Protocol):
    """How far the query tables are."""

    def position(self, partition: int) -> int:
        """Return the position up to which the tables hold what happened."""
        ...

    async def reached(self, partition: int, position: int) -> None:
        """Return once the tables hold what happened up to there."""
        ...

    async def told_elsewhere(self, partition: int | None) -> Mapping[int, int]:
        """Return up to which positions other processes may have told callers of events; None: of every partition."""
        ...


class Engine(Protocol):
    """A running engine."""

    @property
    def gateway(self) -> Gateway:
        """For commands."""
        ...

    @property
    def pool(self) -> asyncpg.Pool:
        """Connections for reads."""
        ...

    @property
    def clock(self) -> Clock:
        """The engine's time."""
        ...

    @property
    def projectors(self) -> Projectors:
        """How far reads are."""
        ...

    @property
    def metrics(self) -> CollectorRegistry:
        """What is counted and measured."""
        ...

    @property
    def partitions(self) -> int:
        """How many partitions there are."""
        ...

    @property
    def ready(self) -> bool:
        """Whether commands are taken."""
        ...

    async def owners(self) -> Mapping[int, str]:
        """Return who owns each partition: `<host> <process>`, and `<host>:<port>` of its API where there are several."""
        ...

    async def set_time(self, now: datetime | None) -> None:
        """Pin the controlled clock (None: let it run as the system's), and return once all that was due has happened.

        Raises `ClockNotControlled` where the clock is the system's.
        """
        ...


class Settings(Protocol):
    """What the API reads of the settings."""

    @property
    def cors_origins(self) -> tuple[str, ...]:
        """Origins that a browser may call from."""
        ...

    @property
    def api_token(self) -> SecretStr | None:
        """What callers must show; None: nothing."""
        ...

    @property
    def request_bytes_max(self) -> int:
        """Largest body, in bytes."""
        ...

    @property
    def host(self) -> str:
        """Where the API listens."""
        ...

    @property
    def port(self) -> int:
        """On which port."""
        ...

    @property
    def clock(self) -> str:
        """`system` or `controlled`."""
        ...
