"""Links on real sockets, between a process that owns every partition and one that owns none."""

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import Mock

import pytest
import uvloop

from domain import commands as c
from domain.keys import make_key
from domain.results import Rejected
from streams import links, processor
from streams.elsewhere import Elsewhere
from streams.gateway import Gateway
from streams.jobs_available import JobsAvailable
from streams.jobs_elsewhere import JobsElsewhere
from streams.links import Links, LinkServer
from streams.memory_log import MemoryLog
from streams.replies import LocalReplies
from streams.tasks import end
from streams.work import NoAnswer, Overloaded, Reply, Unavailable, encode_command
from tests.streams.harness import MemoryEngine, engine

SECRET = b"s" * 32
SECONDS_MAX = 10


class Caller:
    """A process that owns nothing, and its links."""

    def __init__(self, run: MemoryEngine, links: Links) -> None:
        self.run = run
        self.links = links
        self.log = MemoryLog()
        """Nobody reads it: what goes there is not answered."""
        self.replies = LocalReplies("caller")
        available = JobsAvailable()
        self.gateway = Gateway(
            run.partitions,
            {},
            Elsewhere(self.log, self.replies, links),
            run.clock,
            available,
            JobsElsewhere("caller", available.notify),
        )

    async def create(self, **more: Any) -> Reply:
        return await self.gateway.submit(c.CreateInstance(process_id="p", **more, **self.run.stamp()))

    async def linked(self) -> None:
        await self.run.until(lambda: bool(self.links._links))

    async def in_log(self) -> int:
        return sum([await self.log.last(partition) for partition in range(1, self.run.partitions + 1)])

    async def something_in_log(self) -> None:
        async with asyncio.timeout(SECONDS_MAX):
            while not await self.in_log():  # noqa: ASYNC110 - a log tells nobody
                await asyncio.sleep(0.001)


@asynccontextmanager
async def listening(run: MemoryEngine, host: str = "127.0.0.1") -> AsyncGenerator[tuple[str, int]]:
    server = LinkServer(run.processors, SECRET)
    try:
        yield "127.0.0.1", await server.start(host, 0)
    finally:
        await server.stop()


@asynccontextmanager
async def calling(
    run: MemoryEngine, addresses: Mapping[int, tuple[str, int]], secret: bytes = SECRET
) -> AsyncGenerator[Caller]:
    async def look() -> Mapping[int, tuple[str, int]]:
        return dict(addresses)

    found = Links(secret, look)
    running = asyncio.create_task(found.run())
    try:
        yield Caller(run, found)
    finally:
        await end([running])


@asynccontextmanager
async def linked(partitions: int = 2) -> AsyncGenerator[tuple[MemoryEngine, Caller]]:
    async with (
        engine(partitions=partitions) as run,
        listening(run) as address,
        calling(run, dict.fromkeys(run.processors, address)) as caller,
    ):
        await caller.linked()
        yield run, caller


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(links, "HURRY_SECONDS", 0.001)


async def test_what_a_caller_wants_goes_straight_to_the_owner() -> None:
    async with linked() as (run, caller):
        await run.deploy("o start -> pack -> O end")
        created = await asyncio.gather(*(caller.create(variables={"n": number}) for number in range(200)))
        jobs = await caller.gateway.fetch_jobs("pack", "w", 60_000, 500, (), 0)
        done = await asyncio.gather(
            *(caller.gateway.submit(c.CompleteJob(key=int(job["jobKey"]), **run.stamp())) for job in jobs)
        )
        refused = await caller.gateway.submit(c.CancelInstance(key=make_key(2, 999), **run.stamp()))

        assert {reply.partition for reply in created} == {1, 2}
        assert sorted(job["variables"]["n"] for job in jobs) == list(range(200))
        assert not any(isinstance(reply.result, Rejected) for reply in done)
        assert isinstance(refused.result, Rejected)
        assert refused.result.code == "NOT_FOUND"
        assert await caller.in_log() == 0


def test_links_carry_on_the_loop_that_the_engine_runs_on() -> None:
    async def carry() -> None:
        async with linked() as (run, caller):
            await run.deploy("o start -> O end")
            created = [await caller.create() for _ in range(10)]
            assert {reply.partition for reply in created} == {1, 2}
            assert await caller.in_log() == 0

    uvloop.run(carry())


async def test_a_caller_may_wait_for_the_end_of_an_instance_through_a_link() -> None:
    async with linked() as (run, caller):
        await run.deploy("o start -> pack -> O end")
        waiting = asyncio.create_task(
            caller.gateway.submit_and_await_completion(
                c.CreateInstance(process_id="p", await_completion=True, **run.stamp()), SECONDS_MAX
            )
        )
        await run.until(lambda: bool(caller.links._links) and any(run.tables.jobs.values()))
        (job,) = await run.jobs("pack")
        await run.complete(job, answer=42)

        reply = await waiting
        assert isinstance(reply.result, dict)
        assert reply.result["variables"] == {"answer": 42}


