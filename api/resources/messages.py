"""Messages and signals, and who waits for them or got them."""

import asyncio
from typing import Final

import msgspec

from api.operations import Answer, Call, Operation, json
from api.problems import invalid
from api.requests import BroadcastSignal, CorrelateMessage, PublishMessage, Search
from api.searching import search
from api.submitting import DEFAULT_TENANT, accepted, check_tenant, own_id, position, stamp, submit_for
from api.waiting import current
from domain import commands as c
from domain.results import Rejected
from projections import queries

TAG: Final = "messages and signals"
IN_FLIGHT_PAUSES_SECONDS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""How long a message is offered again to one who is known to wait for it, but not yet where messages are kept."""


async def publish(call: Call, body: PublishMessage) -> Answer:
    """Offer a message to whoever waits for it now, or within `timeToLive` milliseconds."""
    check_tenant(body.tenant_id)
    _check_business_id(body.business_id)
    command = c.PublishMessage(
        name=body.name,
        correlation_key=body.correlation_key or "",
        time_to_live=body.time_to_live or 0,
        message_id=body.message_id or "",
        variables=body.variables or {},
        **stamp(call),
    )
    return await submit_for(call, command, "messageKey")


async def correlate(call: Call, body: CorrelateMessage) -> Answer:
    """Give a message to one who waits for it now; 404 if nobody does."""
    check_tenant(body.tenant_id)
    _check_business_id(body.business_id)
    command = c.CorrelateMessage(
        name=body.name, correlation_key=body.correlation_key or "", variables=body.variables or {}, **stamp(call)
    )
    reply = await call.api.engine.gateway.submit(command)
    for pause in IN_FLIGHT_PAUSES_SECONDS:
        if not isinstance(reply.result, Rejected) or reply.result.code != "NOT_FOUND":
            break
        if not await _awaited(call, command.name, command.correlation_key):
            break
        await asyncio.sleep(pause)
        reply = await call.api.engine.gateway.submit(msgspec.structs.replace(command, id=own_id()))
    return json({**accepted(call, reply, "processInstanceKey"), "tenantId": DEFAULT_TENANT}, position(reply))


async def _awaited(call: Call, name: str, correlation_key: str) -> bool:
    """Say whether somebody waits for the message, as far as the tables know.

    Who waits on one partition is announced on another, and that may be on its way still when the caller knows already.
    """
    await current(call)
    return await queries.message_awaited(call.api.engine.pool, name, correlation_key)


def _check_business_id(business_id: str | None) -> None:
    if business_id:
        raise invalid("expected no businessId, which is not supported for messages yet, but found one")


async def broadcast(call: Call, body: BroadcastSignal) -> Answer:
    """Tell everyone who waits for the signal now, and start the processes that begin with it."""
    check_tenant(body.tenant_id)
    command = c.BroadcastSignal(name=body.signal_name, variables=body.variables or {}, **stamp(call))
    return await submit_for(call, command, "signalKey")


async def search_subscriptions(call: Call, body: Search) -> Answer:
    """Search who waits for messages, or waited."""
    return await search(call, queries.MESSAGE_SUBSCRIPTIONS, body)


async def search_correlated(call: Call, body: Search) -> Answer:
    """Search which messages reached whom."""
    return await search(call, queries.CORRELATED_MESSAGE_SUBSCRIPTIONS, body)


OPERATIONS = (
    Operation(
        "POST",
        "/messages/publication",
        publish,
        TAG,
        answer="MessagePublicationResult",
        body=PublishMessage,
        errors=(409, 503, 504),
    ),
    Operation(
        "POST",
        "/messages/correlation",
        correlate,
        TAG,
        answer="MessageCorrelationResult",
        body=CorrelateMessage,
        errors=(404, 409, 503, 504),
    ),
    Operation(
        "POST",
        "/signals/broadcast",
        broadcast,
        TAG,
        answer="SignalBroadcastResult",
        body=BroadcastSignal,
        errors=(404, 409, 503, 504),
    ),
    Operation(
        "POST",
        "/message-subscriptions/search",
        search_subscriptions,
        TAG,
        answer="page of MessageSubscriptionResult",
        body=Search,
        optional=True,
        search=queries.MESSAGE_SUBSCRIPTIONS,
        reads=True,
    ),
    Operation(
        "POST",
        "/correlated-message-subscriptions/search",
        search_correlated,
        TAG,
        answer="page of CorrelatedMessageSubscriptionResult",
        body=Search,
        optional=True,
        search=queries.CORRELATED_MESSAGE_SUBSCRIPTIONS,
        reads=True,
    ),
)
