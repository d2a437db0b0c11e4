import asyncio
from typing import Any

import msgspec
import pytest

from domain import commands as c
from domain import events as e
from domain.keys import make_key
from domain.results import Rejected
from streams import projector
from streams.decider import REFUSAL_CHARACTERS_MAX
from streams.log import CommandRecord, TooLarge
from streams.work import UNSTORABLE
from tests.streams.harness import IDLE_SECONDS_MAX, MemoryEngine, MemoryTables, engine


def result(reply: Any) -> dict[str, Any]:
    assert isinstance(reply.result, dict), reply
    return reply.result


async def test_a_process_runs_from_its_creation_to_its_end() -> None:
    async with engine() as run:
        await run.deploy("o start -> pack -> O end")
        created = result(await run.create(n=1))
        [job] = await run.jobs("pack")
        await run.complete(job, done=True)

        assert job["processInstanceKey"] == created["processInstanceKey"]
        assert job["variables"] == {"n": 1}
        assert len(await run.events(e.InstanceCompleted)) == 1


async def test_a_deployment_that_was_answered_is_visible_on_every_partition() -> None:
    async with engine(partitions=5) as run:
        await run.deploy("o start -> O end")
        replies = await asyncio.gather(*(run.create() for _ in range(50)))

        assert all(isinstance(reply.result, dict) for reply in replies)
        assert {reply.partition for reply in replies} == {1, 2, 3, 4, 5}


async def test_the_same_id_acts_once_and_is_answered_alike() -> None:
    async with engine() as run:
        await run.deploy("o start -> pack -> O end")
        replies = await asyncio.gather(*(run.create(command_id="mine") for _ in range(20)))
        later = await run.create(command_id="mine")

        assert len(await run.events(e.InstanceCreated)) == 1
        assert all(reply == later for reply in replies)


async def test_the_same_id_is_refused_once_and_answered_alike() -> None:
    async with engine() as run:
        first = await run.create("none", command_id="mine")
        await run.deploy("o start -> O end", "none")
        second = await run.create("none", command_id="mine")

        assert isinstance(first.result, Rejected)
        assert first == second
        assert len(await run.events(e.CommandRejected)) == 1


async def test_a_refusal_says_who_wanted_what_and_why() -> None:
    async with engine() as run:
        reply = await run.gateway.submit(c.CancelInstance(key=(2 << 54) | (77 << 14), **run.stamp()))
        [record] = await run.events(e.CommandRejected)

        assert reply.result == Rejected(record.event.code, record.event.reason)  # type: ignore[union-attr, arg-type]
        assert (record.by, record.stream) == ("ada", f"instance/{(2 << 54) | (77 << 14)}")


async def test_a_command_on_the_wrong_partition_is_forwarded_and_answered() -> None:
    async with engine() as run:
        await run.deploy("o start -> pack -> O end")
        created = result(await run.create())
        key = int(created["processInstanceKey"])
        wrong = 1 + (key >> 54) % 3
        reply_to, answer = run.replies.expect()
        await run.log.publish([CommandRecord(wrong, c.CancelInstance(key=key, **run.stamp("other")), reply_to)])
        reply = await asyncio.wait_for(answer, 100)

        assert reply.partition == key >> 54
        assert len(await run.events(e.InstanceTerminated)) == 1
        assert all(record.partition == key >> 54 for record in await run.events(e.InstanceTerminated))


async def test_commands_from_the_log_are_carried_out_once_and_forgotten() -> None:
    async with engine(partitions=1) as run:
        await run.deploy("o start -> pack -> O end")
        commands = [c.CreateInstance(process_id="p", **run.stamp(f"c{number}")) for number in range(500)]
        await run.log.publish([CommandRecord(1, command) for command in [*commands, *commands]])
        await run.idle()

        assert len(await run.events(e.InstanceCreated)) == 500


async def test_creating_with_result_waits_for_the_end() -> None:
    async with engine() as run:
        await run.deploy("o start -> pack -> O end")
        await run.deploy("o start -> script s x = 1 + 1 -> O end", "quick")
        slow = asyncio.ensure_future(
            run.gateway.submit_and_await_completion(
                c.CreateInstance(process_id="p", await_completion=True, fetch_variables=("b",), **run.stamp()), 100
            )
        )
        quick = await run.gateway.submit_and_await_completion(
            c.CreateInstance(process_id="quick", await_completion=True, **run.stamp()), 100
        )
        [job] = await run.jobs("pack", wait=100)
        assert not slow.done()
        await run.complete(job, a=1, b=2)

        assert result(quick)["variables"] == {"x": 2}
        assert result(await slow)["variables"] == {"b": 2}
        assert result(await slow)["processDefinitionId"] == "p"


