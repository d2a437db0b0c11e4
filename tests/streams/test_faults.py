import asyncio
import logging
from collections import Counter
from random import Random

import pytest

from domain import commands as c
from domain import events as e
from domain.decide import fold, initial
from domain.keys import make_key
from domain.results import Rejected
from domain.streams import spread
from eventstore.memory import MemoryEventStore
from eventstore.store import Batch, Fenced
from infra.clock import ControlledClock
from streams.log import CommandRecord
from streams.memory_log import MemoryLog
from streams.work import NoAnswer, Reply, Unavailable
from tests.streams.faults import Broken, Faults, FaultyLog, FaultyStore
from tests.streams.harness import START, MemoryEngine, MemoryTables, engine

PARENT = "o start -> call c child -> pack -> O end"
CHILD = "o start -> message m go -> O end"


async def deployed(run: MemoryEngine) -> None:
    while True:
        try:
            await run.deploy(CHILD, "child")
            await run.deploy(PARENT)
            return
        except (Unavailable, NoAnswer):
            await asyncio.sleep(0)


async def persistent(run: MemoryEngine, command: c.AnyCommand) -> Rejected | dict[str, object]:
    """Submit as a client does that goes on until it is answered, with the same id."""
    while True:
        try:
            return (await run.gateway.submit(command, 1)).result
        except (Unavailable, NoAnswer):
            await asyncio.sleep(0.001)


async def workload(run: MemoryEngine, first: int, count: int) -> None:
    async def one(number: int) -> None:
        await persistent(
            run,
            c.CreateInstance(
                process_id="p", variables={"key": f"k{number}"}, id=f"create-{number}", issued_at=run.clock.now()
            ),
        )
        await persistent(
            run,
            c.PublishMessage(
                name="go",
                correlation_key=f"k{number}",
                time_to_live=3_600_000,
                id=f"publish-{number}",
                issued_at=run.clock.now(),
            ),
        )

    await asyncio.gather(*(one(number) for number in range(first, first + count)))


async def work_off(run: MemoryEngine) -> None:
    """Be a worker until nothing is left to do. Leases that were lost with their answers end with their time."""
    while True:
        await run.idle()
        await run.advance(minutes=2)
        jobs = await run.jobs("pack")
        if not jobs and len(await run.events(e.JobCreated)) == len(await run.events(e.JobCompleted)):
            return
        for job in jobs:
            await persistent(
                run, c.CompleteJob(key=int(job["jobKey"]), id=f"complete-{job['jobKey']}", issued_at=run.clock.now())
            )


async def check(run: MemoryEngine, count: int) -> None:
    records = await run.events()
    kinds = Counter(type(record.event) for record in records)
    assert kinds[e.CommandRejected] == 0, [record for record in records if isinstance(record.event, e.CommandRejected)]
    assert kinds[e.InstanceQuarantined] == 0
    assert kinds[e.MessagePublished] == count
    for kind in (e.MessageCorrelated, e.JobCreated, e.JobCompleted, e.ChildReturned):
        assert kinds[kind] == count, (kind, kinds)
    assert kinds[e.InstanceCreated] == kinds[e.InstanceCompleted] == 2 * count
    positions: dict[int, int] = {}
    states = {}
    for record in records:
        assert record.position == positions.get(record.partition, 0) + 1
        positions[record.partition] = record.position
        place = (record.partition, record.stream)
        if place not in states:
            states[place] = initial(record.stream)
        list(fold(states[place], (record.event,)))
    applied = sorted(run.tables.applied, key=lambda each: (each.partition, each.position))
    assert applied == records


@pytest.mark.parametrize("seed", range(12))
async def test_a_bad_connection_loses_nothing_and_doubles_nothing(seed: int) -> None:
    faults = Faults(Random(seed))
    store, log = FaultyStore(MemoryEventStore(), faults), FaultyLog(MemoryLog(), faults)
    async with engine(store=store, log=log) as run:
        await deployed(run)
        faults.share = 0.1
        await workload(run, 0, 25)
        faults.share = 0.0
        await work_off(run)

        assert faults.count > 0
        await check(run, 25)


