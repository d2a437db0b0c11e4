"""How process instances begin: by a person, by an event, or by a call activity."""

from typing import Any

from domain import commands as c
from domain import events as e
from domain.instance import Instance
from domain.model import Node, ProcessModel
from domain.results import Context, Facts, Rejected
from domain.walk import Walk


def create_instance(state: Instance, command: c.CreateInstance, context: Context) -> Facts | Rejected:
    """Begin at the none start event, or at the elements that the command names."""
    found = _wanted(command, context)
    if isinstance(found, Rejected):
        return found
    if found.root.start is None and not command.start_elements:
        return Rejected(
            "INVALID_STATE", f"expected process '{found.process_id}' to have a none start event, but it has none"
        )
    nodes: list[Node] = []
    for element_id in command.start_elements:
        node = found.nodes.get(element_id)
        reason = _not_startable(element_id, node, found)
        if reason is not None:
            return Rejected("INVALID_ARGUMENT", reason)
        assert node is not None, f"element '{element_id}' was checked"
        nodes.append(node)
    created = e.InstanceCreated(
        key=state.key,
        definition_key=found.key,
        process_id=found.process_id,
        version=found.version,
        version_tag=found.version_tag,
        root_key=state.key,
        business_id=command.business_id,
        tags=command.tags,
    )
    walk = Walk(state, found, context)
    return walk.run(_begin(walk, created, command.variables, nodes))


def create_child(state: Instance, command: c.CreateChild, context: Context) -> Facts | Rejected:
    """Begin the child of a call activity at its none start event."""
    model = context.definitions.process(command.definition_key)
    assert model is not None, f"definition {command.definition_key} was called, so it is there"
    created = e.InstanceCreated(
        key=state.key,
        definition_key=model.key,
        process_id=model.process_id,
        version=model.version,
        version_tag=model.version_tag,
        root_key=command.root_key,
        parent_key=command.parent_key,
        parent_element_key=command.parent_element_key,
        business_id=command.business_id,
        tags=command.tags,
        depth=command.depth,
    )
    walk = Walk(state, model, context)
    return walk.run(_begin(walk, created, command.variables, []))


def create_started(state: Instance, command: c.CreateStarted, context: Context) -> Facts | Rejected:
    """Begin at the start event that a message, a signal or a timer triggered."""
    model = context.definitions.process(command.definition_key)
    assert model is not None, (
        f"definition {command.definition_key} has a start event that was triggered, so it is there"
    )
    created = e.InstanceCreated(
        key=state.key,
        definition_key=model.key,
        process_id=model.process_id,
        version=model.version,
        version_tag=model.version_tag,
        root_key=state.key,
        start_message=command.start_message,
    )
    walk = Walk(state, model, context)

    def facts() -> Facts:
        yield created
        yield from walk.enter_triggered(model.nodes[command.element], state.key, command.variables, None)

    return walk.run(facts())


def _wanted(command: c.CreateInstance, context: Context) -> ProcessModel | Rejected:
    definitions = context.definitions
    if command.definition_key is not None:
        model = definitions.process(command.definition_key)
        if model is None or not definitions.usable(command.definition_key):
            return Rejected("NOT_FOUND", f"expected process definition {command.definition_key}, but there is none")
        return model
    if not command.process_id:
        return Rejected("INVALID_ARGUMENT", "expected a process definition id or key, but found neither")
    if command.version is None or command.version < 0:
        model = definitions.latest(command.process_id)
        which = ""
    else:
        model = definitions.version(command.process_id, command.version)
        which = f" in version {command.version}"
    if model is None:
        return Rejected("NOT_FOUND", f"expected process '{command.process_id}'{which} to be deployed, but it is not")
    return model


def _not_startable(element_id: str, node: Node | None, model: ProcessModel) -> str | None:
    """Return why an instance cannot begin at an element; None if it can."""
    if node is None or node is model.root:
        return f"expected element '{element_id}' in process '{model.process_id}', but there is none"
    if node.element.type in ("START_EVENT", "BOUNDARY_EVENT"):
        return f"expected an element to start at, but '{element_id}' is a {node.element.type}"
    if any(flow.source.element.type == "EVENT_BASED_GATEWAY" for flow in node.incoming):
        return f"expected an element to start at, but '{element_id}' belongs to an event-based gateway"
    scope = node.scope
    while scope is not None:
        if scope.loop is not None:
            return f"expected an element to start at, but '{element_id}' is inside the multi-instance '{scope.id}'"
        scope = scope.scope
    return None


def _begin(walk: Walk, created: e.InstanceCreated, variables: dict[str, Any], nodes: list[Node]) -> Facts:
    yield created
    if variables:
        yield e.VariablesSet(scope=created.key, variables=variables)
    scopes = {walk.model.root.id: created.key}
    for node in nodes:
        yield from _enter_inside(walk, node, scopes)


def _enter_inside(walk: Walk, node: Node, scopes: dict[str, int]) -> Facts:
    """Enter a node, and before it the scopes around it that are not there yet."""
    missing: list[Node] = []
    scope = node.scope
    while scope is not None and scope.id not in scopes:
        missing.append(scope)
        scope = scope.scope
    assert scope is not None, f"{node!r} is not inside of its process"
    for outer in reversed(missing):
        assert outer.scope is not None, f"{outer!r} is the process"
        key = walk.state.new_key()
        yield from walk.enter(outer, scopes[outer.scope.id])
        scopes[outer.id] = key
    assert node.scope is not None, f"{node!r} is the process"
    yield from walk.enter(node, scopes[node.scope.id])
