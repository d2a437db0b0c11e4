"""Facts about work for workers and people."""

from datetime import datetime
from typing import Any

from domain.events.base import Event, Variables


class JobCreated(Event, frozen=True, tag="job-created"):
    """Work waits for a worker."""

    key: int
    element_key: int
    element: str
    job_type: str
    retries: int
    headers: dict[str, str] = {}
    priority: int = 0
    kind: str = "BPMN_ELEMENT"
    listener: str | None = None


class JobCompleted(Event, frozen=True, tag="job-completed"):
    """A worker did the work."""

    key: int
    element_key: int
    variables: Variables = {}


class JobFailed(Event, frozen=True, tag="job-failed"):
    """A worker could not do the work; with retries left it is offered again, from `retry_at` on."""

    key: int
    element_key: int
    retries: int
    message: str = ""
    retry_at: datetime | None = None


class JobErrorThrown(Event, frozen=True, tag="job-error-thrown"):
    """A worker answered with a BPMN error."""

    key: int
    element_key: int
    code: str
    message: str = ""


class JobRetriesUpdated(Event, frozen=True, tag="job-retries-updated"):
    """The remaining retries were set."""

    key: int
    retries: int


class JobReopened(Event, frozen=True, tag="job-reopened"):
    """The incident of the job was resolved; it is offered to workers again."""

    key: int


class JobCanceled(Event, frozen=True, tag="job-canceled"):
    """The element that wanted the work is gone."""

    key: int


class UserTaskCreated(Event, frozen=True, tag="user-task-created"):
    """Work waits for a person."""

    key: int
    element_key: int
    element: str
    assignee: str | None = None
    candidate_groups: tuple[str, ...] = ()
    candidate_users: tuple[str, ...] = ()
    due_date: str | None = None
    follow_up_date: str | None = None
    priority: int = 50
    form_id: str | None = None
    form_key: int | None = None
    external_form_reference: str | None = None
    headers: dict[str, str] = {}


class UserTaskAssigned(Event, frozen=True, tag="user-task-assigned"):
    """The assignee was set, or removed (None)."""

    key: int
    assignee: str | None
    action: str = ""


class UserTaskUpdated(Event, frozen=True, tag="user-task-updated"):
    """Attributes of the task were changed; only the named ones."""

    key: int
    changes: dict[str, Any]
    """Of: candidate_groups, candidate_users, due_date, follow_up_date, priority."""
    action: str = ""


class UserTaskCompleted(Event, frozen=True, tag="user-task-completed"):
    """The person did the work."""

    key: int
    element_key: int
    variables: Variables = {}
    action: str = ""


class UserTaskCanceled(Event, frozen=True, tag="user-task-canceled"):
    """The element that wanted the work is gone."""

    key: int


class JobsLeased(Event, frozen=True, tag="jobs-leased"):
    """A worker has these jobs until the deadline; one fact for the whole batch."""

    job_type: str
    worker: str
    deadline: datetime
    keys: tuple[int, ...]


class JobLeaseExtended(Event, frozen=True, tag="job-lease-extended"):
    """The worker has this job until another deadline."""

    key: int
    deadline: datetime
