"""Dates, times and durations of FEEL: their values, how they are read and written. It never knows what time it is.

Own types, because FEEL's years reach from -999999999 to 999999999 and its seconds to nanoseconds, which Python's do not.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

SECOND = 1_000_000_000
"""Nanoseconds."""
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

YEAR_MAX = 999_999_999
OFFSET_MAX = 18 * 3600
"""Seconds that a zone may be away from UTC."""
DURATION_MAX = YEAR_MAX * 366 * DAY * 4
"""Nanoseconds of the longest duration: the whole calendar and back."""
MONTHS_MAX = YEAR_MAX * 12 * 4

_DAYS_BEFORE_EPOCH = 719_468
_DAYS_PER_CYCLE = 146_097


class Zone(msgspec.Struct, frozen=True):
    """A fixed offset from UTC in seconds, or a named zone whose offset depends on the day."""

    offset: int = 0
    name: str = ""

    def at(self, days: int, nanos: int) -> int:
        """Return the offset in seconds that holds at a local date and time."""
        return _offset_at(self.name, _in_range(days), nanos // SECOND, False) if self.name else self.offset

    def at_instant(self, instant: int) -> int:
        """Return the offset in seconds that holds at an instant (nanoseconds since 1970 in UTC)."""
        if not self.name:
            return self.offset
        days, nanos = divmod(instant, DAY)
        return _offset_at(self.name, _in_range(days), nanos // SECOND, True)

    def standard(self) -> int:
        """Return the offset in seconds without daylight saving."""
        return _standard_offset(self.name) if self.name else self.offset

    def __str__(self) -> str:
        if self.name:
            return "@" + self.name
        if not self.offset:
            return "Z"
        hours, rest = divmod(abs(self.offset), 3600)
        minutes, seconds = divmod(rest, 60)
        return f"{'-' if self.offset < 0 else '+'}{hours:02}:{minutes:02}{f':{seconds:02}' if seconds else ''}"


UTC_ZONE = Zone()


class Date(msgspec.Struct, frozen=True):
    year: int
    month: int
    day: int

    @property
    def days(self) -> int:
        """Days since 1970-01-01."""
        return days_from_civil(self.year, self.month, self.day)

    @property
    def weekday(self) -> int:
        """Monday is 1."""
        return (self.days + 3) % 7 + 1

    def __str__(self) -> str:
        return f"{'-' if self.year < 0 else ''}{abs(self.year):04}-{self.month:02}-{self.day:02}"


class Time(msgspec.Struct, frozen=True):
    nanos: int
    zone: Zone | None = None

    @property
    def utc(self) -> int:
        """Nanoseconds of the day, as they would be in UTC; may lie outside of the day. For zoned times."""
        assert self.zone is not None
        return self.nanos - self.zone.standard() * SECOND

    def __str__(self) -> str:
        return _clock_text(self.nanos) + (str(self.zone) if self.zone else "")


class DateTime(msgspec.Struct, frozen=True):
    date: Date
    nanos: int
    zone: Zone | None = None

    @property
    def local(self) -> int:
        """Nanoseconds since 1970-01-01T00:00 on the local clock."""
        return self.date.days * DAY + self.nanos

    @property
    def instant(self) -> int:
        """Nanoseconds since 1970 in UTC. For zoned values."""
        assert self.zone is not None
        days = self.date.days
        return days * DAY + self.nanos - self.zone.at(days, self.nanos) * SECOND

    @property
    def offset(self) -> int:
        """Seconds from UTC. For zoned values."""
        assert self.zone is not None
        return self.zone.at(self.date.days, self.nanos)

    def __str__(self) -> str:
        return f"{self.date}T{_clock_text(self.nanos)}{self.zone or ''}"


class DayTimeDuration(msgspec.Struct, frozen=True):
    nanos: int

    def __str__(self) -> str:
        rest = abs(self.nanos)
        if not rest:
            return "P0D"
        days, rest = divmod(rest, DAY)
        hours, rest = divmod(rest, HOUR)
        minutes, rest = divmod(rest, MINUTE)
        seconds, fraction = divmod(rest, SECOND)
        text = ("-P" if self.nanos < 0 else "P") + (f"{days}D" if days else "")
        if hours or minutes or seconds or fraction:
            text += "T" + (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
            if seconds or fraction:
                text += f"{seconds}{_fraction_text(fraction)}S"
        return text


class YearMonthDuration(msgspec.Struct, frozen=True):
    months: int

    def __str__(self) -> str:
        if not self.months:
            return "P0Y"
        years, months = divmod(abs(self.months), 12)
        return ("-P" if self.months < 0 else "P") + (f"{years}Y" if years else "") + (f"{months}M" if months else "")


Temporal = Date | Time | DateTime | DayTimeDuration | YearMonthDuration


# ------------------------------------------------------------------ the calendar


def days_from_civil(year: int, month: int, day: int) -> int:
    """Count the days from 1970-01-01 to a date of the proleptic Gregorian calendar."""
    # March-based years put the leap day at the end; eras of 400 years repeat.
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * _DAYS_PER_CYCLE + of_era * 365 + of_era // 4 - of_era // 100 + of_year - _DAYS_BEFORE_EPOCH


def civil_from_days(days: int) -> Date | None:
    """Return the date that lies `days` after 1970-01-01; None past the end of the calendar."""
    era, of_era = divmod(days + _DAYS_BEFORE_EPOCH, _DAYS_PER_CYCLE)
    year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + (3 if shifted < 10 else -9)
    year += era * 400 + (month <= 2)
    return Date(year, month, of_year - (153 * shifted + 2) // 5 + 1) if abs(year) <= YEAR_MAX else None


def days_in_month(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def make_date(year: int, month: int, day: int) -> Date | None:
    """Return the date, or None if there is no such day."""
    if not (-YEAR_MAX <= year <= YEAR_MAX and 1 <= month <= 12 and 1 <= day <= days_in_month(year, month)):
        return None
    return Date(year, month, day)


def local_date_time(local: int, zone: Zone | None) -> DateTime | None:
    """Return the date and time for nanoseconds on the local clock; None past the end of the calendar."""
    days, nanos = divmod(local, DAY)
    date = civil_from_days(days)
    return DateTime(date, nanos, zone) if date else None


def date_time_at(instant: int, zone: Zone) -> DateTime | None:
    """Return an instant (nanoseconds since 1970 in UTC) on the clock of a zone."""
    return local_date_time(instant + zone.at_instant(instant) * SECOND, zone)


def from_datetime(moment: datetime) -> DateTime:
    """Take over an aware Python datetime, with its offset."""
    offset = moment.utcoffset()
    zone = UTC_ZONE if offset is None else Zone(int(offset.total_seconds()))
    name = getattr(moment.tzinfo, "key", "")
    nanos = (moment.hour * 3600 + moment.minute * 60 + moment.second) * SECOND + moment.microsecond * 1000
    return DateTime(Date(moment.year, moment.month, moment.day), nanos, Zone(name=name) if name else zone)


# ------------------------------------------------------------------ zones


@lru_cache(maxsize=512)
def named_zone(name: str) -> Zone | None:
    """Look a zone up in the IANA database; None if there is none of that name."""
    if len(name) > 64 or not re.fullmatch(r"[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)*", name):
        return None
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        # An unknown name is a LookupError, a folder of the database an OSError.
        return None
    return Zone(name=name)


def _in_range(days: int) -> int:
    """Bring a day into the years that Python knows, keeping the offset rules: cycles of 400 years repeat."""
    if days < -719_000:
        return -719_000
    return (days - 11_017) % _DAYS_PER_CYCLE + 11_017 if days > 2_900_000 else days


@lru_cache(maxsize=4096)
def _offset_at(name: str, days: int, seconds: int, utc: bool) -> int:
    """Return the offset in seconds of a named zone at a date and time, on the local clock or in UTC."""
    zone = ZoneInfo(name)
    moment = datetime(1970, 1, 1, tzinfo=UTC if utc else None) + timedelta(days=days, seconds=seconds)
    offset = (moment.astimezone(zone) if utc else moment.replace(tzinfo=zone)).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


@lru_cache(maxsize=512)
def _standard_offset(name: str) -> int:
    # Daylight saving adds to the offset, in one half of the year.
    return min(_offset_at(name, days_from_civil(2024, month, 1), 0, False) for month in (1, 7))


# ------------------------------------------------------------------ reading

_DATE = r"(-?(?:[1-9]\d{4,8}|\d{4}))-(\d\d)-(\d\d)"
_CLOCK = r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?"
_ZONE = r"(?:([zZ])|([+-])(\d\d):(\d\d)(?::(\d\d))?|@(.+))?"
_DATE_PATTERN = re.compile(_DATE, re.ASCII)
_TIME_PATTERN = re.compile(f"T?{_CLOCK}{_ZONE}", re.ASCII)
_DATE_TIME_PATTERN = re.compile(f"{_DATE}T{_CLOCK}{_ZONE}", re.ASCII)
_YEAR_MONTH_PATTERN = re.compile(r"(-?)P(?:(-?\d+)Y)?(?:(-?\d+)M)?", re.ASCII)
_DAY_TIME_PATTERN = re.compile(
    r"(-?)P(?:(-?\d+)D)?(?:T(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?)(\d+)(?:\.(\d*))?S)?)?", re.ASCII
)
_TEXT_MAX = 80
"""Characters of the longest temporal text."""


def parse_date(text: str) -> Date | None:
    match = _DATE_PATTERN.fullmatch(text) if len(text) <= _TEXT_MAX else None
    return make_date(*map(int, match.groups())) if match else None


def parse_time(text: str) -> Time | None:
    match = _TIME_PATTERN.fullmatch(text) if len(text) <= _TEXT_MAX else None
    if not match:
        return None
    nanos, zone = _clock(match.groups()[:4]), _zone(match.groups()[4:])
    return Time(nanos, zone or None) if nanos is not None and zone is not False else None


def parse_date_time(text: str) -> DateTime | None:
    """Read a date and time; a date alone is its midnight, and 24:00:00 the next one."""
    match = _DATE_TIME_PATTERN.fullmatch(text) if len(text) <= _TEXT_MAX else None
    if not match:
        date = parse_date(text)
        return DateTime(date, 0) if date else None
    groups = match.groups()
    date = make_date(int(groups[0]), int(groups[1]), int(groups[2]))
    zone = _zone(groups[7:])
    if date is None or zone is False:
        return None
    if groups[3:6] == ("24", "00", "00") and not int(groups[6] or 0):
        return local_date_time((date.days + 1) * DAY, zone or None)
    nanos = _clock(groups[3:7])
    return DateTime(date, nanos, zone or None) if nanos is not None else None


def parse_duration(text: str) -> DayTimeDuration | YearMonthDuration | None:
    if len(text) > _TEXT_MAX or text[-1:] in ("P", "T"):
        return None
    if match := _YEAR_MONTH_PATTERN.fullmatch(text):
        months = int(match[2] or 0) * 12 + int(match[3] or 0)
        return year_month_duration(-months if match[1] else months)
    if match := _DAY_TIME_PATTERN.fullmatch(text):
        seconds = int(match[6] or 0) * SECOND + int((match[7] or "")[:9].ljust(9, "0"))
        nanos = int(match[2] or 0) * DAY + int(match[3] or 0) * HOUR + int(match[4] or 0) * MINUTE
        nanos += -seconds if match[5] else seconds
        return day_time_duration(-nanos if match[1] else nanos)
    return None


def parse_temporal(text: str) -> Temporal | None:
    """Read the text of an `@"…"` literal: whatever temporal value it is."""
    if not text:
        return None
    if text.startswith(("P", "-P")):
        return parse_duration(text)
    return parse_date(text) or (parse_date_time(text) if "T" in text[1:] else parse_time(text))


def day_time_duration(nanos: int) -> DayTimeDuration | None:
    """Return the duration, or None if it is longer than any calendar."""
    return DayTimeDuration(nanos) if abs(nanos) <= DURATION_MAX else None


def year_month_duration(months: int) -> YearMonthDuration | None:
    """Return the duration, or None if it is longer than any calendar."""
    return YearMonthDuration(months) if abs(months) <= MONTHS_MAX else None


def _clock(parts: tuple[str | None, ...]) -> int | None:
    hour, minute, second = int(parts[0] or 0), int(parts[1] or 0), int(parts[2] or 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    return (hour * 3600 + minute * 60 + second) * SECOND + int((parts[3] or "")[:9].ljust(9, "0"))


def _zone(parts: tuple[str | None, ...]) -> Zone | None | bool:
    """Return the zone; None if there is no zone, False if it is wrong."""
    utc, sign, hours, minutes, seconds, name = parts
    if utc:
        return UTC_ZONE
    if name:
        return named_zone(name) or False
    if not sign:
        return None
    if int(minutes or 0) > 59 or int(seconds or 0) > 59:
        return False
    offset = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    return Zone(-offset if sign == "-" else offset) if offset <= OFFSET_MAX else False


# ------------------------------------------------------------------ writing


def _clock_text(nanos: int) -> str:
    seconds, fraction = divmod(nanos, SECOND)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}{_fraction_text(fraction)}"


def _fraction_text(nanos: int) -> str:
    return f".{nanos:09}".rstrip("0") if nanos else ""


def to_datetime(value: DateTime) -> datetime | None:
    """Return the value as an aware Python datetime (a local one as UTC); None outside of Python's years."""
    if not 1 <= value.date.year <= 9999:
        return None
    offset = value.offset if value.zone else 0
    clock = timedelta(microseconds=value.nanos // 1000)
    start = datetime(value.date.year, value.date.month, value.date.day, tzinfo=timezone(timedelta(seconds=offset)))
    return start + clock
