"""The values of FEEL that Python and `temporal` do not have, and what holds for all of them: equality, order, text, JSON.

Null is None, booleans bool, numbers int or Decimal, strings str, lists list, contexts dict.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from domain.feel.limits import (
    RESULT_CHARACTERS_MAX,
    RESULT_LEVELS_MAX,
    RESULT_NODES_MAX,
    STEPS_MAX,
    TEXT_CHARACTERS_MAX,
    FeelEvaluationError,
)
from domain.feel.numbers import number_text
from domain.feel.temporal import (
    TEMPORAL_TYPES,
    Date,
    DateTime,
    DayTimeDuration,
    Time,
    YearMonthDuration,
    json_text,
)

NUMBER_TYPES: frozenset[type] = frozenset((int, Decimal))
WARNINGS_KEPT_MAX = 100
CHARACTERS_PER_STEP = 256


class Moment(msgspec.Struct, frozen=True):
    """What the world outside gives to an evaluation. `now` must be aware; it is what `now()` and `today()` answer.
    `seed` feeds `uuid()` and `random number()`, which are otherwise the same in every evaluation at one instant.
    """

    now: datetime
    seed: str = ""


class FeelWarning(NamedTuple):
    """Why a value is null. `type` is a word of Camunda's, as NO_VARIABLE_FOUND; `message` is for people."""

    type: str
    message: str


