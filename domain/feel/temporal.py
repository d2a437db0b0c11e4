"""Dates, times and durations as FEEL has them: nine-digit years, nanoseconds, offsets and zones. No clock in here."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
YEAR_MAX: Final = 999_999_999
OFFSET_SECONDS_MAX: Final = 18 * 3600
DURATION_NANOSECONDS_MAX: Final = YEAR_MAX * 366 * DAY
MONTHS_MAX: Final = YEAR_MAX * 12
ZONES_KEPT_MAX: Final = 1024


class NotTemporal(ArithmeticError):  # noqa: N818 - an answer of the language, not an error of ours
    """No such date, time or duration, or one beyond the limits; callers answer null."""


class Date(msgspec.Struct, frozen=True, order=True):
    year: int
    month: int
    day: int

    def __str__(self) -> str:
        return f"{_year_text(self.year)}-{self.month:02}-{self.day:02}"


class Time(msgspec.Struct, frozen=True):
    """`nanoseconds` of the day; `offset` in seconds east of UTC, none for a local time; `zone` as it was given."""

    nanoseconds: int
    offset: int | None = None
    zone: str | None = None

    def __str__(self) -> str:
        return _time_text(self.nanoseconds) + _zone_text(self.offset, self.zone)

    @property
    def instant(self) -> int:
        """Nanoseconds from midnight UTC, for comparison with another that has an offset."""
        return self.nanoseconds - (self.offset or 0) * SECOND


class DateTime(msgspec.Struct, frozen=True):
    date: Date
    nanoseconds: int
    offset: int | None = None
    zone: str | None = None

    def __str__(self) -> str:
        return f"{self.date}T{_time_text(self.nanoseconds)}{_zone_text(self.offset, self.zone)}"

    @property
    def instant(self) -> int:
        """Nanoseconds from 1970-01-01T00:00:00Z; on the clock of its own place when there is no offset."""
        return days_of(self.date) * DAY + self.nanoseconds - (self.offset or 0) * SECOND

    @property
    def time(self) -> Time:
        return Time(self.nanoseconds, self.offset, self.zone)


class YearMonthDuration(msgspec.Struct, frozen=True, order=True):
    months: int

    def __str__(self) -> str:
        years, months = divmod(abs(self.months), 12)
        if not self.months:
            return "P0Y"
        text = (f"{years}Y" if years else "") + (f"{months}M" if months else "")
        return ("-P" if self.months < 0 else "P") + text


class DayTimeDuration(msgspec.Struct, frozen=True, order=True):
    nanoseconds: int

    def __str__(self) -> str:
        if not self.nanoseconds:
            return "P0D"
        days, rest = divmod(abs(self.nanoseconds), DAY)
        hours, rest = divmod(rest, HOUR)
        minutes, rest = divmod(rest, MINUTE)
        seconds, fraction = divmod(rest, SECOND)
        text = ("-P" if self.nanoseconds < 0 else "P") + (f"{days}D" if days else "")
        if hours or minutes or seconds or fraction:
            text += "T" + (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
            if seconds or fraction:
                text += f"{seconds}{_fraction_text(fraction)}S"
        return text


Temporal = Date | Time | DateTime | YearMonthDuration | DayTimeDuration
TEMPORAL_TYPES: Final = frozenset((Date, Time, DateTime, YearMonthDuration, DayTimeDuration))


# -- calendar ------------------------------------------------------------------------------------------------------------


def is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def month_days(year: int, month: int) -> int:
    return 29 if month == 2 and is_leap(year) else (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]


def make_date(year: int, month: int, day: int) -> Date:
    """Raises NotTemporal when the calendar has no such day."""
    if not (-YEAR_MAX <= year <= YEAR_MAX and 1 <= month <= 12 and 1 <= day <= month_days(year, month)):
        raise NotTemporal("no such date")
    return Date(year, month, day)


def days_of(date: Date) -> int:
    """Days from 1970-01-01, in the Gregorian calendar of all times."""
    year = date.year - (date.month <= 2)
    era, of_era = divmod(year, 400)
    of_year = (153 * (date.month + (-3 if date.month > 2 else 9)) + 2) // 5 + date.day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def date_of(days: int) -> Date:
    """The date so many days after 1970-01-01. Raises NotTemporal beyond the limits."""
    era, of_era = divmod(days + 719_468, 146_097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + (3 if shifted < 10 else -9)
    year = year_of_era + era * 400 + (month <= 2)
    return make_date(year, month, of_year - (153 * shifted + 2) // 5 + 1)


def add_months(date: Date, months: int) -> Date:
    """The same day so many months later, or the last day of that month. Raises NotTemporal beyond the limits."""
    year, month = divmod(date.year * 12 + date.month - 1 + months, 12)
    month += 1
    return make_date(year, month, min(date.day, month_days(year, month)))


def weekday(date: Date) -> int:
    """1 is Monday, 7 is Sunday."""
    return (days_of(date) + 3) % 7 + 1


def day_of_year(date: Date) -> int:
    return days_of(date) - days_of(Date(date.year, 1, 1)) + 1


def week_of_year(date: Date) -> int:
    """The week by ISO 8601: it belongs to the year of its Thursday."""
    thursday = date_of(days_of(date) + 4 - weekday(date))
    return (day_of_year(thursday) - 1) // 7 + 1


# -- zones ---------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=ZONES_KEPT_MAX)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):  # no such zone, or a name that is no file
        return None


def _known(name: str) -> ZoneInfo:
    zone = _zone(name)
    assert zone is not None, "zones are checked when they are read"
    return zone


def is_zone(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9_+\-/]{0,63}", name) is not None and _zone(name) is not None


def _representative(date: Date, nanoseconds: int) -> datetime:
    """A moment that Python can hold, with the same rules of daylight saving as the given one."""
    year = date.year
    if not 400 < year < 9600:
        year = 9200 + year % 400 if year > 0 else 400 + year % 400
    return datetime(year, date.month, date.day, tzinfo=UTC) + timedelta(microseconds=nanoseconds // 1000)


def _seconds(offset: timedelta | None) -> int:
    return 0 if offset is None else int(offset.total_seconds())


def zone_offset(name: str, date: Date, nanoseconds: int) -> int:
    """Seconds east of UTC on the clocks of a zone at a local time."""
    return _seconds(_representative(date, nanoseconds).replace(tzinfo=_known(name)).utcoffset())


def standard_offset(name: str) -> int:
    """Seconds east of UTC without daylight saving, for a time of day that has no date."""
    moment = datetime(2020, 1, 1, tzinfo=_known(name))
    return _seconds(moment.utcoffset()) - _seconds(moment.dst())


def at_instant(instant: int, offset: int | None, zone: str | None) -> DateTime:
    """The date and time that the clocks of a zone, or at an offset, show at an instant. Raises NotTemporal."""
    if zone is not None:
        days, rest = divmod(instant, DAY)
        offset = _seconds(_representative(date_of(days), rest).astimezone(_known(zone)).utcoffset())
    days, nanoseconds = divmod(instant + (offset or 0) * SECOND, DAY)
    return DateTime(date_of(days), nanoseconds, offset, zone)


def in_zone(value: DateTime, name: str) -> DateTime:
    """The same instant on the clocks of another zone; a local one is taken to be there already. Raises NotTemporal."""
    offset, zone = _read_zone(name if name in ("Z", "z") or name[:1] in ("+", "-") else "@" + name)
    if value.offset is None:
        return make_date_time(value.date, value.nanoseconds, offset, zone)
    return at_instant(value.instant, offset, zone)


def make_date_time(date: Date, nanoseconds: int, offset: int | None = None, zone: str | None = None) -> DateTime:
    if zone is not None:
        offset = zone_offset(zone, date, nanoseconds)
    return DateTime(date, nanoseconds, offset, zone)


def from_python(value: datetime) -> DateTime:
    """A Python moment, with its zone when that has a name, else with its offset."""
    nanoseconds = ((value.hour * 60 + value.minute) * 60 + value.second) * SECOND + value.microsecond * 1000
    offset = value.utcoffset()
    zone = value.tzinfo.key if isinstance(value.tzinfo, ZoneInfo) else None
    date = Date(value.year, value.month, value.day)
    return DateTime(date, nanoseconds, None if offset is None else _seconds(offset), zone)


# -- reading -------------------------------------------------------------------------------------------------------------

_DATE = r"(-?(?:[1-9]\d{4,8}|\d{4}))-(\d\d)-(\d\d)"
_TIME = r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|z|[+-]\d\d:\d\d(?::\d\d)?|@[A-Za-z][A-Za-z0-9_+\-/]*)?"
_DATE_ONLY = re.compile(_DATE, re.ASCII)
_TIME_ONLY = re.compile("T?" + _TIME, re.ASCII)
_DATE_TIME = re.compile(f"{_DATE}(?:T{_TIME}(?:\\[([A-Za-z][A-Za-z0-9_+\\-/]*)\\])?)?", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)(?::(\d\d))?", re.ASCII)
_AMOUNT = r"([+-]?\d{1,15})"
_MONTHS = re.compile(rf"([+-]?)P(?:{_AMOUNT}Y)?(?:{_AMOUNT}M)?", re.ASCII)
_SECONDS = re.compile(
    rf"([+-]?)P(?:{_AMOUNT}D)?(?:T(?:{_AMOUNT}H)?(?:{_AMOUNT}M)?(?:{_AMOUNT}(?:\.(\d*))?S)?)?", re.ASCII
)


def read_date(text: str) -> Date:
    """Raises NotTemporal."""
    found = _DATE_ONLY.fullmatch(text)
    if found is None:
        raise NotTemporal(f"not a date: {text[:60]!r}")
    return make_date(int(found[1]), int(found[2]), int(found[3]))


def read_time(text: str) -> Time:
    """Raises NotTemporal."""
    found = _TIME_ONLY.fullmatch(text)
    if found is None:
        raise NotTemporal(f"not a time: {text[:60]!r}")
    nanoseconds = _clock(found[1], found[2], found[3], found[4])
    if nanoseconds >= DAY:
        raise NotTemporal(f"not a time: {text[:60]!r}")
    offset, zone = _read_zone(found[5])
    return Time(nanoseconds, offset if zone is None else standard_offset(zone), zone)


def read_date_time(text: str) -> DateTime:
    """A date alone means its midnight. Raises NotTemporal."""
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        raise NotTemporal(f"not a date and time: {text[:60]!r}")
    date = make_date(int(found[1]), int(found[2]), int(found[3]))
    if found[4] is None:
        return DateTime(date, 0)
    nanoseconds = _clock(found[4], found[5], found[6], found[7])
    if nanoseconds >= DAY:  # 24:00:00 is the midnight that ends the day
        date, nanoseconds = date_of(days_of(date) + 1), 0
    offset, zone = _read_zone(found[8])
    if found[9] is not None:  # `+02:00[Europe/Berlin]`, as Java writes it: the zone says more than the offset
        if offset is None or not is_zone(found[9]):
            raise NotTemporal(f"not a date and time: {text[:60]!r}")
        return at_instant(DateTime(date, nanoseconds, offset).instant, None, found[9])
    return make_date_time(date, nanoseconds, offset, zone)


def read_duration(text: str) -> YearMonthDuration | DayTimeDuration:
    """Raises NotTemporal; weeks are none of FEEL's, and months do not mix with days."""
    found = _MONTHS.fullmatch(text)
    if found is not None and (found[2] or found[3]):
        months = int(found[2] or 0) * 12 + int(found[3] or 0)
        return make_months(-months if found[1] == "-" else months)
    found = _SECONDS.fullmatch(text)
    if found is None or text[-1] in "PT":
        raise NotTemporal(f"not a duration: {text[:60]!r}")
    nanoseconds = int(found[2] or 0) * DAY + int(found[3] or 0) * HOUR + int(found[4] or 0) * MINUTE
    fraction = int((found[6] or "")[:9].ljust(9, "0"))
    nanoseconds += int(found[5] or 0) * SECOND + (-fraction if (found[5] or "").startswith("-") else fraction)
    return make_nanoseconds(-nanoseconds if found[1] == "-" else nanoseconds)


