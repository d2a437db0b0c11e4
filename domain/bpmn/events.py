"""What an event waits for or catches: from event definitions and the root elements they refer to, to triggers."""

from datetime import UTC, datetime

from domain.bpmn.part import Tag
from domain.bpmn.problems import shorten
from domain.bpmn.tags import NULL, XmlPart, XmlTag
from domain.feel import Expression, FeelEvaluationError, Moment
from domain.model import Value
from domain.timers import schedule
from domain.triggers import ErrorTrigger, EscalationTrigger, MessageTrigger, SignalTrigger, TimerTrigger, Trigger

CATCHING = ("startEvent", "intermediateCatchEvent", "boundaryEvent")

MESSAGE = "messageEventDefinition"
TIMER = "timerEventDefinition"
SIGNAL = "signalEventDefinition"
ERROR = "errorEventDefinition"
_LATER = ("escalationEventDefinition", "compensateEventDefinition", "conditionalEventDefinition")

DEFINITIONS: dict[str, tuple[str, ...]] = {
    "startEvent": ("", MESSAGE, TIMER, SIGNAL, ERROR, *_LATER),
    "intermediateCatchEvent": (MESSAGE, TIMER, SIGNAL, "linkEventDefinition", "conditionalEventDefinition"),
    "intermediateThrowEvent": (
        "", MESSAGE, SIGNAL, "linkEventDefinition", "escalationEventDefinition", "compensateEventDefinition",
    ),
    "boundaryEvent": (MESSAGE, TIMER, SIGNAL, ERROR, *_LATER, "cancelEventDefinition"),
    "endEvent": (
        "", MESSAGE, SIGNAL, ERROR, "terminateEventDefinition", "escalationEventDefinition", "compensateEventDefinition",
        "cancelEventDefinition",
    ),
}  # fmt: skip
"""Which event definitions BPMN allows on which event ("" for none at all); the register says which of them run here."""

_TIMER_KINDS = {"timeDate": "date", "timeDuration": "duration", "timeCycle": "cycle"}

ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)
"""A moment to check static timers and constant expressions against; what they give later does not depend on it."""


def read_trigger(part: XmlPart, tag: str, definition: str, *, starts: str) -> Trigger | None:
    """Return what the element waits for or catches; None if for nothing. With a problem, a trigger without a name stands in.

    `starts`: id of the process, if it is a start event of the process itself, whose names must be known at deployment; else "".
    """
    if tag == "receiveTask":
        return _message(part, part.get("messageRef"))
    if tag not in CATCHING:
        return None
    match definition:
        case "messageEventDefinition":
            return _message(part, _reference(part, definition, "messageRef"), starts)
        case "signalEventDefinition":
            return _signal(part, _reference(part, definition, "signalRef"), constant=bool(starts))
        case "timerEventDefinition":
            return _timer(part, constant=bool(starts))
        case "errorEventDefinition":
            code = _caught_code(part, _reference(part, definition, "errorRef"), "error")
            return ErrorTrigger(code)
        case "escalationEventDefinition":
            code = _caught_code(part, _reference(part, definition, "escalationRef"), "escalation")
            return EscalationTrigger(code)
        case _:
            return None


def _reference(part: XmlPart, definition: str, attribute: str) -> str:
    return part.children(definition)[0].get(attribute)


def _root(part: XmlPart, reference: str, kind: str) -> tuple[Tag, XmlPart] | None:
    """Return the root element, and a part in whose name its own problems are noted."""
    if not reference:
        part.problem(f"expected a reference to a {kind}, but found none")
        return None
    found = part.reference(reference, kind)
    if not isinstance(found, XmlTag):
        return None
    return found, found.part(part.document)


def _name(part: XmlPart, kind: str, tag: Tag, owner: XmlPart, *, constant: bool) -> Value:
    written = tag.get("name")
    if not written.strip():
        owner.problem(f"expected the {kind} to have a name, but it has none")
    name = owner.value(written, f"the {kind} name")
    if constant and isinstance(name, Expression) and name is not NULL:
        _constant(part, name, f"the {kind} name of a start event")
    return name


def _constant(part: XmlPart, expression: Expression, what: str) -> None:
    """Note a problem unless the expression gives text without reading a variable."""
    if expression.free_names:
        names = ", ".join(sorted(expression.free_names))
        part.problem(
            f"expected {what} not to refer to variables, but '{shorten(expression.source)}' refers to {shorten(names)}"
        )
        return
    try:
        value = expression.constant(Moment(now=ANY_TIME))
    except FeelEvaluationError as error:
        part.problem(f"expected {what} to have a value, but '{shorten(expression.source)}' has none: {error}")
        return
    if not isinstance(value, str):
        part.problem(f"expected {what} to be a string, but '{shorten(expression.source)}' is none")


def _message(part: XmlPart, reference: str, starts: str = "") -> MessageTrigger:
    root = _root(part, reference, "message")
    if root is None:
        return MessageTrigger("")
    message, owner = root
    name = _name(part, "message", message, owner, constant=bool(starts))
    if starts:
        if not part.document.starts(owner.id, message.get("name"), starts):
            owner.problem(f"expected a message to belong to one start event, but '{shorten(part.id)}' is a further one")
        return MessageTrigger(name)
    subscriptions = message.children("subscription")
    if not subscriptions or not subscriptions[0].get("correlationKey"):
        owner.problem("expected the message to have a zeebe:subscription with a correlationKey, but it has none")
        return MessageTrigger(name, NULL)
    return MessageTrigger(name, owner.expression(subscriptions[0].get("correlationKey"), "the correlation key"))


def _signal(part: XmlPart, reference: str, *, constant: bool) -> SignalTrigger:
    root = _root(part, reference, "signal")
    if root is None:
        return SignalTrigger("")
    return SignalTrigger(_name(part, "signal", *root, constant=constant))


def _caught_code(part: XmlPart, reference: str, kind: str) -> str | None:
    """Return the code of an error or escalation that an event catches; None if it catches all."""
    root = part.reference(reference, kind) if reference else None
    code = root.get(f"{kind}Code") if root is not None else ""
    if code.lstrip().startswith("="):
        part.problem(
            f"expected the {kind} code of a catch event to be static, but found the expression '{shorten(code)}'"
        )
    return code or None


def _timer(part: XmlPart, *, constant: bool) -> TimerTrigger:
    definition = part.children(TIMER)[0]
    found = [
        (kind, child.text())
        for name, kind in _TIMER_KINDS.items()
        for child in definition.children(name)
        if child.text()
    ]
    if len(found) != 1:
        part.problem(f"expected the timer to have one of date, duration and cycle, but found {len(found) or 'none'}")
        return TimerTrigger("date", "")
    kind, text = found[0]
    expression = part.value(text, f"the timer {kind}")
    if isinstance(expression, str):
        try:
            schedule(kind, expression, ANY_TIME)
        except ValueError as error:
            part.problem(str(error))
    elif constant and expression.free_names:
        part.problem(f"expected the timer of a start event not to refer to variables, but found '{shorten(text)}'")
    return TimerTrigger(kind, expression)