class Run:
    """One evaluation: what it has used up, and the warnings when somebody wants to know them."""

    __slots__ = ("chances", "moment", "steps", "warnings")

    def __init__(self, moment: Moment, warnings: list[FeelWarning] | None = None, *, steps: int = STEPS_MAX) -> None:
        self.moment = moment
        self.steps = steps
        self.warnings = warnings
        self.chances = 0

    def charge(self, steps: int) -> None:
        """Take units of work from the budget. Raises FeelEvaluationError when it is used up."""
        self.steps -= steps
        if self.steps < 0:
            raise FeelEvaluationError("the expression needs more steps than it may take")

    def charge_text(self, text: str) -> None:
        """Take what it costs to copy or search a string; short ones are free."""
        if len(text) > CHARACTERS_PER_STEP:
            self.charge(len(text) // CHARACTERS_PER_STEP)

    def warn(self, kind: str, message: Callable[[], str]) -> None:
        """Keep a reason for null. The message is only made when somebody listens."""
        if self.warnings is not None and len(self.warnings) < WARNINGS_KEPT_MAX:
            self.warnings.append(FeelWarning(kind, message()))


class Range(msgspec.Struct, frozen=True, eq=False):
    """A range; `unbounded` says that the null end is none at all, as in `(< 10)`, and not an unknown one."""

    low: Any
    high: Any
    low_included: bool
    high_included: bool
    unbounded: bool = False


class FeelFunction:
    """A function as a value. `call` gets the evaluation and one argument for each parameter, null where none was given.
    `types` are the declared types of the parameters, or nothing for those without.
    """

    __slots__ = ("call", "name", "parameters", "result_type", "types")

    def __init__(
        self,
        parameters: Sequence[str],
        call: Callable[[Run, list[Any]], Any],
        *,
        name: str = "",
        types: tuple[Any, ...] = (),
        result_type: Any = None,
    ) -> None:
        self.parameters = tuple(parameters)
        self.call = call
        self.name = name
        self.types = types
        self.result_type = result_type


def python_function(parameters: Sequence[str], function: Callable[..., Any], *, name: str = "") -> FeelFunction:
    """A FEEL function that calls a Python one with positional arguments."""
    return FeelFunction(parameters, lambda _run, arguments: function(*arguments), name=name)


def is_number(value: Any) -> bool:
    return value.__class__ in NUMBER_TYPES


# -- equality and order --------------------------------------------------------------------------------------------------


def equal(left: Any, right: Any, run: Run | None = None) -> bool | None:
    """Whether two values are equal; nothing when they are of kinds that cannot be compared."""
    if left is right:
        return True
    if left is None or right is None:
        return False
    kind, other = left.__class__, right.__class__
    if kind is other:
        if kind is list:
            return _equal_lists(left, right, run)
        if kind is dict:
            return _equal_contexts(left, right, run)
        if kind is Time or kind is DateTime:
            return (left.offset is None) == (right.offset is None) and bool(left.instant == right.instant)
        if kind is Range:
            return _equal_ranges(left, right, run)
        return bool(left == right)
    if kind in NUMBER_TYPES and other in NUMBER_TYPES:
        return bool(left == right)
    if kind is list and len(left) == 1:
        return equal(left[0], right, run)
    if other is list and len(right) == 1:
        return equal(left, right[0], run)
    return None


def _equal_lists(left: list[Any], right: list[Any], run: Run | None) -> bool:
    if len(left) != len(right):
        return False
    if run is not None:
        run.charge(1 + len(left))
    return all(equal(a, b, run) for a, b in zip(left, right, strict=True))


def _equal_contexts(left: dict[str, Any], right: dict[str, Any], run: Run | None) -> bool:
    if left.keys() != right.keys():
        return False
    if run is not None:
        run.charge(1 + len(left))
    return all(equal(value, right[name], run) for name, value in left.items())


def _equal_ranges(left: Range, right: Range, run: Run | None) -> bool:
    return bool(
        equal(left.low, right.low, run)
        and equal(left.high, right.high, run)
        and (left.low is None or left.low_included == right.low_included)
        and (left.high is None or left.high_included == right.high_included)
    )


_ORDERED = frozenset((int, Decimal, str, Date, YearMonthDuration, DayTimeDuration))


def order(left: Any, right: Any) -> int | None:
    """Less than, equal to or greater than zero as `left` is to `right`; nothing when there is no order between them."""
    kind, other = left.__class__, right.__class__
    if kind is not other and not (kind in NUMBER_TYPES and other in NUMBER_TYPES):
        return None
    if kind is Time or kind is DateTime:
        if (left.offset is None) != (right.offset is None):
            return None
        left, right = left.instant, right.instant
    elif kind not in _ORDERED:
        return None
    return -1 if left < right else 1 if left > right else 0


def not_comparable(run: Run | None, left: Any, right: Any) -> None:
    if run is not None and left is not None and right is not None:
        run.warn("NOT_COMPARABLE", lambda: f"Can't compare '{shown(left)}' with '{shown(right)}'")


def compare(operator: str, left: Any, right: Any, run: Run | None) -> bool | None:
    """`<`, `<=`, `>` or `>=` of two values."""
    found = order(left, right)
    if found is None:
        if left.__class__ is float or right.__class__ is float:
            return compare(operator, exact(left), exact(right), run)
        not_comparable(run, left, right)
        return None
    if operator == "<":
        return found < 0
    if operator == "<=":
        return found <= 0
    return found > 0 if operator == ">" else found >= 0


def same(left: Any, right: Any, run: Run | None) -> bool | None:
    """`=` with its warning."""
    found = equal(left, right, run)
    if found is None:
        if left.__class__ is float or right.__class__ is float:
            return same(exact(left), exact(right), run)
        not_comparable(run, left, right)
    return found


def exact(value: Any) -> Any:
    """A binary float from a careless caller as the decimal that its text says; null when it is no number."""
    if value.__class__ is float:
        return Decimal(repr(value)) if value - value == 0 else None
    return value


def within(value: Any, allowed: Range, run: Run | None) -> bool | None:
    """Whether a value lies in a range; the ends may be given in either order."""
    low, high = allowed.low, allowed.high
    low_included, high_included = allowed.low_included, allowed.high_included
    if low is not None and high is not None and (order(low, high) or 0) > 0:
        low, high, low_included, high_included = high, low, high_included, low_included
    above = _beyond(value, low, ">=" if low_included else ">", allowed.unbounded, run)
    below = _beyond(value, high, "<=" if high_included else "<", allowed.unbounded, run)
    if above is None or below is None:
        return None
    return above and below


def _beyond(value: Any, end: Any, operator: str, unbounded: bool, run: Run | None) -> bool | None:
    if end is None:
        return True if unbounded else None
    return compare(operator, value, end, run)


# -- text ----------------------------------------------------------------------------------------------------------------


def shown(value: Any) -> str:
    """A value for a message: strings in quotes."""
    return f'"{value}"' if value.__class__ is str else text_of(value)


def text_of(value: Any) -> str:
    """What `string()` answers for anything but null. Raises FeelEvaluationError when that is too long."""
    kind = value.__class__
    if kind is str:
        return str(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind in NUMBER_TYPES:
        return number_text(value)
    if kind in TEMPORAL_TYPES:
        return str(value)
    if kind is list:
        return f"[{_joined([_inner(item) for item in value])}]"
    if kind is dict:
        return "{" + _joined([f"{_key(name)}: {_inner(item)}" for name, item in value.items()]) + "}"
    if kind is Range:
        return range_text(value)
    if kind is FeelFunction:
        return "<function>"
    return str(exact(value))


def range_text(value: Range) -> str:
    """A range as it would be written."""
    opening, closing = "[" if value.low_included else "(", "]" if value.high_included else ")"
    return f"{opening}{_inner(value.low)}..{_inner(value.high)}{closing}"


_CONTROL = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def quoted(text: str) -> str:
    """A string as it would be written."""
    return f'"{text.translate(_CONTROL)}"'


def _inner(value: Any) -> str:
    return quoted(value) if value.__class__ is str else text_of(value)


def _key(name: str) -> str:
    """A key of a context as it would be written: without quotes where it is made of words."""
    words = name.replace("_", "a").split(" ")
    return name if not name[:1].isdigit() and all(word.isalnum() for word in words) else quoted(name)


def _joined(parts: list[str]) -> str:
    return check_text(", ".join(parts))


def check_text(text: str) -> str:
    """Raises FeelEvaluationError when a string is longer than may be."""
    if len(text) > TEXT_CHARACTERS_MAX:
        raise FeelEvaluationError(f"the expression makes a string of more than {TEXT_CHARACTERS_MAX} characters")
    return text


# -- JSON ----------------------------------------------------------------------------------------------------------------


def to_json(value: Any) -> Any:
    """A value as JSON has it: None, bool, int, Decimal, str, list or dict. Temporal values and ranges become their text,
    functions null. Raises FeelEvaluationError when the result is too large.
    """
    kind = value.__class__
    if kind is str or kind is int or value is None or kind is bool or kind is Decimal:
        return value
    return _Json().convert(value, 0)


class _Json:
    """One conversion, which counts what it writes."""

    __slots__ = ("characters", "nodes")

    def __init__(self) -> None:
        self.nodes = 0
        self.characters = 0

    def convert(self, value: Any, level: int) -> Any:
        kind = value.__class__
        if kind is str:
            self.spell(len(value))
            return value
        if kind is int or value is None or kind is bool or kind is Decimal:
            return value
        if kind is list:
            self.count(len(value), level)
            return [self.convert(item, level + 1) for item in value]
        if kind is dict:
            self.count(len(value), level)
            self.spell(sum(map(len, value)))
            return {name: self.convert(item, level + 1) for name, item in value.items()}
        if kind in TEMPORAL_TYPES:
            return json_text(value)
        if kind is Range:
            return range_text(value)
        return exact(value) if kind is float else None

    def spell(self, characters: int) -> None:
        self.characters += characters
        if self.characters > RESULT_CHARACTERS_MAX:
            raise FeelEvaluationError(
                f"the strings of the result have more than {RESULT_CHARACTERS_MAX} characters together"
            )

    def count(self, values: int, level: int) -> None:
        self.nodes += 1 + values
        if self.nodes > RESULT_NODES_MAX:
            raise FeelEvaluationError(f"the result has more than {RESULT_NODES_MAX} values")
        if level > RESULT_LEVELS_MAX:
            raise FeelEvaluationError(f"the result nests deeper than {RESULT_LEVELS_MAX} levels")
