"""What an element is to the engine: it reads its part of the XML and answers questions with facts."""

from typing import TYPE_CHECKING, Any, ClassVar

from domain.results import Facts

if TYPE_CHECKING:
    from domain.bpmn.part import Part
    from domain.model import Flow, Node
    from domain.walk import At


class Element:
    """Base of all elements: a flow node that passes at once. An element overrides what differs.

    The walk calls these and knows no element by name.
    """

    type: ClassVar[str] = ""
    """Element type in Camunda's words, e.g. SERVICE_TASK."""
    is_scope: ClassVar[bool] = False
    """Whether elements run inside of it."""
    joins: ClassVar[bool] = False
    """Whether tokens may rest on its incoming flows."""
    waits: ClassVar[bool] = False
    """Whether it can stand still, so that a loop through it is not endless."""

    def read(self, part: "Part", node: "Node") -> Any:
        """Read the element's configuration, noting problems in `part`; the answer becomes `node.config`.

        Triggers, mappings, loops and flows are read for all elements alike and are not the element's business.
        """
        return None

    def check(self, node: "Node", problem: "Any") -> None:
        """Check the finished node (flows, boundaries, inner nodes) and call `problem(reason)` for what cannot run."""

    def enter(self, at: "At") -> Facts:
        """Do the element's work, once its inputs are mapped and its waits are open."""
        yield from at.complete()

    def awaited(self, node: "Node") -> "tuple[Node, ...]":
        """Return the nodes whose triggers this element waits for itself: a catch event, or the events behind a gateway."""
        return ()

    def sources(self, node: "Node") -> "tuple[Node, ...]":
        """Return further nodes of the scope from which a token may come to `node` without a sequence flow (links)."""
        return ()

    def targets(self, node: "Node") -> "tuple[Node, ...]":
        """Return further nodes of the scope to which a token goes from `node` without a sequence flow (links)."""
        return ()

    def drained(self, at: "At") -> Facts:
        """Go on after the last token inside is gone (scopes)."""
        yield from at.complete()

    def ready(self, at: "At") -> "tuple[Flow, ...]":
        """Return the incoming flows whose tokens go in now; empty: they rest (joins)."""
        return ()

    def outgoing(self, at: "At") -> "tuple[Flow, ...]":
        """Return the flows that are taken. Raise `Problem` if none can be chosen."""
        return tuple(at.node.outgoing)

    def propagate(self, at: "At", variables: dict[str, Any]) -> dict[str, Any]:
        """Return which of the variables that the finished work brought leave the element when it has no output mappings."""
        return variables
