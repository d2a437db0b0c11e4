"""Query table `process_instances`: one row per process instance."""

from domain import events as e
from eventstore.records import EventRecord
from projections.rows import Projection, Rows, array, cut, table

PROCESS_INSTANCES = table(
    "process_instances",
    "key",
    "key bigint, partition integer, definition_key bigint, process_id text, version integer, version_tag text,"
    "root_key bigint, parent_key bigint, parent_element_key bigint, business_id text, tags text[], state text,"
    "started_at timestamptz, ended_at timestamptz, suspended_at timestamptz, quarantine_key bigint",
)


def _created(rows: Rows, event: e.InstanceCreated, record: EventRecord, instance: int) -> None:
    rows.insert(
        event.key,
        [
            event.key,
            record.partition,
            event.definition_key,
            cut(event.process_id),
            event.version,
            event.version_tag,
            event.root_key,
            event.parent_key,
            event.parent_element_key,
            None if event.business_id is None else cut(event.business_id),
            array(event.tags),
            "ACTIVE",
            record.time,
            None,
            None,
            None,
        ],
    )


def _completed(rows: Rows, event: e.InstanceCompleted, record: EventRecord, instance: int) -> None:
    rows.update(event.key, {"state": "COMPLETED", "ended_at": record.time, "suspended_at": None})


def _terminated(rows: Rows, event: e.InstanceTerminated, record: EventRecord, instance: int) -> None:
    rows.update(event.key, {"state": "TERMINATED", "ended_at": record.time, "suspended_at": None})


def _suspended(rows: Rows, event: e.InstanceSuspended, record: EventRecord, instance: int) -> None:
    rows.update(event.key, {"state": "SUSPENDED", "suspended_at": record.time})


def _resumed(rows: Rows, event: e.InstanceResumed, record: EventRecord, instance: int) -> None:
    rows.update(event.key, {"state": "ACTIVE", "suspended_at": None})


def _quarantined(rows: Rows, event: e.InstanceQuarantined, record: EventRecord, instance: int) -> None:
    rows.update_matching("key", event.key, {"quarantine_key": event.incident_key})


def _incident_resolved(rows: Rows, event: e.IncidentResolved, record: EventRecord, instance: int) -> None:
    rows.update_matching("quarantine_key", event.key, {"quarantine_key": None})


INSTANCES = Projection(
    PROCESS_INSTANCES,
    {
        e.InstanceCreated: _created,
        e.InstanceCompleted: _completed,
        e.InstanceTerminated: _terminated,
        e.InstanceSuspended: _suspended,
        e.InstanceResumed: _resumed,
        e.InstanceQuarantined: _quarantined,
        e.IncidentResolved: _incident_resolved,
    },
)
