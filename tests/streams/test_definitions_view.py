"""An acknowledged deployment is visible everywhere, however seldom the others look."""

import asyncio
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import events as e
from domain.streams import DEFINITIONS_STREAM
from eventstore.codec import CODEC
from eventstore.memory import MemoryEventStore
from eventstore.records import EventRecord
from eventstore.store import Batch, Ownership
from streams.definitions_view import FRESH_SECONDS, HIDDEN_SECONDS, DefinitionsView, elapsed
from tests.streams.harness import engine

NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


class Time:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


class Counting(MemoryEventStore):
    """Counts how often a stream is read."""

    reads = 0

    async def read_stream(self, partition: int, stream: str, after: int = 0) -> list[EventRecord]:
        self.reads += 1
        return list(await super().read_stream(partition, stream, after))


class Rest:
    """A definitions stream, its owner and another partition's, and that one's view."""

    def __init__(self) -> None:
        self.store = Counting()
        self.time = Time()
        self.view = DefinitionsView(self.store, shared=True, now=self.time)
        self.deployed = 0

    async def own(self) -> None:
        self.first, self.second = await self.store.acquire(1, "one"), await self.store.acquire(2, "two")

    async def deploy(self) -> int:
        """Commit a deployment, and return its position."""
        self.deployed += 1
        deployed = e.FormDefined(
            key=self.deployed, form_id="f", version=self.deployed, resource_name="", content=b"{}", deployment_key=1
        )
        await self.store.commit(_batch(self.first, self.deployed - 1, deployed))
        return self.deployed

    async def commit(self, seconds: float = 0.0) -> None:
        """Commit nothing on the other partition, and take so long until its writer hears of it."""
        looked = self.time()
        found = await self.store.commit(_batch(self.second, 0))
        self.time.seconds += seconds
        assert found is not None
        self.view.saw(found, looked)

    async def decide(self) -> int:
        """Return up to where a command that is decided now sees the stream."""
        await self.view.refresh()
        return self.view._position  # pyright: ignore[reportPrivateUsage]  # what it sees, whatever it makes of it


def _batch(owned: Ownership, after: int, *events: e.AnyEvent) -> Batch:
    records = [EventRecord(owned.partition, after + 1, DEFINITIONS_STREAM, NOW, "~1", "", event) for event in events]
    bodies = [CODEC.encode(event) for event in events]
    return Batch(owned.partition, owned.epoch, after, records, bodies, 0, 0, {}, 0, definitions=True)


async def test_a_look_counts_for_a_while() -> None:
    rest = Rest()
    await rest.own()
    await rest.decide()
    rest.time.seconds += FRESH_SECONDS * 0.9
    await rest.decide()
    assert rest.store.reads == 1
    rest.time.seconds += FRESH_SECONDS * 0.2
    await rest.decide()
    assert rest.store.reads == 2


async def test_whoever_commits_all_the_time_does_not_look_beside_it() -> None:
    rest = Rest()
    await rest.own()
    await rest.decide()
    for _ in range(100):
        await rest.commit(FRESH_SECONDS / 4)
        rest.time.seconds += FRESH_SECONDS / 4
        await rest.decide()
    assert rest.store.reads == 1

    position = await rest.deploy()
    await rest.commit()
    assert await rest.decide() == position
    assert rest.store.reads == 2


async def test_partitions_that_want_to_know_at_the_same_time_look_once() -> None:
    rest = Rest()
    await rest.own()
    await asyncio.gather(rest.decide(), rest.decide(), rest.decide())
    assert rest.store.reads == 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["deploy", "commit", "slow commit", "decide", "decide"]),
            st.integers(min_value=0, max_value=25),
        ),
        max_size=60,
    )
)
def test_whoever_was_told_of_a_deployment_finds_it(steps: list[tuple[str, int]]) -> None:
    async def play() -> None:
        rest = Rest()
        await rest.own()
        told: list[tuple[float, int]] = []
        for step, milliseconds in steps:
            rest.time.seconds += milliseconds / 1_000
            match step:
                case "deploy":
                    told.append((rest.time() + HIDDEN_SECONDS, await rest.deploy()))
                case "commit":
                    await rest.commit()
                case "slow commit":
                    await rest.commit(milliseconds / 1_000)
                case _:
                    known = max((position for at, position in told if at <= rest.time()), default=0)
                    assert await rest.decide() >= known

    asyncio.run(play())


async def test_a_deployment_is_told_only_when_nobody_counts_on_what_was_before() -> None:
    async with engine(partitions=1) as run:
        with pytest.raises(StopIteration):  # it ends without ever waiting
            run.definitions.hide().send(None)
        run.definitions._shared = True  # pyright: ignore[reportPrivateUsage]  # as if there were others
        begun = time.monotonic()
        await run.deploy("o start -> pack -> O end")
        hidden = time.monotonic() - begun

    assert hidden >= HIDDEN_SECONDS * 0.9
    assert HIDDEN_SECONDS >= 1.5 * FRESH_SECONDS


def test_time_passes() -> None:
    begun = elapsed()
    while elapsed() == begun:
        pass
