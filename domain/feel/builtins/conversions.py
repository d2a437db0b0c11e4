"""Built-ins that make one kind of value from another."""

from decimal import Decimal
from typing import Any

import msgspec

from domain.feel.builtins.table import Failed, entry
from domain.feel.limits import RESULT_LEVELS_MAX, FeelEvaluationError
from domain.feel.numbers import CONTEXT, Number, shorten, whole
from domain.feel.temporal import (
    HOUR,
    MINUTE,
    SECOND,
    YEAR_MAX,
    Date,
    DateTime,
    DayTimeDuration,
    NotTemporal,
    Time,
    YearMonthDuration,
    check_offset,
    in_zone,
    make_date,
    make_date_time,
    read_date,
    read_date_time,
    read_duration,
    read_time,
)
from domain.feel.values import Run, check_text, text_of, to_json

_NUMBER_CHARACTERS = frozenset("0123456789+-.eE")


def _string(run: Run, value: Any) -> str | None:
    if value is None:
        return None
    return _charged(run, text_of(value))


def _charged(run: Run, text: str) -> str:
    """A text that was written value by value."""
    run.charge(len(text) // 2)
    return check_text(text)


def _number(run: Run, text: str) -> Number:
    return _number_of(text, text)


def _number_itself(run: Run, number: Number) -> Number:
    return number


def _number_of(text: str, shown: str) -> Number:
    if not text or not _NUMBER_CHARACTERS.issuperset(text):
        raise Failed(f"Can't parse '{shown}' as a number")
    try:
        found = CONTEXT.create_decimal(text)
    except ArithmeticError:
        raise Failed(f"Can't parse '{shown}' as a number") from None
    return whole(found) if found == found.to_integral_value() and "." not in text else found


def _number_grouped(run: Run, text: str, grouping: str | None) -> Number:
    return _number_separated(run, text, grouping, None)


def _number_separated(run: Run, text: str, grouping: str | None, decimal: str | None) -> Number:
    if grouping not in (None, " ", ",", ".") or decimal not in (None, ",", ".") or (grouping and grouping == decimal):
        raise Failed(f"Can't use '{grouping}' and '{decimal}' as separators")
    plain = text.replace(grouping, "") if grouping else text
    if decimal == ",":
        if "." in plain:
            raise Failed(f"Can't parse '{text}' as a number")
        plain = plain.replace(",", ".")
    return _number_of(plain, text)


# -- temporal ------------------------------------------------------------------------------------------------------------


def _date(run: Run, value: Any) -> Date:
    if value.__class__ is str:
        return read_date(value)
    if value.__class__ is DateTime:
        return value.date
    if value.__class__ is Date:
        return value
    raise NotTemporal(f"Illegal arguments: '{text_of(value)}'")


def _date_parts(run: Run, year: Number, month: Number, day: Number) -> Date:
    if not -YEAR_MAX <= year <= YEAR_MAX:
        raise NotTemporal("no such date")
    return make_date(int(year), int(month), int(day))


def _date_time(run: Run, value: Any) -> DateTime:
    if value.__class__ is str:
        return read_date_time(value)
    if value.__class__ is DateTime:
        return value
    if value.__class__ is Date:
        return DateTime(value, 0)
    raise NotTemporal(f"Illegal arguments: '{text_of(value)}'")


def _date_time_parts(run: Run, date: Any, time: Time) -> DateTime:
    day = date.date if date.__class__ is DateTime else date
    return make_date_time(day, time.nanoseconds, time.offset, time.zone)


def _date_time_zone(run: Run, date: DateTime, zone: str) -> DateTime:
    return in_zone(date, zone)


def _time(run: Run, value: Any) -> Time:
    if value.__class__ is str:
        return read_time(value)
    if value.__class__ is DateTime:
        return value.time
    if value.__class__ is Time:
        return value
    if value.__class__ is Date:
        return Time(0, 0)
    raise NotTemporal(f"Illegal arguments: '{text_of(value)}'")


def _time_parts(run: Run, hour: Number, minute: Number, second: Number, offset: DayTimeDuration | None = None) -> Time:
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        raise NotTemporal("no such time")
    nanoseconds = int(hour) * HOUR + int(minute) * MINUTE + int(CONTEXT.multiply(Decimal(second), Decimal(SECOND)))
    if offset is None:
        return Time(nanoseconds)
    seconds = abs(offset.nanoseconds) // SECOND
    return Time(nanoseconds, check_offset(-seconds if offset.nanoseconds < 0 else seconds))


def _duration(run: Run, value: Any) -> Any:
    return read_duration(value) if value.__class__ is str else value


def _years_and_months(run: Run, start: Any, end: Any) -> YearMonthDuration:
    first = start.date if start.__class__ is DateTime else start
    last = end.date if end.__class__ is DateTime else end
    months = (last.year - first.year) * 12 + last.month - first.month
    if months > 0 and last.day < first.day:
        months -= 1
    elif months < 0 and last.day > first.day:
        months += 1
    return YearMonthDuration(months)


# -- JSON ----------------------------------------------------------------------------------------------------------------

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def _from_json(run: Run, text: str) -> Any:
    try:
        value = _DECODER.decode(text)
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise Failed(f"Failed to parse JSON from '{text}'") from None
    run.charge(len(text) // 8)
    return _checked(value, 0)


def _checked(value: Any, level: int) -> Any:
    """JSON with numbers as FEEL has them."""
    if level > RESULT_LEVELS_MAX:
        raise FeelEvaluationError(f"the JSON nests deeper than {RESULT_LEVELS_MAX} levels")
    if value.__class__ is list:
        return [_checked(item, level + 1) for item in value]
    if value.__class__ is dict:
        return {name: _checked(item, level + 1) for name, item in value.items()}
    return shorten(value) if value.__class__ in (int, Decimal) else value


def _to_json(run: Run, value: Any) -> str:
    return _charged(run, _ENCODER.encode(to_json(value)).decode())


ENTRIES = (
    entry("string", "from: any", _string),
    entry("number", "from: number", _number_itself),
    entry("number", "from: string", _number),
    entry("number", "from: string, grouping separator: string?", _number_grouped),
    entry("number", "from: string, grouping separator: string?, decimal separator: string?", _number_separated),
    entry("date", "from: string", _date),
    entry("date", "from: date", _date),
    entry("date", "year: number, month: number, day: number", _date_parts),
    entry("date and time", "from: string", _date_time),
    entry("date and time", "from: date", _date_time),
    entry("date and time", "date: date, time: time", _date_time_parts),
    entry("date and time", "date: date and time, timezone: string", _date_time_zone),
    entry("time", "from: string", _time),
    entry("time", "from: time", _time),
    entry("time", "from: date", _time),
    entry("time", "hour: number, minute: number, second: number", _time_parts),
    entry("time", "hour: number, minute: number, second: number, offset: days and time duration?", _time_parts),
    entry("duration", "from: string", _duration),
    entry("duration", "from: duration", _duration),
    entry("years and months duration", "from: date, to: date", _years_and_months),
    entry("from json", "value: string", _from_json),
    entry("to json", "value: any", _to_json),
)
