"""The values of FEEL and what holds between them: kinds, equality, order and text. It never knows an expression."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

import msgspec

from domain.feel import numeric
from domain.feel.temporal import Date, DateTime, DayTimeDuration, Temporal, Time, YearMonthDuration

if TYPE_CHECKING:
    from domain.feel.run import Run


class Missing(Enum):
    """What stands where there is no value at all: not even null."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


class Range(msgspec.Struct, frozen=True):
    """An interval. `unbounded` marks one that a comparison made, as in `(> 5)`: its null end is no end."""

    start: Any
    end: Any
    start_included: bool
    end_included: bool
    unbounded: bool = False

    def __str__(self) -> str:
        start, end = to_text(self.start), to_text(self.end)
        return f"{'[' if self.start_included else '('}{start}..{end}{']' if self.end_included else ')'}"


class Function(msgspec.Struct, frozen=True, eq=False):
    """A function value: the names of its parameters, and how it is called with as many arguments."""

    parameters: tuple[str, ...]
    call: "Callable[[Run, Sequence[Any]], Any]"
    name: str = ""

    def __str__(self) -> str:
        return "<function>"


class Kind(Enum):
    """The kinds of values that can be compared with each other."""

    NULL = "null"
    NUMBER = "number"
    STRING = "string"
    BOOLEAN = "boolean"
    DATE = "date"
    TIME = "time"
    DATE_TIME = "date and time"
    DAY_TIME = "days and time duration"
    YEAR_MONTH = "years and months duration"
    LIST = "list"
    CONTEXT = "context"
    RANGE = "range"
    FUNCTION = "function"


KINDS: dict[type, Kind] = {
    type(None): Kind.NULL,
    int: Kind.NUMBER,
    Decimal: Kind.NUMBER,
    str: Kind.STRING,
    bool: Kind.BOOLEAN,
    Date: Kind.DATE,
    Time: Kind.TIME,
    DateTime: Kind.DATE_TIME,
    DayTimeDuration: Kind.DAY_TIME,
    YearMonthDuration: Kind.YEAR_MONTH,
    list: Kind.LIST,
    dict: Kind.CONTEXT,
    Range: Kind.RANGE,
    Function: Kind.FUNCTION,
}
TEMPORAL = (Date, Time, DateTime, DayTimeDuration, YearMonthDuration)


def kind_of(value: object) -> Kind | None:
    """Return the kind; None for what is no value of FEEL."""
    return KINDS.get(type(value))


def equal(left: Any, right: Any) -> bool | None:
    """Compare two values; None if their kinds cannot be compared. A list of one value equals that value."""
    if left is None or right is None:
        return left is right
    kind, other = KINDS.get(type(left)), KINDS.get(type(right))
    if kind is not other:
        if kind is Kind.LIST and len(left) == 1 and not isinstance(right, (dict, Range)):
            return equal(left[0], right)
        if other is Kind.LIST and len(right) == 1 and not isinstance(left, (dict, Range)):
            return equal(left, right[0])
        return None
    if kind is Kind.NUMBER or kind is Kind.STRING or kind is Kind.BOOLEAN:
        return bool(left == right)
    if kind is None:
        return None
    return _EQUALS.get(kind, _same)(left, right)


