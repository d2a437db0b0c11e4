"""Query table `incidents`: what cannot go on without help; a quarantined instance has one too, of its process."""

from domain import events as e
from eventstore.records import EventRecord
from projections.rows import Projection, Rows, table

INCIDENTS_TABLE = table(
    "incidents",
    "key",
    "key bigint, partition integer, instance_key bigint, element_key bigint, element_id text, error_type text,"
    "error_message text, job_key bigint, state text, created_at timestamptz, resolved_at timestamptz",
)

QUARANTINED = "UNKNOWN"
"""Error type of a quarantined instance's incident; Camunda's list has none that says it."""


def _raised(rows: Rows, event: e.IncidentRaised, record: EventRecord, instance: int) -> None:
    rows.insert(
        event.key,
        [
            event.key,
            record.partition,
            instance,
            event.element_key,
            event.element,
            event.incident_type,
            event.message,
            event.job_key,
            "ACTIVE",
            record.time,
            None,
        ],
    )


def _quarantined(rows: Rows, event: e.InstanceQuarantined, record: EventRecord, instance: int) -> None:
    rows.insert(
        event.incident_key,
        [
            event.incident_key,
            record.partition,
            event.key,
            event.key,
            None,
            QUARANTINED,
            event.reason,
            None,
            "ACTIVE",
            record.time,
            None,
        ],
    )


def _resolved(rows: Rows, event: e.IncidentResolved, record: EventRecord, instance: int) -> None:
    rows.update(event.key, {"state": "RESOLVED", "resolved_at": record.time})


INCIDENTS = Projection(
    INCIDENTS_TABLE,
    {e.IncidentRaised: _raised, e.InstanceQuarantined: _quarantined, e.IncidentResolved: _resolved},
)
