"""Request bodies as the API takes them: closed structs, so that a misspelt field is refused and not ignored.

Names become camelCase on the wire. A field that may be left out may be null too. Keys are texts of digits.
Fields that are taken for compatibility and mean nothing here (`operationReference`, `leaseToken`) say so.
"""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.bodies import LIST_LENGTH_MAX

NAME_CHARACTERS_MAX = 255
"""Names, job types, ids and correlation keys: longer ones are no names."""
TEXT_CHARACTERS_MAX = 10_000
"""Error messages and the like."""
EXPRESSION_CHARACTERS_MAX = 100_000
MILLISECONDS_MAX = 10 * 365 * 24 * 3600 * 1000
"""Ten years: the longest lease, back-off and time to live."""
TIMESTAMP_MAX = 32_503_680_000_000
"""The year 3000, in milliseconds since 1970."""
INT32_MAX = 2**31 - 1
SORTS_MAX = 20
"""Fields that one search may sort by."""
JOBS_PER_ACTIVATION_MAX = 10_000
REQUEST_TIMEOUT_MAX = 600_000
"""Milliseconds that one request may be held."""

Key: TypeAlias = Annotated[str, Meta(pattern="^-?[0-9]{1,25}$", description="a key: digits in a text")]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS_MAX)]
Word: TypeAlias = Annotated[str, Meta(max_length=NAME_CHARACTERS_MAX)]
"""A name that may be empty."""
Text: TypeAlias = Annotated[str, Meta(max_length=TEXT_CHARACTERS_MAX)]
Tenant: TypeAlias = Annotated[str, Meta(pattern=r"^(<default>|[A-Za-z0-9_.-]{1,31})$")]
Tag: TypeAlias = Annotated[str, Meta(pattern="^[A-Za-z][A-Za-z0-9_:.-]{0,99}$")]
Names: TypeAlias = Annotated[list[Word], Meta(max_length=LIST_LENGTH_MAX)]
Version: TypeAlias = Annotated[int, Meta(ge=-1, le=INT32_MAX)]
"""-1 means the latest."""
Cursor: TypeAlias = Annotated[str, Meta(max_length=20_000)]
Retries: TypeAlias = Annotated[int, Meta(ge=0, le=INT32_MAX)]
Milliseconds: TypeAlias = Annotated[int, Meta(ge=0, le=MILLISECONDS_MAX)]
RequestTimeout: TypeAlias = Annotated[int, Meta(ge=-REQUEST_TIMEOUT_MAX, le=REQUEST_TIMEOUT_MAX)]
OperationReference: TypeAlias = Annotated[int, Meta(ge=1, le=2**63 - 1)]
"""Carried for the client's own records; the engine does not interpret it."""
Variables: TypeAlias = dict[str, Any]


class Request(msgspec.Struct, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """Base of all bodies."""


class Nothing(Request):
    """A body that may be left out and says nothing."""

    operation_reference: OperationReference | None = None


class Pin(Request):
    """The engine's time, in milliseconds since 1970."""

    timestamp: Annotated[int, Meta(ge=0, le=TIMESTAMP_MAX)]


class StartInstruction(Request):
    """Begin at this element instead of the start event."""

    element_id: Name


class TerminateInstruction(Request):
    """End the instance after this element."""

    after_element_id: Name
    type: Word | None = None


class CreateProcessInstance(Request):
    """Create an instance of `processDefinitionKey`, or of `processDefinitionId` in one version or the latest."""

    process_definition_id: Name | None = None
    process_definition_key: Key | None = None
    process_definition_version: Version | None = None
    variables: Variables | None = None
    tenant_id: Tenant | None = None
    operation_reference: OperationReference | None = None
    start_instructions: Annotated[list[StartInstruction], Meta(max_length=LIST_LENGTH_MAX)] | None = None
    runtime_instructions: Annotated[list[TerminateInstruction], Meta(max_length=LIST_LENGTH_MAX)] | None = None
    await_completion: bool | None = None
    fetch_variables: Names | None = None
    request_timeout: RequestTimeout | None = None
    business_id: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    tags: Annotated[list[Tag], Meta(max_length=10)] | None = None


class SetVariables(Request):
    """Set variables of an element instance: merged upwards, or all in its own scope (`local`)."""

    variables: Variables
    local: bool | None = None
    operation_reference: OperationReference | None = None


class DeleteResource(Request):
    """Make a definition unusable for new instances."""

    delete_history: bool | None = None
    operation_reference: OperationReference | None = None


class ActivateJobs(Request):
    """Lease up to `maxJobsToActivate` jobs of a type for `timeout` milliseconds."""

    type: Name
    timeout: Annotated[int, Meta(ge=1, le=MILLISECONDS_MAX)]
    max_jobs_to_activate: Annotated[int, Meta(ge=1, le=JOBS_PER_ACTIVATION_MAX)]
    worker: Word | None = None
    fetch_variable: Names | None = None
    request_timeout: RequestTimeout | None = None
    tenant_ids: Annotated[list[Tenant], Meta(max_length=LIST_LENGTH_MAX)] | None = None
    tenant_filter: Word | None = None
    with_lease: bool | None = None


class JobCorrections(Request):
    """Attributes of a user task that a listener corrects."""

    assignee: Word | None = None
    candidate_groups: Names | None = None
    candidate_users: Names | None = None
    due_date: Word | None = None
    follow_up_date: Word | None = None
    priority: int | None = None


class JobResult(Request):
    """What a task listener answers."""

    type: Word | None = None
    denied: bool | None = None
    denied_reason: Text | None = None
    corrections: JobCorrections | None = None


class CompleteJob(Request):
    """The work is done."""

    variables: Variables | None = None
    result: JobResult | None = None
    business_id: Word | None = None
    lease_token: Word | None = None


class FailJob(Request):
    """The work could not be done; offered again after `retryBackOff` milliseconds if `retries` are left."""

    retries: Retries | None = None
    error_message: Text | None = None
    retry_back_off: Milliseconds | None = None
    variables: Variables | None = None
    lease_token: Word | None = None


class ThrowJobError(Request):
    """The work ended in a BPMN error."""

    error_code: Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS_MAX)]
    error_message: Text | None = None
    variables: Variables | None = None
    lease_token: Word | None = None


