"""The columns `suspended` and `quarantine_key` of the tables from which the engine works: whose instance stands still."""

from collections.abc import Mapping

from domain import events as e
from eventstore.records import EventRecord
from projections.rows import Handler, Rows


def _suspended(rows: Rows, event: e.InstanceSuspended, record: EventRecord, instance: int) -> None:
    rows.update_matching("instance_key", event.key, {"suspended": True})


def _resumed(rows: Rows, event: e.InstanceResumed, record: EventRecord, instance: int) -> None:
    rows.update_matching("instance_key", event.key, {"suspended": False})


def _quarantined(rows: Rows, event: e.InstanceQuarantined, record: EventRecord, instance: int) -> None:
    rows.update_matching("instance_key", event.key, {"quarantine_key": event.incident_key})


def _incident_resolved(rows: Rows, event: e.IncidentResolved, record: EventRecord, instance: int) -> None:
    rows.update_matching("quarantine_key", event.key, {"quarantine_key": None})


HELD: Mapping[type, Handler] = {
    e.InstanceSuspended: _suspended,
    e.InstanceResumed: _resumed,
    e.InstanceQuarantined: _quarantined,
    e.IncidentResolved: _incident_resolved,
}
"""Handlers for a table with these columns and `instance_key`."""
