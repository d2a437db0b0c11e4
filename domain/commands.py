"""Commands: what somebody wants. A command may be refused; what it leads to are events.

Who wants it, when and under which id is stamped at the edge (`id`, `issued_at`, `by`) and never changed later.
External commands come from people, workers and producers. Reactions come from facts of another stream
(`domain.reactions`) and carry their source, so that receiving one twice acts once.
"""

from datetime import datetime
from typing import Any, TypeAlias

import msgspec

from domain.events import Variables


class Command(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="type"):
    """Base of all commands. The tag, in kebab case, is the command type on every wire."""

    id: str
    """Idempotency id: the same id in the same stream acts once."""
    issued_at: datetime
    by: str = ""


class Resource(msgspec.Struct, frozen=True):
    """A file to deploy. Its extension tells the kind: .bpmn, .dmn or .form."""

    name: str
    content: bytes


# --- external: definitions -----------------------------------------------------------------------------------------


class DeployResources(Command, frozen=True, kw_only=True, tag="deploy-resources"):
    """Deploy all of these or none."""

    resources: tuple[Resource, ...]


class DeleteResource(Command, frozen=True, kw_only=True, tag="delete-resource"):
    """Make a definition unusable for new instances."""

    key: int


# --- external: process instances ------------------------------------------------------------------------------------


class CreateInstance(Command, frozen=True, kw_only=True, tag="create-instance"):
    """Create an instance of a definition key, or of a process id in one version (None: the latest)."""

    definition_key: int | None = None
    process_id: str | None = None
    version: int | None = None
    variables: Variables = {}
    start_elements: tuple[str, ...] = ()
    business_id: str | None = None
    tags: tuple[str, ...] = ()
    await_completion: bool = False
    fetch_variables: tuple[str, ...] = ()


class CancelInstance(Command, frozen=True, kw_only=True, tag="cancel-instance"):
    """End a root instance with all that runs in it."""

    key: int


class SuspendInstance(Command, frozen=True, kw_only=True, tag="suspend-instance"):
    """Let nothing move in the instance."""

    key: int


class ResumeInstance(Command, frozen=True, kw_only=True, tag="resume-instance"):
    """Let the instance move again."""

    key: int


class DeleteInstance(Command, frozen=True, kw_only=True, tag="delete-instance"):
    """Take an ended instance out of the query tables."""

    key: int


class SetVariables(Command, frozen=True, kw_only=True, tag="set-variables"):
    """Set variables of an element instance: merged upwards, or all in its own scope (`local`)."""

    key: int
    variables: Variables
    local: bool = False


class ResolveIncident(Command, frozen=True, kw_only=True, tag="resolve-incident"):
    """Try again what failed."""

    key: int


# --- external: jobs -----------------------------------------------------------------------------------------------


class ActivateJobs(Command, frozen=True, kw_only=True, tag="activate-jobs"):
    """Lease up to `jobs_max` jobs of a type on one partition to a worker, for `timeout` milliseconds."""

    partition: int
    job_type: str
    worker: str = ""
    timeout: int
    jobs_max: int
    fetch_variables: tuple[str, ...] = ()


class CompleteJob(Command, frozen=True, kw_only=True, tag="complete-job"):
    """The work is done."""

    key: int
    variables: Variables = {}


class FailJob(Command, frozen=True, kw_only=True, tag="fail-job"):
    """The work could not be done; offer it again after `back_off` milliseconds if `retries` are left (None: one less)."""

    key: int
    retries: int | None = None
    message: str = ""
    back_off: int = 0
    variables: Variables = {}


class ThrowJobError(Command, frozen=True, kw_only=True, tag="throw-job-error"):
    """The work ended in a BPMN error."""

    key: int
    code: str
    message: str = ""
    variables: Variables = {}


class UpdateJob(Command, frozen=True, kw_only=True, tag="update-job"):
    """Set the remaining retries, the lease's `timeout` (milliseconds from now), or both."""

    key: int
    retries: int | None = None
    timeout: int | None = None


