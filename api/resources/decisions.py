"""Decisions: definitions, requirements, evaluations, and expressions evaluated alone."""

from typing import Final

from api.operations import Answer, Call, Operation, json
from api.problems import invalid
from api.requests import EvaluateDecision, EvaluateExpression, Search
from api.searching import get, get_derived, search, xml_of
from api.submitting import check_tenant, owned, stamp, submit_for
from domain import commands as c
from domain import feel
from projections import queries

TAG: Final = "decisions"
DECISION: Final = "a decision definition"
REQUIREMENTS: Final = "decision requirements"


async def search_definitions(call: Call, body: Search) -> Answer:
    """Search decision definitions."""
    return await search(call, queries.DECISION_DEFINITIONS, body)


async def get_definition(call: Call) -> Answer:
    """Get a decision definition."""
    return await get(call, queries.DECISION_DEFINITIONS, DECISION)


async def get_definition_xml(call: Call) -> Answer:
    """Get the DMN XML in which the decision was deployed."""
    return await xml_of(call, DECISION, queries.decision_definition_xml)


async def search_requirements(call: Call, body: Search) -> Answer:
    """Search decision requirements."""
    return await search(call, queries.DECISION_REQUIREMENTS, body)


async def get_requirements(call: Call) -> Answer:
    """Get decision requirements."""
    return await get(call, queries.DECISION_REQUIREMENTS, REQUIREMENTS)


async def get_requirements_xml(call: Call) -> Answer:
    """Get the DMN XML as it was deployed."""
    return await xml_of(call, REQUIREMENTS, queries.decision_requirements_xml)


async def search_instances(call: Call, body: Search) -> Answer:
    """Search evaluated decisions."""
    return await search(call, queries.DECISION_INSTANCES, body)


async def get_instance(call: Call) -> Answer:
    """Get an evaluated decision with its inputs and the rules that matched."""
    return await get_derived(call, queries.DECISION_INSTANCES, "an evaluated decision")


async def evaluate_decision(call: Call, body: EvaluateDecision) -> Answer:
    """Evaluate a decision by its key, or the latest version of an id."""
    check_tenant(body.tenant_id)
    if (body.decision_definition_id is None) == (body.decision_definition_key is None):
        found = "neither" if body.decision_definition_id is None else "both"
        raise invalid(f"expected either decisionDefinitionId or decisionDefinitionKey, but found {found}")
    key = body.decision_definition_key
    command = c.EvaluateDecision(
        decision_key=None if key is None else owned(call, key, DECISION),
        decision_id=body.decision_definition_id,
        variables=body.variables or {},
        **stamp(call),
    )
    return await submit_for(call, command, "decisionEvaluationKey")


async def evaluate_expression(call: Call, body: EvaluateExpression) -> Answer:
    """Evaluate a FEEL expression with the given variables."""
    check_tenant(body.tenant_id)
    if body.scope_key is not None:
        raise invalid("expected no scopeKey, which is not supported yet, but found one")
    source = body.expression.strip().removeprefix("=")
    variables = body.variables or {}
    try:
        expression = feel.compile_expression(source, names=variables)
        evaluation = expression.explain(variables, feel.Moment(call.api.engine.clock.now()))
    except (feel.FeelSyntaxError, feel.FeelEvaluationError) as error:
        raise invalid(str(error)) from None
    return json(
        {
            "expression": body.expression,
            "result": feel.to_json(evaluation.value),
            "warnings": [{"message": warning.message} for warning in evaluation.warnings],
            "referencedSecrets": [],
        }
    )


OPERATIONS = (
    Operation(
        "POST",
        "/decision-definitions/search",
        search_definitions,
        TAG,
        answer="page of DecisionDefinitionResult",
        body=Search,
        optional=True,
        search=queries.DECISION_DEFINITIONS,
        reads=True,
    ),
    Operation(
        "POST",
        "/decision-definitions/evaluation",
        evaluate_decision,
        TAG,
        answer="EvaluateDecisionResult",
        body=EvaluateDecision,
        errors=(404, 409, 503, 504),
    ),
    Operation(
        "GET",
        "/decision-definitions/{decisionDefinitionKey}",
        get_definition,
        TAG,
        answer="DecisionDefinitionResult",
        reads=True,
        errors=(404,),
    ),
    Operation(
        "GET",
        "/decision-definitions/{decisionDefinitionKey}/xml",
        get_definition_xml,
        TAG,
        answer="text/xml",
        reads=True,
        errors=(404,),
    ),
    Operation(
        "POST",
        "/decision-requirements/search",
        search_requirements,
        TAG,
        answer="page of DecisionRequirementsResult",
        body=Search,
        optional=True,
        search=queries.DECISION_REQUIREMENTS,
        reads=True,
    ),
    Operation(
        "GET",
        "/decision-requirements/{decisionRequirementsKey}",
        get_requirements,
        TAG,
        answer="DecisionRequirementsResult",
        reads=True,
        errors=(404,),
    ),
    Operation(
        "GET",
        "/decision-requirements/{decisionRequirementsKey}/xml",
        get_requirements_xml,
        TAG,
        answer="text/xml",
        reads=True,
        errors=(404,),
    ),
    Operation(
        "POST",
        "/decision-instances/search",
        search_instances,
        TAG,
        answer="page of DecisionInstanceResult",
        body=Search,
        optional=True,
        search=queries.DECISION_INSTANCES,
        reads=True,
    ),
    Operation(
        "GET",
        "/decision-instances/{decisionEvaluationInstanceKey}",
        get_instance,
        TAG,
        answer="DecisionInstanceGetQueryResult",
        reads=True,
        errors=(404,),
    ),
    Operation(
        "POST",
        "/expression/evaluation",
        evaluate_expression,
        "expressions",
        answer="ExpressionEvaluationResult",
        body=EvaluateExpression,
    ),
)
