import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from copy import copy

import pytest
from prometheus_client import CollectorRegistry

from domain import commands as c
from domain.keys import make_key, partition_of
from domain.results import Rejected
from streams import command_lag
from streams.command_lag import CommandLag
from streams.elsewhere import LAG_MAX, Elsewhere
from streams.gateway import Gateway
from streams.work import Overloaded
from tests.streams.harness import MemoryEngine, engine


def says(offsets: Mapping[int, int]) -> Callable[[], Awaitable[Mapping[int, int]]]:
    async def answer() -> Mapping[int, int]:
        return offsets

    return answer


async def test_a_partition_lags_by_what_its_topic_has_and_its_row_has_not() -> None:
    registry = CollectorRegistry()
    lag = CommandLag(says({1: 7, 2: 100, 3: 0, 4: 9}), says({1: 7, 2: 40, 3: 5}), registry)
    assert lag.of(2) == 0, "nobody has looked"
    await lag.look()

    assert [lag.of(partition) for partition in range(1, 6)] == [0, 60, 0, 0, 0]
    shown = {
        str(each): registry.get_sample_value("procession_command_lag", {"partition": str(each)}) for each in (2, 4)
    }
    assert shown == {"2": 60.0, "4": None}, "what has no row is nobody's"


async def test_what_was_seen_long_ago_turns_nobody_away(monkeypatch: pytest.MonkeyPatch) -> None:
    lag = CommandLag(says({1: 100}), says({1: 0}), CollectorRegistry())
    await lag.look()
    assert lag.of(1) == 100
    monkeypatch.setattr(command_lag, "STALE_SECONDS", -1.0)

    assert lag.of(1) == 0


@pytest.mark.parametrize("hangs", [False, True], ids=["fails", "hangs"])
async def test_a_look_that_fails_turns_nobody_away_and_is_made_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, hangs: bool
) -> None:
    monkeypatch.setattr(command_lag, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(command_lag, "LOOK_SECONDS_MAX", 0.01)
    registry = CollectorRegistry()
    looks = 0

    async def away() -> Mapping[int, int]:
        nonlocal looks
        looks += 1
        if hangs:
            await asyncio.Event().wait()
        raise OSError("no route to the broker")

    lag = CommandLag(away, says({1: 0}), registry)
    lag._seen, lag._at = {1: 100}, asyncio.get_running_loop().time()
    looking = asyncio.create_task(lag.run())
    async with asyncio.timeout(100):
        while looks < 3:  # noqa: ASYNC110 - a test looks from outside
            await asyncio.sleep(0.001)

    assert lag.of(1) == 0
    assert registry.get_sample_value("procession_command_lag", {"partition": "1"}) is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING], "said once, not every second"
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)


def beside(run: MemoryEngine, behind: dict[int, int], own: tuple[int, ...] = ()) -> Gateway:
    """The gateway of a process that owns some partitions only."""
    gateway = copy(run.gateway)
    gateway._processors = {each: run.processors[each] for each in own}

    def lag(partition: int) -> int:
        return behind.get(partition, 0)

    gateway._elsewhere = Elsewhere(run.log, run.replies, lag=lag)
    return gateway


async def test_past_the_bound_callers_of_another_process_are_turned_away_at_once() -> None:
    async with engine(partitions=2) as run:
        behind = {1: LAG_MAX, 2: LAG_MAX + 1}
        elsewhere, owner = beside(run, behind), beside(run, behind, own=(2,))

        async def cancel(gateway: Gateway, partition: int) -> bool:
            command = c.CancelInstance(key=make_key(partition, 999), **run.stamp())
            return isinstance((await gateway.submit(command)).result, Rejected)

        assert await cancel(elsewhere, 1), "the bound itself may be reached"
        with pytest.raises(Overloaded, match=r"at most 10000 commands waiting for partition 2, but there are 10001"):
            await cancel(elsewhere, 2)
        assert await cancel(owner, 2), "whoever owns the partition is not behind the topic"


async def test_jobs_come_from_other_partitions_while_one_is_too_far_behind() -> None:
    async with engine(partitions=2) as run:
        await run.deploy("o start -> pack -> O end")
        await asyncio.gather(*(run.create(n=number) for number in range(20)))
        await run.idle()
        jobs = await beside(run, {2: LAG_MAX + 1}, own=(1,)).fetch_jobs("pack", "w", 60_000, 100, (), 0)

        assert {partition_of(int(job["jobKey"])) for job in jobs} == {1}
        assert len(await run.jobs("pack")) == 20 - len(jobs), "nothing was leased to nobody"
        with pytest.raises(Overloaded):
            await beside(run, {1: LAG_MAX + 1, 2: LAG_MAX + 1}).fetch_jobs("pack", "w", 60_000, 100, (), 0)
