"""Built-ins for logic, and those that look at null."""

from typing import Any

from domain.feel.builtins.table import entry
from domain.feel.limits import FeelEvaluationError
from domain.feel.temporal import DateTime, Time
from domain.feel.values import Run, equal, is_number


def _not(run: Run, value: Any) -> bool | None:
    return not value if value.__class__ is bool else None


def _is_defined(run: Run, value: Any) -> bool:
    return value is not None


def _get_or_else(run: Run, value: Any, default: Any) -> Any:
    return default if value is None else value


def _assert(run: Run, value: Any, condition: Any) -> Any:
    return _assert_with_cause(run, value, condition, "The condition is not fulfilled")


def _assert_with_cause(run: Run, value: Any, condition: Any, cause: str) -> Any:
    if condition is not True:
        raise FeelEvaluationError(f"Assertion failure on evaluate the expression: {cause}")
    return value


def _is(run: Run, left: Any, right: Any) -> bool:
    """Equal and of one kind; times must also name their offset or zone in the same way."""
    if left.__class__ is not right.__class__ and not (is_number(left) and is_number(right)):
        return False
    if left.__class__ in (Time, DateTime):
        return bool(left == right)
    return equal(left, right, run) is True


def _from_ai(run: Run, value: Any, *described: Any) -> Any:
    """The value itself: the description is for those who read the model."""
    return value


_DESCRIBED = ("description: string?", "type: string?", "schema: context?", "options: context?")

ENTRIES = (
    entry("not", "negand: boolean?", _not),
    entry("is defined", "value: any", _is_defined),
    entry("get or else", "value: any, default: any", _get_or_else),
    entry("assert", "value: any, condition: any", _assert),
    entry("assert", "value: any, condition: any, cause: string", _assert_with_cause),
    *(entry("fromAi", ", ".join(("value: any", *_DESCRIBED[:count])), _from_ai) for count in range(5)),
    entry("is", "value1: any, value2: any", _is),
)
