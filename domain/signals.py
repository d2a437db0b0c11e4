"""Signal names: who waits for a signal, and everyone whom a broadcast reaches. One name is one stream."""

from typing import Any

import msgspec

from domain import commands as c
from domain import events as e
from domain.keys import make_key
from domain.results import Context, Facts, Rejected


class SignalSubscriptions(msgspec.Struct, omit_defaults=True):
    """The state of one signal name."""

    name: str
    subscriptions: set[int] = set()


def evolve_signal(state: SignalSubscriptions, event: e.Event) -> None:
    """Fold one event into the signal name."""
    match event:
        case e.SignalSubscriptionOpened():
            state.subscriptions.add(event.subscription_key)
        case e.SignalSubscriptionClosed():
            state.subscriptions.discard(event.subscription_key)
        case _:
            pass


def decide_signal(state: SignalSubscriptions, command: c.AnyCommand, context: Context) -> Facts | Rejected:
    """Decide about a command that addresses a signal name."""
    match command:
        case c.OpenSignalSubscription():
            return iter((e.SignalSubscriptionOpened(subscription_key=command.subscription_key),))
        case c.CloseSignalSubscription():
            return iter((e.SignalSubscriptionClosed(subscription_key=command.subscription_key),))
        case c.BroadcastSignal() | c.RelaySignal():
            return iter((_broadcast(state, command.name, command.variables, context),))
        case _:
            raise AssertionError(f"{command!r} does not address a signal name")


def _broadcast(state: SignalSubscriptions, name: str, variables: dict[str, Any], context: Context) -> e.SignalBroadcast:
    starts = tuple(
        e.SignalStart(
            instance_key=make_key(context.partition, context.next_number()), definition_key=model.key, element=element
        )
        for model, element in context.definitions.signal_starts(name)
    )
    return e.SignalBroadcast(
        key=make_key(context.partition, context.next_number()),
        name=name,
        variables=variables,
        subscriptions=tuple(sorted(state.subscriptions)),
        starts=starts,
    )
