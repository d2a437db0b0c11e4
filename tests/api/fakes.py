"""An engine that only remembers what it was asked: for tests of what the API itself does with a request."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from prometheus_client import CollectorRegistry

from api.app import create_app
from domain.commands import AnyCommand
from domain.keys import make_key
from domain.results import Rejected
from streams.work import Reply

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
JOB_KEY = str(make_key(2, 7, 3))
INSTANCE_KEY = str(make_key(2, 7))


@dataclass
class FakeGateway:
    """Answers each command with `result`, at position 2-41."""

    result: dict[str, Any] | Rejected = field(default_factory=dict[str, Any])
    error: BaseException | None = None
    commands: list[AnyCommand] = field(default_factory=list[AnyCommand])
    polls: int = 0
    cancelled: int = 0
    offer: Callable[[], list[dict[str, Any]] | None] = list

    async def submit(self, command: AnyCommand) -> Reply:
        self.commands.append(command)
        if self.error is not None:
            raise self.error
        return Reply(2, 41, self.result)

    async def submit_and_await_completion(self, command: AnyCommand, seconds: float, /) -> Reply:
        return await self.submit(command)

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
        self.polls += 1
        offered = self.offer()
        if offered is not None:
            return offered
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return []


class FakeClock:
    def now(self) -> datetime:
        return NOW


@dataclass
class FakeProjectors:
    """Reads are at `positions`; they never get further."""

    positions: dict[int, int] = field(default_factory=dict[int, int])
    elsewhere: dict[int, int] = field(default_factory=dict[int, int])

    def position(self, partition: int) -> int:
        return self.positions.get(partition, 0)

    async def reached(self, partition: int, position: int) -> None:
        if self.position(partition) < position:
            await asyncio.Event().wait()

    async def told_elsewhere(self, partition: int | None) -> dict[int, int]:
        return {at: position for at, position in self.elsewhere.items() if partition in {None, at}}


@dataclass
class FakeEngine:
    gateway: FakeGateway = field(default_factory=FakeGateway)
    clock: FakeClock = field(default_factory=FakeClock)
    projectors: FakeProjectors = field(default_factory=FakeProjectors)
    pool: Any = None
    partitions: int = 4
    ready: bool = True
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)
    times: list[datetime | None] = field(default_factory=list[datetime | None])

    async def owners(self) -> dict[int, str]:
        return dict.fromkeys(range(1, self.partitions + 1), "host 1")

    async def set_time(self, now: datetime | None) -> None:
        self.times.append(now)


@dataclass(frozen=True)
class FakeSettings:
    cors_origins: tuple[str, ...] = ()
    api_token: None = None
    request_bytes_max: int = 1_000_000
    host: str = "127.0.0.1"
    port: int = 8080
    clock: str = "system"


@asynccontextmanager
async def client_of(engine: Any, settings: Any = None) -> AsyncGenerator[httpx.AsyncClient]:
    """A client that speaks to the application without a network."""
    app = create_app(engine, settings or FakeSettings())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://procession") as client:
        yield client
