"""What holds at rest, whatever the process and whatever happened to it. Tests check it after every command."""

from domain.instance import Instance


def sound(state: Instance) -> None:
    """Raise AssertionError, with a sentence, if the state of an instance is not sound."""
    if not state.running:
        assert not state.elements, f"instance {state.key} ended, but {sorted(state.elements)} still run"
        for what, left in _open(state).items():
            assert not left, f"instance {state.key} ended, but its {what} {sorted(left)} are open"
        return
    assert state.key in state.elements, f"instance {state.key} runs without its outermost scope"
    for key, element in state.elements.items():
        assert element.scope in state.elements, f"element instance {key} runs in {element.scope}, which is gone"
        if key != state.key:
            assert key in state.elements[element.scope].children, f"scope {element.scope} does not know its child {key}"
        for child in element.children:
            assert child in state.elements, f"scope {key} has child {child}, which is gone"
    waits = {wait for element in state.elements.values() for wait in element.waits}
    assert waits == _waits(state), (
        f"waits {sorted(waits ^ _waits(state))} outlived their element, or are not known to it"
    )
    for key, incident in state.incidents.items():
        assert incident.element_key in state.elements, f"incident {key} outlived its element"
    work = {element.work for element in state.elements.values()} - {None}
    assert work == set(state.jobs) | set(state.user_tasks), "open work and the elements that want it differ"
    _scopes_have_something(state)


def _open(state: Instance) -> dict[str, set[int]]:
    return {
        "jobs": set(state.jobs),
        "user tasks": set(state.user_tasks),
        "waits": _waits(state),
        "incidents": set(state.incidents),
    }


def _waits(state: Instance) -> set[int]:
    return set(state.timers) | set(state.messages) | set(state.signals)


def _scopes_have_something(state: Instance) -> None:
    """An element stands still for a reason: something inside, open work, a wait, a child or an incident."""
    held = {incident.element_key for incident in state.incidents.values() if incident.step == "enter"}
    for key, element in state.elements.items():
        reasons = (
            element.children,
            element.tokens,
            element.work is not None,
            element.waits,
            element.child is not None,
            element.incidents,
            any(outer.key in held for outer in state.ancestors(key)),  # it begins when what is around it can
            element.body is not None and element.body.paused,
            state.quarantined is not None,
        )
        assert any(reasons), f"element instance {key} of '{element.element}' runs, but nothing will ever end it"
