"""Gateways: exclusive, inclusive, parallel and event-based."""

from collections import deque
from typing import TYPE_CHECKING, ClassVar

from domain.elements.element import Element
from domain.problem import Problem
from domain.results import Facts
from domain.waits import EXTRACT_VALUE_ERROR, describe

if TYPE_CHECKING:
    from domain.model import Flow, Node
    from domain.walk import At

CONDITION_ERROR = "CONDITION_ERROR"


def _holds(at: "At", flow: "Flow") -> bool:
    if flow.condition is None:
        return True
    value = at.evaluate(flow.condition, f"the condition of flow '{flow.id}'")
    if isinstance(value, bool):
        return value
    raise Problem(
        EXTRACT_VALUE_ERROR,
        f"expected the condition '{flow.condition.source}' of flow '{flow.id}' to be a boolean, but found {describe(value)}",
    )


def _nothing_holds(at: "At") -> Problem:
    return Problem(
        CONDITION_ERROR,
        f"expected a condition to be true, or a default flow, at gateway '{at.node.id}', but there is none",
    )


class ExclusiveGateway(Element):
    """Takes the first flow, in document order, whose condition is true, else the default flow. Joins nothing."""

    type: ClassVar[str] = "EXCLUSIVE_GATEWAY"

    def outgoing(self, at: "At") -> "tuple[Flow, ...]":
        node = at.node
        if not node.outgoing:
            return ()
        for flow in node.outgoing:
            if flow is not node.default and _holds(at, flow):
                return (flow,)
        if node.default is None:
            raise _nothing_holds(at)
        return (node.default,)


class ParallelGateway(Element):
    """Waits for a token on each incoming flow, and takes all outgoing flows."""

    type: ClassVar[str] = "PARALLEL_GATEWAY"
    joins: ClassVar[bool] = True

    def ready(self, at: "At") -> "tuple[Flow, ...]":
        tokens = at.instance.tokens
        return tuple(at.node.incoming) if all(flow.id in tokens for flow in at.node.incoming) else ()


class InclusiveGateway(Element):
    """Takes all flows whose condition is true, else the default flow.

    As a join it goes on when no other token of its scope can still reach it (BPMN 2.0, 13.4.3; Camunda 8.6).
    """

    type: ClassVar[str] = "INCLUSIVE_GATEWAY"
    joins: ClassVar[bool] = True

    def ready(self, at: "At") -> "tuple[Flow, ...]":
        node = at.node
        scope = at.instance
        arrived = tuple(flow for flow in node.incoming if flow.id in scope.tokens)
        if len(node.incoming) == 1 or len(arrived) == len(node.incoming):
            return arrived
        if node.reach is None:
            node.reach = _reach(node)
        elements = at.state.elements
        flows = at.walk.model.flows
        if any(elements[child].element in node.reach for child in scope.children):
            return ()
        if any(flows[flow].target is not node and flows[flow].target.id in node.reach for flow in scope.tokens):
            return ()
        return arrived

    def outgoing(self, at: "At") -> "tuple[Flow, ...]":
        node = at.node
        chosen = tuple(flow for flow in node.outgoing if flow is not node.default and _holds(at, flow))
        if chosen or not node.outgoing:
            return chosen
        if node.default is None:
            raise _nothing_holds(at)
        return (node.default,)


def _reach(join: "Node") -> frozenset[str]:
    """Return the nodes of the same scope from which a path leads to `join`; boundary events lead on from their activity."""
    found: set[str] = set()
    todo = deque([join])
    while todo:
        node = todo.popleft()
        before = [flow.source for flow in node.incoming]
        before += node.element.sources(node)
        if node.attached_to is not None:
            before.append(node.attached_to)
        for source in before:
            if source.id not in found:
                found.add(source.id)
                todo.append(source)
    return frozenset(found)


class EventBasedGateway(Element):
    """Waits in place of the events behind it; the first one that comes decides."""

    type: ClassVar[str] = "EVENT_BASED_GATEWAY"
    waits: ClassVar[bool] = True

    def awaited(self, node: "Node") -> "tuple[Node, ...]":
        return tuple(flow.target for flow in node.outgoing)

    def enter(self, at: "At") -> Facts:
        return iter(())
