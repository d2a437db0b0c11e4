"""What travels between callers and the owner of a partition: work to do, replies to it, and the ways it can go wrong."""

import asyncio
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

from domain.commands import AnyCommand
from domain.keys import FIRST_PARTITION
from domain.results import Rejected
from domain.streams import route


class Unavailable(Exception):  # noqa: N818 - it names what the caller meets
    """Nobody carries out commands of the partition just now. Whether this one acted is unknown: try again with its id."""


class Overloaded(Exception):  # noqa: N818 - it names what the caller meets
    """Too many commands wait already; this one was not taken. Try again later."""


def owner_changed(partition: int) -> Unavailable:
    """Return what whoever waits for a partition is told when it goes to another owner, or its owner goes away."""
    return Unavailable(f"partition {partition} changed its owner; whether the command acted is unknown")


class NoAnswer(Exception):  # noqa: N818 - it names what the caller meets
    """The answer did not come in time. The command may still act."""


class Reply(msgspec.Struct, frozen=True):
    """What became of a command, told after its events are committed."""

    partition: int
    position: int
    """Last event of the command; a read that has got there sees all that it did."""
    result: dict[str, Any] | Rejected


class Work:
    """A command on its way through a processor, and where its answer goes."""

    __slots__ = ("command", "elsewhere", "future", "offset", "reply_to")

    def __init__(
        self,
        command: AnyCommand,
        future: "asyncio.Future[Reply] | None" = None,
        reply_to: str = "",
        offset: int = 0,
        *,
        elsewhere: bool = False,
    ) -> None:
        self.command = command
        self.elsewhere = elsewhere or bool(reply_to)
        """Whether its caller is in another process."""
        self.future = future
        """For a caller in this process, or at the other end of a link."""
        self.reply_to = reply_to
        """For a caller that the Log knows."""
        self.offset = offset
        """In the Log; 0 if the command did not come through it."""

    @property
    def given_up(self) -> bool:
        """Whether nobody waits any more for an answer that somebody waited for."""
        return self.future is not None and self.future.done()


UNSTORABLE = Rejected(
    "INVALID_ARGUMENT",
    "expected names, keys and ids without NUL and without lone surrogates, and of at most 500 characters, but found others",
)


def target(command: AnyCommand, partitions: int) -> int | Rejected:
    """Return the partition that has to carry out a command, or why there is none."""
    try:
        partition = route(command, partitions)
    except UnicodeEncodeError:
        return UNSTORABLE
    if FIRST_PARTITION <= partition < FIRST_PARTITION + partitions:
        return partition
    key = getattr(command, "key", None)
    return Rejected(
        "NOT_FOUND", f"expected a key of partition 1 to {partitions}, but found {key} of partition {partition}"
    )


Answered: TypeAlias = tuple[Work, Reply]


class _Stored(msgspec.Struct, omit_defaults=True):
    result: dict[str, Any] | None = None
    rejected: Rejected | None = None
    purpose: str = ""
    """What the command was (`purpose`); empty where that is not known: stored before it was kept, or restored from events."""


_encoder = msgspec.json.Encoder(decimal_format="number")
_command = msgspec.json.Decoder(AnyCommand, float_hook=Decimal)
_stored = msgspec.json.Decoder(_Stored, float_hook=Decimal)


class _Sent(msgspec.Struct, omit_defaults=True):
    partition: int
    position: int
    result: dict[str, Any] | None = None
    rejected: Rejected | None = None


_sent = msgspec.json.Decoder(_Sent, float_hook=Decimal)


def encode_command(command: AnyCommand) -> bytes:
    """Return a command as JSON."""
    return _encoder.encode(command)


def decode_command(body: bytes) -> AnyCommand:
    """Return the command that `encode_command` wrote. Raise `msgspec.MsgspecError` if it is none."""
    command: AnyCommand = _command.decode(body)
    return command


def purpose(command: AnyCommand) -> str:
    """Return what a command is and what it addresses: two commands of one id with different purposes are a mistake."""
    addressed = (
        getattr(command, name, None) for name in ("key", "name", "correlation_key", "process_id", "definition_key")
    )
    return " ".join([str(type(command).__struct_config__.tag), *(str(part) for part in addressed if part)])


def encode_result(result: dict[str, Any] | Rejected, command: AnyCommand | None = None) -> bytes:
    """Return a result as it is kept beside the events, so that the command (None: lost) is answered alike when it comes again."""
    what = purpose(command) if command is not None else ""
    if isinstance(result, Rejected):
        return _encoder.encode(_Stored(rejected=result, purpose=what))
    return _encoder.encode(_Stored(result=result, purpose=what))


def decode_result(body: bytes) -> dict[str, Any] | Rejected:
    """Return the result that `encode_result` wrote."""
    stored = _stored.decode(body)
    return stored.rejected if stored.rejected is not None else stored.result or {}


def misused(body: bytes, command: AnyCommand) -> Rejected | None:
    """Return why a command is refused whose id another one had, with the outcome `body`; None if it is the same one again."""
    stored = _stored.decode(body)
    if stored.purpose in {"", purpose(command)}:
        return None
    found = f"{stored.purpose!r}, not {purpose(command)!r}"
    return Rejected(
        "ALREADY_EXISTS", f"expected a command with an id of its own, but the id {command.id!r} was that of {found}"
    )


def encode_reply(reply: Reply) -> bytes:
    """Return a reply as it travels to another process."""
    result = reply.result
    if isinstance(result, Rejected):
        return _encoder.encode(_Sent(reply.partition, reply.position, rejected=result))
    return _encoder.encode(_Sent(reply.partition, reply.position, result=result))


def decode_reply(body: bytes) -> Reply:
    """Return the reply that `encode_reply` wrote."""
    sent = _sent.decode(body)
    return Reply(sent.partition, sent.position, sent.rejected if sent.rejected is not None else sent.result or {})