async def test_a_terminated_instance_is_no_result() -> None:
    async with engine() as run:
        await run.deploy("o start -> pack -> O end")
        waiting = asyncio.ensure_future(
            run.gateway.submit_and_await_completion(
                c.CreateInstance(process_id="p", await_completion=True, **run.stamp()), 100
            )
        )
        [job] = await run.jobs("pack", wait=100)
        await run.gateway.submit(c.CancelInstance(key=int(job["processInstanceKey"]), **run.stamp()))

        assert isinstance((await waiting).result, Rejected)


async def test_called_instances_messages_and_signals_work_across_partitions() -> None:
    async with engine(partitions=4) as run:
        await run.deploy("o start -> message m go -> O end", "child")
        await run.deploy("o start -> call c child -> signal s stop -> O end")
        for number in range(20):
            await run.create(key=f"k{number}")
        await run.idle()
        for number in range(20):
            await run.gateway.submit(c.PublishMessage(name="go", correlation_key=f"k{number}", **run.stamp()))
        await run.idle()
        await run.gateway.submit(c.BroadcastSignal(name="stop", **run.stamp()))
        await run.idle()

        assert len(await run.events(e.MessageCorrelated)) == 20
        assert len(await run.events(e.SignalReceived)) == 20
        assert len(await run.events(e.InstanceCompleted)) == 40
        assert len({record.partition for record in await run.events(e.MessageSent)}) > 1


async def test_a_command_that_breaks_quarantines_its_instance_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    async with engine(partitions=1) as run:
        await run.deploy("o start -> pack -> O end")
        await run.create(n=1)
        await run.create(n=2)
        bad, good = await run.jobs("pack")
        decide = run.processors[1]._decider.__class__._decide

        def broken(self: Any, unit: Any, work: Any, stream: str) -> None:
            if isinstance(work.command, c.CompleteJob) and work.command.key == int(bad["jobKey"]):
                entry = self.cache.get(stream)
                entry.state.elements.clear()
                raise ZeroDivisionError("of no use")
            decide(self, unit, work, stream)

        monkeypatch.setattr(run.processors[1]._decider.__class__, "_decide", broken)
        replies = await asyncio.gather(run.complete(bad), run.complete(good))
        monkeypatch.undo()

        assert isinstance(replies[0].result, Rejected)
        assert (replies[0].result.code, replies[0].result.reason) == (
            "PROCESSING_ERROR",
            "ZeroDivisionError: of no use",
        )
        assert isinstance(replies[1].result, dict)
        [record] = await run.events(e.InstanceQuarantined)
        assert isinstance(record.event, e.InstanceQuarantined)
        assert record.stream == f"instance/{bad['processInstanceKey']}"
        await run.gateway.submit(c.ResolveIncident(key=record.event.incident_key, **run.stamp()))
        assert isinstance((await run.complete(bad)).result, dict)


async def test_a_command_with_too_many_facts_is_refused_and_the_partition_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with engine(partitions=1) as run:
        await run.deploy("o start -> task a -> task b -> task d -> O end", "long")
        await run.deploy("o start -> O end")
        monkeypatch.setattr("domain.bounds.FACTS_PER_COMMAND_MAX", 10)
        endless = await run.create("long")
        fine = await run.create()

        assert isinstance(endless.result, Rejected)
        assert "TooManyFacts" in endless.result.reason
        assert isinstance(fine.result, dict)


async def test_a_command_with_a_fact_that_is_too_large_is_refused_and_the_partition_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with engine(partitions=1) as run:
        await run.deploy("o start -> O end")
        monkeypatch.setattr("domain.bounds.EVENT_BYTES_MAX", 5_000)
        large = await run.create(a="x" * 5_000)
        fine = await run.create(a="x" * 4_000)

        assert isinstance(large.result, Rejected)
        assert "expected facts of at most 5000 bytes, but a variables-set would have 50" in large.result.reason
        assert isinstance(fine.result, dict)


async def test_a_long_reason_is_cut_in_the_record_of_a_refusal() -> None:
    async with engine(partitions=1) as run:
        reply = await run.create("x" * 100_000)
        (record,) = await run.events(e.CommandRejected)

        assert isinstance(reply.result, Rejected)
        assert isinstance(record.event, e.CommandRejected)
        assert reply.result.reason.startswith(record.event.reason)
        assert len(record.event.reason) == REFUSAL_CHARACTERS_MAX


