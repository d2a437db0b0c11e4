"""Link events: a throw event goes on at the catch event of the same name in the same scope, as if a flow led there."""

from typing import TYPE_CHECKING, Any, ClassVar

from domain.elements.element import Element

if TYPE_CHECKING:
    from domain.bpmn.part import Part
    from domain.model import Node


class LinkEvent(Element):
    """An event with the name of a link."""

    def read(self, part: "Part", node: "Node") -> Any:
        name = part.children("linkEventDefinition")[0].get("name").strip()
        if not name:
            part.problem("expected the link to have a name, but it has none")
        return name


class LinkCatchEvent(LinkEvent):
    """Passes at once, for each token that a throw event sends here."""

    type: ClassVar[str] = "INTERMEDIATE_CATCH_EVENT"

    def sources(self, node: "Node") -> "tuple[Node, ...]":
        return tuple(other for other in _links(node, LinkThrowEvent) if other.config == node.config)


class LinkThrowEvent(LinkEvent):
    """Goes on at its catch event."""

    type: ClassVar[str] = "INTERMEDIATE_THROW_EVENT"

    def check(self, node: "Node", problem: Any) -> None:
        if node.outgoing:
            problem(f"expected a link throw event to have no outgoing sequence flow, but found '{node.outgoing[0].id}'")

    def targets(self, node: "Node") -> "tuple[Node, ...]":
        return tuple(other for other in _links(node, LinkCatchEvent) if other.config == node.config)


def _links(node: "Node", kind: type[LinkEvent]) -> "list[Node]":
    return [other for other in node.scope.inner if isinstance(other.element, kind)] if node.scope is not None else []
