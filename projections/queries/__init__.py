"""The read side: searches, gets, documents and statistics over the projected tables, answered as the API's JSON.

Every function takes an asyncpg connection (or pool) first and runs read-only SQL. Items are dicts ready for JSON: every
mandatory field of the shape present (None where unknown), keys as strings, times as `YYYY-MM-DDThh:mm:ss.sssZ`.
Unknown fields, operators, sorts, pages or wrong types raise `BadQuery(sentence)`; what does not exist is None.
Knows nothing of HTTP, events or how the tables are filled.
"""

from collections.abc import Mapping
from typing import Any

import asyncpg

Connection = asyncpg.Connection | asyncpg.Pool
Item = dict[str, Any]
Page = dict[str, Any]
"""{"items": [...], "page": {"totalItems", "hasMoreTotalItems", "startCursor", "endCursor"}}"""


class BadQuery(Exception):
    """The request cannot be answered; the text says what was expected and what came."""


class Shape:
    """What one search answers: FROM, fields (API name -> column, kind, filterable, sortable)."""


PROCESS_DEFINITIONS = Shape()
PROCESS_INSTANCES = Shape()
ELEMENT_INSTANCES = Shape()
VARIABLES = Shape()
JOBS = Shape()
USER_TASKS = Shape()
INCIDENTS = Shape()
MESSAGE_SUBSCRIPTIONS = Shape()
CORRELATED_MESSAGE_SUBSCRIPTIONS = Shape()
DECISION_DEFINITIONS = Shape()
DECISION_REQUIREMENTS = Shape()
DECISION_INSTANCES = Shape()
RESOURCES = Shape()
FORMS = Shape()
REJECTIONS = Shape()


async def search(
    connection: Connection,
    shape: Shape,
    request: Mapping[str, Any],
    *,
    fixed: Mapping[str, Any] | None = None,
    truncate_values: bool = True,
) -> Page:
    """Answer a search request {"filter", "sort", "page"} (each optional).

    `fixed` is a further filter, in the same language, that the caller's path sets (e.g. {"processInstanceKey": key}).
    `truncate_values` counts for VARIABLES only: values longer than VALUE_PREVIEW_CHARACTERS are cut and isTruncated says so.
    """
    raise NotImplementedError


async def get(connection: Connection, shape: Shape, key: str) -> Item | None:
    """Return the one item with this key (VARIABLES: never cut; DECISION_INSTANCES: with inputs and rules), or None.

    A key that is not an optional minus and 1 to 25 digits raises `BadQuery`.
    """
    raise NotImplementedError


# documents
async def process_definition_xml(connection: Connection, key: str) -> bytes | None: ...
async def decision_definition_xml(connection: Connection, key: str) -> bytes | None: ...
async def decision_requirements_xml(connection: Connection, key: str) -> bytes | None: ...
async def resource_content(connection: Connection, key: str) -> tuple[str, bytes] | None:
    """Return (file name, content) of a deployed resource: process, decision requirements or form."""


async def start_form(connection: Connection, process_definition_key: str) -> Item | None:
    """Return the form (FormResult) of the definition's none start event, or None."""


async def user_task_form(connection: Connection, user_task_key: str) -> Item | None:
    """Return the form (FormResult) of a user task, or None."""


# of one process instance, element instance or user task; None where that does not exist
async def incidents_of_instance(connection: Connection, key: str, request: Mapping[str, Any]) -> Page | None:
    """Search the incidents of an instance and of the instances it called."""


async def incidents_of_element(connection: Connection, key: str, request: Mapping[str, Any]) -> Page | None:
    """Search the incidents of an element instance, and of what it called."""


async def user_task_variables(
    connection: Connection, key: str, request: Mapping[str, Any], *, effective: bool = False, truncate_values: bool = True
) -> Page | None:
    """Search the variables that a user task sees; `effective`: of each name only the innermost."""


async def sequence_flows(connection: Connection, process_instance_key: str) -> list[Item]: ...
async def call_hierarchy(connection: Connection, process_instance_key: str) -> list[Item] | None:
    """Return the entries from the root down to the instance."""


async def instance_element_statistics(connection: Connection, process_instance_key: str) -> list[Item]: ...
async def instance_wait_state_statistics(connection: Connection, process_instance_key: str) -> list[Item]: ...
async def definition_element_statistics(
    connection: Connection, process_definition_key: str, request: Mapping[str, Any]
) -> list[Item]:
    """Count active, canceled, completed and failed element instances per element; `request["filter"]` picks instances."""
    raise NotImplementedError
