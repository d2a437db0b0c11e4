"""given / when / then over processes written as text."""

from datetime import timedelta
from typing import Any

from domain import commands as c
from domain import events as e
from domain.instance import Instance
from domain.results import Rejected
from tests.support.bpmn import bpmn
from tests.support.world import World


class Run:
    """A world with a process deployed; `when` acts, `then` claims."""

    def __init__(self, *processes: bytes) -> None:
        self.world = World()
        answer = self.world.deploy(*processes)
        assert not isinstance(answer, Rejected), answer.reason
        self.seen = len(self.world.log)
        self.answer: list[e.Event] | Rejected = answer

    @property
    def instance(self) -> Instance:
        """The newest instance."""
        return list(self.world.instances())[-1]

    def create(self, process_id: str = "p", **variables: Any) -> "Run":
        """Create an instance."""
        return self.when(c.CreateInstance, process_id=process_id, variables=variables)

    def when(self, kind: type[c.Command], **arguments: Any) -> "Run":
        """Carry out a command."""
        self.seen = len(self.world.log)
        self.answer = self.world.submit(kind, **arguments)
        self.world.check()
        return self

    def complete(self, element: str, **variables: Any) -> "Run":
        """Complete the oldest open job or user task of an element, in any instance."""
        for instance in self.world.instances():
            for key, job in sorted(instance.jobs.items()):
                if job.element == element:
                    return self.when(c.CompleteJob, key=key, variables=variables)
            for key, task in sorted(instance.user_tasks.items()):
                if task.element == element:
                    return self.when(c.CompleteUserTask, key=key, variables=variables)
        raise AssertionError(f"no open work at '{element}'")

    def job(self, element: str) -> int:
        """Return the key of the oldest open job of an element."""
        return next(
            key
            for instance in self.world.instances()
            for key, job in sorted(instance.jobs.items())
            if job.element == element
        )

    def publish(self, name: str, key: str = "", ttl: int = 0, **variables: Any) -> "Run":
        """Publish a message."""
        return self.when(c.PublishMessage, name=name, correlation_key=key, time_to_live=ttl * 1000, variables=variables)

    def advance(self, seconds: float) -> "Run":
        """Let time pass."""
        self.seen = len(self.world.log)
        self.world.advance(timedelta(seconds=seconds))
        self.world.check()
        return self

    def facts(self) -> list[str]:
        """Return what happened since the last `when`, as `<event type> <element or flow>`."""
        return [text for record in self.world.log[self.seen :] if (text := _told(record.event))]

    def then(self, *expected: str) -> "Run":
        """Claim that these facts happened, in this order (others may stand between)."""
        left = iter(self.facts())
        for text in expected:
            assert any(text == found for found in left), f"expected '{text}' in this order, but found {self.facts()}"
        return self

    def completed(self) -> "Run":
        """Claim that the newest instance is complete."""
        assert self.instance.status == "completed", self.state()
        return self

    def state(self) -> str:
        """Say where the newest instance is."""
        elements = sorted(element.element for element in self.instance.elements.values())
        return f"{self.instance.status}: {elements}, incidents {list(self.instance.incidents.values())}"

    def active(self, *elements: str) -> "Run":
        """Claim which elements run in the newest instance."""
        inside = [element.element for key, element in self.instance.elements.items() if key != self.instance.key]
        assert sorted(inside) == sorted(elements), self.state()
        return self

    def variables(self) -> dict[str, Any]:
        """Return the variables of the newest instance's outermost scope."""
        return self.instance.root.variables if self.instance.running else self.instance.result


def _told(event: e.AnyEvent) -> str:
    kind = str(type(event).__struct_config__.tag)
    match event:
        case e.ElementEntered() | e.ElementCompleted() | e.ElementTerminated() | e.JobCreated() | e.UserTaskCreated():
            return f"{kind} {event.element}"
        case e.FlowTaken():
            source, target, _ = event.flow.rsplit("-", 2)
            return f"{kind} {source}>{target}"
        case e.IncidentRaised():
            return f"{kind} {event.element} {event.incident_type}"
        case _:
            return kind


def given(text: str, **others: str) -> Run:
    """Return a world in which the process `p` (and others, by process id) is deployed."""
    return Run(bpmn(text), *(bpmn(other, process_id) for process_id, other in others.items()))
