"""The rules that are no single element's business: how nodes of a process have to fit together. One rule, one function.

A rule gets the finished model and yields (node or flow, reason). It says nothing of what is not supported yet: that is told already.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TypeAlias

from domain.bpmn.loops import endless_loop, endless_recursion
from domain.bpmn.problems import shorten
from domain.bpmn.unsupported import Unsupported
from domain.elements.link_event import LinkCatchEvent, LinkThrowEvent
from domain.model import Flow, Node, ProcessModel, Value
from domain.triggers import ErrorTrigger, EscalationTrigger, MessageTrigger, SignalTrigger, TimerTrigger

Found: TypeAlias = Iterator[tuple[Node | Flow, str]]
Rule: TypeAlias = Callable[[ProcessModel], Found]

CHOOSING = ("EXCLUSIVE_GATEWAY", "INCLUSIVE_GATEWAY")
"""Gateways that choose by conditions."""


def check(model: ProcessModel, problem: Callable[[Node | Flow, str], None]) -> None:
    """Call `problem` for everything that the rules find."""
    for rule in RULES:
        for node, reason in rule(model):
            problem(node, reason)


# --- starts and ends -----------------------------------------------------------------------------------------------------


def _starts(scope: Node) -> list[Node]:
    return [node for node in scope.inner if node.element.type == "START_EVENT"]


def _is_none(node: Node) -> bool:
    return node.trigger is None and not isinstance(node.element, Unsupported)


def _scopes(model: ProcessModel, *types: str) -> Iterator[Node]:
    return (node for node in model.nodes.values() if node.element.is_scope and node.element.type in types)


def process_has_a_start(model: ProcessModel) -> Found:
    """A process has a start event, and not several without a trigger."""
    starts = _starts(model.root)
    if not starts:
        yield model.root, "expected the process to have a start event, but it has none"
    none = [node for node in starts if _is_none(node)]
    if len(none) > 1:
        found = f"'{shorten(none[0].id)}' and '{shorten(none[1].id)}'"
        yield (
            model.root,
            f"expected at most one start event without an event definition in a process, but found {found}",
        )
    for node in starts:
        if isinstance(node.trigger, ErrorTrigger):
            yield node, "expected the start event of a process to be none, message, timer or signal, but found error"


def sub_process_has_one_start(model: ProcessModel) -> Found:
    """An embedded sub-process has exactly one start event, without a trigger."""
    for scope in _scopes(model, "SUB_PROCESS"):
        starts = _starts(scope)
        if len(starts) != 1:
            yield scope, f"expected a sub-process to have exactly one start event, but found {len(starts)}"
        for node in starts:
            if not _is_none(node):
                found = f"'{shorten(node.id)}' has one"
                yield (
                    scope,
                    f"expected the start event of an embedded sub-process to have no event definition, but {found}",
                )


def event_sub_process_has_one_start(model: ProcessModel) -> Found:
    """An event sub-process has exactly one start event, with a trigger, and no sequence flows of its own."""
    for scope in _scopes(model, "EVENT_SUB_PROCESS"):
        starts = _starts(scope)
        if len(starts) != 1 or _is_none(starts[0]):
            found = "one without an event definition" if len(starts) == 1 else str(len(starts))
            yield (
                scope,
                f"expected an event sub-process to have exactly one start event with an event definition, but found {found}",
            )
        if scope.incoming or scope.outgoing:
            yield scope, "expected an event sub-process to have no sequence flows, but found some"


def events_have_the_right_flows(model: ProcessModel) -> Found:
    """Nothing leads into start and boundary events, nothing out of end events."""
    for node in model.nodes.values():
        kind = node.element.type
        if kind in ("START_EVENT", "BOUNDARY_EVENT") and node.incoming:
            what = "a start event" if kind == "START_EVENT" else "a boundary event"
            yield node, f"expected {what} to have no incoming sequence flow, but found '{shorten(node.incoming[0].id)}'"
        if kind == "END_EVENT" and node.outgoing:
            yield (
                node,
                f"expected an end event to have no outgoing sequence flow, but found '{shorten(node.outgoing[0].id)}'",
            )


# --- gateways ------------------------------------------------------------------------------------------------------------


def choices_are_decidable(model: ProcessModel) -> Found:
    """Each flow out of a splitting exclusive or inclusive gateway has a condition or is the default flow."""
    for node in model.nodes.values():
        if node.element.type in CHOOSING and len(node.outgoing) > 1:
            for flow in node.outgoing:
                if flow.condition is None and flow is not node.default:
                    yield (
                        flow,
                        f"expected a condition, or to be the default flow of '{shorten(node.id)}', but found neither",
                    )


def events_behind_gateways(model: ProcessModel) -> Found:
    """An event-based gateway leads to two or more catch events, to which nothing else leads."""
    for node in model.nodes.values():
        if node.element.type != "EVENT_BASED_GATEWAY":
            continue
        if len(node.outgoing) < 2:
            yield (
                node,
                f"expected an event-based gateway to have at least two outgoing flows, but found {len(node.outgoing)}",
            )
        for flow in node.outgoing:
            yield from _behind_gateway(node, flow)
        yield from _same(node, [flow.target for flow in node.outgoing], "events behind one gateway")


def _behind_gateway(node: Node, flow: Flow) -> Found:
    target = flow.target
    if target.element.type != "INTERMEDIATE_CATCH_EVENT" or isinstance(target.element, LinkCatchEvent):
        yield (
            node,
            (
                "expected an event-based gateway to lead to message, timer and signal catch events only,"
                f" but '{shorten(target.id)}' is none"
            ),
        )
    elif len(target.incoming) > 1:
        yield (
            node,
            f"expected an event-based gateway to be the only way to '{shorten(target.id)}', but another flow leads there",
        )


# --- events that compete -------------------------------------------------------------------------------------------------


def catches_are_distinct(model: ProcessModel) -> Found:
    """What is waited for at one place at the same time has different names."""
    for node in model.nodes.values():
        if node.boundaries:
            own = [node] if isinstance(node.trigger, MessageTrigger) else []
            yield from _same(node, [*own, *node.boundaries], "events of one activity")
        if node.element.is_scope:
            starts = [scope.start for scope in node.event_subprocesses if scope.start is not None]
            yield from _same(node, starts, "event sub-processes of one scope")
    # Messages of start events are compared while they are read: they are a matter of the whole resource.
    signals = [node for node in _starts(model.root) if isinstance(node.trigger, SignalTrigger)]
    yield from _same(model.root, signals, "start events of one process")


def _same(place: Node, events: list[Node], what: str) -> Found:
    seen: set[tuple[str, str]] = set()
    for event in events:
        caught = _caught(event)
        if caught is None:
            continue
        if caught in seen:
            kind, name = caught
            yield place, f"expected {what} to catch different {kind}s, but two of them catch {shorten(name)}"
        seen.add(caught)


def _caught(event: Node) -> tuple[str, str] | None:
    match event.trigger:
        case MessageTrigger(name=name) if name:
            return "message", f"'{_source(name)}'"
        case SignalTrigger(name=name) if name:
            return "signal", f"'{_source(name)}'"
        case ErrorTrigger(code=code):
            return "error", "all codes" if code is None else f"the code '{code}'"
        case EscalationTrigger(code=code):
            return "escalation", "all codes" if code is None else f"the code '{code}'"
        case _:
            return None


def _source(value: Value) -> str:
    return value if isinstance(value, str) else f"={value.source}"


def _named(event: Node) -> Node:
    """Return the event sub-process if the event is its start, else the event: it is what people see as one thing."""
    scope = event.scope
    return scope if scope is not None and scope.element.type == "EVENT_SUB_PROCESS" else event


def escalations_leave_scopes(model: ProcessModel) -> Found:
    """Only from what has an inside can an escalation come."""
    for node in model.nodes.values():
        host = node.attached_to
        if host is None or host.element.is_scope or host.element.type == "CALL_ACTIVITY":
            continue
        if isinstance(node.trigger, EscalationTrigger):
            yield node, "expected an escalation boundary event to be attached to a sub-process or a call activity"


def errors_interrupt(model: ProcessModel) -> Found:
    """An error ends what it came from: events that catch one interrupt."""
    for node in model.nodes.values():
        if isinstance(node.trigger, ErrorTrigger) and not node.interrupting:
            yield _named(node), "expected an event that catches an error to be interrupting, but it is not"


def interrupting_timers_fire_once(model: ProcessModel) -> Found:
    """A cycle needs something that goes on: a start event of the process, or an event that does not interrupt."""
    for node in model.nodes.values():
        if not isinstance(node.trigger, TimerTrigger) or node.trigger.kind != "cycle":
            continue
        kind = node.element.type
        if kind == "INTERMEDIATE_CATCH_EVENT":
            yield node, "expected an intermediate timer catch event to have a date or duration, but found a cycle"
        elif kind == "BOUNDARY_EVENT" and node.interrupting:
            yield node, "expected an interrupting boundary event to have a date or duration, but found a cycle"
        elif node.scope is not None and node.scope.element.type == "EVENT_SUB_PROCESS" and node.interrupting:
            yield (
                _named(node),
                "expected an interrupting event sub-process to have a date or duration, but found a cycle",
            )


# --- endless models ------------------------------------------------------------------------------------------------------


def loops_wait_somewhere(model: ProcessModel) -> Found:
    """A loop holds an element that waits, or it would never end."""
    loop = endless_loop(model)
    if loop:
        names = " -> ".join(shorten(node.id) for node in [*loop[:10], loop[0]])
        yield loop[0], f"expected a loop to hold an element that waits (a job, an event …), but found {names}"
    recursion = endless_recursion(model)
    if recursion is not None:
        yield recursion, "expected a process to wait or choose before it calls itself, but it does not"


# --- links ---------------------------------------------------------------------------------------------------------------


def links_meet(model: ProcessModel) -> Found:
    """In each scope a link has one catch event, and each throw event finds it. Told at the process, as Camunda tells it."""
    for scope in model.nodes.values():
        throws = [node for node in scope.inner if isinstance(node.element, LinkThrowEvent)]
        catches = Counter(node.config for node in scope.inner if isinstance(node.element, LinkCatchEvent))
        for name, count in catches.items():
            if count > 1:
                yield model.root, f"expected one catch event for link '{shorten(name)}', but found {count}"
        for node in throws:
            if node.config not in catches:
                yield (
                    model.root,
                    f"expected a catch event for link '{shorten(node.config)}' of '{node.id}', but there is none",
                )


RULES: tuple[Rule, ...] = (
    links_meet,
    process_has_a_start,
    sub_process_has_one_start,
    event_sub_process_has_one_start,
    events_have_the_right_flows,
    choices_are_decidable,
    events_behind_gateways,
    catches_are_distinct,
    errors_interrupt,
    escalations_leave_scopes,
    interrupting_timers_fire_once,
    loops_wait_somewhere,
)
