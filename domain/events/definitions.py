"""Facts about what is deployed, and about decisions evaluated."""

from datetime import datetime
from typing import Any, Literal

from domain.events.base import Event, Json


class DeploymentCreated(Event, frozen=True, tag="deployment-created"):
    """Resources were accepted together."""

    key: int


class ProcessDefined(Event, frozen=True, tag="process-defined"):
    """A version of a process exists."""

    key: int
    process_id: str
    version: int
    resource_name: str
    content: bytes
    deployment_key: int
    name: str | None = None
    version_tag: str | None = None


class DecisionRequirementsDefined(Event, frozen=True, tag="decision-requirements-defined"):
    """A version of a decision requirements graph exists."""

    key: int
    requirements_id: str
    name: str
    version: int
    resource_name: str
    content: bytes
    deployment_key: int
    namespace: str = ""
    imports: dict[str, int] = {}
    """Namespace of each import -> key of the requirements that were found for it."""


class DecisionDefined(Event, frozen=True, tag="decision-defined"):
    """A version of a decision exists."""

    key: int
    decision_id: str
    name: str
    version: int
    requirements_key: int
    requirements_id: str
    deployment_key: int
    version_tag: str | None = None


class FormDefined(Event, frozen=True, tag="form-defined"):
    """A version of a form exists."""

    key: int
    form_id: str
    version: int
    resource_name: str
    content: bytes
    deployment_key: int
    version_tag: str | None = None


class DefinitionKept(Event, frozen=True, tag="definition-kept"):
    """A deployed resource equals its latest version, which stays."""

    key: int
    definition_id: str
    version: int
    deployment_key: int
    resource_name: str
    kind: Literal["process", "requirements", "decision", "form"] = "process"
    name: str = ""
    """Of decisions and their requirements."""
    requirements_key: int | None = None
    requirements_id: str | None = None


class DefinitionDeleted(Event, frozen=True, tag="definition-deleted"):
    """A definition can no longer be used. Running instances go on."""

    key: int


class StartTimerSet(Event, frozen=True, tag="start-timer-set"):
    """A timer start event waits for a time."""

    key: int
    definition_key: int
    process_id: str
    element: str
    due: datetime
    repetitions: int = 1
    repeat: str | None = None


class StartTimerFired(Event, frozen=True, tag="start-timer-fired"):
    """A timer start event starts an instance."""

    key: int
    definition_key: int
    element: str


class StartTimerCanceled(Event, frozen=True, tag="start-timer-canceled"):
    """A timer start event waits no more."""

    key: int


class DecisionEvaluated(Event, frozen=True, tag="decision-evaluated"):
    """A decision was evaluated, in an instance or alone."""

    key: int
    decision_key: int
    decision_id: str
    decision_name: str
    decision_version: int
    requirements_id: str
    requirements_key: int
    output: Json = None
    evaluated: tuple[dict[str, Any], ...] = ()
    """One entry per decision of the graph: its id, type, inputs, matched rules and output."""
    failure: str | None = None
    failed_decision_id: str | None = None
    element_key: int | None = None
    instance_key: int | None = None
    definition_key: int | None = None
