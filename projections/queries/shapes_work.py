"""Searches of work and of waiting: jobs, user tasks, message subscriptions, rejections."""

from projections.queries.filters import all_tags, any_of_list, variable_conditions
from projections.queries.shape import TENANT, Field, Shape, document, enum, flag, key, number, text, time

JOB_STATES = (
    "CANCELED COMPLETED CREATED ERROR_THROWN FAILED MIGRATED PRIORITY_UPDATED RETRIES_UPDATED TIMEOUT_UPDATED TIMED_OUT"
)
LISTENER_EVENTS = "ASSIGNING BEFORE_ALL CANCEL CANCELING COMPLETING CREATING END START UNSPECIFIED UPDATING"
USER_TASK_STATES = "CREATING CREATED ASSIGNING UPDATING COMPLETING COMPLETED CANCELING CANCELED FAILED"

JOBS = Shape(
    name="jobs",
    source="jobs j LEFT JOIN process_instances i ON i.key = j.instance_key",
    key="j.key",
    fields=(
        key("jobKey", "j.key"),
        text("type", "j.job_type"),
        text("worker", "j.worker"),
        enum("state", "j.state", JOB_STATES),
        enum("kind", "j.kind", "BPMN_ELEMENT EXECUTION_LISTENER TASK_LISTENER AD_HOC_SUB_PROCESS"),
        enum("listenerEventType", "j.listener_event_type", LISTENER_EVENTS),
        number("retries", "j.retries"),
        number("priority", "j.priority"),
        flag("isDenied", "NULL::boolean", sorts=True),
        text("deniedReason", "NULL::text"),
        flag("hasFailedWithRetriesLeft", "j.failed_with_retries_left", sorts=True),
        text("errorCode", "j.error_code"),
        text("errorMessage", "j.error_message"),
        document("customHeaders", "j.headers"),
        time("deadline", "j.deadline"),
        time("creationTime", "j.created_at"),
        time("lastUpdateTime", "j.updated_at", sorts=False),
        time("endTime", "j.ended_at"),
        text("processDefinitionId", "i.process_id"),
        key("processDefinitionKey", "i.definition_key"),
        key("processInstanceKey", "j.instance_key"),
        key("rootProcessInstanceKey", "i.root_key", filters="", sorts=False),
        text("elementId", "j.element_id"),
        key("elementInstanceKey", "j.element_key"),
        text("businessId", "i.business_id", filters="", sorts=False),
        TENANT,
    ),
)

USER_TASKS = Shape(
    name="user-tasks",
    source=(
        "user_tasks u LEFT JOIN process_instances i ON i.key = u.instance_key"
        " LEFT JOIN process_definitions d ON d.key = i.definition_key"
        " LEFT JOIN process_elements p ON p.definition_key = i.definition_key AND p.element_id = u.element_id"
    ),
    key="u.key",
    fields=(
        key("userTaskKey", "u.key", filters="plain", sorts=False),
        text("name", "nullif(p.name, p.element_id)"),
        enum("state", "u.state", USER_TASK_STATES, sorts=False),
        text("assignee", "u.assignee", sorts=False),
        Field("candidateGroups", "u.candidate_groups", "texts"),
        Field("candidateUsers", "u.candidate_users", "texts"),
        time("creationDate", "u.created_at"),
        time("completionDate", "u.ended_at"),
        time("dueDate", "u.due_date"),
        time("followUpDate", "u.follow_up_date"),
        number("priority", "u.priority"),
        key("formKey", "u.form_key", filters="", sorts=False),
        text("externalFormReference", "u.external_form_reference", filters="", sorts=False),
        document("customHeaders", "u.headers"),
        text("elementId", "u.element_id", filters="plain", sorts=False),
        key("elementInstanceKey", "u.element_key", filters="plain", sorts=False),
        key("processInstanceKey", "u.instance_key", sorts=False),
        key("rootProcessInstanceKey", "i.root_key", filters="", sorts=False),
        key("processDefinitionKey", "i.definition_key", sorts=False),
        text("processDefinitionId", "i.process_id", sorts=False),
        number("processDefinitionVersion", "i.version", filters="", sorts=False),
        text("processName", "d.name", filters="", sorts=False),
        text("businessId", "i.business_id"),
        Field("tags", "coalesce(i.tags, '{}')", "texts"),
        TENANT,
    ),
    specials={
        "candidateGroup": any_of_list("u.candidate_groups"),
        "candidateUser": any_of_list("u.candidate_users"),
        "tags": all_tags("i.tags"),
        "localVariables": variable_conditions("v.scope_key = u.element_key"),
        "processInstanceVariables": variable_conditions("v.scope_key = u.instance_key"),
    },
)

