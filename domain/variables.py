"""How variables travel: local writes, merging upwards, and input and output mappings, by Camunda's rules."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from domain import events as e
from domain.feel import FeelEvaluationError, Moment, to_json
from domain.instance import Instance, Visible
from domain.model import Value, VariableMapping
from domain.problem import Problem
from domain.results import Facts

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def same(one: Any, other: Any) -> bool:
    """Say whether two JSON values are equal. Unlike Python's own `==`, true is not 1."""
    if one is other:
        return True
    if one != other:
        return False
    if isinstance(one, (list, dict)):
        return bool(_ENCODER.encode(one) == _ENCODER.encode(other))
    return isinstance(one, bool) == isinstance(other, bool)


def evaluate(value: Value, variables: Mapping[str, Any], moment: Moment, what: str) -> Any:
    """Return static text as it is, or the value of the expression; what fails is a `Problem` that names `what`."""
    if isinstance(value, str):
        return value
    try:
        return value.evaluate(variables, moment)
    except FeelEvaluationError as error:
        raise Problem("EXTRACT_VALUE_ERROR", f"failed to evaluate {what} '{value.source}': {error}") from None


WARNINGS_MAX = 3
"""Warnings that an incident shows; the first ones say most."""


def why(evaluated: tuple[Value, Mapping[str, Any]] | None, moment: Moment) -> str:
    """Return what an expression warned of, as one text; empty if of nothing."""
    if evaluated is None or isinstance(evaluated[0], str):
        return ""
    try:
        warnings = evaluated[0].explain(evaluated[1], moment).warnings
    except FeelEvaluationError:
        return ""  # the message says it
    return "; ".join(f"{warning.type}: {warning.message}" for warning in warnings[:WARNINGS_MAX])


def write(state: Instance, scope: int, variables: Mapping[str, Any]) -> Facts:
    """Set variables in one scope; equal values are not written."""
    present = state.elements[scope].variables
    changed = {
        name: value for name, value in variables.items() if name not in present or not same(present[name], value)
    }
    if changed:
        yield e.VariablesSet(scope=scope, variables=changed)


def merge(state: Instance, start: int, variables: Mapping[str, Any]) -> Facts:
    """Set each variable in the nearest scope from `start` upwards that has it, else in the outermost scope."""
    by_scope: dict[int, dict[str, Any]] = {}
    chain = list(state.ancestors(start))
    for name, value in variables.items():
        scope = next((element.key for element in chain if name in element.variables), state.key)
        by_scope.setdefault(scope, {})[name] = value
    for scope, part in by_scope.items():
        yield from write(state, scope, part)


def mapped(mappings: Sequence[VariableMapping], visible: Visible, around: Visible, moment: Moment) -> dict[str, Any]:
    """Evaluate mappings in order; later ones see earlier targets.

    A target with dots builds or extends an object: of an earlier mapping, else of the variable in the scope `around`.
    """
    document: dict[str, Any] = {}
    scope = Visible([document, *visible.scopes])
    for mapping in mappings:
        try:
            value = to_json(evaluate(mapping.source, scope, moment, "the source of a mapping"))
        except Problem as problem:
            raise Problem("IO_MAPPING_ERROR", problem.message) from None
        name, *path = mapping.target
        if not path:
            document[name] = value
            continue
        base = document[name] if name in document else around.get(name)
        document[name] = _placed(base, path, value)
    return document


def _placed(base: Any, path: Sequence[str], value: Any) -> dict[str, Any]:
    """Return a copy of `base` (an object, else an empty one) with `value` at `path`."""
    top: dict[str, Any] = dict(base) if isinstance(base, dict) else {}
    place = top
    for name in path[:-1]:
        inner = place.get(name)
        place[name] = dict(inner) if isinstance(inner, dict) else {}
        place = place[name]
    place[path[-1]] = value
    return top
