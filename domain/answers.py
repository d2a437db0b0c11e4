"""What a caller is told once the command's facts are committed. JSON-like; keys as text, names as Camunda's API has them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from domain import commands as c
from domain import events as e
from domain.decisions import json_text
from domain.instance import Instance

_E = TypeVar("_E", bound=e.Event)


def answer(command: c.AnyCommand, facts: Sequence[e.Event]) -> dict[str, Any]:
    """Return the answer to an accepted command."""
    match command:
        case c.CreateInstance():
            return _created(facts)
        case c.DeployResources():
            return _deployed(facts)
        case c.PublishMessage():
            return {"messageKey": str(_first(facts, e.MessagePublished).key)}
        case c.CorrelateMessage():
            return _correlated(facts)
        case c.EvaluateDecision():
            return _evaluated(_first(facts, e.DecisionEvaluated))
        case c.BroadcastSignal():
            return {"signalKey": str(_first(facts, e.SignalBroadcast).key)}
        case _:
            return {}


def answer_again(facts: Sequence[e.Event], now: datetime) -> dict[str, Any]:
    """Return the answer to a command of which only its facts are left. `now` is their time.

    The jobs that were leased are not among them: they come back when the lease is over.
    """
    match facts[0]:
        case e.InstanceCreated():
            return _created(facts)
        case e.DeploymentCreated():
            return _deployed(facts)
        case e.SignalBroadcast() as signal:
            return {"signalKey": str(signal.key)}
        case e.DecisionEvaluated(element_key=None) as evaluated:
            return _evaluated(evaluated)
        case e.MessagePublished() as message:
            # One that was only to be correlated is kept for no time, and was used.
            at_once = message.deadline <= now and not message.message_id
            used = any(isinstance(fact, (e.MessageSent, e.MessageStarted)) for fact in facts)
            return _correlated(facts) if at_once and used else {"messageKey": str(message.key)}
        case e.JobsLeased():
            return {"jobs": []}
        case _:
            return {}


def _first(facts: Iterable[e.Event], kind: type[_E]) -> _E:
    return next(fact for fact in facts if isinstance(fact, kind))


def _created(facts: Sequence[e.Event]) -> dict[str, Any]:
    fact = _first(facts, e.InstanceCreated)
    return {
        "processInstanceKey": str(fact.key),
        "processDefinitionKey": str(fact.definition_key),
        "processDefinitionId": fact.process_id,
        "processDefinitionVersion": fact.version,
        "businessId": fact.business_id,
        "tags": list(fact.tags),
    }


def _correlated(facts: Sequence[e.Event]) -> dict[str, Any]:
    used = next(fact for fact in facts if isinstance(fact, (e.MessageSent, e.MessageStarted)))
    return {"messageKey": str(used.message_key), "processInstanceKey": str(used.instance_key)}


def _deployed(facts: Sequence[e.Event]) -> dict[str, Any]:
    names = ("processes", "decisions", "decisionRequirements", "forms")
    lists: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for fact in facts:
        match fact:
            case e.ProcessDefined():
                lists["processes"].append(_process(fact, fact.process_id))
            case e.DecisionRequirementsDefined():
                lists["decisionRequirements"].append(_requirements(fact, fact.requirements_id))
            case e.DecisionDefined():
                lists["decisions"].append(_decision(fact, fact.decision_id))
            case e.DefinitionKept(kind="process"):
                lists["processes"].append(_process(fact, fact.definition_id))
            case e.DefinitionKept(kind="requirements"):
                lists["decisionRequirements"].append(_requirements(fact, fact.definition_id))
            case e.DefinitionKept(kind="decision"):
                lists["decisions"].append(_decision(fact, fact.definition_id))
            case e.FormDefined():
                lists["forms"].append(_form(fact, fact.form_id))
            case e.DefinitionKept(kind="form"):
                lists["forms"].append(_form(fact, fact.definition_id))
            case _:
                pass
    return {"deploymentKey": str(_first(facts, e.DeploymentCreated).key), **lists}


def _process(fact: e.ProcessDefined | e.DefinitionKept, process_id: str) -> dict[str, Any]:
    return {
        "processDefinitionKey": str(fact.key),
        "processDefinitionId": process_id,
        "processDefinitionVersion": fact.version,
        "resourceName": fact.resource_name,
    }


def _requirements(fact: e.DecisionRequirementsDefined | e.DefinitionKept, requirements_id: str) -> dict[str, Any]:
    return {
        "decisionRequirementsKey": str(fact.key),
        "decisionRequirementsId": requirements_id,
        "decisionRequirementsName": fact.name,
        "version": fact.version,
        "resourceName": fact.resource_name,
    }


def _decision(fact: e.DecisionDefined | e.DefinitionKept, decision_id: str) -> dict[str, Any]:
    return {
        "decisionDefinitionKey": str(fact.key),
        "decisionDefinitionId": decision_id,
        "name": fact.name,
        "version": fact.version,
        "decisionRequirementsId": fact.requirements_id,
        "decisionRequirementsKey": str(fact.requirements_key),
    }


def _form(fact: e.FormDefined | e.DefinitionKept, form_id: str) -> dict[str, Any]:
    return {
        "formKey": str(fact.key),
        "formId": form_id,
        "version": fact.version,
        "resourceName": fact.resource_name,
    }


def _evaluated(fact: e.DecisionEvaluated) -> dict[str, Any]:
    return {
        "decisionEvaluationKey": str(fact.key),
        "decisionInstanceKey": str(fact.key),
        "decisionDefinitionId": fact.decision_id,
        "decisionDefinitionKey": str(fact.decision_key),
        "decisionDefinitionName": fact.decision_name,
        "decisionDefinitionVersion": fact.decision_version,
        "decisionRequirementsId": fact.requirements_id,
        "decisionRequirementsKey": str(fact.requirements_key),
        "output": json_text(fact.output),
        "failureMessage": fact.failure,
        "failedDecisionDefinitionId": fact.failed_decision_id,
        "evaluatedDecisions": [
            {
                **entry,
                "output": json_text(entry["output"]),
                "decisionEvaluationInstanceKey": f"{fact.key}{index:04}",
            }
            for index, entry in enumerate(fact.evaluated, start=1)
        ],
    }


def activated_job(
    state: Instance, key: int, worker: str, deadline: datetime, fetch_variables: Sequence[str]
) -> dict[str, Any]:
    """Return a leased job as its worker sees it; `fetch_variables` names the variables, empty means all that are visible."""
    job = state.jobs[key]
    visible = state.variables_at(job.element_key)
    variables = (
        {name: visible[name] for name in fetch_variables if name in visible} if fetch_variables else visible.merged()
    )
    return {
        "jobKey": str(key),
        "type": job.job_type,
        "processInstanceKey": str(state.key),
        "rootProcessInstanceKey": str(state.root_key),
        "processDefinitionKey": str(state.definition_key),
        "processDefinitionId": state.process_id,
        "processDefinitionVersion": state.version,
        "elementId": job.element,
        "elementInstanceKey": str(job.element_key),
        "customHeaders": job.headers,
        "worker": worker,
        "retries": job.retries,
        "deadline": int(deadline.timestamp() * 1000),
        "variables": variables,
        "priority": job.priority,
        "kind": job.kind,
        "listenerEventType": "UNSPECIFIED",
        "tags": list(state.tags),
        "businessId": state.business_id,
    }
