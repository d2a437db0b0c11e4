"""Query table `user_tasks`: work for people."""

from datetime import UTC, datetime
from typing import Any

from domain import events as e
from eventstore.records import EventRecord
from projections.rows import Projection, Rows, array, cut, json_text, table

USER_TASKS_TABLE = table(
    "user_tasks",
    "key",
    "key bigint, partition integer, instance_key bigint, element_key bigint, element_id text, state text, assignee text,"
    "candidate_groups text[], candidate_users text[], due_date timestamptz, follow_up_date timestamptz, priority integer,"
    "form_id text, form_key bigint, external_form_reference text, headers text, created_at timestamptz,"
    "ended_at timestamptz",
)


def moment(text: str | None) -> datetime | None:
    """Return the time that an ISO 8601 text names, in UTC if it names no zone; None if it is none."""
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text.partition("[")[0])
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _created(rows: Rows, event: e.UserTaskCreated, record: EventRecord, instance: int) -> None:
    rows.insert(
        event.key,
        [
            event.key,
            record.partition,
            instance,
            event.element_key,
            event.element,
            "CREATED",
            None if event.assignee is None else cut(event.assignee),
            array(event.candidate_groups),
            array(event.candidate_users),
            moment(event.due_date),
            moment(event.follow_up_date),
            event.priority,
            event.form_id,
            event.form_key,
            event.external_form_reference,
            json_text(event.headers),
            record.time,
            None,
        ],
    )


def _assigned(rows: Rows, event: e.UserTaskAssigned, record: EventRecord, instance: int) -> None:
    rows.update(event.key, {"assignee": None if event.assignee is None else cut(event.assignee)})


def _changed(name: str, value: Any) -> Any:
    match name:
        case "candidate_groups" | "candidate_users":
            return array(value or ())
        case "due_date" | "follow_up_date":
            return moment(value)
        case _:
            return value


_CHANGEABLE = ("candidate_groups", "candidate_users", "due_date", "follow_up_date", "priority")


def _updated(rows: Rows, event: e.UserTaskUpdated, record: EventRecord, instance: int) -> None:
    changes = {name: _changed(name, value) for name, value in event.changes.items() if name in _CHANGEABLE}
    if changes:
        rows.update(event.key, changes)


def _completed(rows: Rows, event: e.UserTaskCompleted, record: EventRecord, instance: int) -> None:
    rows.update(event.key, {"state": "COMPLETED", "ended_at": record.time})


def _canceled(rows: Rows, event: e.UserTaskCanceled, record: EventRecord, instance: int) -> None:
    rows.update(event.key, {"state": "CANCELED", "ended_at": record.time})


USER_TASKS = Projection(
    USER_TASKS_TABLE,
    {
        e.UserTaskCreated: _created,
        e.UserTaskAssigned: _assigned,
        e.UserTaskUpdated: _updated,
        e.UserTaskCompleted: _completed,
        e.UserTaskCanceled: _canceled,
    },
)