async def test_a_command_that_does_not_fit_into_the_log_is_refused_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    async def publish(records: Any) -> None:
        raise TooLarge("expected less")

    async with engine(partitions=2) as run:
        monkeypatch.setattr(run.log, "publish", publish)
        del run.processors[2]  # another process has it
        key = make_key(2, 1)
        reply = await run.gateway.submit(c.SetVariables(key=key, variables={}, **run.stamp()))

        assert reply.result == Rejected("INVALID_ARGUMENT", "expected less")


async def test_who_wants_it_has_to_be_storable_too() -> None:
    async with engine(partitions=1) as run:
        for by in ("a\0b", "x" * 501):
            command = msgspec.structs.replace(c.CancelInstance(key=make_key(1, 1), **run.stamp()), by=by)
            reply = await run.gateway.submit(command)

            assert reply.result == UNSTORABLE


async def test_a_key_of_no_partition_is_not_found() -> None:
    async with engine(partitions=2) as run:
        for key in (0, 7, 3 << 54, 511 << 54):
            direct = await run.gateway.submit(c.CancelInstance(key=key, **run.stamp()))
            reply_to, answer = run.replies.expect()
            await run.log.publish([CommandRecord(1, c.CancelInstance(key=key, **run.stamp(f"c{key}")), reply_to)])
            logged = await asyncio.wait_for(answer, 100)

            assert isinstance(direct.result, Rejected)
            assert isinstance(logged.result, Rejected)
            assert (direct.result.code, logged.result.code) == ("NOT_FOUND", "NOT_FOUND")


async def test_a_name_that_cannot_be_stored_is_refused() -> None:
    async with engine(partitions=1) as run:
        for name in ("a\0b", "\ud800", "x" * 3_000):
            reply = await run.gateway.submit(c.PublishMessage(name=name, correlation_key="k", **run.stamp()))
            assert isinstance(reply.result, Rejected), name


async def test_long_streams_are_loaded_from_their_snapshot() -> None:
    async with engine(partitions=1) as run:
        await run.deploy("o start -> pack -> O end")
        created = result(await run.create())
        key = int(created["processInstanceKey"])
        for number in range(250):
            await run.gateway.submit(c.SetVariables(key=key, variables={"n": number}, **run.stamp()))
        await run.until(lambda: not run.processors[1]._snapshots)
        stored = (await run.store.load(1, [f"instance/{key}"]))[f"instance/{key}"]
        run.processors[1]._decider.cache.clear()
        [job] = await run.jobs("pack")

        assert stored.snapshot_position > 200
        assert len(stored.records) < 100
        assert job["variables"] == {"n": 249}


async def test_what_another_owner_committed_last_is_projected_once_the_partition_is_taken() -> None:
    async with engine(partitions=1, owner="before") as before:
        await before.deploy("o start -> pack -> O end")
        after = MemoryEngine(1, before.store, before.log, before.clock, MemoryTables(), "after")
        projector, processor = after.projectors[1], after.processors[1]
        after.tasks = [asyncio.create_task(projector.run())]
        await after.until(lambda: projector.idle and projector.position == before.processors[1].position)
        await before.create()

        after.tasks.append(asyncio.create_task(processor.run()))
        await after.until(lambda: processor.ready)
        async with asyncio.timeout(IDLE_SECONDS_MAX):
            await projector.reached(processor.position)
        assert projector.position == before.processors[1].position
        await after.stop()


async def test_who_waits_no_more_for_a_position_is_forgotten_and_others_get_theirs() -> None:
    async with engine(partitions=1) as run:
        projector = run.projectors[1]
        waiting = asyncio.create_task(projector.reached(1))
        for position in (1, 2, 10**15):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await projector.reached(position)
        assert len(projector._waiting) == 1
        await run.deploy("o start -> O end")
        await asyncio.wait_for(waiting, IDLE_SECONDS_MAX)
        assert not projector._waiting


async def test_whoever_waits_to_see_an_event_ends_every_pause_of_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GATHER_SECONDS", "BREATH_SECONDS_MAX", "BREATH_SHARE"):
        monkeypatch.setattr(projector, name, 3_600_000.0)
    async with engine(partitions=1) as run, asyncio.timeout(IDLE_SECONDS_MAX):
        await run.deploy("o start -> pack -> O end")
        await run.create()
        await run.projectors[1].reached(run.processors[1].position)

        reply = await run.create()
        await run.until(lambda: not run.projectors[1].idle)
        while run.projectors[1].position < reply.position:
            run.projectors[1].hurry()  # as a reader in another process does, again and again
            await asyncio.sleep(0)
