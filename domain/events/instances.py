"""Facts of process instances: tokens, scopes, variables, loops, calls, errors and incidents."""

from domain.events.base import Event, Json, Variables


class InstanceCreated(Event, frozen=True, tag="instance-created"):
    """A process instance exists, and with it its outermost scope, which has the same key."""

    key: int
    definition_key: int
    process_id: str
    version: int
    root_key: int
    version_tag: str | None = None
    parent_key: int | None = None
    parent_element_key: int | None = None
    business_id: str | None = None
    tags: tuple[str, ...] = ()
    start_message: tuple[str, str] | None = None
    """(name, correlation key) of the message bucket that holds this process to one instance at a time."""
    depth: int = 0
    """How many instances called each other down to this one."""


class InstanceCompleted(Event, frozen=True, tag="instance-completed"):
    """The last token of the instance is gone."""

    key: int
    parent_key: int | None = None
    parent_element_key: int | None = None
    variables: Variables = {}
    """For a child: what the call activity receives."""
    start_message: tuple[str, str] | None = None
    process_id: str = ""


class InstanceTerminated(Event, frozen=True, tag="instance-terminated"):
    """The instance was ended from outside."""

    key: int
    parent_key: int | None = None
    start_message: tuple[str, str] | None = None
    process_id: str = ""


class InstanceSuspended(Event, frozen=True, tag="instance-suspended"):
    """Nothing moves in the instance until it is resumed."""

    key: int


class InstanceResumed(Event, frozen=True, tag="instance-resumed"):
    """The instance moves again."""

    key: int


class InstanceDeleted(Event, frozen=True, tag="instance-deleted"):
    """An ended instance leaves the query tables. Its events stay in the log."""

    key: int


class InstanceQuarantined(Event, frozen=True, tag="instance-quarantined"):
    """The instance could not be processed; it stands still until it is released by resolving the incident."""

    key: int
    incident_key: int
    reason: str
    command: str = ""
    """Type of the command that could not be carried out."""


class KeyBlockTaken(Event, frozen=True, tag="key-block-taken"):
    """The instance used up its local keys and continues in a further block of the partition."""

    key: int
    block: int


class CommandHeld(Event, frozen=True, tag="command-held"):
    """A reaction reached the instance while it was suspended or quarantined; it is carried out when that is over."""

    command: bytes
    """The reaction as it is encoded in the Log (JSON)."""


class HeldReleased(Event, frozen=True, tag="held-released"):
    """The oldest held reaction is carried out now."""

    key: int


class VariablesSet(Event, frozen=True, tag="variables-set"):
    """Variables of one scope got new values. Equal values are never written."""

    scope: int
    variables: Variables


class FlowTaken(Event, frozen=True, tag="flow-taken"):
    """A token stands on a sequence flow."""

    flow: str
    scope: int


class ElementEntered(Event, frozen=True, tag="element-entered"):
    """An element instance exists; the tokens on `flows` went into it."""

    key: int
    element: str
    scope: int
    flows: tuple[str, ...] = ()
    loop: int | None = None
    """0: the body of a multi-instance activity; n >= 1: its n-th inner instance; None: no multi-instance."""
    trigger: int | None = None
    """Key of the element instance whose waiting was over when this one began (boundary, event sub-process, gateway)."""


class ElementCompleted(Event, frozen=True, tag="element-completed"):
    """The element instance did its work."""

    key: int
    element: str
    scope: int


class ElementTerminated(Event, frozen=True, tag="element-terminated"):
    """The element instance was ended by something else."""

    key: int
    element: str
    scope: int


class ScopeInterrupted(Event, frozen=True, tag="scope-interrupted"):
    """All that ran in the scope was ended from inside of it: no token is left, and no further event sub-process starts."""

    scope: int


class LoopStarted(Event, frozen=True, tag="loop-started"):
    """A multi-instance body knows how many inner instances it will have."""

    key: int
    count: int
    output: str | None = None
    """Name of the output collection, which begins as a list of `count` nulls, local to the body."""


class LoopOutputStored(Event, frozen=True, tag="loop-output-stored"):
    """The output element of inner instance `loop` (from 1) was stored in the body's output collection."""

    key: int
    loop: int
    output: str
    value: Json = None


class IncidentRaised(Event, frozen=True, tag="incident-raised"):
    """The element instance cannot go on without help."""

    key: int
    element_key: int
    element: str
    incident_type: str
    message: str
    job_key: int | None = None
    step: str = "enter"
    """What is tried again when the incident is resolved: enter, wait, work, leave, flows, loop or job."""


class IncidentResolved(Event, frozen=True, tag="incident-resolved"):
    """The incident is over, because somebody resolved it or because its element ended."""

    key: int


class LoopContinued(Event, frozen=True, tag="loop-continued"):
    """A multi-instance body makes further inner instances."""

    key: int


class LoopPaused(Event, frozen=True, tag="loop-paused"):
    """A parallel multi-instance body made as many inner instances as one command may; the rest follows at once."""

    key: int


class ErrorThrown(Event, frozen=True, tag="error-thrown"):
    """A BPMN error was thrown and caught: by `target`, which is attached to the element instance `catcher`."""

    element_key: int
    code: str
    catcher: int
    target: str
    message: str = ""
    variables: Variables = {}


class ErrorPropagated(Event, frozen=True, tag="error-propagated"):
    """No scope of this instance catches the error; the calling instance is asked."""

    key: int
    element_key: int
    code: str
    parent_key: int
    parent_element_key: int
    message: str = ""
    variables: Variables = {}
    job_key: int | None = None


class ErrorReturned(Event, frozen=True, tag="error-returned"):
    """No scope of this (calling) instance catches the error of its child either: the child has to raise the incident."""

    child_key: int
    element_key: int
    """The element instance of the child that threw."""
    code: str
    job_key: int | None = None


class EscalationThrown(Event, frozen=True, tag="escalation-thrown"):
    """An escalation was thrown and caught: by `target`, which is attached to the element instance `catcher`."""

    element_key: int
    code: str
    catcher: int
    target: str


class EscalationPropagated(Event, frozen=True, tag="escalation-propagated"):
    """No scope of this instance catches the escalation; the calling instance is told."""

    key: int
    element_key: int
    code: str
    parent_element_key: int


class ChildCalled(Event, frozen=True, tag="child-called"):
    """A call activity asked for a child instance."""

    element_key: int
    child_key: int
    definition_key: int
    root_key: int
    parent_key: int
    variables: Variables = {}
    business_id: str | None = None
    tags: tuple[str, ...] = ()
    depth: int = 1


class ChildReturned(Event, frozen=True, tag="child-returned"):
    """The child instance of a call activity completed with these variables."""

    element_key: int
    child_key: int
    variables: Variables = {}


class ChildReleased(Event, frozen=True, tag="child-released"):
    """The call activity is gone; its child instance must end."""

    element_key: int
    child_key: int
