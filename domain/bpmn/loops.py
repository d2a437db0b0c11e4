"""Finds models that would never end: loops in which nothing waits, and processes that call themselves at once."""

from collections import deque

from domain.elements.business_rule_task import CalledDecision
from domain.elements.call_activity import CalledElement
from domain.elements.script_task import Script
from domain.model import Node, ProcessModel


def endless_loop(model: ProcessModel) -> list[Node]:
    """Return the nodes of a loop without a wait, the first of the document first; empty if there is none."""
    passing = _passing(model)
    before = dict.fromkeys(passing, 0)
    for node in passing.values():
        for target in _targets(node, passing):
            before[target.id] += 1
    # What nothing (left) leads to is on no loop: take it away, until only loops and what they lead to remain.
    todo = deque(node for node in passing.values() if before[node.id] == 0)
    while todo:
        node = todo.popleft()
        del passing[node.id]
        for target in _targets(node, passing):
            before[target.id] -= 1
            if before[target.id] == 0:
                todo.append(target)
    return _loop_among(passing)


def _loop_among(remaining: dict[str, Node]) -> list[Node]:
    """Go backwards, where each remaining node has a predecessor, until a node comes again."""
    if not remaining:
        return []
    order = {node_id: index for index, node_id in enumerate(remaining)}
    path: dict[str, Node] = {}
    node = next(iter(remaining.values()))
    while node.id not in path:
        path[node.id] = node
        node = next(source for source in _sources(node) if source.id in remaining)
    nodes = list(path.values())
    loop = nodes[nodes.index(node) :][::-1]
    first = loop.index(min(loop, key=lambda each: order[each.id]))
    return loop[first:] + loop[:first]


def endless_recursion(model: ProcessModel) -> Node | None:
    """Return a call activity by which the process calls itself with no wait and no choice before it."""
    if model.root.start is None:
        return None
    passing = _passing(model)
    seen = {model.root.start.id}
    todo = deque([model.root.start])
    while todo:
        node = todo.popleft()
        if isinstance(node.config, CalledElement) and node.config.process_id == model.process_id and node.loop is None:
            return node
        if node.id not in passing or any(flow.condition is not None for flow in node.outgoing):
            continue
        for target in (flow.target for flow in node.outgoing):
            if target.id not in seen:
                seen.add(target.id)
                todo.append(target)
    return None


def _passing(model: ProcessModel) -> dict[str, Node]:
    """Return the nodes that pass at once. Scopes count as waiting: what runs inside decides, and what it sets may end a loop."""
    return {node.id: node for node in model.nodes.values() if not _waits(node)}


def _waits(node: Node) -> bool:
    # A task with an expression or a decision passes; only the one that a worker does stands still.
    return node.element.is_scope or (node.element.waits and not isinstance(node.config, (Script, CalledDecision)))


def _targets(node: Node, among: dict[str, Node]) -> list[Node]:
    targets = [*(flow.target for flow in node.outgoing), *node.element.targets(node)]
    return [target for target in targets if target.id in among]


def _sources(node: Node) -> list[Node]:
    return [*(flow.source for flow in node.incoming), *node.element.sources(node)]