@pytest.mark.parametrize("seed", range(12))
async def test_a_crash_at_any_moment_loses_nothing_and_doubles_nothing(seed: int) -> None:
    random = Random(1000 + seed)
    faults = Faults(random)
    store, log, tables = FaultyStore(MemoryEventStore(), faults), FaultyLog(MemoryLog(), faults), MemoryTables()
    clock = ControlledClock()
    clock.pin(START)
    async with engine(store=store, log=log, clock=clock, tables=tables) as run:
        await deployed(run)
    for round_ in range(6):
        async with engine(store=store, log=log, clock=clock, tables=tables, owner=f"owner {round_}") as run:
            working = asyncio.ensure_future(workload(run, round_ * 5, 5))
            for _ in range(random.randrange(200)):
                await asyncio.sleep(0)
            run.kill()
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
    async with engine(store=store, log=log, clock=clock, tables=tables, owner="the last one") as run:
        for round_ in range(6):
            await workload(run, round_ * 5, 5)
        await work_off(run)

        await check(run, 30)


@pytest.mark.parametrize("seed", range(6))
async def test_an_owner_that_was_replaced_commits_nothing_and_answers_nobody(seed: int) -> None:
    random = Random(seed)
    faults = Faults(random)
    store, log, tables = FaultyStore(MemoryEventStore(), faults), MemoryLog(), MemoryTables()
    async with engine(store=store, log=log, tables=tables, owner="zombie") as zombie:
        await deployed(zombie)
        lost = asyncio.gather(
            *(zombie.create(command_id=f"create-{number}", key=f"k{number}") for number in range(10)),
            return_exceptions=True,
        )
        for _ in range(random.randrange(30)):
            await asyncio.sleep(0)
        async with engine(store=store, log=log, tables=MemoryTables(), owner="owner") as owner:
            answers = await lost
            acknowledged = [answer for answer in answers if not isinstance(answer, BaseException)]
            assert all(isinstance(answer, (Unavailable, Reply)) for answer in answers)
            await owner.idle()
            before = len(await owner.events())
            for partition in (1, 2, 3):
                key = make_key(partition, 1_000)
                with pytest.raises(Unavailable):
                    await zombie.gateway.submit(c.CancelInstance(key=key, **zombie.stamp()))
                with pytest.raises(Fenced):
                    await zombie.tasks[3 * (partition - 1)]

            assert len(await owner.events()) == before
            assert len(acknowledged) <= len(await owner.events(e.InstanceCreated))
            await workload(owner, 0, 10)
            await work_off(owner)
            await check(owner, 10)


@pytest.mark.parametrize("seed", range(6))
async def test_an_owner_that_was_replaced_takes_nothing_back_when_its_connection_breaks(seed: int) -> None:
    faults = Faults(Random(seed))
    store, log, tables = MemoryEventStore(), MemoryLog(), MemoryTables()
    async with engine(store=FaultyStore(store, faults), log=log, tables=tables, partitions=1, owner="zombie") as zombie:
        await deployed(zombie)
        async with engine(store=store, log=log, tables=MemoryTables(), partitions=1, owner="owner"):
            held = await store.holder(1)
            faults.share = 1.0
            asking = asyncio.ensure_future(
                zombie.gateway.submit(c.CancelInstance(key=make_key(1, 1_000), **zombie.stamp()))
            )
            await zombie.until(lambda: faults.count > 0)
            faults.share = 0.0

            with pytest.raises(Fenced):
                await zombie.tasks[0]
            with pytest.raises(Unavailable):
                await asking
            assert await store.holder(1) == held == (2, "owner")


