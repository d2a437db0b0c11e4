"""The operators + - * / ** on every kind of value. Where there is no result they answer null and leave a warning."""

from collections.abc import Callable
from typing import Any

from domain.feel import numbers
from domain.feel.limits import TEXT_CHARACTERS_MAX, FeelEvaluationError
from domain.feel.temporal import (
    DAY,
    Date,
    DateTime,
    DayTimeDuration,
    Time,
    YearMonthDuration,
    add_months,
    at_instant,
    date_of,
    days_of,
    make_date_time,
    make_months,
    make_nanoseconds,
)
from domain.feel.values import NUMBER_TYPES, Run, exact, shown

CALENDAR_STEPS = 4
"""Steps that reckoning with dates costs."""


def add(left: Any, right: Any, run: Run | None) -> Any:
    kind, other = left.__class__, right.__class__
    if kind in NUMBER_TYPES and other in NUMBER_TYPES:
        return _numeric(numbers.add, left, right)
    if kind is str and other is str:
        if len(left) + len(right) > TEXT_CHARACTERS_MAX:
            raise FeelEvaluationError(f"the expression makes a string of more than {TEXT_CHARACTERS_MAX} characters")
        if run is not None:
            run.charge_text(left)
            run.charge_text(right)
        return left + right
    found = _temporal(_ADD.get((kind, other)), left, right, run)
    return _failed(run, add, left, right, "Can't add '{1}' to '{0}'") if found is None else found


def subtract(left: Any, right: Any, run: Run | None) -> Any:
    kind, other = left.__class__, right.__class__
    if kind in NUMBER_TYPES and other in NUMBER_TYPES:
        return _numeric(numbers.subtract, left, right)
    found = _temporal(_SUBTRACT.get((kind, other)), left, right, run)
    return _failed(run, subtract, left, right, "Can't subtract '{1}' from '{0}'") if found is None else found


def multiply(left: Any, right: Any, run: Run | None) -> Any:
    kind, other = left.__class__, right.__class__
    if kind in NUMBER_TYPES and other in NUMBER_TYPES:
        return _numeric(numbers.multiply, left, right)
    found = None
    if other in NUMBER_TYPES:
        found = _temporal(_scale, left, right, run)
    elif kind in NUMBER_TYPES:
        found = _temporal(_scale, right, left, run)
    return _failed(run, multiply, left, right, "Can't multiply '{0}' by '{1}'") if found is None else found


def divide(left: Any, right: Any, run: Run | None) -> Any:
    kind, other = left.__class__, right.__class__
    if kind in NUMBER_TYPES and other in NUMBER_TYPES:
        found = _numeric(numbers.divide, left, right)
    elif other in NUMBER_TYPES:
        found = _temporal(_part, left, right, run)
    elif kind is other and kind is YearMonthDuration:
        found = _numeric(numbers.divide, left.months, right.months)
    elif kind is other and kind is DayTimeDuration:
        found = _numeric(numbers.divide, left.nanoseconds, right.nanoseconds)
    else:
        found = None
    return _failed(run, divide, left, right, "Can't divide '{0}' by '{1}'") if found is None else found


def power(left: Any, right: Any, run: Run | None) -> Any:
    if left.__class__ in NUMBER_TYPES and right.__class__ in NUMBER_TYPES:
        if run is not None:
            run.charge(1 if right.__class__ is int and -99 <= right <= 99 else numbers.SERIES_STEPS)
        return _numeric(numbers.power, left, right)
    return _failed(run, power, left, right, "Can't raise '{0}' to the power of '{1}'")


def negate(value: Any, run: Run | None) -> Any:
    kind = value.__class__
    if kind in NUMBER_TYPES:
        return numbers.negate(value)
    if kind is YearMonthDuration:
        return YearMonthDuration(-value.months)
    if kind is DayTimeDuration:
        return DayTimeDuration(-value.nanoseconds)
    if kind is float:
        return negate(exact(value), run)
    if run is not None and value is not None:
        run.warn("INVALID_TYPE", lambda: f"Expected number but found '{shown(value)}'")
    return None


OPERATORS: dict[str, Callable[[Any, Any, Run | None], Any]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "**": power,
}


