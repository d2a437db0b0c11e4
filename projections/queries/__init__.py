"""The read side: searches, gets, documents and statistics over the projected tables, answered as the API's JSON.

Every function takes an asyncpg connection or pool first and runs SQL that only reads. Items are dicts ready for JSON: every
mandatory field of the shape present (None where unknown), keys as strings, times as `YYYY-MM-DDThh:mm:ss.sssZ`.
Unknown fields, operators, sorts, pages or wrong types raise `BadQuery(sentence)`; what does not exist is None.
Knows nothing of HTTP, events or how the tables are filled.
"""

from projections.queries.documents import (
    decision_definition_xml,
    decision_requirements_xml,
    process_definition_xml,
    resource_content,
    start_form,
    user_task_form,
)
from projections.queries.pages import Item, Page, Reader, get, search
from projections.queries.scoped import (
    call_hierarchy,
    incidents_of_element,
    incidents_of_instance,
    message_awaited,
    sequence_flows,
    user_task_variables,
)
from projections.queries.shape import VALUE_PREVIEW_CHARACTERS, BadQuery, Field, Shape
from projections.queries.shapes_definitions import (
    DECISION_DEFINITIONS,
    DECISION_INSTANCES,
    DECISION_REQUIREMENTS,
    FORMS,
    PROCESS_DEFINITIONS,
    RESOURCES,
)
from projections.queries.shapes_instances import ELEMENT_INSTANCES, INCIDENTS, PROCESS_INSTANCES, VARIABLES
from projections.queries.shapes_work import (
    CORRELATED_MESSAGE_SUBSCRIPTIONS,
    JOBS,
    MESSAGE_SUBSCRIPTIONS,
    REJECTIONS,
    USER_TASKS,
)
from projections.queries.statistics import (
    definition_element_statistics,
    instance_element_statistics,
    instance_wait_state_statistics,
)

__all__ = [
    "CORRELATED_MESSAGE_SUBSCRIPTIONS",
    "DECISION_DEFINITIONS",
    "DECISION_INSTANCES",
    "DECISION_REQUIREMENTS",
    "ELEMENT_INSTANCES",
    "FORMS",
    "INCIDENTS",
    "JOBS",
    "MESSAGE_SUBSCRIPTIONS",
    "PROCESS_DEFINITIONS",
    "PROCESS_INSTANCES",
    "REJECTIONS",
    "RESOURCES",
    "USER_TASKS",
    "VALUE_PREVIEW_CHARACTERS",
    "VARIABLES",
    "BadQuery",
    "Field",
    "Item",
    "Page",
    "Reader",
    "Shape",
    "call_hierarchy",
    "decision_definition_xml",
    "decision_requirements_xml",
    "definition_element_statistics",
    "get",
    "incidents_of_element",
    "incidents_of_instance",
    "instance_element_statistics",
    "instance_wait_state_statistics",
    "message_awaited",
    "process_definition_xml",
    "resource_content",
    "search",
    "sequence_flows",
    "start_form",
    "user_task_form",
    "user_task_variables",
]
