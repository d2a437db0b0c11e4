"""Built-ins about days and cycles, and the two that ask what time it is: they answer what the caller said."""

from typing import Any

from domain.feel.builtins.table import entry
from domain.feel.temporal import Date, DateTime, day_of_year, from_python, month_days, week_of_year, weekday
from domain.feel.values import Run

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def _now(run: Run) -> DateTime:
    return from_python(run.moment.now)


def _today(run: Run) -> Date:
    return from_python(run.moment.now).date


def _day(value: Any) -> Date:
    return value.date if value.__class__ is DateTime else value


def _day_of_year(run: Run, date: Any) -> int:
    return day_of_year(_day(date))


def _day_of_week(run: Run, date: Any) -> str:
    return _DAYS[weekday(_day(date)) - 1]


def _month_of_year(run: Run, date: Any) -> str:
    return _MONTHS[_day(date).month - 1]


def _week_of_year(run: Run, date: Any) -> int:
    return week_of_year(_day(date))


def _last_day_of_month(run: Run, date: Any) -> Date:
    day = _day(date)
    return Date(day.year, day.month, month_days(day.year, day.month))


def _cycle(run: Run, repetitions: Any, interval: Any) -> str:
    """Return a timer cycle as ISO 8601 text; without a number it goes on without end."""
    count = "" if repetitions is None else str(int(repetitions))
    return f"R{count}/{interval}"


def _endless_cycle(run: Run, interval: Any) -> str:
    return _cycle(run, None, interval)


ENTRIES = (
    entry("now", "", _now),
    entry("today", "", _today),
    entry("day of year", "date: date", _day_of_year),
    entry("day of week", "date: date", _day_of_week),
    entry("month of year", "date: date", _month_of_year),
    entry("week of year", "date: date", _week_of_year),
    entry("last day of month", "date: date", _last_day_of_month),
    entry("cycle", "repetitions: number?, interval: duration", _cycle),
    entry("cycle", "interval: duration", _endless_cycle),
)