class JobChangeset(Request):
    """What to change of a job; `timeout` is the lease from now on, in milliseconds."""

    retries: Annotated[int, Meta(ge=1, le=INT32_MAX)] | None = None
    timeout: Milliseconds | None = None


class UpdateJob(Request):
    """Set retries, lease, or both."""

    changeset: JobChangeset
    operation_reference: OperationReference | None = None
    lease_token: Word | None = None


class AssignUserTask(Request):
    """Set the assignee; without `allowOverride` only if there is none."""

    assignee: Name | None = None
    allow_override: bool | None = None
    action: Word | None = None


class UserTaskChangeset(Request):
    """Attributes to change; null or empty empties one."""

    candidate_groups: Names | UnsetType | None = UNSET
    candidate_users: Names | UnsetType | None = UNSET
    due_date: Word | UnsetType | None = UNSET
    follow_up_date: Word | UnsetType | None = UNSET
    priority: Annotated[int, Meta(ge=0, le=100)] | UnsetType | None = UNSET


class UpdateUserTask(Request):
    """Change attributes of a task."""

    changeset: UserTaskChangeset | None = None
    action: Word | None = None


class CompleteUserTask(Request):
    """The work is done."""

    variables: Variables | None = None
    action: Word | None = None


class PublishMessage(Request):
    """Offer a message to whoever waits for it now, or within `timeToLive` milliseconds."""

    name: Name
    correlation_key: Word | None = None
    time_to_live: Milliseconds | None = None
    message_id: Word | None = None
    variables: Variables | None = None
    tenant_id: Tenant | None = None
    business_id: Word | None = None


class CorrelateMessage(Request):
    """Give a message to one who waits for it now."""

    name: Name
    correlation_key: Word | None = None
    variables: Variables | None = None
    tenant_id: Tenant | None = None
    business_id: Word | None = None


class BroadcastSignal(Request):
    """Tell everyone who waits for the signal now."""

    signal_name: Name
    variables: Variables | None = None
    tenant_id: Tenant | None = None


class EvaluateDecision(Request):
    """Evaluate a decision by its key, or the latest version of an id."""

    decision_definition_id: Name | None = None
    decision_definition_key: Key | None = None
    variables: Variables | None = None
    tenant_id: Tenant | None = None


class EvaluateExpression(Request):
    """Evaluate a FEEL expression (`= a + 1`)."""

    expression: Annotated[str, Meta(min_length=1, max_length=EXPRESSION_CHARACTERS_MAX)]
    variables: Variables | None = None
    tenant_id: Tenant | None = None
    scope_key: Key | None = None


class Criterion(Request):
    """Sort by a field."""

    field: Name
    order: Literal["ASC", "DESC", "asc", "desc"] | None = None


class Page(Request):
    """Which part of the result: at most one of `from`, `after` and `before`."""

    limit: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    start: Annotated[int, Meta(ge=0, le=INT32_MAX)] | None = msgspec.field(name="from", default=None)
    after: Cursor | None = None
    before: Cursor | None = None


class Search(Request):
    """A search: all three parts may be left out."""

    filter: dict[str, Any] | None = None
    sort: Annotated[list[Criterion], Meta(max_length=SORTS_MAX)] | None = None
    page: Page | None = None


class FilterOnly(Request):
    """A search that can only filter."""

    filter: dict[str, Any] | None = None
