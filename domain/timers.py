"""When timers are due: ISO 8601 dates, durations and repetitions, and cron with seconds first. All times are UTC."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import isodate
import msgspec

from domain.cron import compile_cron

UNLIMITED = -1
"""Repetitions of a cycle without end."""

YEAR_MAX = 9000
"""Dates beyond it are refused: calendar arithmetic ends with the year 9999."""

_SIGNED = re.compile(r"(-?)P(?=.*-)((?:-?\d+[YMWD])*)(?:T((?:-?\d+(?:\.\d+)?[HMS])+))?", re.ASCII)
"""A duration in which a part has a sign."""

_SIGNED_PART = re.compile(r"(-?)([\d.]+[YMWDHS])")


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
    if not repeat.lstrip("-").startswith("P"):
        return compile_cron(repeat).after(max(former, now))
    due = _after(former, repeat)
    if due > now or due <= former:
        return due
    interval = due - former
    return due + interval * ((now - due) // interval + 1)


def following(fired: Schedule, now: datetime) -> Schedule | None:
    """Return the schedule of a timer after it fired; None if that was the last time."""
    if fired.repeat is None or fired.repetitions == 1:
        return None
    due = next_due(fired.repeat, fired.due, now)
    left = fired.repetitions if fired.repetitions == UNLIMITED else fired.repetitions - 1
    return None if due is None else Schedule(due=due, repetitions=left, repeat=fired.repeat)


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
        due = start + _duration(text)
    except (isodate.ISO8601Error, OverflowError, ValueError):
        raise ValueError(f"expected a duration as ISO 8601, such as PT15M, but found '{text}'") from None
    if due.year > YEAR_MAX:
        raise ValueError(f"expected a duration that ends before the year {YEAR_MAX}, but found '{text}'")
    return _whole(due)


def _duration(text: str) -> Any:
    """Parse a duration. As in Java, each of its parts may have a sign of its own."""
    parts = _SIGNED.fullmatch(text)
    if parts is None:
        return isodate.parse_duration(text)
    sign, days, time = parts.groups()
    total: Any = timedelta(0)
    for prefix, part in (("P", days), ("PT", time or "")):
        for minus, number in _SIGNED_PART.findall(part):
            total += isodate.parse_duration(f"{minus}{prefix}{number}")
    return -total if sign else total


def _whole(date: datetime) -> datetime:
    """Round up to whole milliseconds, so that no timer fires early."""
    rest = date.microsecond % 1000
    return date + timedelta(microseconds=1000 - rest) if rest else date


def _cycle(text: str, now: datetime) -> Schedule:
    if not text.startswith("R"):
        due = compile_cron(text).after(now)
        if due is None:
            raise ValueError(f"expected a cron expression that comes true one day, but found '{text}'")
        return Schedule(due=due, repetitions=UNLIMITED, repeat=text)
    parts = text.split("/")
    count = parts[0][1:]
    if len(parts) not in (2, 3) or not (count == "" or count.isdecimal()):
        raise ValueError(f"expected a repetition such as R3/PT10S or R/2026-01-31T08:00:00Z/P1D, but found '{text}'")
    repetitions = int(count) if count else UNLIMITED
    repeat = parts[-1]
    first = _after(now, repeat)
    if repetitions == UNLIMITED and first <= now:
        raise ValueError(f"expected a cycle without end to have an interval above zero, but found '{text}'")
    due = first if len(parts) == 2 else max(_date(parts[1]), now)
    return Schedule(due=due, repetitions=repetitions, repeat=repeat)
