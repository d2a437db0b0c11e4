"""Business rule task done by a worker."""

from typing import TYPE_CHECKING, Any, ClassVar

from domain.elements.job_task import JobTask

if TYPE_CHECKING:
    from domain.bpmn.part import Part
    from domain.model import Node


class BusinessRuleTask(JobTask):
    """A decision that a worker takes."""

    type: ClassVar[str] = "BUSINESS_RULE_TASK"

    def read(self, part: "Part", node: "Node") -> Any:
        called = part.extension("calledDecision")
        if called is None:
            return super().read(part, node)
        if not called.get("decisionId") or not called.get("resultVariable"):
            part.problem("expected zeebe:calledDecision to have a decisionId and a resultVariable, but one is missing")
        part.problem("zeebe:calledDecision on businessRuleTask is not supported yet")
        return None
