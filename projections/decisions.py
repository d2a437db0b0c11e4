"""Query tables `decision_requirements`, `decision_definitions` and `decision_instances`.

An evaluation leaves one row per decision that took part, in order, the one that was asked for last.
"""

from collections.abc import Mapping
from typing import Any

from domain import events as e
from eventstore.records import EventRecord
from projections.rows import Projection, Rows, cut, json_text, table

DECISION_REQUIREMENTS_TABLE = table(
    "decision_requirements",
    "key",
    "key bigint, partition integer, requirements_id text, name text, version integer, resource_name text, content bytea,"
    "deployment_key bigint, deleted boolean",
    of_instances=False,
)

DECISION_DEFINITIONS_TABLE = table(
    "decision_definitions",
    "key",
    "key bigint, partition integer, decision_id text, name text, version integer, version_tag text,"
    "requirements_key bigint, requirements_id text, deployment_key bigint, deleted boolean",
    of_instances=False,
)

DECISION_INSTANCES_TABLE = table(
    "decision_instances",
    "evaluation_key, index",
    "evaluation_key bigint, index integer, partition integer, decision_id text, decision_name text, decision_type text,"
    "decision_key bigint, decision_version integer, requirements_key bigint, root_decision_key bigint,"
    "instance_key bigint, element_key bigint, definition_key bigint, inputs text, rules text, result text, failure text,"
    "state text, evaluated_at timestamptz",
)


def _requirements(rows: Rows, event: e.DecisionRequirementsDefined, record: EventRecord, instance: int) -> None:
    row = [event.key, record.partition, cut(event.requirements_id), event.name, event.version, event.resource_name]
    rows.insert(event.key, [*row, event.content, event.deployment_key, False])


def _requirements_deleted(rows: Rows, event: e.DefinitionDeleted, record: EventRecord, instance: int) -> None:
    rows.update(event.key, {"deleted": True})


DECISION_REQUIREMENTS = Projection(
    DECISION_REQUIREMENTS_TABLE,
    {e.DecisionRequirementsDefined: _requirements, e.DefinitionDeleted: _requirements_deleted},
)


def _decision(rows: Rows, event: e.DecisionDefined, record: EventRecord, instance: int) -> None:
    row = [event.key, record.partition, cut(event.decision_id), event.name, event.version, event.version_tag]
    rows.insert(event.key, [*row, event.requirements_key, cut(event.requirements_id), event.deployment_key, False])


def _decision_deleted(rows: Rows, event: e.DefinitionDeleted, record: EventRecord, instance: int) -> None:
    rows.update_matching("key", event.key, {"deleted": True})
    rows.update_matching("requirements_key", event.key, {"deleted": True})


DECISION_DEFINITIONS = Projection(
    DECISION_DEFINITIONS_TABLE, {e.DecisionDefined: _decision, e.DefinitionDeleted: _decision_deleted}
)


def _evaluated(rows: Rows, event: e.DecisionEvaluated, record: EventRecord, instance: int) -> None:
    if not event.evaluated:
        _insert(rows, event, record, 1, {"output": event.output}, failed=event.failure is not None)
    for index, entry in enumerate(event.evaluated, start=1):
        decision = entry.get("decisionDefinitionId", event.decision_id)
        failed = event.failure is not None and decision == (event.failed_decision_id or event.decision_id)
        _insert(rows, event, record, index, entry, failed=failed)


def _insert(
    rows: Rows, event: e.DecisionEvaluated, record: EventRecord, index: int, entry: Mapping[str, Any], *, failed: bool
) -> None:
    rows.insert(
        (event.key, index),
        [
            event.key,
            index,
            record.partition,
            cut(entry.get("decisionDefinitionId", event.decision_id)),
            entry.get("decisionDefinitionName", event.decision_name),
            entry.get("decisionDefinitionType", "UNKNOWN"),
            int(entry.get("decisionDefinitionKey", event.decision_key)),
            entry.get("decisionDefinitionVersion", event.decision_version),
            event.requirements_key,
            event.decision_key,
            event.instance_key,
            event.element_key,
            event.definition_key,
            json_text(entry.get("evaluatedInputs", ())),
            json_text(entry.get("matchedRules", ())),
            json_text(entry.get("output")),
            event.failure if failed else None,
            "FAILED" if failed else "EVALUATED",
            record.time,
        ],
    )


DECISION_INSTANCES = Projection(DECISION_INSTANCES_TABLE, {e.DecisionEvaluated: _evaluated})
