"""Tasks that a worker does: service and send tasks, and script and business rule tasks with a task definition."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from domain import events as e
from domain.elements.element import Element
from domain.model import Value
from domain.problem import Problem
from domain.results import Facts
from domain.waits import EXTRACT_VALUE_ERROR, describe, text

if TYPE_CHECKING:
    from domain.bpmn.part import Part
    from domain.model import Node
    from domain.walk import At

RETRIES_DEFAULT = "3"


class JobDefinition(msgspec.Struct, frozen=True):
    """What a worker is asked to do."""

    job_type: Value
    retries: Value
    headers: dict[str, str]
    priority: Value | None = None


def read_job(part: "Part") -> JobDefinition | None:
    """Read `zeebe:taskDefinition`, the headers and the priority; None if there is no task definition."""
    definition = part.extension("taskDefinition")
    if definition is None:
        return None
    job_type = definition.get("type")
    if not job_type:
        part.problem("zeebe:taskDefinition needs a type")
    priority = part.extension("priorityDefinition")
    return JobDefinition(
        job_type=part.value(job_type, "the job type"),
        retries=part.value(definition.get("retries") or RETRIES_DEFAULT, "the job retries"),
        headers=part.headers(),
        priority=None if priority is None else part.value(priority.get("priority"), "the job priority"),
    )


def create_job(at: "At", definition: JobDefinition) -> Facts:
    """Offer the work to workers."""
    job_type = text(at.evaluate(definition.job_type, "the job type"), "the job type")
    retries = whole(at.evaluate(definition.retries, "the job retries"), "the job retries")
    priority = 0
    if definition.priority is not None:
        priority = whole(at.evaluate(definition.priority, "the job priority"), "the job priority")
    yield e.JobCreated(
        key=at.new_key(),
        element_key=at.key,
        element=at.node.id,
        job_type=job_type,
        retries=retries,
        headers=definition.headers,
        priority=priority,
    )


def whole(value: Any, what: str) -> int:
    """Return a number that fits 32 bits as an integer; text of digits is taken, too. Raise `Problem` for anything else."""
    if isinstance(value, str) and value.strip().lstrip("-").isdecimal():
        value = int(value.strip()[:20])
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool) and -(1 << 31) <= value < 1 << 31:
        return int(value)
    raise Problem(EXTRACT_VALUE_ERROR, f"expected {what} to be a number, but found {describe(value)}")


class JobTask(Element):
    """A task whose work is a job."""

    waits: ClassVar[bool] = True

    def read(self, part: "Part", node: "Node") -> Any:
        definition = read_job(part)
        if definition is None:
            part.problem("expected a zeebe:taskDefinition, but found none")
        return definition

    def enter(self, at: "At") -> Facts:
        return create_job(at, at.node.config)


class ServiceTask(JobTask):
    """Work of a service."""

    type: ClassVar[str] = "SERVICE_TASK"


class SendTask(JobTask):
    """A worker sends something."""

    type: ClassVar[str] = "SEND_TASK"
