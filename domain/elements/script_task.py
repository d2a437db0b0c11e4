"""Script task: a FEEL expression whose value becomes a variable, or a job."""

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from domain.elements.job_task import JobDefinition, JobTask, create_job, read_job
from domain.feel import Expression, to_json
from domain.results import Facts

if TYPE_CHECKING:
    from domain.bpmn.part import Part
    from domain.model import Node
    from domain.walk import At


class Script(msgspec.Struct, frozen=True):
    """An expression and the variable that takes its value."""

    expression: Expression
    result_variable: str


class ScriptTask(JobTask):
    """Evaluates `zeebe:script`, or hands out a job."""

    type: ClassVar[str] = "SCRIPT_TASK"

    def read(self, part: "Part", node: "Node") -> Any:
        script = part.extension("script")
        job = read_job(part)
        if (script is None) == (job is None):
            part.problem("expected either a zeebe:script or a zeebe:taskDefinition")
        if script is None:
            return job
        if not script.get("resultVariable"):
            part.problem("zeebe:script needs a resultVariable")
        if not script.get("expression"):
            part.problem("zeebe:script needs an expression")
        return Script(part.expression(script.get("expression"), "the script"), script.get("resultVariable"))

    def enter(self, at: "At") -> Facts:
        config = at.node.config
        if isinstance(config, JobDefinition):
            yield from create_job(at, config)
            return
        value = to_json(at.evaluate(config.expression, "the script"))
        yield from at.worked({config.result_variable: value})