# --- external: user tasks -------------------------------------------------------------------------------------------


class AssignUserTask(Command, frozen=True, kw_only=True, tag="assign-user-task"):
    """Set the assignee; without `allow_override` only if there is none or it is the same."""

    key: int
    assignee: str
    allow_override: bool = True
    action: str = "assign"


class UnassignUserTask(Command, frozen=True, kw_only=True, tag="unassign-user-task"):
    """Remove the assignee."""

    key: int


class UpdateUserTask(Command, frozen=True, kw_only=True, tag="update-user-task"):
    """Change the named attributes; None empties one. See `UserTaskUpdated.changes` for their names."""

    key: int
    changes: dict[str, Any]
    action: str = "update"


class CompleteUserTask(Command, frozen=True, kw_only=True, tag="complete-user-task"):
    """The work is done."""

    key: int
    variables: Variables = {}
    action: str = "complete"


# --- external: messages, signals, decisions ----------------------------------------------------------------------------


class PublishMessage(Command, frozen=True, kw_only=True, tag="publish-message"):
    """Offer a message to whoever waits for it now, or within `time_to_live` milliseconds."""

    name: str
    correlation_key: str = ""
    time_to_live: int = 0
    message_id: str = ""
    variables: Variables = {}


class CorrelateMessage(Command, frozen=True, kw_only=True, tag="correlate-message"):
    """Give a message to one who waits for it now, or refuse."""

    name: str
    correlation_key: str = ""
    variables: Variables = {}


class BroadcastSignal(Command, frozen=True, kw_only=True, tag="broadcast-signal"):
    """Tell everyone who waits for it now."""

    name: str
    variables: Variables = {}


class EvaluateDecision(Command, frozen=True, kw_only=True, tag="evaluate-decision"):
    """Evaluate a decision by its key, or the latest version of an id, outside of any instance."""

    decision_key: int | None = None
    decision_id: str | None = None
    variables: Variables = {}


# --- reactions: what a fact of one stream wants of another ---------------------------------------------------------------


class Reaction(Command, frozen=True, kw_only=True):
    """Base of commands that follow from a fact. `source` is its partition and position, `index` counts its reactions."""

    source: tuple[int, int] = (0, 0)
    index: int = 0


class TriggerTimer(Reaction, frozen=True, kw_only=True, tag="trigger-timer"):
    """A timer of an instance, or of a start event, is due."""

    key: int


class ContinueLoop(Reaction, frozen=True, kw_only=True, tag="continue-loop"):
    """Make further inner instances of a parallel multi-instance body."""

    key: int


class CreateChild(Reaction, frozen=True, kw_only=True, tag="create-child"):
    """Create the child instance of a call activity."""

    key: int
    definition_key: int
    root_key: int
    parent_key: int
    parent_element_key: int
    variables: Variables = {}
    business_id: str | None = None
    tags: tuple[str, ...] = ()
    depth: int = 1


class CreateStarted(Reaction, frozen=True, kw_only=True, tag="create-started"):
    """Create an instance at an event start element that a message, signal or timer triggered."""

    key: int | None = None
    """None: the partition that creates it gives the key."""
    definition_key: int
    element: str
    variables: Variables = {}
    start_message: tuple[str, str] | None = None
    message_key: int | None = None


class ReturnFromChild(Reaction, frozen=True, kw_only=True, tag="return-from-child"):
    """The child of this call activity completed."""

    key: int
    """The call activity's element instance."""
    child_key: int
    variables: Variables = {}


class TerminateChild(Reaction, frozen=True, kw_only=True, tag="terminate-child"):
    """The call activity of this child instance is gone."""

    key: int


class CatchError(Reaction, frozen=True, kw_only=True, tag="catch-error"):
    """A child threw an error that it does not catch."""

    key: int
    """The call activity's element instance."""
    child_key: int
    thrower_key: int
    code: str
    message: str = ""
    variables: Variables = {}
    job_key: int | None = None


