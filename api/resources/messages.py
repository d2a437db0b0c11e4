"""Messages and signals, and who waits for them or got them."""

from typing import Final

from api.operations import Answer, Call, Operation
from api.problems import invalid
from api.requests import BroadcastSignal, CorrelateMessage, PublishMessage, Search
from api.searching import search
from api.submitting import check_tenant, stamp, submit_for
from domain import commands as c
from projections import queries

TAG: Final = "messages and signals"


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
    return await submit_for(call, command, "processInstanceKey")


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
