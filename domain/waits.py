"""What an element instance waits for, worked out before anything is opened: all waits open, or none does."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from domain import events as e
from domain.feel import to_json
from domain.model import Node, Value
from domain.problem import Problem
from domain.timers import Schedule, schedule
from domain.triggers import MessageTrigger, SignalTrigger, TimerTrigger

EXTRACT_VALUE_ERROR = "EXTRACT_VALUE_ERROR"

NAME_CHARACTERS_MAX = 500
"""Of a message name, a correlation key, a signal name, a job type or a code."""


class Wait(msgspec.Struct, frozen=True):
    """One wait, ready to be opened under a key."""

    target: Node
    timer: Schedule | None = None
    message: tuple[str, str] | None = None
    """Name and correlation key."""
    signal: str | None = None

    def opened(self, key: int, element_key: int, process_id: str, instance_key: int) -> e.Event:
        """Return the fact that opens it."""
        target = self.target.id
        if self.timer is not None:
            return e.TimerSet(
                key=key,
                element_key=element_key,
                target=target,
                due=self.timer.due,
                repetitions=self.timer.repetitions,
                repeat=self.timer.repeat,
            )
        if self.message is not None:
            return e.MessageSubscribed(
                key=key,
                element_key=element_key,
                target=target,
                name=self.message[0],
                correlation_key=self.message[1],
                process_id=process_id,
                instance_key=instance_key,
                interrupting=self.target.interrupting,
            )
        assert self.signal is not None, f"a wait of {target!r} is for nothing"
        return e.SignalSubscribed(key=key, element_key=element_key, target=target, name=self.signal)


def wait_for(target: Node, evaluate: Callable[[Value, str], Any], now: Any) -> Wait | None:
    """Return what the trigger of `target` waits for; None if it catches without waiting. Raise `Problem` if it cannot."""
    match target.trigger:
        case TimerTrigger(kind=kind, expression=expression):
            return Wait(target, timer=_timer(kind, evaluate(expression, f"the timer {kind}"), now))
        case MessageTrigger(name=name, correlation_key=correlation_key):
            assert correlation_key is not None, f"{target!r} has no correlation key; the reader refuses that"
            return Wait(
                target,
                message=(
                    text(evaluate(name, "the message name"), "the message name"),
                    _correlation_key(evaluate(correlation_key, "the correlation key"), correlation_key.source),
                ),
            )
        case SignalTrigger(name=name):
            return Wait(target, signal=text(evaluate(name, "the signal name"), "the signal name"))
        case _:
            return None


def text(value: Any, what: str) -> str:
    """Return `value` if it is text, else raise `Problem`."""
    if not isinstance(value, str):
        raise Problem(EXTRACT_VALUE_ERROR, f"expected {what} to be a string, but found {describe(value)}")
    return _name(value, what)


def _name(value: str, what: str) -> str:
    """Return a text that names something, if it can: names stand in streams and indexes."""
    if len(value) > NAME_CHARACTERS_MAX or "\0" in value:
        raise Problem(
            EXTRACT_VALUE_ERROR,
            f"expected {what} to have at most {NAME_CHARACTERS_MAX} characters, none of them NUL,"
            f" but found {describe(value)} with {len(value)}",
        )
    return value


def describe(value: Any) -> str:
    """Return a value's kind and, shortened, its content, for a message."""
    kind = {
        type(None): "NULL", bool: "BOOLEAN", int: "NUMBER", Decimal: "NUMBER", str: "STRING", list: "ARRAY", dict: "OBJECT",
    }.get(type(value), type(value).__name__)  # fmt: skip
    shown = "null" if value is None else str(value)
    return f"{kind} '{shown[:100]}'".replace("\0", "\\0")


def _correlation_key(value: Any, source: str) -> str:
    if isinstance(value, str):
        return _name(value, "the correlation key")
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)
    raise Problem(
        EXTRACT_VALUE_ERROR,
        f"expected the correlation key '{source}' to be a string or a number, but found {describe(value)}",
    )


def _timer(kind: str, value: Any, now: Any) -> Schedule:
    written = value if isinstance(value, str) else to_json(value)
    if not isinstance(written, str):
        raise Problem(EXTRACT_VALUE_ERROR, f"expected a timer {kind}, but found {describe(written)}")
    try:
        return schedule(kind, written, now)
    except ValueError as error:
        raise Problem(EXTRACT_VALUE_ERROR, str(error)) from None