# One that does not interrupt waits on after a message has reached it. A message start event waits while its process is the
# latest version.
SUBSCRIPTION_STATE = (
    "CASE WHEN m.kind = 'START_EVENT' THEN CASE WHEN d.state = 'ACTIVE' AND NOT EXISTS (SELECT FROM process_definitions n"
    " WHERE n.process_id = d.process_id AND n.state = 'ACTIVE' AND n.version > d.version) THEN 'CREATED' ELSE 'DELETED' END"
    " WHEN m.correlated_at IS NOT NULL AND m.interrupting THEN 'CORRELATED'"
    " WHEN m.closed_at IS NOT NULL THEN 'DELETED' ELSE 'CREATED' END"
)
ALL_SUBSCRIPTIONS = """(
    SELECT key, 'PROCESS_EVENT'::text AS kind, NULL::bigint AS definition_key, process_id, instance_key, element_key,
        element_id, message_name, correlation_key, interrupting, correlated_at, closed_at, updated_at
    FROM message_subscriptions
    UNION ALL
    SELECT definition_key + start_number, 'START_EVENT'::text, definition_key, NULL::text, NULL::bigint, NULL::bigint,
        element_id, start_message, NULL::text, NULL::boolean, NULL::timestamptz, NULL::timestamptz, NULL::timestamptz
    FROM process_elements WHERE start_message IS NOT NULL
) m"""

MESSAGE_SUBSCRIPTIONS = Shape(
    name="message-subscriptions",
    source=(
        f"{ALL_SUBSCRIPTIONS} LEFT JOIN process_instances i ON i.key = m.instance_key"
        " LEFT JOIN process_definitions d ON d.key = coalesce(m.definition_key, i.definition_key)"
    ),
    key="m.key",
    fields=(
        key("messageSubscriptionKey", "m.key"),
        enum("messageSubscriptionState", SUBSCRIPTION_STATE, "CORRELATED CREATED DELETED MIGRATED"),
        enum("messageSubscriptionType", "m.kind", "START_EVENT PROCESS_EVENT"),
        text("messageName", "m.message_name"),
        text("correlationKey", "m.correlation_key"),
        time("lastUpdatedDate", "coalesce(m.updated_at, d.deployed_at)"),
        text("processDefinitionId", "coalesce(m.process_id, d.process_id)"),
        key("processDefinitionKey", "coalesce(m.definition_key, i.definition_key)", sorts=False),
        text("processDefinitionName", "d.name"),
        number("processDefinitionVersion", "coalesce(i.version, d.version)"),
        key("processInstanceKey", "m.instance_key"),
        key("rootProcessInstanceKey", "i.root_key", filters="", sorts=False),
        text("elementId", "m.element_id"),
        key("elementInstanceKey", "m.element_key"),
        text("toolName", "NULL::text"),
        document("toolProperties", "'{}'::text"),
        text("inboundConnectorType", "NULL::text"),
        TENANT,
    ),
)

CORRELATED_MESSAGE_SUBSCRIPTIONS = Shape(
    name="correlated-message-subscriptions",
    source=(
        "correlated_messages c LEFT JOIN process_instances i ON i.key = c.instance_key"
        " LEFT JOIN process_elements p ON p.definition_key = c.definition_key AND p.element_id = c.element_id"
    ),
    key="(c.message_key::text || '-' || c.subscription_key)",
    key_kind="text",
    fields=(
        key("messageKey", "c.message_key"),
        key("subscriptionKey", "c.subscription_key + coalesce(p.start_number, 0)"),
        text("messageName", "c.message_name"),
        text("correlationKey", "c.correlation_key"),
        time("correlationTime", "c.correlated_at"),
        number("partitionId", "c.partition"),
        text("processDefinitionId", "c.process_id"),
        key("processDefinitionKey", "coalesce(i.definition_key, c.definition_key)"),
        key("processInstanceKey", "c.instance_key"),
        key("rootProcessInstanceKey", "i.root_key", filters="", sorts=False),
        text("elementId", "c.element_id"),
        key("elementInstanceKey", "c.element_key"),
        text("businessId", "i.business_id"),
        TENANT,
    ),
)

REJECTIONS = Shape(
    name="rejections",
    source="rejections r",
    key="((r.partition::bigint << 54) | r.position)",
    fields=(
        key("rejectionKey", "((r.partition::bigint << 54) | r.position)"),
        number("partitionId", "r.partition"),
        key("position", "r.position"),
        text("stream", "r.stream"),
        time("time", "r.rejected_at"),
        text("commandId", "r.command_id"),
        text("command", "r.command"),
        text("code", "r.code"),
        text("reason", "r.reason"),
        key("key", "r.key"),
        text("by", "r.by"),
    ),
)
