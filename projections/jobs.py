"""Query table `jobs`: work for workers, as people search it and as the dispatcher offers it.

`available_at` says from when on a job may be leased: its creation, the end of its back-off, or the end of its lease.
"""

from domain import events as e
from eventstore.records import EventRecord
from projections.held import HELD
from projections.rows import Projection, Rows, cut, json_text, table

JOBS_TABLE = table(
    "jobs",
    "key",
    "key bigint, partition integer, instance_key bigint, element_key bigint, element_id text, job_type text, kind text,"
    "listener_event_type text, headers text, priority integer, state text, retries integer,"
    "failed_with_retries_left boolean, worker text, deadline timestamptz, available_at timestamptz, incident_key bigint,"
    "suspended boolean, quarantine_key bigint, error_code text, error_message text, created_at timestamptz,"
    "updated_at timestamptz, ended_at timestamptz",
)


def _created(rows: Rows, event: e.JobCreated, record: EventRecord, instance: int) -> None:
    time = record.time
    rows.inserted[event.key] = [
        event.key,
        record.partition,
        instance,
        event.element_key,
        event.element,
        cut(event.job_type),
        event.kind,
        "UNSPECIFIED" if event.listener is None else event.listener.upper(),
        json_text(event.headers) if event.headers else "{}",
        event.priority,
        "CREATED",
        event.retries,
        False,
        "",
        None,
        time,
        None,
        False,
        None,
        None,
        None,
        time,
        time,
        None,
    ]


def _leased(rows: Rows, event: e.JobsLeased, record: EventRecord, instance: int) -> None:
    for key in event.keys:
        rows.update(
            key,
            {
                "worker": event.worker,
                "deadline": event.deadline,
                "available_at": event.deadline,
                "updated_at": record.time,
            },
        )


def _lease_extended(rows: Rows, event: e.JobLeaseExtended, record: EventRecord, instance: int) -> None:
    changes = {"state": "TIMEOUT_UPDATED", "deadline": event.deadline, "available_at": event.deadline}
    rows.update(event.key, {**changes, "updated_at": record.time})


def _completed(rows: Rows, event: e.JobCompleted, record: EventRecord, instance: int) -> None:
    rows.update(event.key, {"state": "COMPLETED", "updated_at": record.time, "ended_at": record.time})


def _canceled(rows: Rows, event: e.JobCanceled, record: EventRecord, instance: int) -> None:
    rows.update(event.key, {"state": "CANCELED", "updated_at": record.time, "ended_at": record.time})


def _failed(rows: Rows, event: e.JobFailed, record: EventRecord, instance: int) -> None:
    rows.update(
        event.key,
        {
            "state": "FAILED",
            "retries": event.retries,
            "failed_with_retries_left": event.retries > 0,
            "deadline": None,
            "available_at": event.retry_at or record.time,
            "error_message": event.message,
            "updated_at": record.time,
        },
    )


def _error_thrown(rows: Rows, event: e.JobErrorThrown, record: EventRecord, instance: int) -> None:
    rows.update(
        event.key,
        {
            "state": "ERROR_THROWN",
            "deadline": None,
            "error_code": event.code,
            "error_message": event.message,
            "updated_at": record.time,
            "ended_at": record.time,
        },
    )


def _retries_updated(rows: Rows, event: e.JobRetriesUpdated, record: EventRecord, instance: int) -> None:
    rows.update(event.key, {"state": "RETRIES_UPDATED", "retries": event.retries, "updated_at": record.time})


def _reopened(rows: Rows, event: e.JobReopened, record: EventRecord, instance: int) -> None:
    changes = {"state": "CREATED", "incident_key": None, "deadline": None, "ended_at": None}
    rows.update(event.key, {**changes, "available_at": record.time, "updated_at": record.time})


def _incident_raised(rows: Rows, event: e.IncidentRaised, record: EventRecord, instance: int) -> None:
    if event.job_key is not None:
        rows.update(event.job_key, {"incident_key": event.key})


JOBS = Projection(
    JOBS_TABLE,
    {
        e.JobCreated: _created,
        e.JobsLeased: _leased,
        e.JobLeaseExtended: _lease_extended,
        e.JobCompleted: _completed,
        e.JobCanceled: _canceled,
        e.JobFailed: _failed,
        e.JobErrorThrown: _error_thrown,
        e.JobRetriesUpdated: _retries_updated,
        e.JobReopened: _reopened,
        e.IncidentRaised: _incident_raised,
        **HELD,
    },
)
