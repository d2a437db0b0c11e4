"""What answers look like, for the OpenAPI document and for the tests that hold answers against it.

A shape is a line of fields: `name:type`; `name?:type` may be null; every field is always there. Types: str, int, bool,
any, map (an object with any fields), key (digits in a text), time, `[type]` a list, words in capitals an enum, and the
names of other shapes.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

KEY: Final[Mapping[str, Any]] = {"type": "string", "pattern": "^-?[0-9]{1,25}$"}

SIMPLE: Final[Mapping[str, Mapping[str, Any]]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "any": {},
    "map": {"type": "object"},
    "key": KEY,
    "time": {"type": "string", "format": "date-time"},
}

_ELEMENT_TYPES: Final = (
    "UNSPECIFIED|PROCESS|SUB_PROCESS|EVENT_SUB_PROCESS|AD_HOC_SUB_PROCESS|AD_HOC_SUB_PROCESS_INNER_INSTANCE|START_EVENT"
    "|INTERMEDIATE_CATCH_EVENT|INTERMEDIATE_THROW_EVENT|BOUNDARY_EVENT|END_EVENT|SERVICE_TASK|RECEIVE_TASK|USER_TASK"
    "|MANUAL_TASK|TASK|EXCLUSIVE_GATEWAY|INCLUSIVE_GATEWAY|PARALLEL_GATEWAY|EVENT_BASED_GATEWAY|SEQUENCE_FLOW"
    "|MULTI_INSTANCE_BODY|CALL_ACTIVITY|BUSINESS_RULE_TASK|SCRIPT_TASK|SEND_TASK|UNKNOWN"
)
_JOB_KINDS: Final = "BPMN_ELEMENT|EXECUTION_LISTENER|TASK_LISTENER|AD_HOC_SUB_PROCESS"
_LISTENER_EVENTS: Final = "ASSIGNING|BEFORE_ALL|CANCEL|CANCELING|COMPLETING|CREATING|END|START|UNSPECIFIED|UPDATING"
_DECISION_TYPES: Final = "DECISION_TABLE|LITERAL_EXPRESSION|UNSPECIFIED|UNKNOWN"
_DECISION_INSTANCE: Final = (
    "businessId?:str, decisionDefinitionId:str, decisionDefinitionKey:key, decisionDefinitionName:str,"
    f" decisionDefinitionType:{_DECISION_TYPES}, decisionDefinitionVersion:int, decisionEvaluationInstanceKey:key,"
    " decisionEvaluationKey:key, elementInstanceKey?:key, evaluationDate:time, evaluationFailure?:str,"
    " processDefinitionKey?:key, processInstanceKey?:key, result:str, rootDecisionDefinitionKey:key,"
    " rootProcessInstanceKey?:key, state:EVALUATED|FAILED|UNSPECIFIED|UNKNOWN, tenantId:str"
)
_VARIABLE: Final = "name:str, processInstanceKey:key, rootProcessInstanceKey?:key, scopeKey:key, tenantId:str, value:str, variableKey:key"

SHAPES: Final[Mapping[str, str]] = {
    "Problem": "type:str, title:str, status:int, detail:str, instance:str",
    "Page": "totalItems:int, hasMoreTotalItems:bool, startCursor?:str, endCursor?:str",
    # cluster
    "TopologyResponse": (
        "brokers:[Broker], clusterId?:str, clusterSize:int, gatewayVersion:str, lastCompletedChangeId:str,"
        " partitionsCount:int, replicationFactor:int"
    ),
    "Broker": "brokerId:str, host:str, nodeId:int, partitions:[Partition], port:int, version:str",
    "Partition": (
        "health:healthy|unhealthy|dead, partitionId:int, role:leader|follower|inactive,"
        " state:unknown|joining|active|leaving|recovering"
    ),
    "LicenseResponse": "expiresAt?:time, isCommercial:bool, licenseType:str, validLicense:bool",
    # deployments and resources
    "DeploymentResult": "deploymentKey:key, deployments:[DeploymentEntry], tenantId:str",
    "DeploymentEntry": (
        "processDefinition?:DeployedProcess, decisionDefinition?:DeployedDecision,"
        " decisionRequirements?:DeployedRequirements, form?:DeployedForm, resource?:DeployedResource"
    ),
    "DeployedProcess": (
        "processDefinitionId:str, processDefinitionKey:key, processDefinitionVersion:int, resourceName:str, tenantId:str"
    ),
    "DeployedDecision": (
        "decisionDefinitionId:str, decisionDefinitionKey:key, decisionRequirementsId:str, decisionRequirementsKey:key,"
        " name:str, tenantId:str, version:int"
    ),
    "DeployedRequirements": (
        "decisionRequirementsId:str, decisionRequirementsKey:key, decisionRequirementsName:str, resourceName:str,"
        " tenantId:str, version:int"
    ),
    "DeployedForm": "formId:str, formKey:key, resourceName:str, tenantId:str, version:int",
    "DeployedResource": "resourceId:str, resourceKey:key, resourceName:str, tenantId:str, version:int",
    "ResourceResult": "resourceId:str, resourceKey:key, resourceName:str, tenantId:str, version:int, versionTag?:str",
    "DeleteResourceResponse": "batchOperation?:map, resourceKey:key",
    "FormResult": "formId:str, formKey:key, schema:str, tenantId:str, version:int",
    # process definitions and instances
    "ProcessDefinitionResult": (
        "hasStartForm:bool, name?:str, processDefinitionId:str, processDefinitionKey:key, resourceName:str,"
        " state:ACTIVE|DRAINING|DELETED, tenantId:str, version:int, versionTag?:str"
    ),
    "ProcessElementStatistics": "items:[ElementStatistics]",
    "ElementStatistics": "active:int, canceled:int, completed:int, elementId:str, incidents:int",
    "WaitStateStatistics": "items:[WaitStates]",
    "WaitStates": "elementId:str, waitingCount:int",
    "CreateProcessInstanceResult": (
        "businessId?:str, processDefinitionId:str, processDefinitionKey:key, processDefinitionVersion:int,"
        " processInstanceKey:key, tags:[str], tenantId:str, variables:map"
    ),
    "ProcessInstanceResult": (
        "businessId?:str, endDate?:time, hasIncident:bool, parentElementInstanceKey?:key, parentProcessInstanceKey?:key,"
        " processDefinitionId:str, processDefinitionKey:key, processDefinitionName?:str, processDefinitionVersion:int,"
        " processDefinitionVersionTag?:str, processInstanceKey:key, rootProcessInstanceKey?:key, startDate:time,"
        " state:ACTIVE|COMPLETED|SUSPENDED|TERMINATED, suspendedDate?:time, tags:[str], tenantId:str"
    ),
    "SequenceFlows": "items:[SequenceFlow]",
    "SequenceFlow": (
        "elementId:str, processDefinitionId:str, processDefinitionKey:key, processInstanceKey:key,"
        " rootProcessInstanceKey?:key, sequenceFlowId:str, tenantId:str"
    ),
    "CallHierarchyEntry": "processDefinitionKey:key, processDefinitionName:str, processInstanceKey:key",
    "ElementInstanceResult": (
        "elementId:str, elementInstanceKey:key, elementName:str, endDate?:time, hasIncident:bool, incidentKey?:key,"
        " processDefinitionId:str, processDefinitionKey:key, processInstanceKey:key, rootProcessInstanceKey?:key,"
        f" startDate:time, state:ACTIVE|COMPLETED|TERMINATED, tenantId:str, type:{_ELEMENT_TYPES}"
    ),
    "VariableResult": _VARIABLE,
    "VariableSearchResult": f"isTruncated:bool, {_VARIABLE}",
    "IncidentResult": (
        "creationTime:time, elementId:str, elementInstanceKey:key, errorMessage:str, errorType:str, incidentKey:key,"
        " jobKey?:key, processDefinitionId:str, processDefinitionKey:key, processInstanceKey:key,"
        " rootProcessInstanceKey?:key, state:ACTIVE|MIGRATED|PENDING|RESOLVED|UNKNOWN, tenantId:str"
    ),
    # work
    "JobActivationResult": "jobs:[ActivatedJob]",
    "ActivatedJob": (
        "businessId?:str, customHeaders:map, deadline:int, elementId:str, elementInstanceKey:key, jobKey:key,"
        f" kind:{_JOB_KINDS}, leaseToken?:str, listenerEventType:{_LISTENER_EVENTS}, physicalTenantId:str, priority:int,"
        " processDefinitionId:str, processDefinitionKey:key, processDefinitionVersion:int, processInstanceKey:key,"
        " retries:int, rootProcessInstanceKey?:key, tags:[str], tenantId:str, type:str, userTask?:map, variables:map,"
        " worker:str"
    ),
    "JobSearchResult": (
        "businessId?:str, creationTime?:time, customHeaders:map, deadline?:time, deniedReason?:str, elementId?:str,"
        " elementInstanceKey:key, endTime?:time, errorCode?:str, errorMessage?:str, hasFailedWithRetriesLeft:bool,"
        f" isDenied?:bool, jobKey:key, kind:{_JOB_KINDS}, lastUpdateTime?:time, listenerEventType:{_LISTENER_EVENTS},"
        " priority:int, processDefinitionId:str, processDefinitionKey:key, processInstanceKey:key, retries:int,"
        " rootProcessInstanceKey?:key, state:CANCELED|COMPLETED|CREATED|ERROR_THROWN|FAILED|MIGRATED|PRIORITY_UPDATED"
        "|RETRIES_UPDATED|TIMEOUT_UPDATED|TIMED_OUT, tenantId:str, type:str, worker:str"
    ),
    "UserTaskResult": (
        "assignee?:str, businessId?:str, candidateGroups:[str], candidateUsers:[str], completionDate?:time,"
        " creationDate:time, customHeaders:map, dueDate?:time, elementId:str, elementInstanceKey:key,"
        " externalFormReference?:str, followUpDate?:time, formKey?:key, name?:str, priority:int, processDefinitionId:str,"
        " processDefinitionKey:key, processDefinitionVersion:int, processInstanceKey:key, processName?:str,"
        " rootProcessInstanceKey?:key, state:CREATING|CREATED|ASSIGNING|UPDATING|COMPLETING|COMPLETED|CANCELING|CANCELED"
        "|FAILED, tags:[str], tenantId:str, userTaskKey:key"
    ),
    # messages and signals
    "MessagePublicationResult": "messageKey:key, tenantId:str",
    "MessageCorrelationResult": "messageKey:key, processInstanceKey:key, tenantId:str",
    "SignalBroadcastResult": "signalKey:key, tenantId:str",
    "MessageSubscriptionResult": (
        "correlationKey?:str, elementId:str, elementInstanceKey?:key, inboundConnectorType?:str, lastUpdatedDate:time,"
        " messageName:str, messageSubscriptionKey:key, messageSubscriptionState:CORRELATED|CREATED|DELETED|MIGRATED,"
        " messageSubscriptionType:START_EVENT|PROCESS_EVENT, processDefinitionId:str, processDefinitionKey?:key,"
        " processDefinitionName?:str, processDefinitionVersion?:int, processInstanceKey?:key,"
        " rootProcessInstanceKey?:key, tenantId:str, toolName?:str, toolProperties:map"
    ),
    "CorrelatedMessageSubscriptionResult": (
        "businessId?:str, correlationKey?:str, correlationTime:time, elementId:str, elementInstanceKey?:key,"
        " messageKey:key, messageName:str, partitionId:int, processDefinitionId:str, processDefinitionKey:key,"
        " processInstanceKey:key, rootProcessInstanceKey?:key, subscriptionKey:key, tenantId:str"
    ),
    # decisions and expressions
    "DecisionDefinitionResult": (
        "decisionDefinitionId:str, decisionDefinitionKey:key, decisionRequirementsId:str, decisionRequirementsKey:key,"
        " decisionRequirementsName:str, decisionRequirementsVersion:int, name:str, tenantId:str, version:int"
    ),
    "DecisionRequirementsResult": (
        "decisionRequirementsId:str, decisionRequirementsKey:key, decisionRequirementsName:str, resourceName:str,"
        " tenantId:str, version:int"
    ),
    "DecisionInstanceResult": _DECISION_INSTANCE,
    "DecisionInstanceGetQueryResult": (
        f"{_DECISION_INSTANCE}, evaluatedInputs:[EvaluatedInput], matchedRules:[MatchedRule]"
    ),
    "EvaluatedInput": "inputId:str, inputName:str, inputValue:str",
    "MatchedRule": "evaluatedOutputs:[EvaluatedOutput], ruleId:str, ruleIndex:int",
    "EvaluatedOutput": "outputId:str, outputName:str, outputValue:str",
    "EvaluateDecisionResult": (
        "decisionDefinitionId:str, decisionDefinitionKey:key, decisionDefinitionName:str, decisionDefinitionVersion:int,"
        " decisionEvaluationKey:key, decisionInstanceKey:key, decisionRequirementsId:str, decisionRequirementsKey:key,"
        " evaluatedDecisions:[EvaluatedDecision], failedDecisionDefinitionId?:str, failureMessage?:str, output:str,"
        " tenantId:str"
    ),
    "EvaluatedDecision": (
        "decisionDefinitionId:str, decisionDefinitionKey:key, decisionDefinitionName:str, decisionDefinitionType:str,"
        " decisionDefinitionVersion:int, decisionEvaluationInstanceKey:key, evaluatedInputs:[EvaluatedInput],"
        " matchedRules:[MatchedRule], output:str, tenantId:str"
    ),
    "ExpressionEvaluationResult": (
        "expression:str, referencedSecrets:[map], result?:any, warnings:[ExpressionWarning]"
    ),
    "ExpressionWarning": "message:str",
}
"""Every answer, in the open."""

_FIELD = re.compile(r"(\w+)(\?)?:(\[?[\w|]+\]?)")


def schema_of(text: str) -> dict[str, Any]:
    """Return the JSON schema of a shape."""
    properties: dict[str, Any] = {}
    for part in text.split(", "):
        match = _FIELD.fullmatch(part)
        assert match is not None, f"{part!r} is no field of a shape"
        name, nullable, kind = match.groups()
        properties[name] = _nullable(_type(kind)) if nullable else _type(kind)
    return {"type": "object", "properties": properties, "required": sorted(properties)}


def _type(kind: str) -> dict[str, Any]:
    if kind.startswith("["):
        return {"type": "array", "items": _type(kind[1:-1])}
    if "|" in kind:
        return {"type": "string", "enum": kind.split("|")}
    if kind in SIMPLE:
        return {**SIMPLE[kind]}
    assert kind in SHAPES, f"{kind!r} is no shape"
    return {"$ref": f"#/components/schemas/{kind}"}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if not schema:
        return schema
    return {"anyOf": [schema, {"type": "null"}]}


def page_schema(item: str) -> dict[str, Any]:
    """Return the JSON schema of a page of items."""
    return {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": {"$ref": f"#/components/schemas/{item}"}},
            "page": {"$ref": "#/components/schemas/Page"},
        },
        "required": ["items", "page"],
    }


def all_schemas() -> dict[str, Any]:
    """Return the JSON schemas of all shapes by name."""
    return {name: schema_of(text) for name, text in SHAPES.items()}
