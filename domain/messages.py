"""Message buckets: the messages of one name and correlation key, who waits for them, and what they start.

One bucket is one stream, so that a message and a subscription that come at the same moment cannot miss each other.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from domain import commands as c
from domain import events as e
from domain.keys import make_key
from domain.results import Context, Facts, Rejected

TIME_TO_LIVE_MAX = timedelta(days=3650)
"""Longer times to live are cut: dates end."""


class Buffered(msgspec.Struct, omit_defaults=True):
    """A message that may still be used."""

    deadline: datetime
    message_id: str = ""
    variables: dict[str, Any] = {}
    used: set[str] = set()
    """Process ids that have it: a message is correlated once per process."""
    sent: int = 0
    """How many of those have not answered yet."""


class Subscription(msgspec.Struct, omit_defaults=True):
    """One who waits."""

    process_id: str
    instance_key: int
    interrupting: bool
    pending: int | None = None
    """The message that was sent to it and is not answered."""


class MessageBucket(msgspec.Struct, omit_defaults=True):
    """The state of one bucket."""

    name: str
    correlation_key: str
    messages: dict[int, Buffered] = {}
    subscriptions: dict[int, Subscription] = {}
    starts: dict[str, int] = {}
    """Process id -> the running instance that a message of this bucket started."""


def evolve_bucket(state: MessageBucket, event: e.Event) -> None:
    """Fold one event into the bucket."""
    change = _CHANGES.get(type(event))
    if change is not None:
        change(state, event)


def _published(state: MessageBucket, event: e.MessagePublished) -> None:
    state.messages[event.key] = Buffered(
        deadline=event.deadline, message_id=event.message_id, variables=event.variables
    )


def _expired(state: MessageBucket, event: e.MessageExpired) -> None:
    del state.messages[event.key]


def _opened(state: MessageBucket, event: e.MessageSubscriptionOpened) -> None:
    state.subscriptions[event.subscription_key] = Subscription(
        process_id=event.process_id, instance_key=event.instance_key, interrupting=event.interrupting
    )


def _closed(state: MessageBucket, event: e.MessageSubscriptionClosed) -> None:
    state.subscriptions.pop(event.subscription_key, None)


def _sent(state: MessageBucket, event: e.MessageSent) -> None:
    message = state.messages[event.message_key]
    message.used.add(event.process_id)
    message.sent += 1
    state.subscriptions[event.subscription_key].pending = event.message_key


def _taken(state: MessageBucket, event: e.MessageTaken) -> None:
    message = state.messages.get(event.message_key)
    if message is not None:  # its time may have ended on the way
        message.sent -= 1
    subscription = state.subscriptions.get(event.subscription_key)
    if subscription is not None:
        subscription.pending = None
        if subscription.interrupting:
            del state.subscriptions[event.subscription_key]


def _returned(state: MessageBucket, event: e.MessageReturned) -> None:
    message = state.messages.get(event.message_key)
    if message is not None:
        message.sent -= 1
        message.used.discard(event.process_id)
    state.subscriptions.pop(event.subscription_key, None)


def _started(state: MessageBucket, event: e.MessageStarted) -> None:
    state.messages[event.message_key].used.add(event.process_id)
    if event.correlation_key:
        state.starts[event.process_id] = event.instance_key


def _start_released(state: MessageBucket, event: e.MessageStartReleased) -> None:
    if state.starts.get(event.process_id) == event.instance_key:
        del state.starts[event.process_id]


def decide_bucket(state: MessageBucket, command: c.AnyCommand, context: Context) -> Facts | Rejected:
    """Decide about a command that addresses a message bucket."""
    return _DECISIONS[type(command)](state, command, context)


def _publish(state: MessageBucket, command: c.PublishMessage, context: Context) -> Facts | Rejected:
    if command.message_id:
        for key, message in state.messages.items():
            if message.message_id == command.message_id and message.deadline > context.now:
                return Rejected(
                    "ALREADY_EXISTS",
                    f"expected no message '{command.name}' with id '{command.message_id}' and correlation key"
                    f" '{command.correlation_key}' to be buffered, but message {key} is",
                )
    live = min(timedelta(milliseconds=max(command.time_to_live, 0)), TIME_TO_LIVE_MAX)
    return _use(state, _message(command, context, context.now + live, command.message_id), context)


def _correlate(state: MessageBucket, command: c.CorrelateMessage, context: Context) -> Facts | Rejected:
    waiting = any(subscription.pending is None for subscription in state.subscriptions.values())
    starting = any(
        model.process_id not in state.starts for model, _ in context.definitions.message_starts(command.name)
    )
    if not waiting and not starting:
        return Rejected(
            "NOT_FOUND",
            f"expected a subscription for message '{command.name}' with correlation key '{command.correlation_key}',"
            " but there is none",
        )
    return _use(state, _message(command, context, context.now, ""), context)


def _message(
    command: c.PublishMessage | c.CorrelateMessage, context: Context, deadline: datetime, message_id: str
) -> e.MessagePublished:
    return e.MessagePublished(
        key=make_key(context.partition, context.next_number()),
        name=command.name,
        correlation_key=command.correlation_key,
        deadline=deadline,
        message_id=message_id,
        variables=command.variables,
    )


def _use(state: MessageBucket, message: e.MessagePublished, context: Context) -> Facts:
    yield message
    yield from _start(state, message.key, context)
    for key in sorted(state.subscriptions):
        yield from _send(state, message.key, key)
    yield from _expire_spent(state, message.key, context)


def _start(state: MessageBucket, message_key: int, context: Context) -> Facts:
    """Start an instance of each process that this message may start."""
    message = state.messages[message_key]
    for model, element in context.definitions.message_starts(state.name):
        if model.process_id in message.used or model.process_id in state.starts:
            continue
        yield e.MessageStarted(
            message_key=message_key,
            instance_key=make_key(context.partition, context.next_number()),
            definition_key=model.key,
            process_id=model.process_id,
            element=element,
            name=state.name,
            correlation_key=state.correlation_key,
            variables=message.variables,
        )


def _send(state: MessageBucket, message_key: int, subscription_key: int) -> Facts:
    """Send the message to one who waits, if it waits for a message still and its process has not had this one."""
    message = state.messages[message_key]
    subscription = state.subscriptions[subscription_key]
    if subscription.pending is None and subscription.process_id not in message.used:
        yield e.MessageSent(
            message_key=message_key,
            subscription_key=subscription_key,
            name=state.name,
            correlation_key=state.correlation_key,
            process_id=subscription.process_id,
            instance_key=subscription.instance_key,
            variables=message.variables,
        )


def _expire_spent(state: MessageBucket, message_key: int, context: Context) -> Facts:
    message = state.messages.get(message_key)
    if message is not None and message.deadline <= context.now and not message.sent:
        yield e.MessageExpired(key=message_key)


def _serve(state: MessageBucket, subscription_key: int, context: Context) -> Facts:
    """Send the oldest message that is still good to one who waits."""
    for key in sorted(state.messages):
        subscription = state.subscriptions.get(subscription_key)
        if subscription is None or subscription.pending is not None:
            return
        if state.messages[key].deadline > context.now:
            yield from _send(state, key, subscription_key)


def _open(state: MessageBucket, command: c.OpenMessageSubscription, context: Context) -> Facts | Rejected:
    def facts() -> Facts:
        yield e.MessageSubscriptionOpened(
            subscription_key=command.subscription_key,
            process_id=command.process_id,
            instance_key=command.instance_key,
            interrupting=command.interrupting,
        )
        yield from _serve(state, command.subscription_key, context)

    return facts()


def _close(state: MessageBucket, command: c.CloseMessageSubscription, context: Context) -> Facts | Rejected:
    if command.subscription_key not in state.subscriptions:
        return Rejected("NOT_FOUND", f"expected a subscription with key {command.subscription_key}, but there is none")
    return iter((e.MessageSubscriptionClosed(subscription_key=command.subscription_key),))


def _acknowledge(state: MessageBucket, command: c.AcknowledgeMessage, context: Context) -> Facts | Rejected:
    subscription = state.subscriptions.get(command.subscription_key)
    awaited = subscription is not None and subscription.pending == command.message_key
    if command.message_key not in state.messages and not awaited:
        return Rejected("NOT_FOUND", f"expected a message with key {command.message_key}, but there is none")

    def facts() -> Facts:
        if command.taken:
            yield e.MessageTaken(message_key=command.message_key, subscription_key=command.subscription_key)
            yield from _serve(state, command.subscription_key, context)
        else:
            yield e.MessageReturned(
                message_key=command.message_key,
                subscription_key=command.subscription_key,
                process_id=command.process_id,
            )
            if command.message_key in state.messages:
                yield from _start(state, command.message_key, context)
                for key in sorted(state.subscriptions):
                    yield from _send(state, command.message_key, key)
        yield from _expire_spent(state, command.message_key, context)

    return facts()


def _expire(state: MessageBucket, command: c.ExpireMessage, context: Context) -> Facts | Rejected:
    message = state.messages.get(command.message_key)
    if message is None or message.deadline > context.now:
        return Rejected("NOT_FOUND", f"expected message {command.message_key} to be past its time, but it is not")
    # Also while it is on its way to one who waits: that one has it, and may take long to answer.
    return iter((e.MessageExpired(key=command.message_key),))


def _release_start(state: MessageBucket, command: c.ReleaseMessageStart, context: Context) -> Facts | Rejected:
    if state.starts.get(command.process_id) != command.instance_key:
        return Rejected("NOT_FOUND", f"expected instance {command.instance_key} to hold the bucket, but it does not")

    def facts() -> Facts:
        yield e.MessageStartReleased(process_id=command.process_id, instance_key=command.instance_key)
        for key in sorted(state.messages):
            if state.messages[key].deadline > context.now:
                yield from _start(state, key, context)

    return facts()


_DECISIONS: dict[type[c.Command], Callable[[MessageBucket, Any, Context], Facts | Rejected]] = {
    c.PublishMessage: _publish,
    c.CorrelateMessage: _correlate,
    c.OpenMessageSubscription: _open,
    c.CloseMessageSubscription: _close,
    c.AcknowledgeMessage: _acknowledge,
    c.ExpireMessage: _expire,
    c.ReleaseMessageStart: _release_start,
}

_CHANGES: dict[type[e.Event], Callable[[MessageBucket, Any], None]] = {
    e.MessagePublished: _published,
    e.MessageExpired: _expired,
    e.MessageSubscriptionOpened: _opened,
    e.MessageSubscriptionClosed: _closed,
    e.MessageSent: _sent,
    e.MessageTaken: _taken,
    e.MessageReturned: _returned,
    e.MessageStarted: _started,
    e.MessageStartReleased: _start_released,
}
