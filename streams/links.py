"""Direct connections between the processes of one database: a caller's command goes straight to the owner of its partition.

The command log leads there as well, and takes several times as long. A link carries what callers wait for and nothing else: what
is lost with it was never acknowledged, and whoever waits is told to try again. Both ends prove that they know the secret of the
database, and sign every frame; nothing is encrypted.
"""

import asyncio
import contextlib
import hmac
import logging
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from enum import IntEnum
from hashlib import blake2b
from typing import Final, cast

from domain.commands import AnyCommand, CreateInstance
from streams.log import TooLarge
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
    owner_changed,
)

VERSION: Final = b"procession link 1\n"
NONCE_BYTES: Final = 32
PROOF_BYTES: Final = 32
SEAL_BYTES: Final = 16
HEAD_BYTES: Final = 9
"""Kind and number."""
FRAME_BYTES_MAX: Final = 64 * 1024 * 1024
"""Larger than every answer: a thousand jobs come with up to 8 MiB of their instances, and somewhat over."""
PAYLOAD_BYTES_MAX: Final = FRAME_BYTES_MAX - SEAL_BYTES - HEAD_BYTES
"""Of a command with its partition, and of an answer: what is larger is refused by itself, and does not end the connection."""
UNSENT_BYTES_MAX: Final = 64 * 1024 * 1024
"""What the other end does not take: past it callers use the log, and an owner gives up the connection."""
GREET_SECONDS_MAX: Final = 5.0
CALLERS_MAX: Final = 1_000
"""Connections that an owner holds."""
GONE_SECONDS_MAX: Final = 5
"""A connection ends when the other machine acknowledges nothing for so long: nobody else tells that it, or the way to it, is gone."""
PROBES: Final = 4
"""In that time, on a connection that rests."""
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


