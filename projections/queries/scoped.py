"""Reads that begin at one process instance, element instance or user task; None where that does not exist."""

from collections.abc import Mapping
from typing import Any

from projections.queries.filters import mapping, parse_key
from projections.queries.pages import Item, Page, Reader, search
from projections.queries.shape import BadQuery
from projections.queries.shapes_instances import INCIDENTS, VARIABLES
from projections.rows import cut

_CALLED = """
    WITH RECURSIVE called (key) AS (
        SELECT c.key FROM process_instances c WHERE {first}
        UNION ALL
        SELECT c.key FROM called JOIN process_instances c ON c.parent_key = called.key
    )
    SELECT called.key FROM called
"""

_SCOPES = """
    WITH RECURSIVE around (key, scope_key, depth) AS (
        SELECT e.key, e.scope_key, 0 FROM element_instances e WHERE e.key = {element} AND e.instance_key = {instance}
        UNION ALL
        SELECT e.key, e.scope_key, around.depth + 1
        FROM around JOIN element_instances e ON e.key = around.scope_key AND e.instance_key = {instance}
    )
"""


async def incidents_of_instance(connection: Reader, key: str, request: Mapping[str, Any]) -> Page | None:
    """Search the incidents of an instance and of the instances it called."""
    number = parse_key(key, "the key")
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM process_instances WHERE key = $1)", number):
        return None
    condition = f"n.instance_key IN ({_CALLED.format(first='c.key = $1::bigint')})"
    return await search(connection, INCIDENTS, request, condition=(condition, (number,)))


async def incidents_of_element(connection: Reader, key: str, request: Mapping[str, Any]) -> Page | None:
    """Search the incidents of an element instance, of what runs in it, and of what it called."""
    number = parse_key(key, "the key")
    instance = await connection.fetchval("SELECT instance_key FROM element_instances WHERE key = $1", number)
    if instance is None:
        return None
    inside = """
        WITH RECURSIVE inside (key) AS (
            SELECT $1::bigint
            UNION ALL
            SELECT e.key FROM inside JOIN element_instances e ON e.scope_key = inside.key AND e.instance_key = $2::bigint
        )
        SELECT inside.key FROM inside
    """
    called = _CALLED.format(first=f"c.parent_key = $2::bigint AND c.parent_element_key IN ({inside})")
    condition = f"((n.instance_key = $2::bigint AND n.element_key IN ({inside})) OR n.instance_key IN ({called}))"
    return await search(connection, INCIDENTS, request, condition=(condition, (number, instance)))


async def user_task_variables(
    connection: Reader,
    key: str,
    request: Mapping[str, Any],
    *,
    effective: bool = False,
    truncate_values: bool = True,
) -> Page | None:
    """Search the variables that a user task sees; `effective`: of each name only the innermost."""
    task = await connection.fetchrow(
        "SELECT element_key, instance_key FROM user_tasks WHERE key = $1", parse_key(key, "the key")
    )
    if task is None:
        return None
    unknown = set(mapping(request.get("filter"), "filter")) - {"name"}
    if unknown:
        raise BadQuery(f"expected filter to have only name, but found {', '.join(sorted(unknown))}")
    scopes = _SCOPES.format(element="$1::bigint", instance="$2::bigint")
    ranked = f"{scopes} SELECT key, depth FROM around UNION ALL SELECT $2::bigint, 1000000"
    condition = f"v.scope_key IN (SELECT seen.key FROM ({ranked}) AS seen)"
    if effective:
        condition = f"""v.key IN (
            SELECT DISTINCT ON (w.name) w.key FROM ({ranked}) AS seen JOIN variables w ON w.scope_key = seen.key
            ORDER BY w.name, seen.depth
        )"""
    return await search(
        connection,
        VARIABLES,
        request,
        condition=(condition, (task["element_key"], task["instance_key"])),
        truncate_values=truncate_values,
    )


async def sequence_flows(connection: Reader, process_instance_key: str) -> list[Item]:
    """Return the sequence flows that the instance has taken, each once."""
    rows = await connection.fetch(
        """
        SELECT s.flow_id, i.key, i.definition_key, i.process_id, i.root_key
        FROM sequence_flows s JOIN process_instances i ON i.key = s.instance_key
        WHERE s.instance_key = $1 ORDER BY s.flow_id
        """,
        parse_key(process_instance_key, "the key"),
    )
    return [
        {
            "sequenceFlowId": f"{row['key']}_{row['flow_id']}",
            "processInstanceKey": str(row["key"]),
            "rootProcessInstanceKey": str(row["root_key"]),
            "processDefinitionKey": str(row["definition_key"]),
            "processDefinitionId": row["process_id"],
            "elementId": row["flow_id"],
            "tenantId": "<default>",
        }
        for row in rows
    ]


async def message_awaited(connection: Reader, name: str, correlation_key: str) -> bool:
    """Say whether an instance waits for a message of that name and correlation key."""
    statement = """
        SELECT EXISTS (SELECT FROM message_subscriptions WHERE message_name = $1 AND correlation_key = $2
            AND closed_at IS NULL AND (correlated_at IS NULL OR NOT interrupting))
    """
    return bool(await connection.fetchval(statement, cut(name), cut(correlation_key)))


async def call_hierarchy(connection: Reader, process_instance_key: str) -> list[Item] | None:
    """Return the entries from the root down to the instance."""
    rows = await connection.fetch(
        """
        WITH RECURSIVE up (key, parent_key, definition_key, process_id, depth) AS (
            SELECT i.key, i.parent_key, i.definition_key, i.process_id, 0 FROM process_instances i WHERE i.key = $1
            UNION ALL
            SELECT i.key, i.parent_key, i.definition_key, i.process_id, up.depth + 1
            FROM up JOIN process_instances i ON i.key = up.parent_key
        )
        SELECT up.key, up.definition_key, coalesce(d.name, up.process_id) AS name
        FROM up LEFT JOIN process_definitions d ON d.key = up.definition_key ORDER BY up.depth DESC
        """,
        parse_key(process_instance_key, "the key"),
    )
    return [
        {
            "processInstanceKey": str(row["key"]),
            "processDefinitionKey": str(row["definition_key"]),
            "processDefinitionName": row["name"],
        }
        for row in rows
    ] or None
