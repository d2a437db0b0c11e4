"""Multi-instance: a body that makes inner instances, at once or one after the other, and gathers their results."""

from typing import TYPE_CHECKING, Any

from domain import events as e
from domain.feel import to_json
from domain.instance import Body, Visible
from domain.model import Loop
from domain.problem import Problem
from domain.results import Facts
from domain.variables import merge
from domain.waits import EXTRACT_VALUE_ERROR, describe

if TYPE_CHECKING:
    from domain.walk import At

LOOP_BATCH_MAX = 500
"""Inner instances that one command makes; the rest follows in further commands, so that none takes too long."""

LOOP_COUNTER = "loopCounter"


def begin(at: "At") -> Facts:
    """Begin a body: evaluate the collection and make the first inner instances."""
    loop = _loop(at)
    items = _items(at, loop)
    yield e.LoopStarted(key=at.key, count=len(items), output=loop.output_collection)
    if not items:
        yield from at.walk.leave(at)
    else:
        yield from _spawn(at, items)


def proceed(at: "At") -> Facts:
    """Make the next inner instances of a body that was paused, or whose collection was wrong when it was time."""
    try:
        yield from _spawn(at, _items(at, _loop(at)))
    except Problem as problem:
        yield at.walk.incident(at, problem, "loop")


def drained(at: "At") -> Facts:
    """Nothing runs in the body: it is complete once all inner instances were made."""
    body = _body(at)
    if body.created >= body.count:
        yield from at.walk.leave(at)


def leave_inner(at: "At") -> Facts:
    """An inner instance has done its work: store its result, ask the completion condition, go on."""
    loop = _loop(at)
    outer = at.walk.at(at.instance.scope)
    assert outer is not None, f"inner instance {at.key} has no body"
    index = at.instance.index
    assert index is not None, f"element instance {at.key} is no inner instance"
    stored = _result(at, outer, loop, index)
    enough = _satisfied(at, _body(outer), len(outer.instance.children), loop)
    if stored is not None:
        yield stored
    yield from at.walk.close(at.key)
    yield e.ElementCompleted(key=at.key, element=at.node.id, scope=outer.key)
    if enough:
        for child in sorted(outer.instance.children, reverse=True):
            yield from at.walk.terminate(child)
        yield from at.walk.leave(outer)
    elif loop.sequential and index < _body(outer).count:
        yield from proceed(outer)


def propagate_output(at: "At") -> Facts:
    """The body is complete: its output collection goes to the scope around it."""
    output = _loop(at).output_collection
    if output is not None and output in at.instance.variables:
        # A copy: the body's own list is written in place, and a fact must not change after it was told.
        yield from merge(at.state, at.instance.scope, {output: to_json(at.instance.variables[output])})


def _loop(at: "At") -> Loop:
    assert at.node.loop is not None, f"{at.node!r} is no multi-instance activity"
    return at.node.loop


def _body(at: "At") -> Body:
    body = at.instance.body
    assert body is not None, f"element instance {at.key} is no body that has begun"
    return body


def _items(at: "At", loop: Loop) -> list[Any]:
    # The collection belongs to the scope around the body: the body's own output must not hide it.
    items = at.walk.evaluate(loop.input_collection, at.state.variables_at(at.instance.scope), "the input collection")
    if not isinstance(items, list):
        raise Problem(
            EXTRACT_VALUE_ERROR,
            f"expected the input collection '{loop.input_collection.source}' to be an array, but found {describe(items)}",
        )
    body = at.instance.body
    if body is not None and body.created >= len(items):
        raise Problem(
            EXTRACT_VALUE_ERROR,
            f"expected the input collection '{loop.input_collection.source}' to have an item {body.created + 1},"
            f" but it has only {len(items)}; it was shortened while the multi-instance was running",
        )
    return items


def _spawn(at: "At", items: list[Any]) -> Facts:
    loop = _loop(at)
    body = _body(at)
    first = body.created + 1
    last = first if loop.sequential else min(body.count, len(items), first + LOOP_BATCH_MAX - 1)
    for index in range(first, last + 1):
        key = at.new_key()
        yield e.ElementEntered(key=key, element=at.node.id, scope=at.key, loop=index)
        yield e.VariablesSet(scope=key, variables=_inner_variables(loop, index, items[index - 1]))
    if not loop.sequential and last < body.count:
        yield e.LoopPaused(key=at.key)


def _inner_variables(loop: Loop, index: int, item: Any) -> dict[str, Any]:
    variables: dict[str, Any] = {LOOP_COUNTER: index}
    if loop.input_element is not None:
        variables[loop.input_element] = to_json(item)
    if loop.output_element is not None:
        name = loop.output_element.source.strip()
        if name in loop.output_element.free_names and name not in variables:
            variables[name] = None  # so that the inner instance's own result does not travel upwards
    return variables


def _result(at: "At", outer: "At", loop: Loop, index: int) -> e.LoopOutputStored | None:
    output = loop.output_collection
    if output is None or loop.output_element is None:
        return None
    value = to_json(at.evaluate(loop.output_element, "the output element"))
    collected = outer.instance.variables.get(output)
    if not isinstance(collected, list) or len(collected) < index:
        raise Problem(
            EXTRACT_VALUE_ERROR,
            f"expected the output collection '{output}' to be an array with at least {index} items,"
            f" but found {describe(collected)}",
        )
    return e.LoopOutputStored(key=outer.key, loop=index, output=output, value=value)


def _satisfied(at: "At", body: Body, active: int, loop: Loop) -> bool:
    if loop.completion_condition is None:
        return False
    counters = {
        "numberOfInstances": body.count,
        "numberOfActiveInstances": active - 1,
        "numberOfCompletedInstances": body.completed + 1,
        "numberOfTerminatedInstances": body.terminated,
    }
    value = at.walk.evaluate(
        loop.completion_condition, Visible([counters, *at.variables.scopes]), "the completion condition"
    )
    if not isinstance(value, bool):
        raise Problem(
            EXTRACT_VALUE_ERROR,
            f"expected the completion condition '{loop.completion_condition.source}' to be a boolean,"
            f" but found {describe(value)}",
        )
    return value