class CatchEscalation(Reaction, frozen=True, kw_only=True, tag="catch-escalation"):
    """A child threw an escalation that it does not catch."""

    key: int
    """The call activity's element instance."""
    child_key: int
    code: str


class FailError(Reaction, frozen=True, kw_only=True, tag="fail-error"):
    """Nobody above catches the error: raise the incident where it was thrown."""

    key: int
    """The element instance that threw."""
    code: str
    job_key: int | None = None


class OpenMessageSubscription(Reaction, frozen=True, kw_only=True, tag="open-message-subscription"):
    """Tell the bucket who waits."""

    name: str
    correlation_key: str
    subscription_key: int
    process_id: str
    instance_key: int
    interrupting: bool


class CloseMessageSubscription(Reaction, frozen=True, kw_only=True, tag="close-message-subscription"):
    """Tell the bucket who waits no more."""

    name: str
    correlation_key: str
    subscription_key: int


class DeliverMessage(Reaction, frozen=True, kw_only=True, tag="deliver-message"):
    """Give a message to the instance that waits."""

    key: int
    """The subscription."""
    message_key: int
    name: str
    correlation_key: str
    process_id: str
    variables: Variables = {}


class AcknowledgeMessage(Reaction, frozen=True, kw_only=True, tag="acknowledge-message"):
    """Tell the bucket whether the message was taken."""

    name: str
    correlation_key: str
    message_key: int
    subscription_key: int
    process_id: str
    taken: bool


class ExpireMessage(Reaction, frozen=True, kw_only=True, tag="expire-message"):
    """The time to live of a message has passed."""

    name: str
    correlation_key: str
    message_key: int


class ReleaseMessageStart(Reaction, frozen=True, kw_only=True, tag="release-message-start"):
    """An instance that a message of this bucket started has ended."""

    name: str
    correlation_key: str
    process_id: str
    instance_key: int


class OpenSignalSubscription(Reaction, frozen=True, kw_only=True, tag="open-signal-subscription"):
    """Tell the signal who waits."""

    name: str
    subscription_key: int


class CloseSignalSubscription(Reaction, frozen=True, kw_only=True, tag="close-signal-subscription"):
    """Tell the signal who waits no more."""

    name: str
    subscription_key: int


class DeliverSignal(Reaction, frozen=True, kw_only=True, tag="deliver-signal"):
    """Give a signal to the instance that waits."""

    key: int
    """The subscription."""
    signal_key: int
    variables: Variables = {}


class RelaySignal(Reaction, frozen=True, kw_only=True, tag="relay-signal"):
    """Broadcast a signal that an element threw."""

    name: str
    variables: Variables = {}


AnyCommand: TypeAlias = (
    DeployResources
    | DeleteResource
    | CreateInstance
    | CancelInstance
    | SuspendInstance
    | ResumeInstance
    | DeleteInstance
    | SetVariables
    | ResolveIncident
    | ActivateJobs
    | CompleteJob
    | FailJob
    | ThrowJobError
    | UpdateJob
    | AssignUserTask
    | UnassignUserTask
    | UpdateUserTask
    | CompleteUserTask
    | PublishMessage
    | CorrelateMessage
    | BroadcastSignal
    | EvaluateDecision
    | TriggerTimer
    | ContinueLoop
    | CreateChild
    | CreateStarted
    | ReturnFromChild
    | TerminateChild
    | CatchError
    | CatchEscalation
    | FailError
    | OpenMessageSubscription
    | CloseMessageSubscription
    | DeliverMessage
    | AcknowledgeMessage
    | ExpireMessage
    | ReleaseMessageStart
    | OpenSignalSubscription
    | CloseSignalSubscription
    | DeliverSignal
    | RelaySignal
)
"""The register of command types, in the open. Additions only."""
