"""Business rule task: a decision that is evaluated at once, or a job."""

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from domain.decisions import DecisionVersion, evaluated
from domain.elements.job_task import JobDefinition, JobTask, create_job, read_job
from domain.model import Value
from domain.problem import Problem
from domain.results import Facts
from domain.waits import text

if TYPE_CHECKING:
    from domain.bpmn.part import Part
    from domain.model import Node
    from domain.walk import At

CALLED_DECISION_ERROR = "CALLED_DECISION_ERROR"
DECISION_EVALUATION_ERROR = "DECISION_EVALUATION_ERROR"


class CalledDecision(msgspec.Struct, frozen=True):
    """Which decision is evaluated, and the variable that takes its result."""

    decision_id: Value
    result_variable: str
    version_tag: Value | None = None
    by_deployment: bool = False
    """Bound to the version that was deployed together with the process."""


class BusinessRuleTask(JobTask):
    """Evaluates `zeebe:calledDecision`, or hands out a job."""

    type: ClassVar[str] = "BUSINESS_RULE_TASK"

    def read(self, part: "Part", node: "Node") -> Any:
        called = part.extension("calledDecision")
        job = read_job(part)
        if (called is None) == (job is None):
            part.problem("expected either a zeebe:calledDecision or a zeebe:taskDefinition")
        if called is None:
            return job
        if not called.get("decisionId") or not called.get("resultVariable"):
            part.problem("expected zeebe:calledDecision to have a decisionId and a resultVariable, but one is missing")
        binding = called.get("bindingType", "latest")
        version_tag = None
        if binding == "versionTag":
            version_tag = part.value(called.get("versionTag"), "the version tag")
            if not version_tag:
                part.problem("a called decision with binding versionTag needs a versionTag")
        elif binding not in ("latest", "deployment"):
            part.problem(f"expected the binding to be latest, deployment or versionTag, but found '{binding}'")
        return CalledDecision(
            decision_id=part.value(called.get("decisionId"), "the called decision id"),
            result_variable=called.get("resultVariable"),
            version_tag=version_tag,
            by_deployment=binding == "deployment",
        )

    def enter(self, at: "At") -> Facts:
        config = at.node.config
        if isinstance(config, JobDefinition):
            yield from create_job(at, config)
            return
        version = _called(at, config)
        fact = evaluated(
            version,
            at.variables,
            at.walk.moment,
            at.context,
            at.new_key(),
            element_key=at.key,
            instance_key=at.state.key,
            definition_key=at.state.definition_key,
        )
        yield fact
        if fact.failure is not None:
            raise Problem(DECISION_EVALUATION_ERROR, fact.failure)
        yield from at.worked({config.result_variable: fact.output})


def _called(at: "At", config: CalledDecision) -> DecisionVersion:
    decision_id = text(at.evaluate(config.decision_id, "the called decision id"), "the called decision id")
    definitions = at.context.definitions
    if config.by_deployment:
        version, which = definitions.bound_decision(decision_id, at.state.definition_key), " together with the process"
    elif config.version_tag is None:
        version, which = definitions.latest_decision(decision_id), ""
    else:
        tag = text(at.evaluate(config.version_tag, "the version tag"), "the version tag")
        version, which = definitions.latest_decision(decision_id, tag), f" with version tag '{tag}'"
    if version is None:
        raise Problem(CALLED_DECISION_ERROR, f"expected decision '{decision_id}' to be deployed{which}, but it is not")
    return version
