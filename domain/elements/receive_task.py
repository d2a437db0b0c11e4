"""Receive task: waits for a message, as a catch event does."""

from typing import TYPE_CHECKING, ClassVar

from domain.elements.element import Element
from domain.results import Facts

if TYPE_CHECKING:
    from domain.model import Node
    from domain.walk import At


class WaitingElement(Element):
    """An element that stands still until its own trigger comes."""

    waits: ClassVar[bool] = True

    def awaited(self, node: "Node") -> "tuple[Node, ...]":
        return (node,)

    def enter(self, at: "At") -> Facts:
        # One that was entered by its trigger (behind an event-based gateway) has waited already.
        if at.instance.trigger is not None:
            yield from at.complete()


class ReceiveTask(WaitingElement):
    """Waits for a message."""

    type: ClassVar[str] = "RECEIVE_TASK"
