"""Searches of what runs: process instances, element instances, variables, incidents."""

from typing import Any

from projections.queries.filters import all_tags, compare, parse_bool, variable_conditions
from projections.queries.shape import (
    TENANT,
    VALUE_PREVIEW_CHARACTERS,
    Field,
    Parameters,
    Shape,
    enum,
    flag,
    key,
    number,
    text,
    time,
)

# Who has an open incident, or has called somebody who has.
_HIT = """
    WITH RECURSIVE hit (key, element_key) AS (
        SELECT n.instance_key, n.element_key FROM incidents n WHERE n.resolved_at IS NULL
        UNION
        SELECT c.parent_key, c.parent_element_key FROM hit JOIN process_instances c ON c.key = hit.key
        WHERE c.parent_key IS NOT NULL
    )
"""

# The same question from one row downwards, for the few rows of a page.
_CALLED_HIT = """
    EXISTS (
        WITH RECURSIVE called (key) AS (
            SELECT c.key FROM process_instances c WHERE {first}
            UNION ALL
            SELECT c.key FROM called JOIN process_instances c ON c.parent_key = called.key
        )
        SELECT FROM called JOIN incidents n ON n.instance_key = called.key AND n.resolved_at IS NULL
    )
"""

INSTANCE_STATES = "ACTIVE COMPLETED SUSPENDED TERMINATED"
ELEMENT_STATES = "ACTIVE COMPLETED TERMINATED"
INCIDENT_STATES = "ACTIVE MIGRATED PENDING RESOLVED UNKNOWN"
ERROR_TYPES = (
    "AD_HOC_SUB_PROCESS_NO_RETRIES CALLED_DECISION_ERROR CALLED_ELEMENT_ERROR CONDITION_ERROR DECISION_EVALUATION_ERROR"
    " EXECUTION_LISTENER_NO_RETRIES EXTRACT_VALUE_ERROR FORM_NOT_FOUND IO_MAPPING_ERROR JOB_NO_RETRIES"
    " MESSAGE_SIZE_EXCEEDED RESOURCE_NOT_FOUND SECRET_RESOLUTION_ERROR TASK_LISTENER_NO_RETRIES UNHANDLED_ERROR_EVENT"
    " UNKNOWN UNSPECIFIED"
)
ELEMENT_TYPES = (
    "UNSPECIFIED PROCESS SUB_PROCESS EVENT_SUB_PROCESS AD_HOC_SUB_PROCESS AD_HOC_SUB_PROCESS_INNER_INSTANCE START_EVENT"
    " INTERMEDIATE_CATCH_EVENT INTERMEDIATE_THROW_EVENT BOUNDARY_EVENT END_EVENT SERVICE_TASK RECEIVE_TASK USER_TASK"
    " MANUAL_TASK TASK EXCLUSIVE_GATEWAY INCLUSIVE_GATEWAY PARALLEL_GATEWAY EVENT_BASED_GATEWAY SEQUENCE_FLOW"
    " MULTI_INSTANCE_BODY CALL_ACTIVITY BUSINESS_RULE_TASK SCRIPT_TASK SEND_TASK UNKNOWN"
)

_ELEMENT_ID = text("elementId", "e.element_id")
_ELEMENT_STATE = enum("elementInstanceState", "e.state", ELEMENT_STATES)
_ERROR_MESSAGE = text("errorMessage", "n.error_message")
_ERROR_HASH = number("incidentErrorHashCode", "hashtext(n.error_message)")


def _element_conditions(parameters: Parameters, wanted: dict[str, Any], where: str) -> str:
    """Hold if one element instance has all that is asked for."""
    found = ["e.instance_key = i.key"]
    found += [
        compare(field, parameters, wanted[field.name], f"{where}.{field.name}")
        for field in (_ELEMENT_ID, _ELEMENT_STATE)
        if field.name in wanted
    ]
    if "hasElementInstanceIncident" in wanted:
        has = parse_bool(wanted["hasElementInstanceIncident"], f"{where}.hasElementInstanceIncident")
        hit = "EXISTS (SELECT FROM incidents n WHERE n.element_key = e.key AND n.resolved_at IS NULL)"
        found.append(hit if has else f"NOT {hit}")
    return f"EXISTS (SELECT FROM element_instances e WHERE {' AND '.join(found)})"


