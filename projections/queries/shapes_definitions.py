"""Searches of what is deployed and of decisions evaluated."""

from typing import Any

from projections.queries.filters import parse_bool
from projections.queries.shape import TENANT, Field, Parameters, Shape, document, enum, flag, key, number, text, time

DEFINITION_STATE = (
    "CASE WHEN d.state = 'DELETED' AND EXISTS (SELECT FROM process_instances i WHERE i.definition_key = d.key"
    " AND i.state IN ('ACTIVE', 'SUSPENDED')) THEN 'DRAINING' ELSE d.state END"
)


def _latest(sql: str) -> Any:
    def condition(parameters: Parameters, value: Any, where: str) -> str:
        return sql if parse_bool(value, where) else f"NOT ({sql})"

    return condition


PROCESS_DEFINITIONS = Shape(
    name="process-definitions",
    source="process_definitions d",
    key="d.key",
    fields=(
        key("processDefinitionKey", "d.key", filters="plain"),
        text("processDefinitionId", "d.process_id"),
        text("name", "d.name"),
        text("resourceName", "d.resource_name", filters="plain"),
        number("version", "d.version", filters="plain"),
        text("versionTag", "d.version_tag", filters="plain"),
        enum("state", DEFINITION_STATE, "ACTIVE DRAINING DELETED", filters="plain", sorts=False),
        flag("hasStartForm", "(d.start_form_id IS NOT NULL OR d.start_form_key IS NOT NULL)"),
        TENANT,
    ),
    specials={
        "isLatestVersion": _latest(
            "d.version = (SELECT max(o.version) FROM process_definitions o"
            " WHERE o.process_id = d.process_id AND o.state <> 'DELETED')"
        )
    },
)

DECISION_DEFINITIONS = Shape(
    name="decision-definitions",
    source="decision_definitions d LEFT JOIN decision_requirements r ON r.key = d.requirements_key",
    key="d.key",
    where="NOT d.deleted",
    fields=(
        key("decisionDefinitionKey", "d.key", filters="plain"),
        text("decisionDefinitionId", "d.decision_id", filters="plain"),
        text("name", "d.name", filters="plain"),
        number("version", "d.version", filters="plain"),
        key("decisionRequirementsKey", "d.requirements_key", filters="plain"),
        text("decisionRequirementsId", "d.requirements_id", filters="plain"),
        text("decisionRequirementsName", "coalesce(r.name, d.requirements_id)", filters="plain"),
        number("decisionRequirementsVersion", "coalesce(r.version, d.version)", filters="plain"),
        TENANT,
    ),
    specials={
        "isLatestVersion": _latest(
            "d.version = (SELECT max(o.version) FROM decision_definitions o"
            " WHERE o.decision_id = d.decision_id AND NOT o.deleted)"
        )
    },
)

DECISION_REQUIREMENTS = Shape(
    name="decision-requirements",
    source="decision_requirements r",
    key="r.key",
    where="NOT r.deleted",
    fields=(
        key("decisionRequirementsKey", "r.key", filters="plain"),
        text("decisionRequirementsId", "r.requirements_id", filters="plain"),
        text("decisionRequirementsName", "r.name", filters="plain"),
        number("version", "r.version", filters="plain"),
        text("resourceName", "r.resource_name", filters="plain", sorts=False),
        TENANT,
    ),
)

INSTANCE_KEY = "(x.evaluation_key::text || lpad(x.index::text, 4, '0'))"
"""Of one decision within an evaluation: the evaluation's key and the decision's place in it, from 1."""

DECISION_INSTANCES = Shape(
    name="decision-instances",
    source="decision_instances x LEFT JOIN process_instances i ON i.key = x.instance_key",
    key=INSTANCE_KEY,
    key_kind="text",
    get_where="x.evaluation_key = $1::bigint AND x.index = $2::integer",
    index_digits=4,
    fields=(
        text("decisionEvaluationInstanceKey", INSTANCE_KEY),
        key("decisionEvaluationKey", "x.evaluation_key", filters="plain"),
        enum("state", "x.state", "EVALUATED FAILED UNSPECIFIED UNKNOWN"),
        time("evaluationDate", "x.evaluated_at"),
        text("evaluationFailure", "x.failure", filters="plain"),
        text("decisionDefinitionId", "x.decision_id", filters="plain"),
        key("decisionDefinitionKey", "x.decision_key"),
        text("decisionDefinitionName", "x.decision_name", filters="plain"),
        number("decisionDefinitionVersion", "x.decision_version", filters="plain"),
        enum(
            "decisionDefinitionType",
            "x.decision_type",
            "DECISION_TABLE LITERAL_EXPRESSION UNSPECIFIED UNKNOWN",
            filters="plain",
        ),
        key("rootDecisionDefinitionKey", "x.root_decision_key"),
        key("decisionRequirementsKey", "x.requirements_key", shown=False, sorts=False),
        text("result", "x.result", filters="", sorts=False),
        document("evaluatedInputs", "x.inputs", detail=True),
        document("matchedRules", "x.rules", detail=True),
        key("processDefinitionKey", "coalesce(i.definition_key, x.definition_key)", filters="plain"),
        key("processInstanceKey", "x.instance_key", filters="plain"),
        key("rootProcessInstanceKey", "i.root_key", filters="", sorts=False),
        key("elementInstanceKey", "x.element_key"),
        text("businessId", "i.business_id"),
        TENANT,
    ),
)

DEPLOYED = """
    (
        SELECT key, process_id AS id, resource_name, version, version_tag, deployment_key, content
        FROM process_definitions WHERE state = 'ACTIVE'
        UNION ALL
        SELECT key, requirements_id, resource_name, version, NULL, deployment_key, content
        FROM decision_requirements WHERE NOT deleted
        UNION ALL
        SELECT key, form_id, resource_name, version, version_tag, deployment_key, content FROM forms WHERE NOT deleted
    ) AS f
"""

RESOURCES = Shape(
    name="resources",
    source=DEPLOYED,
    key="f.key",
    fields=(
        key("resourceKey", "f.key"),
        text("resourceId", "f.id"),
        text("resourceName", "f.resource_name"),
        number("version", "f.version"),
        text("versionTag", "f.version_tag"),
        key("deploymentKey", "f.deployment_key"),
        TENANT,
    ),
)

FORMS = Shape(
    name="forms",
    source="forms f",
    key="f.key",
    fields=(
        key("formKey", "f.key"),
        text("formId", "f.form_id"),
        number("version", "f.version"),
        Field("schema", "convert_from(f.content, 'UTF8')", "text"),
        TENANT,
    ),
)