def _numeric(function: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    try:
        return function(left, right)
    except ArithmeticError:
        return None


def _temporal(function: Callable[[Any, Any], Any] | None, left: Any, right: Any, run: Run | None) -> Any:
    if function is None:
        return None
    if run is not None:
        run.charge(CALENDAR_STEPS)
    try:
        return function(left, right)
    except ArithmeticError:
        return None


def _failed(run: Run | None, again: Callable[..., Any], left: Any, right: Any, message: str) -> Any:
    if left.__class__ is float or right.__class__ is float:
        return again(exact(left), exact(right), run)
    if run is not None:
        run.warn("INVALID_TYPE", lambda: message.format(shown(left), shown(right)))
    return None


def _date_months(date: Date, duration: YearMonthDuration) -> Date:
    return add_months(date, duration.months)


def _date_nanoseconds(date: Date, duration: DayTimeDuration) -> Date:
    return date_of((days_of(date) * DAY + duration.nanoseconds) // DAY)


def _moment_months(moment: DateTime, duration: YearMonthDuration) -> DateTime:
    return make_date_time(add_months(moment.date, duration.months), moment.nanoseconds, moment.offset, moment.zone)


def _moment_nanoseconds(moment: DateTime, duration: DayTimeDuration) -> DateTime:
    return at_instant(moment.instant + duration.nanoseconds, moment.offset, moment.zone)


def _time_nanoseconds(time: Time, duration: DayTimeDuration) -> Time:
    return Time((time.nanoseconds + duration.nanoseconds) % DAY, time.offset, time.zone)


def _swapped(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda left, right: function(right, left)


def _negated(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda left, right: function(left, negate(right, None))


_PLUS: dict[tuple[type, type], Callable[[Any, Any], Any]] = {
    (Date, YearMonthDuration): _date_months,
    (Date, DayTimeDuration): _date_nanoseconds,
    (DateTime, YearMonthDuration): _moment_months,
    (DateTime, DayTimeDuration): _moment_nanoseconds,
    (Time, DayTimeDuration): _time_nanoseconds,
}
_ADD: dict[tuple[type, type], Callable[[Any, Any], Any]] = {
    **_PLUS,
    **{(second, first): _swapped(function) for (first, second), function in _PLUS.items()},
    (YearMonthDuration, YearMonthDuration): lambda left, right: make_months(left.months + right.months),
    (DayTimeDuration, DayTimeDuration): lambda left, right: make_nanoseconds(left.nanoseconds + right.nanoseconds),
}


def _between_moments(left: DateTime, right: DateTime) -> DayTimeDuration | None:
    if (left.offset is None) != (right.offset is None):
        return None
    return make_nanoseconds(left.instant - right.instant)


def _between_times(left: Time, right: Time) -> DayTimeDuration | None:
    if (left.offset is None) != (right.offset is None):
        return None
    return make_nanoseconds(left.instant - right.instant)


def _midnight(date: Date) -> DateTime:
    """A date beside a date and time is its midnight in UTC, as the standard says."""
    return DateTime(date, 0, 0)


_SUBTRACT: dict[tuple[type, type], Callable[[Any, Any], Any]] = {
    **{kinds: _negated(function) for kinds, function in _PLUS.items()},
    (Date, Date): lambda left, right: make_nanoseconds((days_of(left) - days_of(right)) * DAY),
    (DateTime, DateTime): _between_moments,
    (DateTime, Date): lambda left, right: _between_moments(left, _midnight(right)),
    (Date, DateTime): lambda left, right: _between_moments(_midnight(left), right),
    (Time, Time): _between_times,
    (YearMonthDuration, YearMonthDuration): lambda left, right: make_months(left.months - right.months),
    (DayTimeDuration, DayTimeDuration): lambda left, right: make_nanoseconds(left.nanoseconds - right.nanoseconds),
}


def _scale(duration: Any, factor: numbers.Number) -> Any:
    if duration.__class__ is YearMonthDuration:
        return make_months(int(numbers.multiply(duration.months, factor)))
    if duration.__class__ is DayTimeDuration:
        return make_nanoseconds(int(numbers.multiply(duration.nanoseconds, factor)))
    return None


def _part(duration: Any, divisor: numbers.Number) -> Any:
    if duration.__class__ is YearMonthDuration:
        return make_months(int(numbers.divide(duration.months, divisor)))
    if duration.__class__ is DayTimeDuration:
        return make_nanoseconds(int(numbers.divide(duration.nanoseconds, divisor)))
    return None
