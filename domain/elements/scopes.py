"""Scopes: the process itself, the embedded sub-process and the event sub-process."""

from typing import TYPE_CHECKING, ClassVar

from domain.elements.element import Element
from domain.results import Facts

if TYPE_CHECKING:
    from domain.walk import At


class Scope(Element):
    """Elements run inside; it is complete when nothing is left."""

    is_scope: ClassVar[bool] = True

    def enter(self, at: "At") -> Facts:
        # What began inside already (start instructions, a triggered start event) takes the start event's place.
        if at.instance.children or at.instance.tokens:
            return
        assert at.node.start is not None, f"{at.node!r} has no start event; the reader refuses that"
        yield from at.walk.enter(at.node.start, at.key)


class Process(Scope):
    """The outermost scope of an instance."""

    type: ClassVar[str] = "PROCESS"


class SubProcess(Scope):
    """An embedded sub-process."""

    type: ClassVar[str] = "SUB_PROCESS"


class EventSubProcess(Scope):
    """Begins with its start event, when that is triggered."""

    type: ClassVar[str] = "EVENT_SUB_PROCESS"
    waits: ClassVar[bool] = True
