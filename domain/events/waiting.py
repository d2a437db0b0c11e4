"""Facts about waiting: timers, messages and signals, on the side of the instance that waits."""

from datetime import datetime

from domain.events.base import Event, Variables


class TimerSet(Event, frozen=True, tag="timer-set"):
    """An element instance waits for a time. `target` is the element that the timer triggers."""

    key: int
    element_key: int
    target: str
    due: datetime
    repetitions: int = 1
    """How often it will still fire, this time included; -1 without limit."""
    repeat: str | None = None
    """ISO 8601 interval or cron text from which the next due date follows."""


class TimerFired(Event, frozen=True, tag="timer-fired"):
    """The time has come."""

    key: int
    element_key: int
    target: str


class TimerCanceled(Event, frozen=True, tag="timer-canceled"):
    """Nobody waits for this time any more."""

    key: int


class MessageSubscribed(Event, frozen=True, tag="message-subscribed"):
    """An element instance waits for a message. `target` is the element that the message triggers."""

    key: int
    element_key: int
    target: str
    name: str
    correlation_key: str
    process_id: str
    instance_key: int
    interrupting: bool = True


class MessageUnsubscribed(Event, frozen=True, tag="message-unsubscribed"):
    """Nobody waits for this message any more."""

    key: int
    name: str
    correlation_key: str


class MessageCorrelated(Event, frozen=True, tag="message-correlated"):
    """A message reached the element instance that waited for it."""

    key: int
    element_key: int
    target: str
    message_key: int
    process_id: str
    name: str
    correlation_key: str
    variables: Variables = {}


class MessageRefused(Event, frozen=True, tag="message-refused"):
    """A message was sent to an element instance that no longer waits; its bucket may use it elsewhere."""

    key: int
    message_key: int
    process_id: str
    name: str
    correlation_key: str


class SignalSubscribed(Event, frozen=True, tag="signal-subscribed"):
    """An element instance waits for a signal. `target` is the element that the signal triggers."""

    key: int
    element_key: int
    target: str
    name: str


class SignalUnsubscribed(Event, frozen=True, tag="signal-unsubscribed"):
    """Nobody waits for this signal any more."""

    key: int
    name: str


class SignalReceived(Event, frozen=True, tag="signal-received"):
    """A signal reached the element instance that waited for it."""

    key: int
    element_key: int
    target: str
    signal_key: int
    variables: Variables = {}


class SignalThrown(Event, frozen=True, tag="signal-thrown"):
    """An element broadcasts a signal."""

    key: int
    element_key: int
    name: str
    variables: Variables = {}
