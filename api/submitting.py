"""Commands: stamped at the edge with id, time and caller, submitted, and answered with their position."""

from datetime import datetime
from itertools import count
from os import urandom
from time import time_ns
from typing import TYPE_CHECKING, Any, Final, TypedDict

from api.auth import CALLER
from api.operations import Answer, Call, json
from api.problems import Problem, invalid, not_found, refused
from domain.commands import AnyCommand
from domain.keys import FIRST_PARTITION, KEY_MAX, partition_of
from domain.results import Rejected
from streams.work import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

POSITION_HEADER: Final = "procession-position"
IDEMPOTENCY_HEADER: Final = b"idempotency-key"
IDEMPOTENCY_CHARACTERS_MAX: Final = 255
EDGE_MARK: Final = "~"
"""Ids that begin with it were made here; nobody can send one again, so their outcomes need not be kept."""
DEFAULT_TENANT: Final = "<default>"


_PROCESS: Final = f"{time_ns() // 1_000_000:012x}{urandom(10).hex()}-"
"""Tells this process from every other one, so that a counter does for the rest of an id."""

_NUMBERS: Final = count()


class Stamp(TypedDict):
    """What every command carries."""

    id: str
    issued_at: datetime
    by: str


def own_id() -> str:
    """Return an id for a command that no caller has named."""
    return f"{EDGE_MARK}{_PROCESS}{next(_NUMBERS):x}"


def stamp(call: Call) -> Stamp:
    """Return the id (the caller's, or one of our own), the engine's time and the caller."""
    given = call.header(IDEMPOTENCY_HEADER)
    if given is None:
        command_id = own_id()
    elif (
        not 0 < len(given) <= IDEMPOTENCY_CHARACTERS_MAX
        or given[0] == EDGE_MARK
        or not given.isascii()
        or not given.isprintable()
    ):
        raise invalid(
            f"expected the header Idempotency-Key to have 1 to {IDEMPOTENCY_CHARACTERS_MAX} printable ASCII characters"
            f" and not to begin with {EDGE_MARK!r}, but found {given[:100]!r}"
        )
    else:
        command_id = given
    return {"id": command_id, "issued_at": call.api.engine.clock.now(), "by": call.scope.get(CALLER, "")}


def addressed(call: Call, what: str) -> int:
    """Return the key in the path as a number; raise `Problem`, 404, if no partition can own it."""
    return owned(call, call.key, what)


def owned(call: Call, text: str, what: str) -> int:
    """Return a key as a number; raise `Problem`, 404, if no partition can own it."""
    key = int(text)
    if not 0 < key <= KEY_MAX or not FIRST_PARTITION <= partition_of(key) <= call.api.engine.partitions:
        raise not_found(what, text)
    return key


def accepted(call: Call, reply: Reply, names: str = "") -> "Mapping[str, Any]":
    """Return the answer of a command that was accepted; raise `Problem` if it was refused.

    `names` is a field that the answer of such a command has.
    """
    call.api.acknowledged.note(reply.partition, reply.position)
    if isinstance(reply.result, Rejected):
        problem = refused(reply.result)
        problem.headers = {POSITION_HEADER: f"{reply.partition}-{reply.position}"}
        raise problem
    if names and names not in reply.result:
        detail = "expected an Idempotency-Key for each command, but found one that another command had"
        raise Problem(409, "ALREADY_EXISTS", detail)
    return reply.result


def position(reply: Reply) -> tuple[tuple[bytes, bytes], ...]:
    """Return the header that tells where the command's events end."""
    return ((POSITION_HEADER.encode(), b"%d-%d" % (reply.partition, reply.position)),)


async def submit(call: Call, command: AnyCommand) -> Answer:
    """Carry out a command whose answer is empty."""
    reply = await call.api.engine.gateway.submit(command)
    accepted(call, reply)
    return Answer(204, headers=position(reply))


async def submit_for(call: Call, command: AnyCommand, names: str) -> Answer:
    """Carry out a command and answer with what it returns, of which `names` is one field."""
    reply = await call.api.engine.gateway.submit(command)
    return json({**accepted(call, reply, names), "tenantId": DEFAULT_TENANT}, position(reply))


def check_tenant(tenant: str | None) -> None:
    """Refuse all tenants but the default one."""
    if tenant is not None and tenant != DEFAULT_TENANT:
        raise invalid(f"expected tenantId to be {DEFAULT_TENANT!r}, the only tenant, but found {tenant!r}")
