"""Counts of element instances per element: of one instance, and of the instances of a definition."""

from collections.abc import Mapping
from typing import Any

from projections.queries.filters import conditions_of, parse_key
from projections.queries.pages import Item, Reader
from projections.queries.shape import BadQuery, Parameters, Shape
from projections.queries.shapes_instances import PROCESS_INSTANCES

_COUNTS = """
    SELECT e.element_id,
        count(*) FILTER (WHERE e.state = 'ACTIVE' AND n.element_key IS NULL) AS active,
        count(*) FILTER (WHERE e.state = 'TERMINATED') AS canceled,
        count(*) FILTER (WHERE e.state = 'COMPLETED') AS completed,
        count(*) FILTER (WHERE n.element_key IS NOT NULL) AS incidents
    FROM {source}
    LEFT JOIN (SELECT DISTINCT element_key FROM incidents WHERE resolved_at IS NULL) AS n ON n.element_key = e.key
    WHERE {condition}
    GROUP BY e.element_id ORDER BY e.element_id
"""

_DEFINITION_FILTERS = {
    "processDefinitionId",
    "processDefinitionKey",
    "processDefinitionName",
    "processDefinitionVersion",
    "processDefinitionVersionTag",
}
"""Of the instance filter; the path has said which definition."""

_STATISTICS = Shape(
    name="statistics",
    source=PROCESS_INSTANCES.source,
    key=PROCESS_INSTANCES.key,
    fields=tuple(field for field in PROCESS_INSTANCES.fields if field.name not in _DEFINITION_FILTERS),
    specials=PROCESS_INSTANCES.specials,
    alternatives=True,
    related=PROCESS_INSTANCES.related,
    combined=PROCESS_INSTANCES.combined,
)


def _items(rows: Any) -> list[Item]:
    return [
        {
            "elementId": row["element_id"],
            "active": row["active"],
            "canceled": row["canceled"],
            "completed": row["completed"],
            "incidents": row["incidents"],
        }
        for row in rows
    ]


async def instance_element_statistics(connection: Reader, process_instance_key: str) -> list[Item]:
    """Count element instances per element of one instance: active (without incident), canceled, completed, with incident."""
    statement = _COUNTS.format(source="element_instances e", condition="e.instance_key = $1::bigint")
    return _items(await connection.fetch(statement, parse_key(process_instance_key, "the key")))


async def definition_element_statistics(
    connection: Reader, process_definition_key: str, request: Mapping[str, Any]
) -> list[Item]:
    """Count likewise over the instances of a definition; `request["filter"]` picks instances."""
    unknown = set(request) - {"filter"}
    if unknown:
        raise BadQuery(f"expected the request to have only filter, but found {', '.join(sorted(map(str, unknown)))}")
    parameters = Parameters([parse_key(process_definition_key, "the key")])
    conditions = conditions_of(_STATISTICS, parameters, request.get("filter"))
    picked = " AND ".join(["i.definition_key = $1::bigint", *conditions])
    source = f"{PROCESS_INSTANCES.source} JOIN element_instances e ON e.instance_key = i.key"
    statement = _COUNTS.format(source=source, condition=picked)
    return _items(await connection.fetch(statement, *parameters.values))


async def instance_wait_state_statistics(connection: Reader, process_instance_key: str) -> list[Item]:
    """Count per element what the instance waits for: jobs, user tasks, timers, messages and signals."""
    rows = await connection.fetch(
        """
        SELECT e.element_id, count(*) AS waiting
        FROM (
            SELECT element_key FROM jobs WHERE instance_key = $1 AND ended_at IS NULL
            UNION ALL SELECT element_key FROM user_tasks WHERE instance_key = $1 AND ended_at IS NULL
            UNION ALL SELECT element_key FROM timers WHERE instance_key = $1 AND ended_at IS NULL
            UNION ALL SELECT element_key FROM message_subscriptions
                WHERE instance_key = $1 AND closed_at IS NULL AND NOT (interrupting AND correlated_at IS NOT NULL)
            UNION ALL SELECT element_key FROM signal_subscriptions
                WHERE instance_key = $1 AND closed_at IS NULL AND received_at IS NULL
        ) AS waits JOIN element_instances e ON e.key = waits.element_key AND e.instance_key = $1
        GROUP BY e.element_id ORDER BY e.element_id
        """,
        parse_key(process_instance_key, "the key"),
    )
    return [{"elementId": row["element_id"], "waitingCount": row["waiting"]} for row in rows]
