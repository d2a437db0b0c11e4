"""Signal throw and end events: broadcast, and go on at once. What is sent are the variables that the input mappings made."""

from typing import TYPE_CHECKING, Any, ClassVar

from domain import events as e
from domain.elements.element import Element
from domain.feel import to_json
from domain.results import Facts
from domain.waits import text

if TYPE_CHECKING:
    from domain.bpmn.part import Part
    from domain.model import Node
    from domain.walk import At


class SignalThrowEvent(Element):
    """Broadcasts a signal, also to its own instance."""

    type: ClassVar[str] = "INTERMEDIATE_THROW_EVENT"

    def read(self, part: "Part", node: "Node") -> Any:
        signal = part.reference(part.children("signalEventDefinition")[0].get("signalRef"), "signal")
        name = "" if signal is None else signal.get("name")
        if not name.strip():
            part.problem("expected the signal event to refer to a signal with a name, but found none")
        return part.value(name, "the signal name")

    def enter(self, at: "At") -> Facts:
        name = text(at.evaluate(at.node.config, "the signal name"), "the signal name")
        yield e.SignalThrown(
            key=at.new_key(), element_key=at.key, name=name, variables=to_json(dict(at.instance.variables))
        )
        yield from at.complete()


class SignalEndEvent(SignalThrowEvent):
    """Broadcasts a signal, and the path ends."""

    type: ClassVar[str] = "END_EVENT"
