"""Cron expressions with seconds first, as Spring and Camunda 8 write them. All times are UTC; it knows no timers.

Fields: second, minute, hour, day of the month, month, day of the week (0 and 7 are Sunday). Each takes `*`, numbers, ranges, steps and
lists, months and week days names, too. The day of the month takes `L` (last), `L-n`, `nW` (nearest working day) and `LW`; the day of the
week `nL` (the last in the month) and `n#k` (the k-th). If both day fields are restricted, a day that fits one of them fits.
"""

from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import msgspec

YEARS_AHEAD_MAX = 40
"""A 29 February on a given day of the week comes at least that often; what does not come until then never comes."""

COMPILED_MAX = 1_000
"""Compiled expressions that are kept."""

_MONTHS = {
    "JAN": 1,
    "FEB": 2,
    "MAR": 3,
    "APR": 4,
    "MAY": 5,
    "JUN": 6,
    "JUL": 7,
    "AUG": 8,
    "SEP": 9,
    "OCT": 10,
    "NOV": 11,
    "DEC": 12,
}
_WEEK_DAYS = {"SUN": 0, "MON": 1, "TUE": 2, "WED": 3, "THU": 4, "FRI": 5, "SAT": 6}

Fits = Callable[[date], bool]
"""Says whether a day fits a day field."""


class Cron(msgspec.Struct, frozen=True):
    """A compiled expression."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: frozenset[int]
    fits: Fits

    def after(self, moment: datetime) -> datetime | None:
        """Return the first moment after this one, or None if there is none within `YEARS_AHEAD_MAX` years."""
        begin = (moment + timedelta(seconds=1)).replace(microsecond=0)
        time = self._time((begin.hour, begin.minute, begin.second))
        if time is not None and self._comes(begin.date()):
            return datetime(begin.year, begin.month, begin.day, *time, tzinfo=UTC)
        day = self._day(begin.date() + timedelta(days=1))
        if day is None:
            return None
        return datetime(day.year, day.month, day.day, self.hours[0], self.minutes[0], self.seconds[0], tzinfo=UTC)

    def _comes(self, day: date) -> bool:
        return day.month in self.months and self.fits(day)

    def _day(self, begin: date) -> date | None:
        for year in range(begin.year, begin.year + YEARS_AHEAD_MAX + 1):
            for month in sorted(self.months):
                first = begin.day if (year, month) == (begin.year, begin.month) else 1
                if (year, month) < (begin.year, begin.month):
                    continue
                for number in range(first, _last(year, month) + 1):
                    if self.fits(date(year, month, number)):
                        return date(year, month, number)
        return None

    def _time(self, begin: tuple[int, int, int]) -> tuple[int, int, int] | None:
        """Return the first time of a day that is not before `begin`."""
        hour, minute, second = begin
        for one in (each for each in self.hours if each >= hour):
            if one > hour:
                return one, self.minutes[0], self.seconds[0]
            for two in (each for each in self.minutes if each >= minute):
                if two > minute:
                    return one, two, self.seconds[0]
                three = next((each for each in self.seconds if each >= second), None)
                if three is not None:
                    return one, two, three
        return None


@lru_cache(maxsize=COMPILED_MAX)
def compile_cron(text: str) -> Cron:
    """Compile an expression. Raise ValueError, with a sentence, if it is none."""
    fields = text.upper().split()
    try:
        second, minute, hour, day, month, week_day = fields
        return Cron(
            seconds=tuple(sorted(_numbers(second, 0, 59))),
            minutes=tuple(sorted(_numbers(minute, 0, 59))),
            hours=tuple(sorted(_numbers(hour, 0, 23))),
            months=frozenset(_numbers(month, 1, 12, _MONTHS)),
            fits=_days(day, week_day),
        )
    except ValueError as error:
        raise ValueError(
            f"expected a cron expression with 6 fields, seconds first, but found '{text}': {error}"
        ) from None


def _days(day: str, week_day: str) -> Fits:
    if _any(week_day):
        return (lambda _: True) if _any(day) else _day_of_month(day)
    if _any(day):
        return _day_of_week(week_day)
    of_month, of_week = _day_of_month(day), _day_of_week(week_day)
    return lambda each: of_month(each) or of_week(each)


def _any(field: str) -> bool:
    return field in ("*", "?")


def _day_of_month(field: str) -> Fits:
    plain: set[int] = set()
    special: list[Fits] = []
    for part in field.split(","):
        if part == "L":
            special.append(lambda day: day.day == _last(day.year, day.month))
        elif part == "LW":
            special.append(lambda day: day.day == _working(day, _last(day.year, day.month)))
        elif part.startswith("L-"):
            special.append(_before_last(_number(part[2:], 1, 30)))
        elif part.endswith("W"):
            special.append(_nearest_working(_number(part[:-1], 1, 31)))
        else:
            plain |= _numbers(part, 1, 31)
    return lambda day: day.day in plain or any(fits(day) for fits in special)


def _day_of_week(field: str) -> Fits:
    plain: set[int] = set()
    special: list[Fits] = []
    for part in field.split(","):
        if part.endswith("L") and len(part) > 1:
            special.append(_last_week_day(_number(part[:-1], 0, 7, _WEEK_DAYS) % 7))
        elif "#" in part:
            name, _, count = part.partition("#")
            special.append(_week_day_of_month(_number(name, 0, 7, _WEEK_DAYS) % 7, _number(count, 1, 5)))
        else:
            plain |= {number % 7 for number in _numbers(part, 0, 7, _WEEK_DAYS)}
    return lambda day: _week_day(day) in plain or any(fits(day) for fits in special)


def _before_last(count: int) -> Fits:
    return lambda day: day.day == _last(day.year, day.month) - count


def _nearest_working(number: int) -> Fits:
    return lambda day: number <= _last(day.year, day.month) and day.day == _working(day, number)


def _last_week_day(wanted: int) -> Fits:
    return lambda day: _week_day(day) == wanted and day.day > _last(day.year, day.month) - 7


def _week_day_of_month(wanted: int, count: int) -> Fits:
    return lambda day: _week_day(day) == wanted and (day.day + 6) // 7 == count


def _week_day(day: date) -> int:
    return day.isoweekday() % 7


def _last(year: int, month: int) -> int:
    return monthrange(year, month)[1]


def _working(month: date, number: int) -> int:
    """Return the working day that is nearest to day `number`, within the same month."""
    match _week_day(month.replace(day=number)):
        case 6:
            return number - 1 if number > 1 else number + 2
        case 0:
            return number + 1 if number < _last(month.year, month.month) else number - 2
        case _:
            return number


def _numbers(field: str, low: int, high: int, names: dict[str, int] | None = None) -> set[int]:
    """Return the numbers of a list of numbers, ranges and steps."""
    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            begin, end = low, high
        else:
            begin = _number(first, low, high, names)
            end = _number(last, low, high, names) if dash else high if slash else begin
            if names is _WEEK_DAYS and end == 0 < begin:
                end = 7  # FRI-SUN
        if begin > end:
            raise ValueError(f"'{span}' ends before it begins")
        found.update(range(begin, end + 1, _number(step, 1, high) if slash else 1))
    return found


def _number(text: str, low: int, high: int, names: dict[str, int] | None = None) -> int:
    number = (names or {}).get(text)
    if number is None and text.isascii() and text.isdecimal() and len(text) <= 2:
        number = int(text)
    if number is None or not low <= number <= high:
        raise ValueError(f"'{text}' is no number from {low} to {high}")
    return number
