"""Facts of message buckets and signal names, which know who waits."""

from datetime import datetime

import msgspec

from domain.events.base import Event, Variables


class MessagePublished(Event, frozen=True, tag="message-published"):
    """A message exists. It is kept until its deadline if it cannot be used up at once."""

    key: int
    name: str
    correlation_key: str
    deadline: datetime
    message_id: str = ""
    variables: Variables = {}


class MessageExpired(Event, frozen=True, tag="message-expired"):
    """The message is no longer kept."""

    key: int


class MessageSubscriptionOpened(Event, frozen=True, tag="message-subscription-opened"):
    """The bucket knows who waits."""

    subscription_key: int
    process_id: str
    instance_key: int
    interrupting: bool


class MessageSubscriptionClosed(Event, frozen=True, tag="message-subscription-closed"):
    """The bucket forgot who waited."""

    subscription_key: int


class MessageSent(Event, frozen=True, tag="message-sent"):
    """The bucket sent a message to one who waits; until the answer comes, the subscription takes no other."""

    message_key: int
    subscription_key: int
    name: str
    correlation_key: str
    process_id: str
    instance_key: int
    variables: Variables = {}


class MessageTaken(Event, frozen=True, tag="message-taken"):
    """The one who waited took the message."""

    message_key: int
    subscription_key: int


class MessageReturned(Event, frozen=True, tag="message-returned"):
    """The one who waited was gone; the message may go to another."""

    message_key: int
    subscription_key: int
    process_id: str


class MessageStarted(Event, frozen=True, tag="message-started"):
    """The message starts an instance."""

    message_key: int
    instance_key: int
    definition_key: int
    process_id: str
    element: str
    name: str
    correlation_key: str
    variables: Variables = {}


class MessageStartReleased(Event, frozen=True, tag="message-start-released"):
    """The instance that a message of this bucket started has ended; the next message may start one."""

    process_id: str
    instance_key: int


class SignalSubscriptionOpened(Event, frozen=True, tag="signal-subscription-opened"):
    """The signal knows who waits."""

    subscription_key: int


class SignalSubscriptionClosed(Event, frozen=True, tag="signal-subscription-closed"):
    """The signal forgot who waited."""

    subscription_key: int


class SignalStart(msgspec.Struct, frozen=True):
    """An instance that a signal starts."""

    instance_key: int
    definition_key: int
    element: str


class SignalBroadcast(Event, frozen=True, tag="signal-broadcast"):
    """The signal went out to everyone who waited at that moment."""

    key: int
    name: str
    variables: Variables = {}
    subscriptions: tuple[int, ...] = ()
    starts: tuple[SignalStart, ...] = ()