async def test_an_owner_that_is_too_busy_or_gone_says_so_through_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    async with linked() as (run, caller):
        await run.deploy("o start -> O end")
        monkeypatch.setattr(processor, "WAITING_MAX", 0)
        with pytest.raises(Overloaded, match="expected at most 0 waiting commands on partition"):
            await caller.create()
        monkeypatch.undo()
        for each in run.processors.values():
            each.stop()
        with pytest.raises(Unavailable, match="takes no commands here just now"):
            await caller.create()
        assert await caller.in_log() == 0, "whoever refuses took it"


async def test_a_process_that_does_not_own_the_partition_sends_the_command_to_the_log() -> None:
    async with linked() as (run, caller):
        await run.deploy("o start -> O end")
        owned = dict(run.processors)
        run.processors.clear()
        creating = asyncio.create_task(caller.create())
        await caller.something_in_log()
        creating.cancel()
        run.processors.update(owned)


async def test_without_a_link_commands_go_through_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with engine(partitions=1) as run, calling(run, {1: ("127.0.0.1", 1)}) as caller:
        await run.until(lambda: "no link to 127.0.0.1:1, commands for it go through the log" in caplog.text)
        creating = asyncio.create_task(caller.create())
        await caller.something_in_log()
        creating.cancel()
        assert caplog.text.count("no link to") == 1, "said once, however often it is tried"


async def test_who_does_not_know_the_secret_gets_no_link(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        engine(partitions=1) as run,
        listening(run) as address,
        calling(run, {1: address}, secret=b"t" * 32) as caller,
    ):
        await run.until(lambda: "a link is closed: expected a process of this database" in caplog.text)
        assert await caller.links.submit(1, c.CancelInstance(key=make_key(1, 9), **run.stamp())) is None


class Raw:
    """A caller's end that may say anything."""

    def __init__(self, channel: links._Channel) -> None:
        self.channel = channel
        self.kinds: list[links.Kind] = []
        channel.take = self._take

    def _take(self, kind: links.Kind, number: int, payload: bytes) -> None:
        self.kinds.append(kind)


async def greeted(address: tuple[str, int]) -> Raw:
    channel = links._Channel(SECRET, owner=False)
    await asyncio.get_running_loop().create_connection(lambda: channel, *address)
    async with asyncio.timeout(SECONDS_MAX):
        await channel.greeted
    return Raw(channel)


def forged(channel: links._Channel) -> None:
    channel._sends = b"x" * 32


def repeated(channel: links._Channel) -> None:
    channel._sent -= 1


@pytest.mark.parametrize("break_it", [forged, repeated])
async def test_a_frame_that_is_forged_or_repeated_ends_the_link(
    break_it: Callable[[links._Channel], None], caplog: pytest.LogCaptureFixture
) -> None:
    async with engine(partitions=1) as run, listening(run) as address:
        raw = await greeted(address)
        frame = (1).to_bytes(2) + encode_command(c.CancelInstance(key=make_key(1, 9), **run.stamp()))
        raw.channel.send(links.Kind.COMMAND, 1, frame)
        await run.until(lambda: raw.kinds == [links.Kind.REPLY])
        break_it(raw.channel)
        raw.channel.send(links.Kind.COMMAND, 2, frame)
        await raw.channel.ended
        assert raw.kinds == [links.Kind.REPLY]
        assert "expected a frame that is signed" in caplog.text


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"\xff\xff\xff\xff", "expected a frame of at most"),
        (b"\x00\x00\x00\x01x", "expected a frame of at most"),
    ],
)
async def test_a_frame_of_a_wrong_length_ends_the_link(
    sent: bytes, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with engine(partitions=1) as run, listening(run) as address:
        raw = await greeted(address)
        raw.channel._write(sent)
        await raw.channel.ended
        assert said in caplog.text


async def test_what_is_no_command_ends_the_link_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    async with linked() as (run, caller):
        await run.deploy("o start -> O end")
        (address,) = caller.links._links
        raw = await greeted(address)
        raw.channel.send(links.Kind.COMMAND, 1, (1).to_bytes(2) + b'{"type":"no-such-command"}')
        await raw.channel.ended
        assert "a link is closed: Invalid value 'no-such-command'" in caplog.text
        assert isinstance((await caller.create()).result, dict)


async def test_whoever_waits_when_a_link_breaks_may_try_again() -> None:
    async with linked() as (run, caller):
        await run.deploy("o start -> pack -> O end")
        waiting = asyncio.create_task(caller.create(await_completion=True))
        await run.until(lambda: any(run.tables.jobs.values()))
        (link,) = caller.links._links.values()
        link.close()
        with pytest.raises(Unavailable, match="whether the command acted is unknown"):
            await waiting
        await run.until(lambda: bool(caller.links._links) and link not in caller.links._links.values())
        assert isinstance((await caller.create()).result, dict), "it comes back"


async def test_whoever_waits_for_a_partition_that_moves_may_try_again() -> None:
    async with engine(partitions=2) as run, listening(run) as address:
        addresses = dict.fromkeys(run.processors, address)
        async with calling(run, addresses) as caller:
            await caller.linked()
            await run.deploy("o start -> pack -> O end")
            waiting = [asyncio.create_task(caller.create(await_completion=True)) for _ in range(8)]
            await run.until(lambda: sum(map(len, run.tables.jobs.values())) == 8)
            del addresses[2]
            async with asyncio.timeout(SECONDS_MAX):
                moved, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_EXCEPTION)
            assert moved
            for each in moved:
                with pytest.raises(Unavailable, match="partition 2 changed its owner"):
                    await each
            for each in waiting:
                each.cancel()


