"""What an event waits for or catches: message, timer, signal, error. Armed when its element begins, or looked up when thrown."""

from typing import TypeAlias

import msgspec

from domain.feel import Expression
from domain.model import Value


class MessageTrigger(msgspec.Struct, frozen=True):
    """Waits for a message. A start event of a process has no correlation key and a static name."""

    name: Value
    correlation_key: Expression | None = None


class TimerTrigger(msgspec.Struct, frozen=True):
    """Waits for a time. `kind` is date, duration or cycle."""

    kind: str
    expression: Value


class SignalTrigger(msgspec.Struct, frozen=True):
    """Waits for a signal."""

    name: Value


class ErrorTrigger(msgspec.Struct, frozen=True):
    """Catches a BPMN error. `code` None catches every one."""

    code: str | None


class EscalationTrigger(msgspec.Struct, frozen=True):
    """Catches an escalation. `code` None catches every one."""

    code: str | None


Trigger: TypeAlias = MessageTrigger | TimerTrigger | SignalTrigger | ErrorTrigger | EscalationTrigger
