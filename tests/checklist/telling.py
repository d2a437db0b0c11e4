"""What the tests of the checklist ask of a run: its facts by type, its incidents, what a place sees, and refusals."""

from typing import Any, TypeVar

import pytest

from domain import commands as c
from domain import events as e
from domain.instance import ElementInstance, Instance
from domain.results import Rejected
from tests.support.amend import Model
from tests.support.given import Run

F = TypeVar("F", bound=e.Event)


def deployed(*models: Model) -> Run:
    """Return a run in which the models are deployed."""
    return Run(*(model.content for model in models))


def refused(*models: Model) -> str:
    """Claim that the models cannot be deployed, and return why."""
    with pytest.raises(AssertionError) as found:
        deployed(*models)
    return str(found.value)


def all_of(run: Run, kind: type[F]) -> list[F]:
    """Return all facts of one type, oldest first."""
    return [event for event in run.world.events() if isinstance(event, kind)]


def last(run: Run, kind: type[F]) -> F:
    """Return the newest fact of one type."""
    return all_of(run, kind)[-1]


def entered(run: Run, element: str) -> int:
    """Return how often an element was entered."""
    return sum(fact.element == element for fact in all_of(run, e.ElementEntered))


def raised(run: Run) -> list[tuple[str, str]]:
    """Return the open incidents as (element, type), in any instance, oldest first."""
    open_keys = {key for instance in run.world.instances() for key in instance.incidents}
    return [(fact.element, fact.incident_type) for fact in all_of(run, e.IncidentRaised) if fact.key in open_keys]


def resolve(run: Run) -> Run:
    """Resolve the oldest open incident."""
    key = min(key for instance in run.world.instances() for key in instance.incidents)
    return run.when(c.ResolveIncident, key=key)


def set_variables(run: Run, at: str = "", *, local: bool = False, **variables: Any) -> Run:
    """Set variables at an element of the newest instance; without a name, of the instance."""
    key = place(run, at).key if at else run.instance.key
    return run.when(c.SetVariables, key=key, variables=variables, local=local)


def place(run: Run, element: str, nth: int = 0) -> ElementInstance:
    """Return the n-th running element instance of an element, in any instance."""
    found = [
        each
        for instance in run.world.instances()
        for _, each in sorted(instance.elements.items())
        if each.element == element
    ]
    return found[nth]


def seen_at(run: Run, element: str, nth: int = 0) -> dict[str, Any]:
    """Return all variables that are visible at a running element."""
    key = place(run, element, nth).key
    return run.world.instance_of(key).variables_at(key).merged()


def first(run: Run) -> Instance:
    """Return the oldest instance."""
    return next(iter(run.world.instances()))


def rejection(run: Run) -> str:
    """Claim that the last command was refused, and return the code."""
    assert isinstance(run.answer, Rejected), run.answer
    return run.answer.code


def task(run: Run) -> int:
    """Return the key of the oldest open user task."""
    return min(key for instance in run.world.instances() for key in instance.user_tasks)