def make_months(months: int) -> YearMonthDuration:
    if abs(months) > MONTHS_MAX:
        raise NotTemporal("a duration beyond the limits")
    return YearMonthDuration(months)


def make_nanoseconds(nanoseconds: int) -> DayTimeDuration:
    if abs(nanoseconds) > DURATION_NANOSECONDS_MAX:
        raise NotTemporal("a duration beyond the limits")
    return DayTimeDuration(nanoseconds)


def json_text(value: Temporal) -> str:
    """A temporal value as JSON has it: as its text, but with offset and zone where there are both, as Camunda does."""
    if isinstance(value, DateTime) and value.zone is not None:
        return f"{DateTime(value.date, value.nanoseconds, value.offset)}[{value.zone}]"
    return str(value)


def parse_temporal(text: str) -> Temporal | None:
    """What `@"…"` means; nothing when it means none."""
    try:
        if text.lstrip("+-")[:1] == "P":
            return read_duration(text)
        if _DATE_ONLY.fullmatch(text):
            return read_date(text)
        if _TIME_ONLY.fullmatch(text):
            return read_time(text)
        return read_date_time(text)
    except NotTemporal:
        return None


def _clock(hours: str, minutes: str, seconds: str | None, fraction: str | None) -> int:
    hour, minute, second = int(hours), int(minutes), int(seconds or 0)
    nanoseconds = int((fraction or "")[:9].ljust(9, "0"))
    if hour == 24 and not (minute or second or nanoseconds):
        return DAY
    if hour > 23 or minute > 59 or second > 59:
        raise NotTemporal(f"not a time: {hours}:{minutes}:{second:02}")
    return hour * HOUR + minute * MINUTE + second * SECOND + nanoseconds