def _incident_condition(field: Field) -> Any:
    def condition(parameters: Parameters, value: Any, where: str) -> str:
        matches = compare(field, parameters, value, where)
        return f"EXISTS (SELECT FROM incidents n WHERE n.instance_key = i.key AND n.resolved_at IS NULL AND {matches})"

    return condition


def _has_retries_left(parameters: Parameters, value: Any, where: str) -> str:
    has = parse_bool(value, where)
    found = (
        "EXISTS (SELECT FROM jobs j WHERE j.instance_key = i.key AND j.ended_at IS NULL AND j.failed_with_retries_left)"
    )
    return found if has else f"NOT {found}"


PROCESS_INSTANCES = Shape(
    name="process-instances",
    source="process_instances i LEFT JOIN process_definitions d ON d.key = i.definition_key",
    key="i.key",
    alternatives=True,
    fields=(
        key("processInstanceKey", "i.key"),
        text("processDefinitionId", "i.process_id"),
        text("processDefinitionName", "d.name"),
        number("processDefinitionVersion", "i.version"),
        text("processDefinitionVersionTag", "i.version_tag"),
        key("processDefinitionKey", "i.definition_key"),
        key("parentProcessInstanceKey", "i.parent_key"),
        key("parentElementInstanceKey", "i.parent_element_key"),
        key("rootProcessInstanceKey", "i.root_key", filters="", sorts=False),
        time("startDate", "i.started_at"),
        time("endDate", "i.ended_at"),
        time("suspendedDate", "i.suspended_at"),
        enum("state", "i.state", INSTANCE_STATES),
        flag(
            "hasIncident",
            "(EXISTS (SELECT FROM incidents n WHERE n.instance_key = i.key AND n.resolved_at IS NULL) OR "
            + _CALLED_HIT.format(first="c.parent_key = i.key")
            + ")",
            filter_sql=f"(i.key IN ({_HIT} SELECT hit.key FROM hit))",
            sorts=True,
        ),
        text("businessId", "i.business_id"),
        Field("tags", "i.tags", "texts"),
        TENANT,
        text("batchOperationId", "NULL::text", shown=False, sorts=False),
        text("batchOperationKey", "NULL::text", shown=False, sorts=False),
    ),
    specials={
        "tags": all_tags("i.tags"),
        "variables": variable_conditions("v.instance_key = i.key"),
        "errorMessage": _incident_condition(_ERROR_MESSAGE),
        "incidentErrorHashCode": _incident_condition(_ERROR_HASH),
        "hasRetriesLeft": _has_retries_left,
    },
    related=("elementId", "elementInstanceState", "hasElementInstanceIncident"),
    combined=_element_conditions,
)

ELEMENT_TYPE = "CASE WHEN e.loop = 0 THEN 'MULTI_INSTANCE_BODY' ELSE coalesce(p.element_type, 'UNKNOWN') END"

_ELEMENT_HIT = f"(e.key IN ({_HIT} SELECT hit.element_key FROM hit))"

