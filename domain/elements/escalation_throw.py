"""Escalation throw and end events: tell the scopes around, and go on unless one of them ends this path."""

from typing import TYPE_CHECKING, Any, ClassVar

from domain.elements.element import Element
from domain.results import Facts
from domain.waits import text

if TYPE_CHECKING:
    from domain.bpmn.part import Part
    from domain.model import Node
    from domain.walk import At


class EscalationThrowEvent(Element):
    """Throws an escalation."""

    type: ClassVar[str] = "INTERMEDIATE_THROW_EVENT"

    def read(self, part: "Part", node: "Node") -> Any:
        reference = part.children("escalationEventDefinition")[0].get("escalationRef")
        escalation = part.reference(reference, "escalation") if reference else None
        code = "" if escalation is None else escalation.get("escalationCode")
        if not code:
            part.problem("expected the escalation event to refer to an escalation with a code, but found none")
        return part.value(code, "the escalation code")

    def enter(self, at: "At") -> Facts:
        code = text(at.evaluate(at.node.config, "the escalation code"), "the escalation code")
        return at.walk.escalate(at, code)


class EscalationEndEvent(EscalationThrowEvent):
    """Throws an escalation, and the path ends."""

    type: ClassVar[str] = "END_EVENT"
