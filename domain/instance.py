"""The state of one process instance, and the only code that writes it: `evolve`, one case per event type.

It knows no element kind: whatever an element means has become facts before it gets here.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from domain import events as e
from domain.keys import LOCAL_MAX, block_of


class Body(msgspec.Struct):
    """How far a multi-instance body is."""

    count: int
    created: int = 0
    completed: int = 0
    terminated: int = 0
    paused: bool = False


class ElementInstance(msgspec.Struct, omit_defaults=True):
    """A running element. Elements inside of it, tokens on its flows and its own variables hang on it."""

    key: int
    element: str
    scope: int
    index: int | None = None
    """0: body of a multi-instance; n >= 1: its n-th inner instance."""
    trigger: int | None = None
    """Element instance whose waiting ended when this one began."""
    children: set[int] = set()
    tokens: dict[str, int] = {}
    """Flow id -> tokens that stand on it."""
    variables: dict[str, Any] = {}
    waits: set[int] = set()
    """Keys of open timers, message and signal subscriptions."""
    armed: bool = False
    """Its waits were opened once; trying to begin again does not open them twice."""
    work: int | None = None
    """Key of its open job or user task."""
    child: int | None = None
    """Key of the instance that it called."""
    incidents: set[int] = set()
    body: Body | None = None
    interrupted: bool = False
    """Ended from inside: none of its event sub-processes starts any more."""


class Job(msgspec.Struct, omit_defaults=True):
    """Open work for a worker."""

    element_key: int
    element: str
    job_type: str
    retries: int
    headers: dict[str, str] = {}
    priority: int = 0
    kind: str = "BPMN_ELEMENT"
    state: str = "CREATED"
    """CREATED, FAILED or ERROR_THROWN (not caught, its incident is open)."""
    retry_at: datetime | None = None


class UserTask(msgspec.Struct, omit_defaults=True):
    """Open work for a person."""

    element_key: int
    element: str
    assignee: str | None = None


class Timer(msgspec.Struct, omit_defaults=True):
    """An open timer."""

    element_key: int
    target: str
    due: datetime
    repetitions: int = 1
    repeat: str | None = None


class MessageWait(msgspec.Struct, omit_defaults=True):
    """An open message subscription."""

    element_key: int
    target: str
    name: str
    correlation_key: str
    interrupting: bool = True


class SignalWait(msgspec.Struct, omit_defaults=True):
    """An open signal subscription."""

    element_key: int
    target: str
    name: str


class Incident(msgspec.Struct, omit_defaults=True):
    """An open incident."""

    element_key: int
    step: str
    job_key: int | None = None


class Instance(msgspec.Struct, omit_defaults=True):
    """One process instance."""

    key: int
    status: str = "absent"
    """absent, active, completed, terminated or deleted."""
    definition_key: int = 0
    process_id: str = ""
    version: int = 0
    root_key: int = 0
    parent_key: int | None = None
    parent_element_key: int | None = None
    business_id: str | None = None
    tags: tuple[str, ...] = ()
    start_message: tuple[str, str] | None = None
    depth: int = 0
    """How many instances called each other down to this one."""
    suspended: bool = False
    quarantined: int | None = None
    """Key of the incident that holds the whole instance."""
    block: int = 0
    local: int = 0
    """The last key given out is block + local."""
    elements: dict[int, ElementInstance] = {}
    jobs: dict[int, Job] = {}
    user_tasks: dict[int, UserTask] = {}
    timers: dict[int, Timer] = {}
    messages: dict[int, MessageWait] = {}
    signals: dict[int, SignalWait] = {}
    incidents: dict[int, Incident] = {}
    held: list[e.CommandHeld] = []
    """What came while the instance was suspended or quarantined, in order."""
    result: dict[str, Any] = {}
    """Variables of the outermost scope when the instance completed."""

    @property
    def root(self) -> ElementInstance:
        """The outermost scope."""
        return self.elements[self.key]

    @property
    def running(self) -> bool:
        """Whether the instance has not ended."""
        return self.status == "active"

    def new_key(self) -> int:
        """Return the next free key. It counts as given once an event that carries it has been folded."""
        assert self.local < LOCAL_MAX, f"instance {self.key} has no keys left in its block"
        return self.block + self.local + 1

    def ancestors(self, key: int) -> Iterator[ElementInstance]:
        """Yield the element instance `key` and the scopes around it, innermost first."""
        while True:
            element = self.elements[key]
            yield element
            if key == self.key:
                return
            key = element.scope

    def variables_at(self, key: int) -> "Visible":
        """Return the variables that are visible at an element instance."""
        return Visible([element.variables for element in self.ancestors(key) if element.variables])


class Visible(Mapping[str, Any]):
    """Variables of a chain of scopes, innermost first. A view: nothing is copied."""

    __slots__ = ("scopes",)

    def __init__(self, scopes: list[dict[str, Any]]) -> None:
        self.scopes = scopes

    def __getitem__(self, name: str) -> Any:
        for scope in self.scopes:
            if name in scope:
                return scope[name]
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return any(name in scope for scope in self.scopes)

    def __iter__(self) -> Iterator[str]:
        return iter(self.merged())

    def __len__(self) -> int:
        return len(self.merged())

    def merged(self) -> dict[str, Any]:
        """Return all visible variables in one new dict."""
        result: dict[str, Any] = {}
        for scope in reversed(self.scopes):
            result.update(scope)
        return result


def evolve(state: Instance, event: e.Event) -> None:
    """Fold one event into the state. An event type that does not concern the state changes nothing."""
    change = _CHANGES.get(type(event))
    if change is not None:
        change(state, event)


def _give(state: Instance, key: int) -> None:
    if block_of(key) == state.block:
        state.local = max(state.local, key - state.block)


def _created(state: Instance, event: e.InstanceCreated) -> None:
    state.status = "active"
    state.definition_key = event.definition_key
    state.process_id = event.process_id
    state.version = event.version
    state.root_key = event.root_key
    state.parent_key = event.parent_key
    state.parent_element_key = event.parent_element_key
    state.business_id = event.business_id
    state.tags = event.tags
    state.start_message = event.start_message
    state.depth = event.depth
    state.block = event.key
    state.elements[event.key] = ElementInstance(key=event.key, element=event.process_id, scope=event.key)


def _completed(state: Instance, event: e.InstanceCompleted) -> None:
    state.status = "completed"
    state.result = state.root.variables
    state.elements.clear()


def _terminated(state: Instance, event: e.InstanceTerminated) -> None:
    state.status = "terminated"
    state.elements.clear()
    state.held.clear()


def _suspended(state: Instance, event: e.InstanceSuspended) -> None:
    state.suspended = True


def _resumed(state: Instance, event: e.InstanceResumed) -> None:
    state.suspended = False


def _deleted(state: Instance, event: e.InstanceDeleted) -> None:
    state.status = "deleted"


def _quarantined(state: Instance, event: e.InstanceQuarantined) -> None:
    state.quarantined = event.incident_key
    _give(state, event.incident_key)


def _block_taken(state: Instance, event: e.KeyBlockTaken) -> None:
    state.block = event.block
    state.local = 0


def _held(state: Instance, event: e.CommandHeld) -> None:
    state.held.append(event)


def _released(state: Instance, event: e.HeldReleased) -> None:
    state.held.pop(0)


def _variables_set(state: Instance, event: e.VariablesSet) -> None:
    element = state.elements[event.scope]
    if element.body is None:
        element.variables.update(event.variables)
        return
    for name, value in event.variables.items():
        # `_loop_output_stored` writes into a body's list; the event keeps its own.
        element.variables[name] = list(value) if isinstance(value, list) else value


def _flow_taken(state: Instance, event: e.FlowTaken) -> None:
    tokens = state.elements[event.scope].tokens
    tokens[event.flow] = tokens.get(event.flow, 0) + 1


def _element_entered(state: Instance, event: e.ElementEntered) -> None:
    scope = state.elements[event.scope]
    for flow in event.flows:
        left = scope.tokens[flow] - 1
        if left:
            scope.tokens[flow] = left
        else:
            del scope.tokens[flow]
    state.elements[event.key] = ElementInstance(
        key=event.key, element=event.element, scope=event.scope, index=event.loop, trigger=event.trigger
    )
    scope.children.add(event.key)
    if event.loop and scope.body is not None:
        scope.body.created = event.loop
    _give(state, event.key)


def _scope_interrupted(state: Instance, event: e.ScopeInterrupted) -> None:
    scope = state.elements[event.scope]
    scope.tokens.clear()
    scope.interrupted = True


def _gone(state: Instance, key: int) -> tuple[ElementInstance, ElementInstance]:
    element = state.elements.pop(key)
    scope = state.elements[element.scope]
    scope.children.discard(key)
    if element.work is not None:
        state.jobs.pop(element.work, None)
        state.user_tasks.pop(element.work, None)
    return element, scope


def _element_completed(state: Instance, event: e.ElementCompleted) -> None:
    element, scope = _gone(state, event.key)
    if element.index and scope.body is not None:
        scope.body.completed += 1


def _element_terminated(state: Instance, event: e.ElementTerminated) -> None:
    element, scope = _gone(state, event.key)
    if element.index and scope.body is not None:
        scope.body.terminated += 1


def _loop_started(state: Instance, event: e.LoopStarted) -> None:
    body = state.elements[event.key]
    body.body = Body(count=event.count)
    if event.output is not None:
        body.variables[event.output] = [None] * event.count


def _loop_output_stored(state: Instance, event: e.LoopOutputStored) -> None:
    state.elements[event.key].variables[event.output][event.loop - 1] = event.value


def _loop_paused(state: Instance, event: e.LoopPaused) -> None:
    body = state.elements[event.key].body
    assert body is not None, f"element instance {event.key} is no multi-instance body"
    body.paused = True


def _loop_continued(state: Instance, event: e.LoopContinued) -> None:
    body = state.elements[event.key].body
    assert body is not None, f"element instance {event.key} is no multi-instance body"
    body.paused = False


def _job_created(state: Instance, event: e.JobCreated) -> None:
    state.jobs[event.key] = Job(
        element_key=event.element_key,
        element=event.element,
        job_type=event.job_type,
        retries=event.retries,
        headers=event.headers,
        priority=event.priority,
        kind=event.kind,
    )
    state.elements[event.element_key].work = event.key
    _give(state, event.key)


def _job_failed(state: Instance, event: e.JobFailed) -> None:
    job = state.jobs[event.key]
    job.state = "FAILED"
    job.retries = event.retries
    job.retry_at = event.retry_at


def _job_error_thrown(state: Instance, event: e.JobErrorThrown) -> None:
    state.jobs[event.key].state = "ERROR_THROWN"


def _job_retries_updated(state: Instance, event: e.JobRetriesUpdated) -> None:
    job = state.jobs[event.key]
    job.retries = event.retries


def _job_reopened(state: Instance, event: e.JobReopened) -> None:
    job = state.jobs[event.key]
    job.state = "CREATED"
    job.retry_at = None


def _job_ended(state: Instance, event: e.JobCompleted | e.JobCanceled) -> None:
    job = state.jobs.pop(event.key)
    state.elements[job.element_key].work = None


def _user_task_created(state: Instance, event: e.UserTaskCreated) -> None:
    state.user_tasks[event.key] = UserTask(
        element_key=event.element_key, element=event.element, assignee=event.assignee
    )
    state.elements[event.element_key].work = event.key
    _give(state, event.key)


def _user_task_assigned(state: Instance, event: e.UserTaskAssigned) -> None:
    state.user_tasks[event.key].assignee = event.assignee


def _user_task_ended(state: Instance, event: e.UserTaskCompleted | e.UserTaskCanceled) -> None:
    task = state.user_tasks.pop(event.key)
    state.elements[task.element_key].work = None


def _open(state: Instance, key: int, element_key: int) -> None:
    element = state.elements[element_key]
    element.waits.add(key)
    element.armed = True
    _give(state, key)


def _timer_set(state: Instance, event: e.TimerSet) -> None:
    state.timers[event.key] = Timer(
        element_key=event.element_key,
        target=event.target,
        due=event.due,
        repetitions=event.repetitions,
        repeat=event.repeat,
    )
    _open(state, event.key, event.element_key)


def _timer_gone(state: Instance, event: e.TimerFired | e.TimerCanceled) -> None:
    timer = state.timers.pop(event.key)
    state.elements[timer.element_key].waits.discard(event.key)


def _message_subscribed(state: Instance, event: e.MessageSubscribed) -> None:
    state.messages[event.key] = MessageWait(
        element_key=event.element_key,
        target=event.target,
        name=event.name,
        correlation_key=event.correlation_key,
        interrupting=event.interrupting,
    )
    _open(state, event.key, event.element_key)


def _message_unsubscribed(state: Instance, event: e.MessageUnsubscribed) -> None:
    wait = state.messages.pop(event.key)
    state.elements[wait.element_key].waits.discard(event.key)


def _message_correlated(state: Instance, event: e.MessageCorrelated) -> None:
    wait = state.messages[event.key]
    if wait.interrupting:
        del state.messages[event.key]
        state.elements[wait.element_key].waits.discard(event.key)


def _signal_subscribed(state: Instance, event: e.SignalSubscribed) -> None:
    state.signals[event.key] = SignalWait(element_key=event.element_key, target=event.target, name=event.name)
    _open(state, event.key, event.element_key)


def _signal_unsubscribed(state: Instance, event: e.SignalUnsubscribed) -> None:
    wait = state.signals.pop(event.key)
    state.elements[wait.element_key].waits.discard(event.key)


def _child_called(state: Instance, event: e.ChildCalled) -> None:
    state.elements[event.element_key].child = event.child_key


def _child_gone(state: Instance, event: e.ChildReturned | e.ChildReleased) -> None:
    state.elements[event.element_key].child = None


def _key_given(state: Instance, event: e.SignalThrown | e.DecisionEvaluated) -> None:
    _give(state, event.key)


def _incident_raised(state: Instance, event: e.IncidentRaised) -> None:
    state.incidents[event.key] = Incident(element_key=event.element_key, step=event.step, job_key=event.job_key)
    state.elements[event.element_key].incidents.add(event.key)
    _give(state, event.key)


def _incident_resolved(state: Instance, event: e.IncidentResolved) -> None:
    if event.key == state.quarantined:
        state.quarantined = None
        return
    incident = state.incidents.pop(event.key)
    state.elements[incident.element_key].incidents.discard(event.key)


_CHANGES: dict[type[e.Event], Callable[[Instance, Any], None]] = {
    e.InstanceCreated: _created,
    e.InstanceCompleted: _completed,
    e.InstanceTerminated: _terminated,
    e.InstanceSuspended: _suspended,
    e.InstanceResumed: _resumed,
    e.InstanceDeleted: _deleted,
    e.InstanceQuarantined: _quarantined,
    e.KeyBlockTaken: _block_taken,
    e.CommandHeld: _held,
    e.HeldReleased: _released,
    e.VariablesSet: _variables_set,
    e.FlowTaken: _flow_taken,
    e.ElementEntered: _element_entered,
    e.ElementCompleted: _element_completed,
    e.ElementTerminated: _element_terminated,
    e.ScopeInterrupted: _scope_interrupted,
    e.LoopStarted: _loop_started,
    e.LoopOutputStored: _loop_output_stored,
    e.LoopPaused: _loop_paused,
    e.LoopContinued: _loop_continued,
    e.JobCreated: _job_created,
    e.JobCompleted: _job_ended,
    e.JobFailed: _job_failed,
    e.JobErrorThrown: _job_error_thrown,
    e.JobRetriesUpdated: _job_retries_updated,
    e.JobReopened: _job_reopened,
    e.JobCanceled: _job_ended,
    e.UserTaskCreated: _user_task_created,
    e.UserTaskAssigned: _user_task_assigned,
    e.UserTaskCompleted: _user_task_ended,
    e.UserTaskCanceled: _user_task_ended,
    e.TimerSet: _timer_set,
    e.TimerFired: _timer_gone,
    e.TimerCanceled: _timer_gone,
    e.MessageSubscribed: _message_subscribed,
    e.MessageUnsubscribed: _message_unsubscribed,
    e.MessageCorrelated: _message_correlated,
    e.SignalSubscribed: _signal_subscribed,
    e.SignalUnsubscribed: _signal_unsubscribed,
    e.SignalThrown: _key_given,
    e.DecisionEvaluated: _key_given,
    e.ChildCalled: _child_called,
    e.ChildReturned: _child_gone,
    e.ChildReleased: _child_gone,
    e.IncidentRaised: _incident_raised,
    e.IncidentResolved: _incident_resolved,
}
