"""When timers are due: ISO 8601 dates, durations and repetitions, and cron with seconds first. All times are UTC."""

from datetime import UTC, datetime, timedelta

import isodate
import msgspec
from cronsim import CronSim, CronSimError

UNLIMITED = -1
"""Repetitions of a cycle without end."""

YEAR_MAX = 9000
"""Dates beyond it are refused: calendar arithmetic ends with the year 9999."""


class Schedule(msgspec.Struct, frozen=True):
    """When a timer is due, how often it still fires (`UNLIMITED` for ever) and from what the next date follows."""

    due: datetime
    repetitions: int = 1
    repeat: str | None = None


def schedule(kind: str, text: str, now: datetime) -> Schedule:
    """Return the schedule of a `date`, `duration` or `cycle`. Raise ValueError, with a sentence, if the text is none."""
    match kind:
        case "date":
            return Schedule(due=_date(text))
        case "duration":
            return Schedule(due=_after(now, text))
        case _:
            return _cycle(text, now)


def next_due(repeat: str, former: datetime, now: datetime) -> datetime | None:
    """Return the due date after `former`, on the same grid. Dates that were missed by `now` are passed over."""
    if not repeat.startswith("P"):
        return _cron(repeat, max(former, now))
    due = _after(former, repeat)
    if due > now or due <= former:
        return due
    interval = due - former
    return due + interval * ((now - due) // interval + 1)


def _date(text: str) -> datetime:
    try:
        date = datetime.fromisoformat(text.partition("[")[0])
    except ValueError:
        raise ValueError(
            f"expected a date and time as ISO 8601, such as 2026-01-31T08:00:00Z, but found '{text}'"
        ) from None
    if date.tzinfo is None:
        raise ValueError(f"expected a date and time with its zone or offset, but found '{text}'")
    if date.year > YEAR_MAX:
        raise ValueError(f"expected a date before the year {YEAR_MAX}, but found '{text}'")
    return _whole(date.astimezone(UTC))


def _after(start: datetime, text: str) -> datetime:
    try:
        due = start + isodate.parse_duration(text)
    except (isodate.ISO8601Error, OverflowError, ValueError):
        raise ValueError(f"expected a duration as ISO 8601, such as PT15M, but found '{text}'") from None
    if due.year > YEAR_MAX:
        raise ValueError(f"expected a duration that ends before the year {YEAR_MAX}, but found '{text}'")
    return _whole(due)


def _whole(date: datetime) -> datetime:
    """Round up to whole milliseconds, so that no timer fires early."""
    rest = date.microsecond % 1000
    return date + timedelta(microseconds=1000 - rest) if rest else date


def _cycle(text: str, now: datetime) -> Schedule:
    if not text.startswith("R"):
        due = _cron(text, now)
        if due is None:
            raise ValueError(f"expected a cron expression that comes true one day, but found '{text}'")
        return Schedule(due=due, repetitions=UNLIMITED, repeat=text)
    parts = text.split("/")
    count = parts[0][1:]
    if len(parts) not in (2, 3) or not (count == "" or count.isdecimal()):
        raise ValueError(f"expected a repetition such as R3/PT10S or R/2026-01-31T08:00:00Z/P1D, but found '{text}'")
    repetitions = int(count) if count else UNLIMITED
    repeat = parts[-1]
    due = _after(now, repeat) if len(parts) == 2 else max(_date(parts[1]), now)
    return Schedule(due=due, repetitions=repetitions, repeat=repeat)


def _cron(text: str, after: datetime) -> datetime | None:
    fields = text.split()
    if len(fields) != 6:
        raise ValueError(f"expected a cron expression with 6 fields, seconds first, but found '{text}'")
    try:
        return next(CronSim(text, after), None)
    except CronSimError:
        raise ValueError(f"expected a cron expression with 6 fields, seconds first, but found '{text}'") from None