class _Channel(asyncio.Protocol):
    """One end of a connection: it greets, and then sends and takes frames with a number and a payload, each signed and counted."""

    def __init__(self, secret: bytes, *, owner: bool) -> None:
        self._secret = secret
        self.greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.take: Callable[[Kind, int, bytes], None] = _drop
        """Called with each frame. What it raises of `BadPeer` and what msgspec raises ends the connection."""
        self._transport: asyncio.Transport | None = None
        self._closed = False
        self._sends = self._reads = b""
        self._sent = self._read = 0
        self._buffer = bytearray()
        self._talk = self._owner() if owner else self._caller()
        self._wanted = next(self._talk)

    @property
    def unsent(self) -> int:
        """Bytes that the other end has yet to take."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def send(self, kind: Kind, number: int, payload: bytes = b"") -> None:
        """Send a frame; the loop sends all of one turn together."""
        body = bytes((kind,)) + number.to_bytes(8) + payload
        seal = _seal(self._sends, self._sent, body)
        self._sent += 1
        self._write((SEAL_BYTES + len(body)).to_bytes(4) + seal + body)

    def close(self) -> None:
        """End the connection, also one that is only about to be made."""
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    # --- what the loop calls -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See the base."""
        self._transport = cast("asyncio.Transport", transport)
        if self._closed:
            self._transport.abort()
            return
        _watch(self._transport)
        if self._wanted == 0:
            self._wanted = next(self._talk)

    def data_received(self, data: bytes) -> None:
        """See the base."""
        self._buffer += data
        try:
            while len(self._buffer) >= self._wanted:
                chunk = bytes(self._buffer[: self._wanted])
                del self._buffer[: self._wanted]
                self._wanted = self._talk.send(chunk)
        except (BadPeer, ValueError) as error:  # msgspec's errors are of these
            log.warning("a link is closed: %s", error)
            self._fail(error)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """See the base."""
        self._fail(exc or ConnectionResetError("the other end closed the connection"))
        if not self.ended.done():
            self.ended.set_result(None)

    def _fail(self, error: Exception) -> None:
        if not self.greeted.done():
            self.greeted.set_exception(error)
            self.greeted.exception()  # seen: nobody may be waiting for it any more

    # --- what is said --------------------------------------------------------------------------------------------------

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _owner(self) -> Generator[int, bytes, None]:
        """Be the owner's end: yield how many bytes are wanted next."""
        yield 0
        own = secrets.token_bytes(NONCE_BYTES)
        self._write(VERSION + own)
        nonces = own + (yield NONCE_BYTES)
        if not hmac.compare_digest((yield PROOF_BYTES), self._key(b"caller", nonces)):
            raise BadPeer("expected a process of this database")
        self._write(self._key(b"owner", nonces))
        self._sends, self._reads = self._key(b"replies", nonces), self._key(b"commands", nonces)
        yield from self._frames()

    def _caller(self) -> Generator[int, bytes, None]:
        """Be the caller's end."""
        version = yield len(VERSION)
        if version != VERSION:
            raise BadPeer(f"expected {VERSION!r}, but found {version!r}")
        nonces = (yield NONCE_BYTES) + (own := secrets.token_bytes(NONCE_BYTES))
        self._write(own + self._key(b"caller", nonces))
        if not hmac.compare_digest((yield PROOF_BYTES), self._key(b"owner", nonces)):
            raise BadPeer("expected a process of this database")
        self._sends, self._reads = self._key(b"commands", nonces), self._key(b"replies", nonces)
        yield from self._frames()

    def _frames(self) -> Generator[int, bytes, None]:
        if not self.greeted.done():
            self.greeted.set_result(None)
        while True:
            length = int.from_bytes((yield 4))
            if not SEAL_BYTES + HEAD_BYTES <= length <= FRAME_BYTES_MAX:
                raise BadPeer(f"expected a frame of at most {FRAME_BYTES_MAX} bytes, but found {length}")
            frame = yield length
            body = frame[SEAL_BYTES:]
            if not hmac.compare_digest(frame[:SEAL_BYTES], _seal(self._reads, self._read, body)):
                raise BadPeer("expected a frame that is signed by a process of this database")
            self._read += 1
            self.take(Kind(body[0]), int.from_bytes(body[1:HEAD_BYTES]), body[HEAD_BYTES:])

    def _key(self, what: bytes, nonces: bytes) -> bytes:
        return blake2b(what + nonces, digest_size=PROOF_BYTES, key=self._secret).digest()


