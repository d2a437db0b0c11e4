"""Direct connections between the processes of one database: a caller's command goes straight to the owner of its partition.

The command log leads there as well, and takes several times as long. A link carries what callers wait for and nothing else: what
is lost with it was never acknowledged, and whoever waits is told to try again. Both ends prove that they know the secret of the
database, and sign every frame; nothing is encrypted.
"""

import asyncio
import hmac
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from enum import IntEnum
from hashlib import blake2b
from typing import Final

import msgspec

from domain.commands import AnyCommand, CreateInstance
from streams.processor import PartitionProcessor
from streams.tasks import end
from streams.work import (
    Overloaded,
    Reply,
    Unavailable,
    Work,
    decode_command,
    decode_reply,
    encode_command,
    encode_reply,
)

VERSION: Final = b"procession link 1\n"
NONCE_BYTES: Final = 32
PROOF_BYTES: Final = 32
SEAL_BYTES: Final = 16
FRAME_BYTES_MAX: Final = 64 * 1024 * 1024
"""Larger than every answer: a thousand jobs come with up to 8 MiB of their instances, and somewhat over."""
UNSENT_BYTES_MAX: Final = 64 * 1024 * 1024
"""What the other end does not take: past it callers use the log, and an owner gives up the connection."""
READ_AHEAD_BYTES: Final = 1024 * 1024
GREET_SECONDS_MAX: Final = 5.0
CALLERS_MAX: Final = 1_000
"""Connections that an owner holds."""
LOOK_SECONDS: Final = 1.0
"""Between two looks at who owns what, and two tries to connect."""
HURRY_SECONDS: Final = 0.05
"""The same once an owner was found to be another one."""
SILENT_SECONDS_MAX: Final = 1.0
"""An owner that owes answers and says nothing for so long may stand still: what comes now goes through the log."""

log = logging.getLogger(__name__)


class Kind(IntEnum):
    """What a frame is."""

    COMMAND = 1
    GIVE_UP = 2
    """Nobody waits for an answer any more."""
    REPLY = 3
    NOT_MINE = 4
    """The owner is another process. The command was not taken."""
    OVERLOADED = 5
    UNAVAILABLE = 6


class BadPeer(Exception):  # noqa: N818 - it names what was met
    """The other end is no process of this database, or speaks another version."""


class NotMine(Exception):  # noqa: N818 - it names what the caller meets
    """The process at the other end does not own the partition; it did not take the command."""


class _Channel:
    """One connection after its greeting: frames with a number and a payload, each signed and counted."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sends: bytes, reads: bytes) -> None:
        self._reader = reader
        self._writer = writer
        self._sends, self._reads = sends, reads
        self._sent = self._read = 0
        self._outgoing: list[bytes] = []

    @property
    def unsent(self) -> int:
        """Bytes that the other end has yet to take."""
        return self._writer.transport.get_write_buffer_size()

    def send(self, kind: Kind, number: int, payload: bytes = b"") -> None:
        """Send soon; all frames of one turn of the loop go together."""
        body = bytes((kind,)) + number.to_bytes(8) + payload
        seal = _seal(self._sends, self._sent, body)
        self._sent += 1
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outgoing += ((SEAL_BYTES + len(body)).to_bytes(4), seal, body)

    def _flush(self) -> None:
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        if not self._writer.is_closing():
            self._writer.write(data)

    async def frames(self) -> AsyncGenerator[tuple[Kind, int, bytes], None]:
        """Yield what comes, until the connection ends. Raise `BadPeer`."""
        try:
            while True:
                length = int.from_bytes(await self._reader.readexactly(4))
                if not SEAL_BYTES + 9 <= length <= FRAME_BYTES_MAX:
                    raise BadPeer(f"expected a frame of at most {FRAME_BYTES_MAX} bytes, but found {length}")
                frame = await self._reader.readexactly(length)
                body = frame[SEAL_BYTES:]
                if not hmac.compare_digest(frame[:SEAL_BYTES], _seal(self._reads, self._read, body)):
                    raise BadPeer("expected a frame that is signed by a process of this database")
                self._read += 1
                yield Kind(body[0]), int.from_bytes(body[1:9]), body[9:]
        except ValueError as error:
            raise BadPeer(str(error)) from error
        except (OSError, asyncio.IncompleteReadError):
            return

    def close(self) -> None:
        """End the connection."""
        self._writer.close()


def _seal(key: bytes, number: int, body: bytes) -> bytes:
    return blake2b(number.to_bytes(8) + body, digest_size=SEAL_BYTES, key=key).digest()


def _derive(secret: bytes, what: bytes, nonces: bytes) -> bytes:
    return blake2b(what + nonces, digest_size=PROOF_BYTES, key=secret).digest()


async def _greet_owner(secret: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Channel:
    """Be the caller's end of the greeting. Raise `BadPeer`."""
    version = await reader.readexactly(len(VERSION))
    if version != VERSION:
        raise BadPeer(f"expected {VERSION!r}, but found {version!r}")
    nonces = await reader.readexactly(NONCE_BYTES) + (own := secrets.token_bytes(NONCE_BYTES))
    writer.write(own + _derive(secret, b"caller", nonces))
    if not hmac.compare_digest(await reader.readexactly(PROOF_BYTES), _derive(secret, b"owner", nonces)):
        raise BadPeer("expected a process of this database")
    return _Channel(reader, writer, _derive(secret, b"commands", nonces), _derive(secret, b"replies", nonces))


