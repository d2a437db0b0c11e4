import asyncio
from datetime import timedelta

from domain import commands as c
from domain import events as e
from infra.clock import SystemClock
from streams.processor import TIMERS_BATCH_MAX
from tests.streams.harness import START, engine

TRIES_MAX = 20
"""A machine that is busy with other tests may hold some of them up."""


async def test_what_is_due_fires_in_order_of_due_time_and_nothing_else() -> None:
    async with engine(partitions=1) as run:
        for seconds in (30, 10, 20, 7_200):
            await run.deploy(f"o start -> timer t PT{seconds}S -> O end", f"p{seconds}")
            await run.create(f"p{seconds}")
        await run.advance(seconds=5)
        assert not await run.events(e.TimerFired)
        await run.advance(seconds=60)

        fired = [record.event.key for record in await run.events(e.TimerFired)]  # type: ignore[union-attr]
        due = {record.event.key: record.event.due for record in await run.events(e.TimerSet)}  # type: ignore[union-attr]
        assert [due[key] for key in fired] == [START + timedelta(seconds=seconds) for seconds in (10, 20, 30)]


async def test_a_cycle_starts_instances_for_as_long_as_it_says() -> None:
    async with engine() as run:
        await run.deploy("on timer start R3/PT1M; start -> O end")
        for _ in range(5):
            await run.advance(minutes=1)

        assert len(await run.events(e.StartTimerFired)) == 3
        assert len(await run.events(e.InstanceCreated)) == 3


async def test_a_message_is_kept_for_its_time_to_live() -> None:
    async with engine() as run:
        await run.gateway.submit(c.PublishMessage(name="m", correlation_key="k", time_to_live=60_000, **run.stamp()))
        await run.advance(seconds=59)
        assert not await run.events(e.MessageExpired)
        await run.advance(seconds=1)

        assert len(await run.events(e.MessageExpired)) == 1


async def test_the_time_of_a_message_ends_also_while_one_who_stands_still_has_yet_to_take_it() -> None:
    async with engine(partitions=1) as run:
        await run.deploy("o start -> message m go -> pack -> O end")
        created = await run.create(key="k")
        assert isinstance(created.result, dict)
        key = int(created.result["processInstanceKey"])
        await run.gateway.submit(c.SuspendInstance(key=key, **run.stamp()))
        await run.gateway.submit(c.PublishMessage(name="go", correlation_key="k", time_to_live=60_000, **run.stamp()))
        await run.advance(seconds=60)

        assert len(await run.events(e.MessageExpired)) == 1
        assert not await run.events(e.MessageTaken)
        await run.gateway.submit(c.ResumeInstance(key=key, **run.stamp()))
        await run.idle()
        assert len(await run.events(e.MessageTaken)) == len(await run.events(e.MessageCorrelated)) == 1
        assert len(await run.jobs("pack")) == 1


async def test_a_message_that_comes_back_after_its_time_goes_to_nobody_else() -> None:
    async with engine(partitions=1) as run:
        await run.deploy("o start -> message m go -> O end")
        keys: list[int] = []
        for _ in range(2):
            created = await run.create(key="k")
            assert isinstance(created.result, dict)
            keys.append(int(created.result["processInstanceKey"]))
        await run.gateway.submit(c.SuspendInstance(key=keys[0], **run.stamp()))
        await run.gateway.submit(c.PublishMessage(name="go", correlation_key="k", time_to_live=60_000, **run.stamp()))
        await run.advance(seconds=60)
        await run.gateway.submit(c.CancelInstance(key=keys[0], **run.stamp()))
        await run.idle()

        assert len(await run.events(e.MessageSent)) == 1
        assert not await run.events(e.MessageCorrelated)
        await run.gateway.submit(c.PublishMessage(name="go", correlation_key="k", time_to_live=0, **run.stamp()))
        await run.idle()
        assert len(await run.events(e.MessageCorrelated)) == 1, "the other one waits on"


async def test_many_due_at_once_leave_room_for_commands() -> None:
    async with engine(partitions=1) as run:
        await run.deploy("o start -> timer t PT10S -> O end")
        await run.deploy("o start -> O end", "quick")
        count = 20 * TIMERS_BATCH_MAX
        await asyncio.gather(*(run.create() for _ in range(count)))
        await run.idle()
        run.clock.advance(timedelta(seconds=10))
        while not await run.events(e.TimerFired):  # noqa: ASYNC110 - step by step, not by time
            await asyncio.sleep(0)
        await run.create("quick")

        assert len(await run.events(e.TimerFired)) < count
        await run.idle()
        assert len(await run.events(e.TimerFired)) == count


async def test_timers_that_became_due_while_nobody_looked_fire_at_the_next_start() -> None:
    async with engine(partitions=2) as run:
        await run.deploy("o start -> timer t PT10S -> O end")
        for _ in range(10):
            await run.create()
        await run.idle()
    run.clock.advance(seconds := timedelta(seconds=10))
    async with engine(2, run.store, run.log, run.clock, run.tables) as again:
        await again.idle()

        assert seconds
        assert len(await again.events(e.TimerFired)) == 10


async def test_a_suspended_instance_lets_its_timer_wait() -> None:
    async with engine(partitions=1) as run:
        await run.deploy("o start -> timer t PT10S -> O end")
        created = await run.create()
        assert isinstance(created.result, dict)
        key = int(created.result["processInstanceKey"])
        await run.gateway.submit(c.SuspendInstance(key=key, **run.stamp()))
        run.clock.advance(timedelta(seconds=10))
        await asyncio.sleep(0.05)
        assert not await run.events(e.TimerFired)
        await run.gateway.submit(c.ResumeInstance(key=key, **run.stamp()))
        await run.idle()

        assert len(await run.events(e.TimerFired)) == 1


async def test_the_system_clock_waits_for_a_time() -> None:
    clock = SystemClock()
    late: list[timedelta] = []
    while not late or (late[-1] >= timedelta(milliseconds=200) and len(late) < TRIES_MAX):
        due = clock.now() + timedelta(milliseconds=30)
        while clock.now() < due:
            await clock.wait_until(due)
        late.append(clock.now() - due)

    assert late[-1] < timedelta(milliseconds=200), late