def _watch(transport: asyncio.Transport) -> None:
    """Have the machine look whether the other one is still there."""
    pause = max(GONE_SECONDS_MAX // (PROBES + 1), 1)
    # The loops wrap their sockets, each in its own way: a second descriptor of the same socket is one to set options on.
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in {
            "TCP_KEEPIDLE": pause,
            "TCP_KEEPINTVL": pause,
            "TCP_KEEPCNT": PROBES,
            "TCP_USER_TIMEOUT": GONE_SECONDS_MAX * 1000,
        }.items():
            if (option := getattr(socket, name, None)) is not None:  # not every system has all of them
                same.setsockopt(socket.IPPROTO_TCP, option, value)


def _drop(kind: Kind, number: int, payload: bytes) -> None:
    """Take frames while nobody is there for them."""


def _seal(key: bytes, number: int, body: bytes) -> bytes:
    return blake2b(number.to_bytes(8) + body, digest_size=SEAL_BYTES, key=key).digest()


class LinkServer:
    """The owner's end: takes commands of callers in other processes as if they were in this one."""

    def __init__(self, processors: Mapping[int, PartitionProcessor], secret: bytes) -> None:
        self._processors = processors
        self._secret = secret
        self._server: asyncio.Server | None = None
        self._callers: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen on an address, and return the port. Raise `OSError`."""
        # As the API listens: on one family, or, for all addresses of IPv6, on those of IPv4 as well. One socket has one port.
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        listening = socket.create_server((host, port), family=family, dualstack_ipv6=both)
        bound: int = listening.getsockname()[1]
        self._server = await asyncio.get_running_loop().create_server(self._met, sock=listening)
        return bound

    async def stop(self) -> None:
        """Listen no more, and end the connections."""
        if self._server is not None:
            self._server.close()
        await end(self._callers)

    def _met(self) -> _Channel:
        channel = _Channel(self._secret, owner=True)
        task = asyncio.create_task(self._serve(_Served(self._processors, channel), channel), name="link")
        self._callers.add(task)
        task.add_done_callback(self._callers.discard)
        return channel

    async def _serve(self, served: "_Served", channel: _Channel) -> None:
        try:
            if len(self._callers) > CALLERS_MAX:
                return
            with contextlib.suppress(OSError, TimeoutError, BadPeer, ValueError):
                async with asyncio.timeout(GREET_SECONDS_MAX):
                    await asyncio.shield(channel.greeted)
                await served.run()
        finally:
            channel.close()


class _Served:
    """One caller's process, as the owner sees it."""

    def __init__(self, processors: Mapping[int, PartitionProcessor], channel: _Channel) -> None:
        self._processors = processors
        self._channel = channel
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        channel.take = self._frame

    async def run(self) -> None:
        """Return when the connection has ended."""
        try:
            await asyncio.shield(self._channel.ended)
        finally:
            for future in list(self._waiting.values()):
                future.cancel()

    def _frame(self, kind: Kind, number: int, payload: bytes) -> None:
        if kind is Kind.COMMAND:
            self._take(number, payload)
        elif kind is Kind.GIVE_UP and (future := self._waiting.get(number)) is not None:
            future.cancel()
        if self._channel.unsent > UNSENT_BYTES_MAX:
            raise BadPeer(f"expected a process that takes its answers, but {self._channel.unsent} bytes wait")

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
        if error is not None:
            self._refuse(number, error)
        elif len(answer := encode_reply(done.result())) > PAYLOAD_BYTES_MAX:
            self._refuse(
                number, Unavailable(f"expected an answer of at most {PAYLOAD_BYTES_MAX} bytes, not {len(answer)}")
            )
        else:
            self._channel.send(Kind.REPLY, number, answer)

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
        channel.take = self._frame

    @property
    def usable(self) -> bool:
        """Whether the other process answers, as far as can be seen."""
        silent = self._owed > 0 and time.monotonic() - self._heard_at > SILENT_SECONDS_MAX
        return not self.closed and not silent and self._channel.unsent < UNSENT_BYTES_MAX

    async def submit(self, partition: int, command: AnyCommand) -> Reply:
        """Return the owner's answer. Raise `TooLarge`, `NotMine`, `Overloaded`, or `Unavailable` when it is unknown whether it acted."""
        payload = partition.to_bytes(2) + encode_command(command)
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise TooLarge(f"expected a command of at most {PAYLOAD_BYTES_MAX} bytes, but found {len(payload)}")
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
        """Return when the connection has ended."""
        try:
            await asyncio.shield(self._channel.ended)
        finally:
            self.close()

    def _frame(self, kind: Kind, number: int, payload: bytes) -> None:
        self._heard_at = time.monotonic()
        _, future = self._waiting.get(number, (0, None))
        if future is not None and not future.done():
            _settle(future, kind, payload)

    def let_go(self, partitions: frozenset[int]) -> None:
        """Turn away those who wait for these partitions: their owner is another process now."""
        for partition, future in self._waiting.values():
            if partition in partitions and not future.done():
                future.set_exception(owner_changed(partition))

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
                    channel = await self._connect(address)
            except (OSError, TimeoutError, BadPeer, ValueError) as error:
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

    async def _connect(self, address: tuple[str, int]) -> _Channel:
        channel = _Channel(self._secret, owner=False)
        try:
            await asyncio.get_running_loop().create_connection(lambda: channel, *address)
            await asyncio.shield(channel.greeted)
        except BaseException:
            channel.close()
            raise
        return channel