class Slow(MemoryEventStore):
    """Commits wait for a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = 0

    async def commit(self, batch: Batch) -> None:
        self.waiting += 1
        async with asyncio.timeout(100):
            await self.gate.wait()
        self.waiting -= 1
        await super().commit(batch)


async def test_an_id_that_is_being_committed_does_not_act_again() -> None:
    store = Slow()
    async with engine(partitions=1, store=store) as run:
        await run.deploy("o start -> pack -> O end")
        store.gate.clear()
        first = asyncio.ensure_future(run.create(command_id="mine"))
        await run.until(lambda: store.waiting == 1)
        second = asyncio.ensure_future(run.create(command_id="mine"))
        await run.until(lambda: run.processors[1]._unit is not None and len(run.processors[1]._unit.works) == 1)
        store.gate.set()

        assert await first == await second
        assert len(await run.events(e.InstanceCreated)) == 1


async def test_nothing_is_told_before_its_commit() -> None:
    store = Slow()
    async with engine(partitions=1, store=store) as run:
        await run.deploy("o start -> pack -> O end")
        store.gate.clear()
        first = asyncio.ensure_future(run.create(n=1))
        await asyncio.sleep(0.01)
        second = asyncio.ensure_future(run.create(n=2))
        await run.until(lambda: run.processors[1]._unit is not None and len(run.processors[1]._unit.works) == 1)

        assert not first.done()
        assert not second.done()
        assert len(run.tables.applied) == (await run.store.positions())[1]
        store.gate.set()
        assert (await first).position < (await second).position


class Refusing(MemoryEventStore):
    """Takes no commit, so many times."""

    fail = 0

    async def commit(self, batch: Batch) -> None:
        if self.fail:
            self.fail -= 1
            raise Broken("no space left on device")
        await super().commit(batch)


async def test_the_commands_of_a_batch_that_was_not_committed_are_carried_out_again() -> None:
    store = Refusing()
    async with engine(partitions=1, store=store) as run:
        await run.deploy("o start -> pack -> O end")
        store.fail = 3
        replies = await asyncio.gather(*(run.create(n=number) for number in range(10)))

        assert all(isinstance(reply.result, dict) for reply in replies)
        assert len(await run.events(e.InstanceCreated)) == 10


async def test_a_database_that_takes_no_commit_is_asked_less_and_less_often(caplog: pytest.LogCaptureFixture) -> None:
    store = Refusing()
    async with engine(partitions=1, store=store) as run:
        await run.deploy("o start -> pack -> O end")
        for fail in (3, 2):
            store.fail = fail
            await run.create()

    taken = [record.args for record in caplog.records if record.levelno == logging.ERROR]
    assert taken == [(1, 0.01), (1, 0.02), (1, 0.04), (1, 0.01), (1, 0.02)]


async def test_a_batch_that_was_committed_though_it_seemed_not_is_answered_and_not_repeated() -> None:
    class Once(MemoryEventStore):
        fail = 0

        async def commit(self, batch: Batch) -> None:
            await super().commit(batch)
            if self.fail:
                self.fail -= 1
                raise Broken("after")

    store = Once()
    async with engine(partitions=1, store=store) as run:
        await run.deploy("o start -> pack -> O end")
        store.fail = 3
        replies = [await run.create(n=number) for number in range(10)]

        assert all(isinstance(reply.result, dict) for reply in replies)
        assert len(await run.events(e.InstanceCreated)) == 10


async def test_a_reaction_that_arrives_twice_acts_once() -> None:
    async with engine(partitions=2) as run:
        await run.deploy("o start -> O end")
        [record] = await run.events(e.ProcessDefined)
        assert isinstance(record.event, e.ProcessDefined)
        reactions = [
            c.CreateStarted(
                id=f"~2-{position}-{index}",
                issued_at=START,
                source=(3, position),
                index=index,
                definition_key=record.event.key,
                element="start",
            )
            for position, index in ((1, 0), (1, 1), (4, 0))
        ]
        again = [*reactions, *reactions[1:], *reactions]
        await run.log.publish([CommandRecord(spread(each.id, 2), each) for each in again])
        await run.idle()

        assert len(await run.events(e.InstanceCreated)) == 3