def identical(left: Any, right: Any) -> bool:
    """Compare as `is()` does: the same kind, the same value, and for times the same zone."""
    if kind_of(left) is not kind_of(right):
        return False
    if isinstance(left, TEMPORAL):
        return bool(left == right)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(identical, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(identical(left[key], right[key]) for key in left)
    return bool(equal(left, right))


def _same(left: Any, right: Any) -> bool | None:
    return bool(left == right)


def _equal_times(left: Time, right: Time) -> bool:
    if left.zone is None or right.zone is None:
        return left.nanos == right.nanos and left.zone is right.zone
    return left.utc == right.utc


def _equal_date_times(left: DateTime, right: DateTime) -> bool:
    if left.zone is None or right.zone is None:
        return left == right
    return left.instant == right.instant


def _equal_lists(left: list[Any], right: list[Any]) -> bool:
    return len(left) == len(right) and all(equal(one, other) is True for one, other in zip(left, right, strict=True))


def _equal_contexts(left: dict[str, Any], right: dict[str, Any]) -> bool:
    return left.keys() == right.keys() and all(equal(value, right[key]) is True for key, value in left.items())


def _equal_ranges(left: Range, right: Range) -> bool:
    if left.start_included is not right.start_included or left.end_included is not right.end_included:
        return False
    return equal(left.start, right.start) is True and equal(left.end, right.end) is True


_EQUALS: dict[Kind, Callable[[Any, Any], bool | None]] = {
    Kind.TIME: _equal_times,
    Kind.DATE_TIME: _equal_date_times,
    Kind.LIST: _equal_lists,
    Kind.CONTEXT: _equal_contexts,
    Kind.RANGE: _equal_ranges,
}


def order(left: Any, right: Any) -> int | None:
    """Return -1, 0 or 1 as left lies before, at or behind right; None if they have no order."""
    kind = KINDS.get(type(left))
    if kind is not KINDS.get(type(right)) or kind is None:
        return None
    key = _KEYS.get(kind)
    if key is None:
        return None
    one, other = key(left), key(right)
    if type(one) is tuple and (type(other) is not tuple or one[0] != other[0]):
        # A local time has no order with one of a zone.
        return None
    return (one > other) - (one < other)


_KEYS: dict[Kind, Callable[[Any], Any]] = {
    Kind.NUMBER: lambda value: value,
    Kind.STRING: lambda value: value,
    Kind.DATE: lambda value: (0, value.year, value.month, value.day),
    Kind.TIME: lambda value: (1, value.utc) if value.zone else (0, value.nanos),
    Kind.DATE_TIME: lambda value: (1, value.instant) if value.zone else (0, value.local),
    Kind.DAY_TIME: lambda value: value.nanos,
    Kind.YEAR_MONTH: lambda value: value.months,
}


def contains(interval: Range, value: Any) -> bool | None:
    """Say whether the value lies in the range; None if that cannot be said. A range may be written backwards."""
    if value is None:
        return None
    if interval.unbounded:
        return _satisfies_bound(interval, value)
    start, end = interval.start, interval.end
    start_included, end_included = interval.start_included, interval.end_included
    turned = order(start, end)
    if turned is not None and turned > 0:
        start, end, start_included, end_included = end, start, end_included, start_included
    after, before = order(value, start), order(value, end)
    if after is None or before is None:
        return None
    return (after > 0 or (start_included and after == 0)) and (before < 0 or (end_included and before == 0))


def _satisfies_bound(interval: Range, value: Any) -> bool | None:
    if interval.end is None:
        compared = order(value, interval.start)
        return None if compared is None else compared > 0 or (interval.start_included and compared == 0)
    compared = order(value, interval.end)
    return None if compared is None else compared < 0 or (interval.end_included and compared == 0)


# ------------------------------------------------------------------ text

_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def to_text(value: Any) -> str:
    """Write a value as it would be written in FEEL."""
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, str):
        return f'"{value.translate(_ESCAPES)}"'
    if isinstance(value, (int, Decimal)):
        return numeric.to_text(value)
    if isinstance(value, list):
        return f"[{', '.join(map(to_text, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key_text(key)}: {to_text(entry)}" for key, entry in value.items()) + "}"
    return str(value)


def _key_text(key: str) -> str:
    return key if all(character.isalnum() or character in "_ +-*/'" for character in key) and key else to_text(key)


def short_text(value: Any) -> str:
    """Write a value for a message; what is long is cut."""
    text = to_text(value) if not isinstance(value, (list, dict)) or len(value) <= 50 else f"{to_kind_text(value)} of {len(value)}"
    return text if len(text) <= 500 else text[:497] + "..."


def to_kind_text(value: Any) -> str:
    kind = kind_of(value)
    return kind.value if kind else type(value).__name__


def to_json(value: Any) -> Any:
    """Return the value as JSON can hold it: temporal values and ranges as text, functions as null."""
    kind = type(value)
    if value is None or kind in (bool, int, Decimal, str):
        return value
    if kind is list:
        return [to_json(item) for item in value]
    if kind is dict:
        return {key: to_json(entry) for key, entry in value.items()}
    return None if kind is Function else str(value)


__all__ = [
    "KINDS",
    "MISSING",
    "TEMPORAL",
    "Function",
    "Kind",
    "Missing",
    "Range",
    "Temporal",
    "contains",
    "equal",
    "identical",
    "kind_of",
    "order",
    "short_text",
    "to_json",
    "to_kind_text",
    "to_text",
]
