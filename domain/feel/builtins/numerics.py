"""Built-ins on numbers."""

import hashlib
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Decimal,
)
from typing import Any

from domain.feel import numbers
from domain.feel.builtins.table import Call, Failed, entry
from domain.feel.numbers import CONTEXT, SERIES_STEPS, Number
from domain.feel.temporal import DayTimeDuration, YearMonthDuration
from domain.feel.values import Run

SCALE_MIN = -6111
SCALE_MAX = 6176
"""The scales that the standard allows."""

CHANCE_STEPS = 6
"""Steps that a hash costs."""

_ROUNDINGS = {
    "UP": ROUND_UP,
    "DOWN": ROUND_DOWN,
    "CEILING": ROUND_CEILING,
    "FLOOR": ROUND_FLOOR,
    "HALF_UP": ROUND_HALF_UP,
    "HALF_DOWN": ROUND_HALF_DOWN,
    "HALF_EVEN": ROUND_HALF_EVEN,
}


def _round(value: Number, scale: Number, rounding: str) -> Number:
    places = int(scale)
    if not SCALE_MIN <= places <= SCALE_MAX:
        raise Failed(f"the scale must be between {SCALE_MIN} and {SCALE_MAX} but was '{scale}'")
    return numbers.rounded(value, places, rounding)


def _rounding(rounding: str) -> tuple[Call, Call]:
    """The functions that round one way: to whole numbers, and to a scale."""

    def to_whole(_run: Run, value: Number) -> Number:
        return _round(value, 0, rounding)

    def to_scale(_run: Run, value: Number, scale: Number) -> Number:
        return _round(value, scale, rounding)

    return to_whole, to_scale


def _decimal_mode(run: Run, value: Number, scale: Number, mode: str) -> Number:
    name = mode.upper()
    if name == "UNNECESSARY":
        found = _round(value, scale, ROUND_DOWN)
        if found != value:
            raise Failed("Rounding is necessary for the given number and scale")
        return found
    if name not in _ROUNDINGS:
        raise Failed(
            f"Illegal argument '{mode}' for rounding mode. Must be one of: {', '.join(_ROUNDINGS)}, UNNECESSARY"
        )
    return _round(value, scale, _ROUNDINGS[name])


def _abs(run: Run, value: Any) -> Any:
    if value.__class__ is YearMonthDuration:
        return YearMonthDuration(abs(value.months))
    if value.__class__ is DayTimeDuration:
        return DayTimeDuration(abs(value.nanoseconds))
    return abs(value)


def _modulo(run: Run, dividend: Number, divisor: Number) -> Number:
    return numbers.modulo(dividend, divisor)


def _sqrt(run: Run, value: Number) -> Number:
    run.charge(SERIES_STEPS)
    return numbers.whole(CONTEXT.sqrt(Decimal(value)))


def _log(run: Run, value: Number) -> Number:
    if value <= 0:
        raise Failed(f"there is no logarithm of '{value}'")
    run.charge(SERIES_STEPS)
    return numbers.whole(CONTEXT.ln(Decimal(value)))


def _exp(run: Run, value: Number) -> Number:
    run.charge(SERIES_STEPS)
    return numbers.whole(CONTEXT.exp(Decimal(value)))


def _odd(run: Run, value: Number) -> bool:
    return numbers.modulo(value, 2) == 1


def _even(run: Run, value: Number) -> bool:
    return numbers.modulo(value, 2) == 0


def chance(run: Run) -> bytes:
    """32 bytes that differ with every call and every seed, and are the same whenever the evaluation is repeated."""
    run.chances += 1
    run.charge(CHANCE_STEPS)
    return hashlib.sha256(f"{run.moment.seed}|{run.moment.now.isoformat()}|{run.chances}".encode()).digest()


def _random_number(run: Run) -> Number:
    return CONTEXT.divide(Decimal(int.from_bytes(chance(run)[:8])), Decimal(2**64))


_FLOOR, _FLOOR_SCALE = _rounding(ROUND_FLOOR)
_CEILING, _CEILING_SCALE = _rounding(ROUND_CEILING)

ENTRIES = (
    entry("decimal", "n: number, scale: number", _rounding(ROUND_HALF_EVEN)[1]),
    entry("decimal", "n: number, scale: number, mode: string", _decimal_mode),
    entry("floor", "n: number", _FLOOR),
    entry("floor", "n: number, scale: number", _FLOOR_SCALE),
    entry("ceiling", "n: number", _CEILING),
    entry("ceiling", "n: number, scale: number", _CEILING_SCALE),
    entry("round up", "n: number, scale: number", _rounding(ROUND_UP)[1]),
    entry("round down", "n: number, scale: number", _rounding(ROUND_DOWN)[1]),
    entry("round half up", "n: number, scale: number", _rounding(ROUND_HALF_UP)[1]),
    entry("round half down", "n: number, scale: number", _rounding(ROUND_HALF_DOWN)[1]),
    entry("abs", "n: number", _abs),
    entry("abs", "number: number", _abs),
    entry("abs", "n: duration", _abs),
    entry("modulo", "dividend: number, divisor: number", _modulo),
    entry("sqrt", "number: number", _sqrt),
    entry("log", "number: number", _log),
    entry("exp", "number: number", _exp),
    entry("odd", "number: number", _odd),
    entry("even", "number: number", _even),
    entry("random number", "", _random_number),
)