async def test_a_caller_who_gives_up_is_waited_for_no_longer() -> None:
    async with linked() as (run, caller):
        await run.deploy("o start -> pack -> O end")
        with pytest.raises(NoAnswer):
            await caller.gateway.submit(
                c.CreateInstance(process_id="p", await_completion=True, **run.stamp()), timeout=0.05
            )
        await run.until(lambda: not any(each._decider._awaiting for each in run.processors.values()))
        (link,) = caller.links._links.values()
        assert not link._waiting


async def test_an_owner_that_stands_still_is_gone_round(monkeypatch: pytest.MonkeyPatch) -> None:
    async with linked(partitions=1) as (run, caller):
        await run.deploy("o start -> O end")
        (link,) = caller.links._links.values()
        monkeypatch.setattr(links, "SILENT_SECONDS_MAX", 0.0)
        monkeypatch.setattr(run.processors[1], "submit", Mock())
        silent = asyncio.create_task(caller.create())
        await run.until(lambda: not link.usable)
        behind = asyncio.create_task(caller.create())
        await caller.something_in_log()
        await end([silent, behind])
        assert link.usable, "it owes nothing any more"


async def test_a_process_holds_so_many_callers_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "CALLERS_MAX", 1)
    async with engine(partitions=1) as run, listening(run) as address:
        raw = await greeted(address)
        with pytest.raises(ConnectionError):
            await greeted(address)
        assert not raw.channel.ended.done()
        raw.channel.close()


async def test_who_does_not_greet_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "GREET_SECONDS_MAX", 0.05)
    async with engine(partitions=1) as run, listening(run) as address:
        reader, writer = await asyncio.open_connection(*address)
        async with asyncio.timeout(SECONDS_MAX):
            assert (await reader.read())[: len(links.VERSION)] == links.VERSION
        writer.close()


async def test_owners_that_cannot_be_looked_up_leave_the_links_standing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with engine(partitions=1) as run, listening(run) as address:
        looks = 0

        async def look() -> Mapping[int, tuple[str, int]]:
            nonlocal looks
            looks += 1
            if looks > 1:
                raise OSError("the database is away")
            return {1: address}

        found = Links(SECRET, look)
        running = asyncio.create_task(found.run())
        try:
            await run.until(lambda: bool(found._links) and looks > 2)
            command = c.CancelInstance(key=make_key(1, 9), **run.stamp())
            assert await found.submit(1, command) is not None
            assert "the owners of partitions are not known: the database is away" in caplog.text
        finally:
            await end([running])


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::"])  # noqa: S104 - for the length of a test
async def test_a_process_that_listens_on_all_addresses_is_reached_at_those_of_both_families(host: str) -> None:
    async with engine(partitions=1) as run, listening(run, host) as (there, port):
        for address in [there, *(["::1"] if host == "::" else [])]:
            (await greeted((address, port))).channel.close()


async def test_a_machine_that_is_gone_ends_the_link_within_seconds() -> None:
    async with linked(partitions=1) as (_, caller):
        (link,) = caller.links._links.values()
        assert link._channel._transport is not None
        ours = link._channel._transport.get_extra_info("socket")
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 1
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5_000


async def test_what_is_too_large_for_a_link_is_refused_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with linked(partitions=1) as (run, caller):
        await run.deploy("o start -> pack -> O end")
        (link,) = caller.links._links.values()
        monkeypatch.setattr(links, "PAYLOAD_BYTES_MAX", 1_000)
        refused = await caller.create(variables={"text": "x" * 1_000})
        assert isinstance(refused.result, Rejected)
        assert refused.result.code == "INVALID_ARGUMENT"

        await run.gateway.submit(c.CreateInstance(process_id="p", variables={"text": "x" * 1_000}, **run.stamp()))
        with pytest.raises(Unavailable, match="expected an answer of at most 1000 bytes"):
            await caller.gateway.fetch_jobs("pack", "w", 60_000, 1, (), 0)
        assert isinstance((await caller.create()).result, dict)
        assert not link.closed