async def _greet_caller(secret: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Channel:
    """Be the owner's end of the greeting. Raise `BadPeer`."""
    own = secrets.token_bytes(NONCE_BYTES)
    writer.write(VERSION + own)
    nonces = own + await reader.readexactly(NONCE_BYTES)
    if not hmac.compare_digest(await reader.readexactly(PROOF_BYTES), _derive(secret, b"caller", nonces)):
        raise BadPeer("expected a process of this database")
    writer.write(_derive(secret, b"owner", nonces))
    return _Channel(reader, writer, _derive(secret, b"replies", nonces), _derive(secret, b"commands", nonces))


class LinkServer:
    """The owner's end: takes commands of callers in other processes as if they were in this one."""

    def __init__(self, processors: Mapping[int, PartitionProcessor], secret: bytes) -> None:
        self._processors = processors
        self._secret = secret
        self._server: asyncio.Server | None = None
        self._callers: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen on an address, and return the port. Raise `OSError`."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=READ_AHEAD_BYTES)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Listen no more, and end the connections."""
        if self._server is not None:
            self._server.close()
        await end(self._callers)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a connection is served by a task"
        try:
            if len(self._callers) >= CALLERS_MAX:
                return
            self._callers.add(task)
            try:
                async with asyncio.timeout(GREET_SECONDS_MAX):
                    channel = await _greet_caller(self._secret, reader, writer)
                await _Served(self._processors, channel).run()
            except (BadPeer, msgspec.MsgspecError) as error:
                log.warning("a link is closed: %s", error)
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                return
        finally:
            self._callers.discard(task)
            writer.close()


class _Served:
    """One caller's process, as the owner sees it."""

    def __init__(self, processors: Mapping[int, PartitionProcessor], channel: _Channel) -> None:
        self._processors = processors
        self._channel = channel
        self._waiting: dict[int, asyncio.Future[Reply]] = {}

    async def run(self) -> None:
        """Take commands until the connection ends. Raise `BadPeer`, or what msgspec raises for what is no command."""
        try:
            async for kind, number, payload in self._channel.frames():
                if kind is Kind.COMMAND:
                    self._take(number, payload)
                elif kind is Kind.GIVE_UP and (future := self._waiting.get(number)) is not None:
                    future.cancel()
                if self._channel.unsent > UNSENT_BYTES_MAX:
                    raise BadPeer(f"expected a process that takes its answers, but {self._channel.unsent} bytes wait")
        finally:
            for future in list(self._waiting.values()):
                future.cancel()

    def _take(self, number: int, payload: bytes) -> None:
        processor = self._processors.get(int.from_bytes(payload[:2]))
        if processor is None:
            self._channel.send(Kind.NOT_MINE, number)
            return
        command = decode_command(payload[2:])
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        try:
            processor.submit(Work(command, future, elsewhere=True))
        except (Overloaded, Unavailable) as error:
            self._refuse(number, error)
            return
        self._waiting[number] = future
        future.add_done_callback(lambda done: self._answer(number, done))

    def _answer(self, number: int, done: "asyncio.Future[Reply]") -> None:
        del self._waiting[number]
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            self._channel.send(Kind.REPLY, number, encode_reply(done.result()))
        else:
            self._refuse(number, error)

    def _refuse(self, number: int, error: BaseException) -> None:
        kind = Kind.OVERLOADED if isinstance(error, Overloaded) else Kind.UNAVAILABLE
        self._channel.send(kind, number, str(error).encode(errors="replace"))


class Link:
    """The caller's end of a connection to one other process."""

    def __init__(self, channel: _Channel) -> None:
        self._channel = channel
        self._waiting: dict[int, tuple[int, asyncio.Future[Reply]]] = {}
        self._owed = 0
        """Answers that are due at once; those to callers who wait for the end of an instance are not."""
        self._heard_at = 0.0
        self._number = 0
        self.closed = False

    @property
    def usable(self) -> bool:
        """Whether the other process answers, as far as can be seen."""
        silent = self._owed > 0 and time.monotonic() - self._heard_at > SILENT_SECONDS_MAX
        return not self.closed and not silent and self._channel.unsent < UNSENT_BYTES_MAX

    async def submit(self, partition: int, command: AnyCommand) -> Reply:
        """Return the owner's answer. Raise `NotMine`, `Overloaded`, or `Unavailable` when it is unknown whether it acted."""
        payload = partition.to_bytes(2) + encode_command(command)
        self._number = number = self._number + 1
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (partition, future)
        owed = not (isinstance(command, CreateInstance) and command.await_completion)
        if owed:
            if not self._owed:
                self._heard_at = time.monotonic()
            self._owed += 1
        self._channel.send(Kind.COMMAND, number, payload)
        try:
            return await future
        finally:
            self._owed -= owed
            del self._waiting[number]
            if future.cancelled() and not self.closed:
                self._channel.send(Kind.GIVE_UP, number)

    async def run(self) -> None:
        """Hand on answers until the connection ends."""
        try:
            async for kind, number, payload in self._channel.frames():
                self._heard_at = time.monotonic()
                _, future = self._waiting.get(number, (0, None))
                if future is not None and not future.done():
                    _settle(future, kind, payload)
        except (BadPeer, msgspec.MsgspecError) as error:
            log.warning("a link is closed: %s", error)
        finally:
            self.close()

    def let_go(self, partitions: frozenset[int]) -> None:
        """Turn away those who wait for these partitions: their owner is another process now."""
        for partition, future in self._waiting.values():
            if partition in partitions and not future.done():
                future.set_exception(_gone(partition))

    def close(self) -> None:
        """End the connection; whoever waits is told to try again."""
        self.closed = True
        self._channel.close()
        self.let_go(frozenset(partition for partition, _ in self._waiting.values()))


def _settle(future: "asyncio.Future[Reply]", kind: Kind, payload: bytes) -> None:
    match kind:
        case Kind.REPLY:
            future.set_result(decode_reply(payload))
        case Kind.NOT_MINE:
            future.set_exception(NotMine())
        case Kind.OVERLOADED:
            future.set_exception(Overloaded(payload.decode(errors="replace")))
        case _:
            future.set_exception(Unavailable(payload.decode(errors="replace")))


def _gone(partition: int) -> Unavailable:
    return Unavailable(f"partition {partition} changed its owner; whether the command acted is unknown")


class Links:
    """One per process: keeps a link to each other process that owns partitions."""

    def __init__(self, secret: bytes, addresses: Callable[[], Awaitable[Mapping[int, tuple[str, int]]]]) -> None:
        self._secret = secret
        self._addresses = addresses
        """Returns, for each partition of another process, where that one listens."""
        self._owners: Mapping[int, tuple[str, int]] = {}
        self._links: dict[tuple[str, int], Link] = {}
        self._running: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._changed = asyncio.Event()

    async def submit(self, partition: int, command: AnyCommand) -> Reply | None:
        """Return the owner's answer; None if no link leads to it, and nothing was taken. Raise as `Link.submit` does."""
        link = self._links.get(self._owners.get(partition, ("", 0)))
        if link is None or not link.usable:
            return None
        try:
            return await link.submit(partition, command)
        except NotMine:
            self._changed.set()
            return None

    async def run(self) -> None:
        """Keep the links until cancelled."""
        try:
            while True:
                self._changed.clear()
                try:
                    await self._look()
                except Exception as error:  # noqa: BLE001 - the database may be away in many ways; the links stand meanwhile
                    log.warning("the owners of partitions are not known: %s", str(error) or type(error).__name__)
                await asyncio.sleep(HURRY_SECONDS)
                try:
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._changed.wait()
                except TimeoutError:
                    continue
        finally:
            await end(self._running.values())

    async def _look(self) -> None:
        before, self._owners = self._owners, await self._addresses()
        for address, link in self._links.items():
            moved = {each for each, at in before.items() if at == address and self._owners.get(each) != address}
            if moved:
                link.let_go(frozenset(moved))
        wanted = set(self._owners.values())
        for address in wanted - self._running.keys():
            self._running[address] = asyncio.create_task(self._keep(address), name=f"link {address[0]}:{address[1]}")
        await end(self._running.pop(address) for address in self._running.keys() - wanted)

    async def _keep(self, address: tuple[str, int]) -> None:
        """Connect, again and again, and carry until the connection ends."""
        failing = False
        while True:
            try:
                async with asyncio.timeout(GREET_SECONDS_MAX):
                    reader, writer = await asyncio.open_connection(*address, limit=READ_AHEAD_BYTES)
                    try:
                        channel = await _greet_owner(self._secret, reader, writer)
                    except BaseException:
                        writer.close()
                        raise
            except (OSError, TimeoutError, asyncio.IncompleteReadError, BadPeer) as error:
                if not failing:
                    reason = str(error) or type(error).__name__
                    log.warning("no link to %s:%d, commands for it go through the log: %s", *address, reason)
                failing = True
            else:
                failing = False
                link = self._links[address] = Link(channel)
                try:
                    await link.run()
                finally:
                    del self._links[address]
                    self._changed.set()
            await asyncio.sleep(LOOK_SECONDS)