ELEMENT_INSTANCES = Shape(
    name="element-instances",
    source=(
        "element_instances e LEFT JOIN process_instances i ON i.key = e.instance_key"
        " LEFT JOIN process_elements p ON p.definition_key = i.definition_key AND p.element_id = e.element_id"
    ),
    key="e.key",
    alternatives=True,
    fields=(
        key("elementInstanceKey", "e.key", filters="plain"),
        key("processInstanceKey", "e.instance_key", filters="plain"),
        key("rootProcessInstanceKey", "i.root_key", filters="", sorts=False),
        key("processDefinitionKey", "i.definition_key", filters="plain"),
        text("processDefinitionId", "i.process_id", filters="plain"),
        text("elementId", "e.element_id"),
        text("elementName", "coalesce(p.name, e.element_id)"),
        enum("type", ELEMENT_TYPE, ELEMENT_TYPES, filters="plain"),
        enum("state", "e.state", ELEMENT_STATES),
        time("startDate", "e.started_at"),
        time("endDate", "e.ended_at"),
        flag(
            "hasIncident",
            "(EXISTS (SELECT FROM incidents n WHERE n.element_key = e.key AND n.resolved_at IS NULL) OR "
            + _CALLED_HIT.format(first="c.parent_key = e.instance_key AND c.parent_element_key = e.key")
            + ")",
            filter_sql=_ELEMENT_HIT,
        ),
        key(
            "incidentKey",
            "(SELECT min(n.key) FROM incidents n WHERE n.element_key = e.key AND n.resolved_at IS NULL)",
            filters="plain",
        ),
        key("elementInstanceScopeKey", "e.scope_key", filters="plain", sorts=False, shown=False),
        TENANT,
    ),
)

# What the inner instances of a multi-instance stored after the list was set goes into the list here.
VARIABLE_VALUE = """
    CASE WHEN NOT EXISTS (
        SELECT FROM loop_outputs o WHERE o.scope_key = v.scope_key AND o.name = v.name AND o.position > v.position
    ) THEN v.value ELSE (
        SELECT '[' || string_agg(coalesce(o.value, b.item::text), ',' ORDER BY b.n) || ']'
        FROM json_array_elements(v.value::json) WITH ORDINALITY AS b (item, n)
        LEFT JOIN loop_outputs o
            ON o.scope_key = v.scope_key AND o.name = v.name AND o.loop = b.n AND o.position > v.position
    ) END
"""

_VALUE = text("value", "v.value")


def _value(parameters: Parameters, value: Any, where: str) -> str:
    """Compare with the JSON text; equality by way of the index on its hash."""
    condition = compare(_VALUE, parameters, value, where)
    if isinstance(value, str):
        condition += f" AND hashtext(v.value) = hashtext({parameters.add(value, 'text')})"
    return condition


VARIABLES = Shape(
    name="variables",
    source="variables v LEFT JOIN process_instances i ON i.key = v.instance_key",
    key="v.key",
    fields=(
        key("variableKey", "v.key"),
        text("name", "v.name"),
        text(
            "value",
            f"left({VARIABLE_VALUE}, {VALUE_PREVIEW_CHARACTERS})",
            full_sql=VARIABLE_VALUE,
            filter_sql="v.value",
        ),
        flag("isTruncated", f"(length({VARIABLE_VALUE}) > {VALUE_PREVIEW_CHARACTERS})", full_sql="false"),
        key("scopeKey", "v.scope_key"),
        key("processInstanceKey", "v.instance_key"),
        key("rootProcessInstanceKey", "i.root_key", filters="", sorts=False),
        TENANT,
    ),
    specials={"value": _value},
)

INCIDENTS = Shape(
    name="incidents",
    source="incidents n LEFT JOIN process_instances i ON i.key = n.instance_key",
    key="n.key",
    fields=(
        key("incidentKey", "n.key"),
        key("processInstanceKey", "n.instance_key"),
        key("rootProcessInstanceKey", "i.root_key", filters="", sorts=False),
        key("processDefinitionKey", "i.definition_key"),
        text("processDefinitionId", "i.process_id"),
        enum("errorType", "n.error_type", ERROR_TYPES),
        text("errorMessage", "n.error_message", sorts=False),
        text("elementId", "coalesce(n.element_id, i.process_id)"),
        key("elementInstanceKey", "n.element_key"),
        time("creationTime", "n.created_at"),
        enum("state", "n.state", INCIDENT_STATES),
        key("jobKey", "n.job_key"),
        TENANT,
    ),
)