def _read_zone(text: str | None) -> tuple[int | None, str | None]:
    if text is None:
        return None, None
    if text in ("Z", "z"):
        return 0, None
    if text[0] == "@":
        if not is_zone(text[1:]):
            raise NotTemporal(f"no such time zone: {text[1:61]!r}")
        return None, text[1:]
    parts = _OFFSET.fullmatch(text)
    if parts is None or int(parts[3]) > 59 or int(parts[4] or 0) > 59:
        raise NotTemporal(f"not an offset: {text[:60]!r}")
    seconds = int(parts[2]) * 3600 + int(parts[3]) * 60 + int(parts[4] or 0)
    return check_offset(-seconds if parts[1] == "-" else seconds), None


def check_offset(seconds: int) -> int:
    """Raises NotTemporal when no clock is that far from UTC."""
    if abs(seconds) > OFFSET_SECONDS_MAX:
        raise NotTemporal("an offset beyond 18 hours")
    return seconds


# -- text ----------------------------------------------------------------------------------------------------------------


def _year_text(year: int) -> str:
    return f"-{-year:04}" if year < 0 else f"{year:04}"


def _fraction_text(nanoseconds: int) -> str:
    return "." + f"{nanoseconds:09}".rstrip("0") if nanoseconds else ""


def _time_text(nanoseconds: int) -> str:
    seconds, fraction = divmod(nanoseconds, SECOND)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{_fraction_text(fraction)}"


def _zone_text(offset: int | None, zone: str | None) -> str:
    if zone is not None:
        return "@" + zone
    if offset is None:
        return ""
    if offset == 0:
        return "Z"
    size = abs(offset)
    seconds = f":{size % 60:02}" if size % 60 else ""
    return f"{'-' if offset < 0 else '+'}{size // 3600:02}:{size // 60 % 60:02}{seconds}"
