"""Events: what happened. Each is a fact, stored as it is, published as it is and never changed.

An event knows nothing of its position, its time or its cause; those stand in the record around it
(`eventstore.records.EventRecord`). Keys are integers here and strings in the REST API.
"""

from typing import TypeAlias

from domain.events.base import (
    CommandRejected,
    Event,
    Json,
    Variables,
)
from domain.events.definitions import (
    DecisionDefined,
    DecisionEvaluated,
    DecisionRequirementsDefined,
    DefinitionDeleted,
    DefinitionKept,
    DeploymentCreated,
    FormDefined,
    ProcessDefined,
    StartTimerCanceled,
    StartTimerFired,
    StartTimerSet,
)
from domain.events.instances import (
    ChildCalled,
    ChildReleased,
    ChildReturned,
    CommandHeld,
    ElementCompleted,
    ElementEntered,
    ElementTerminated,
    ErrorPropagated,
    ErrorReturned,
    ErrorThrown,
    EscalationPropagated,
    EscalationThrown,
    FlowTaken,
    HeldReleased,
    IncidentRaised,
    IncidentResolved,
    InstanceCompleted,
    InstanceCreated,
    InstanceDeleted,
    InstanceQuarantined,
    InstanceResumed,
    InstanceSuspended,
    InstanceTerminated,
    KeyBlockTaken,
    LoopContinued,
    LoopOutputStored,
    LoopPaused,
    LoopStarted,
    ScopeInterrupted,
    VariablesSet,
)
from domain.events.messages import (
    MessageExpired,
    MessagePublished,
    MessageReturned,
    MessageSent,
    MessageStarted,
    MessageStartReleased,
    MessageSubscriptionClosed,
    MessageSubscriptionOpened,
    MessageTaken,
    SignalBroadcast,
    SignalStart,
    SignalSubscriptionClosed,
    SignalSubscriptionOpened,
)
from domain.events.waiting import (
    MessageCorrelated,
    MessageRefused,
    MessageSubscribed,
    MessageUnsubscribed,
    SignalReceived,
    SignalSubscribed,
    SignalThrown,
    SignalUnsubscribed,
    TimerCanceled,
    TimerFired,
    TimerSet,
)
from domain.events.work import (
    JobCanceled,
    JobCompleted,
    JobCreated,
    JobErrorThrown,
    JobFailed,
    JobLeaseExtended,
    JobReopened,
    JobRetriesUpdated,
    JobsLeased,
    UserTaskAssigned,
    UserTaskCanceled,
    UserTaskCompleted,
    UserTaskCreated,
    UserTaskUpdated,
)

AnyEvent: TypeAlias = (
    InstanceCreated
    | InstanceCompleted
    | InstanceTerminated
    | InstanceSuspended
    | InstanceResumed
    | InstanceDeleted
    | InstanceQuarantined
    | KeyBlockTaken
    | LoopContinued
    | VariablesSet
    | FlowTaken
    | HeldReleased
    | ElementEntered
    | ElementCompleted
    | ElementTerminated
    | LoopStarted
    | ScopeInterrupted
    | LoopOutputStored
    | LoopPaused
    | JobCreated
    | JobCompleted
    | JobFailed
    | JobErrorThrown
    | JobRetriesUpdated
    | JobCanceled
    | JobReopened
    | UserTaskCreated
    | UserTaskAssigned
    | UserTaskUpdated
    | UserTaskCompleted
    | UserTaskCanceled
    | TimerSet
    | TimerFired
    | TimerCanceled
    | MessageSubscribed
    | MessageUnsubscribed
    | MessageCorrelated
    | MessageRefused
    | SignalSubscribed
    | SignalUnsubscribed
    | SignalReceived
    | SignalThrown
    | ErrorThrown
    | EscalationThrown
    | EscalationPropagated
    | ErrorPropagated
    | ErrorReturned
    | ChildCalled
    | ChildReturned
    | CommandHeld
    | ChildReleased
    | DecisionEvaluated
    | IncidentRaised
    | IncidentResolved
    | JobsLeased
    | JobLeaseExtended
    | MessagePublished
    | MessageExpired
    | MessageSubscriptionOpened
    | MessageSubscriptionClosed
    | MessageSent
    | MessageTaken
    | MessageReturned
    | MessageStarted
    | MessageStartReleased
    | SignalSubscriptionOpened
    | SignalSubscriptionClosed
    | SignalBroadcast
    | DeploymentCreated
    | ProcessDefined
    | DecisionRequirementsDefined
    | DecisionDefined
    | FormDefined
    | DefinitionKept
    | DefinitionDeleted
    | StartTimerSet
    | StartTimerFired
    | StartTimerCanceled
    | CommandRejected
)
"""The register of event types, in the open. Additions only."""

__all__ = [
    "AnyEvent",
    "ChildCalled",
    "ChildReleased",
    "ChildReturned",
    "CommandHeld",
    "CommandRejected",
    "DecisionDefined",
    "DecisionEvaluated",
    "DecisionRequirementsDefined",
    "DefinitionDeleted",
    "DefinitionKept",
    "DeploymentCreated",
    "ElementCompleted",
    "ElementEntered",
    "ElementTerminated",
    "ErrorPropagated",
    "ErrorReturned",
    "ErrorThrown",
    "EscalationPropagated",
    "EscalationThrown",
    "Event",
    "FlowTaken",
    "FormDefined",
    "HeldReleased",
    "IncidentRaised",
    "IncidentResolved",
    "InstanceCompleted",
    "InstanceCreated",
    "InstanceDeleted",
    "InstanceQuarantined",
    "InstanceResumed",
    "InstanceSuspended",
    "InstanceTerminated",
    "JobCanceled",
    "JobCompleted",
    "JobCreated",
    "JobErrorThrown",
    "JobFailed",
    "JobLeaseExtended",
    "JobReopened",
    "JobRetriesUpdated",
    "JobsLeased",
    "Json",
    "KeyBlockTaken",
    "LoopContinued",
    "LoopOutputStored",
    "LoopPaused",
    "LoopStarted",
    "MessageCorrelated",
    "MessageExpired",
    "MessagePublished",
    "MessageRefused",
    "MessageReturned",
    "MessageSent",
    "MessageStartReleased",
    "MessageStarted",
    "MessageSubscribed",
    "MessageSubscriptionClosed",
    "MessageSubscriptionOpened",
    "MessageTaken",
    "MessageUnsubscribed",
    "ProcessDefined",
    "ScopeInterrupted",
    "SignalBroadcast",
    "SignalReceived",
    "SignalStart",
    "SignalSubscribed",
    "SignalSubscriptionClosed",
    "SignalSubscriptionOpened",
    "SignalThrown",
    "SignalUnsubscribed",
    "StartTimerCanceled",
    "StartTimerFired",
    "StartTimerSet",
    "TimerCanceled",
    "TimerFired",
    "TimerSet",
    "UserTaskAssigned",
    "UserTaskCanceled",
    "UserTaskCompleted",
    "UserTaskCreated",
    "UserTaskUpdated",
    "Variables",
    "VariablesSet",
]
