"""Where an error or an escalation goes: to the nearest scope that catches its code, else to the caller.

An error that nobody catches is an incident; an escalation that nobody catches changes nothing.
"""

from typing import Any, TypeAlias

from domain import events as e
from domain.instance import ElementInstance, Instance
from domain.model import Node, ProcessModel
from domain.results import Facts
from domain.triggers import ErrorTrigger, EscalationTrigger

Kind: TypeAlias = type[ErrorTrigger] | type[EscalationTrigger]
"""What is thrown, as the trigger that catches it."""


def throw(
    state: Instance,
    model: ProcessModel,
    key: int,
    code: str,
    message: str,
    variables: dict[str, Any],
    *,
    thrower: int | None = None,
    job_key: int | None = None,
) -> Facts:
    """Throw `code` at the element instance `key`. For an error of a child, `thrower` is the element instance in the child."""
    found = catcher(state, model, key, code, ErrorTrigger)
    if found is not None:
        yield e.ErrorThrown(
            element_key=key, code=code, catcher=found[0], target=found[1], message=message, variables=variables
        )
    elif state.parent_key is not None and state.parent_element_key is not None:
        yield e.ErrorPropagated(
            key=state.key,
            element_key=thrower or key,
            code=code,
            parent_key=state.parent_key,
            parent_element_key=state.parent_element_key,
            message=message,
            variables=variables,
            job_key=job_key,
        )
    elif thrower is not None:
        yield e.ErrorReturned(child_key=state.elements[key].child or 0, element_key=thrower, code=code, job_key=job_key)
    else:
        yield unhandled(state, model, key, code, job_key)


def escalate(state: Instance, model: ProcessModel, key: int, code: str) -> Facts:
    """Throw an escalation at the element instance `key`."""
    found = catcher(state, model, key, code, EscalationTrigger)
    if found is not None:
        yield e.EscalationThrown(element_key=key, code=code, catcher=found[0], target=found[1])
    elif state.parent_element_key is not None:
        yield e.EscalationPropagated(
            key=state.key, element_key=key, code=code, parent_element_key=state.parent_element_key
        )


def unhandled(state: Instance, model: ProcessModel, key: int, code: str, job_key: int | None) -> e.IncidentRaised:
    """Return the incident of an error that nobody catches, on the element instance that threw it."""
    codes = [trigger for element in state.ancestors(key) for trigger in _codes(model.nodes[element.element])]
    available = ", ".join(codes) if codes else "none"
    return e.IncidentRaised(
        key=state.new_key(),
        element_key=key,
        element=state.elements[key].element,
        incident_type="UNHANDLED_ERROR_EVENT",
        message=f"expected to throw an error event with the code '{code}', but it was not caught;"
        f" error events in the scopes around: {available}",
        job_key=job_key,
        step="enter" if job_key is None else "job",
    )


def _codes(node: Node) -> list[str]:
    targets = [*node.boundaries, *_starts(node)]
    return [target.trigger.code or "(all)" for target in targets if isinstance(target.trigger, ErrorTrigger)]


def catcher(state: Instance, model: ProcessModel, key: int, code: str, kind: Kind) -> tuple[int, str] | None:
    """Return (element instance, target) of the nearest catch: in one scope the same code wins over catch-all."""
    inside = False
    for element in state.ancestors(key):
        node = model.nodes[element.element]
        if inside and not element.interrupted:
            target = _best(_starts(node), code, kind)
            if target is not None:
                return element.key, target.id
        target = _best(_boundaries(node, element), code, kind)
        if target is not None:
            return element.key, target.id
        inside = True
    return None


def _boundaries(node: Node, element: ElementInstance) -> list[Node]:
    # Those of a multi-instance activity belong to its body.
    return [] if element.index else node.boundaries


def _starts(node: Node) -> list[Node]:
    return [scope.start for scope in node.event_subprocesses if scope.start is not None]


def _best(targets: list[Node], code: str, kind: Kind) -> Node | None:
    catching = [(target, target.trigger.code) for target in targets if isinstance(target.trigger, kind)]
    exact = next((target for target, caught in catching if caught == code), None)
    return exact or next((target for target, caught in catching if not caught), None)
