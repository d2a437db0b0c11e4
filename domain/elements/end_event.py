"""End events: none, message (a worker's job), terminate and error."""

from typing import TYPE_CHECKING, Any, ClassVar

from domain.elements.element import Element
from domain.elements.job_task import JobTask
from domain.results import Facts
from domain.waits import text

if TYPE_CHECKING:
    from domain.bpmn.part import Part
    from domain.model import Flow, Node
    from domain.walk import At


class EndEvent(Element):
    """A path ends."""

    type: ClassVar[str] = "END_EVENT"


class MessageEndEvent(JobTask):
    """A worker sends a message, and the path ends."""

    type: ClassVar[str] = "END_EVENT"


class TerminateEndEvent(Element):
    """All that runs in the scope ends, and the scope is complete."""

    type: ClassVar[str] = "END_EVENT"

    def enter(self, at: "At") -> Facts:
        scope = at.walk.at(at.instance.scope)
        assert scope is not None, f"{at.node!r} runs in no scope"
        yield from at.walk.interrupt(scope, keep=at.key)
        yield from at.complete()


class ErrorEndEvent(Element):
    """Throws a BPMN error and stands still: the scope that catches it ends this one."""

    type: ClassVar[str] = "END_EVENT"
    waits: ClassVar[bool] = True

    def read(self, part: "Part", node: "Node") -> Any:
        definition = part.children("errorEventDefinition")[0]
        error = part.reference(definition.get("errorRef"), "error")
        if error is None:
            part.problem("expected the error end event to refer to an error, but it refers to none")
            return ""
        code = error.get("errorCode")
        if not code:
            part.problem("expected the error to have a code, but it has none")
        return part.value(code, "the error code")

    def enter(self, at: "At") -> Facts:
        code = text(at.evaluate(at.node.config, "the error code"), "the error code")
        return at.walk.throw(at, code, "", {})

    def outgoing(self, at: "At") -> "tuple[Flow, ...]":
        return ()
