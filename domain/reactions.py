"""What a fact of one stream wants of another: a pure function of the stored event, so that it can be asked for again."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from domain import commands as c
from domain import events as e


def reactions(event: e.Event, partition: int, position: int, now: datetime) -> tuple[c.AnyCommand, ...]:
    """Return the commands that follow from the event at (partition, position), in order."""
    react = _REACTIONS.get(type(event))
    if react is None:
        return ()
    return tuple(
        build(
            id=f"~{partition}-{position}-{index}",
            issued_at=now,
            source=(partition, position),
            index=index,
            **arguments,
        )
        for index, (build, arguments) in enumerate(react(event))
    )


_Wanted = Iterator[tuple[type[Any], dict[str, Any]]]


def _message_subscribed(event: e.MessageSubscribed) -> _Wanted:
    yield (
        c.OpenMessageSubscription,
        {
            "name": event.name,
            "correlation_key": event.correlation_key,
            "subscription_key": event.key,
            "process_id": event.process_id,
            "instance_key": event.instance_key,
            "interrupting": event.interrupting,
        },
    )


def _message_unsubscribed(event: e.MessageUnsubscribed) -> _Wanted:
    yield (
        c.CloseMessageSubscription,
        {
            "name": event.name,
            "correlation_key": event.correlation_key,
            "subscription_key": event.key,
        },
    )


def _message_answered(event: e.MessageCorrelated | e.MessageRefused) -> _Wanted:
    yield (
        c.AcknowledgeMessage,
        {
            "name": event.name,
            "correlation_key": event.correlation_key,
            "message_key": event.message_key,
            "subscription_key": event.key,
            "process_id": event.process_id,
            "taken": isinstance(event, e.MessageCorrelated),
        },
    )


def _message_sent(event: e.MessageSent) -> _Wanted:
    yield (
        c.DeliverMessage,
        {
            "key": event.subscription_key,
            "message_key": event.message_key,
            "name": event.name,
            "correlation_key": event.correlation_key,
            "process_id": event.process_id,
            "variables": event.variables,
        },
    )


def _message_started(event: e.MessageStarted) -> _Wanted:
    yield (
        c.CreateStarted,
        {
            "key": event.instance_key,
            "definition_key": event.definition_key,
            "element": event.element,
            "variables": event.variables,
            "start_message": (event.name, event.correlation_key) if event.correlation_key else None,
        },
    )


def _ended(event: e.InstanceCompleted | e.InstanceTerminated) -> _Wanted:
    if isinstance(event, e.InstanceCompleted) and event.parent_element_key is not None:
        yield (
            c.ReturnFromChild,
            {
                "key": event.parent_element_key,
                "child_key": event.key,
                "variables": event.variables,
            },
        )
    if event.start_message is not None:
        name, correlation_key = event.start_message
        yield (
            c.ReleaseMessageStart,
            {
                "name": name,
                "correlation_key": correlation_key,
                "process_id": event.process_id,
                "instance_key": event.key,
            },
        )


def _signal_subscribed(event: e.SignalSubscribed) -> _Wanted:
    yield c.OpenSignalSubscription, {"name": event.name, "subscription_key": event.key}


def _signal_unsubscribed(event: e.SignalUnsubscribed) -> _Wanted:
    yield c.CloseSignalSubscription, {"name": event.name, "subscription_key": event.key}


def _signal_thrown(event: e.SignalThrown) -> _Wanted:
    yield c.RelaySignal, {"name": event.name, "variables": event.variables}


def _signal_broadcast(event: e.SignalBroadcast) -> _Wanted:
    for subscription in event.subscriptions:
        yield c.DeliverSignal, {"key": subscription, "signal_key": event.key, "variables": event.variables}
    for start in event.starts:
        yield (
            c.CreateStarted,
            {
                "key": start.instance_key,
                "definition_key": start.definition_key,
                "element": start.element,
                "variables": event.variables,
            },
        )


def _child_called(event: e.ChildCalled) -> _Wanted:
    yield (
        c.CreateChild,
        {
            "key": event.child_key,
            "definition_key": event.definition_key,
            "root_key": event.root_key,
            "parent_key": event.parent_key,
            "parent_element_key": event.element_key,
            "variables": event.variables,
            "business_id": event.business_id,
            "tags": event.tags,
            "depth": event.depth,
        },
    )


def _child_released(event: e.ChildReleased) -> _Wanted:
    yield c.TerminateChild, {"key": event.child_key}


def _error_propagated(event: e.ErrorPropagated) -> _Wanted:
    yield (
        c.CatchError,
        {
            "key": event.parent_element_key,
            "child_key": event.key,
            "thrower_key": event.element_key,
            "code": event.code,
            "message": event.message,
            "variables": event.variables,
            "job_key": event.job_key,
        },
    )


def _escalation_propagated(event: e.EscalationPropagated) -> _Wanted:
    yield c.CatchEscalation, {"key": event.parent_element_key, "child_key": event.key, "code": event.code}


def _error_returned(event: e.ErrorReturned) -> _Wanted:
    yield c.FailError, {"key": event.element_key, "code": event.code, "job_key": event.job_key}


def _loop_paused(event: e.LoopPaused) -> _Wanted:
    yield c.ContinueLoop, {"key": event.key}


def _start_timer_fired(event: e.StartTimerFired) -> _Wanted:
    yield c.CreateStarted, {"definition_key": event.definition_key, "element": event.element}


_REACTIONS: dict[type[e.Event], Callable[[Any], _Wanted]] = {
    e.MessageSubscribed: _message_subscribed,
    e.MessageUnsubscribed: _message_unsubscribed,
    e.MessageCorrelated: _message_answered,
    e.MessageRefused: _message_answered,
    e.MessageSent: _message_sent,
    e.MessageStarted: _message_started,
    e.InstanceCompleted: _ended,
    e.InstanceTerminated: _ended,
    e.SignalSubscribed: _signal_subscribed,
    e.SignalUnsubscribed: _signal_unsubscribed,
    e.SignalThrown: _signal_thrown,
    e.SignalBroadcast: _signal_broadcast,
    e.ChildCalled: _child_called,
    e.ChildReleased: _child_released,
    e.ErrorPropagated: _error_propagated,
    e.ErrorReturned: _error_returned,
    e.EscalationPropagated: _escalation_propagated,
    e.LoopPaused: _loop_paused,
    e.StartTimerFired: _start_timer_fired,
}
