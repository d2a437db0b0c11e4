"""Decimal arithmetic with 34 digits. It never knows a binary float.

Whole numbers stay Python integers while they fit into 34 digits; everything else is a Decimal.
"""

from collections.abc import Callable
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
    DecimalException,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)

from domain.feel.limits import DIGITS_MAX, EXPONENT_MAX

Number = int | Decimal

CONTEXT = Context(
    prec=DIGITS_MAX,
    rounding=ROUND_HALF_EVEN,
    Emin=-EXPONENT_MAX + 1,
    Emax=EXPONENT_MAX,
    traps=[InvalidOperation, DivisionByZero, Overflow],
)
INTEGER_LIMIT = 10**DIGITS_MAX

SCALE_MIN, SCALE_MAX = -6111, 6176
"""Bounds of the scale of a rounding, from DMN."""

ROUNDINGS: dict[str, str] = {
    "UP": ROUND_UP,
    "DOWN": ROUND_DOWN,
    "CEILING": ROUND_CEILING,
    "FLOOR": ROUND_FLOOR,
    "HALF_UP": ROUND_HALF_UP,
    "HALF_DOWN": ROUND_HALF_DOWN,
    "HALF_EVEN": ROUND_HALF_EVEN,
}


def is_number(value: object) -> bool:
    """Say whether the value is a number; true and false are not."""
    kind = type(value)
    return kind is int or kind is Decimal


def _operation(
    exact: Callable[[int, int], int], rounded: Callable[[Number, Number], Decimal]
) -> Callable[[Number, Number], Number | None]:
    def operate(left: Number, right: Number) -> Number | None:
        if type(left) is int and type(right) is int and -INTEGER_LIMIT < left < INTEGER_LIMIT and -INTEGER_LIMIT < right < INTEGER_LIMIT:
            result = exact(left, right)
            if -INTEGER_LIMIT < result < INTEGER_LIMIT:
                return result
        try:
            return rounded(left, right)
        except DecimalException:
            return None

    return operate


add = _operation(int.__add__, CONTEXT.add)
subtract = _operation(int.__sub__, CONTEXT.subtract)
multiply = _operation(int.__mul__, CONTEXT.multiply)


def divide(left: Number, right: Number) -> Number | None:
    """Divide, or answer None for a division by zero."""
    if right == 0:
        return None
    if type(left) is int and type(right) is int and -INTEGER_LIMIT < left < INTEGER_LIMIT:
        whole, rest = divmod(left, right)
        if not rest:
            return whole
    try:
        return CONTEXT.divide(left, right)
    except DecimalException:
        return None


def power(base: Number, exponent: Number) -> Number | None:
    """Raise to a power, or answer None where the result is no number of 34 digits."""
    if base == 0 and exponent == 0:
        return 1
    try:
        return tidy(CONTEXT.power(base, exponent))
    except DecimalException:
        return None


def negate(value: Number) -> Number:
    """Change the sign; there is no negative zero."""
    if type(value) is int:
        return -value
    return Decimal(0) if not value else value.copy_negate() if isinstance(value, Decimal) else -value


def modulo(dividend: Number, divisor: Number) -> Number | None:
    """Return the rest of a division, with the sign of the divisor."""
    if divisor == 0:
        return None
    if type(dividend) is int and type(divisor) is int:
        return dividend % divisor
    try:
        rest = CONTEXT.remainder(dividend, divisor)
        return CONTEXT.add(rest, divisor) if rest and (rest < 0) != (divisor < 0) else rest
    except DecimalException:
        # The quotient has more digits than a number may have.
        return None


def round_to(value: Number, scale: int, rounding: str) -> Number | None:
    """Round to `scale` digits after the point; None if the scale is out of bounds."""
    if not SCALE_MIN <= scale <= SCALE_MAX:
        return None
    number = Decimal(value)
    if number.as_tuple().exponent >= -scale and scale >= 0:  # type: ignore[operator]  # never a NaN: traps are set
        return value
    try:
        return number.quantize(Decimal((0, (1,), -scale)), rounding=rounding, context=_WIDE)
    except DecimalException:
        return None


_WIDE = Context(prec=2 * SCALE_MAX, Emin=-2 * SCALE_MAX, Emax=2 * SCALE_MAX, traps=[InvalidOperation, Overflow])
_EXACT = Context(prec=2 * SCALE_MAX, Emin=-2 * SCALE_MAX, Emax=2 * SCALE_MAX, traps=[InvalidOperation, Overflow, Inexact])


def is_exact(value: Number, scale: int) -> bool:
    """Say whether rounding to `scale` digits would change nothing."""
    try:
        _EXACT.quantize(Decimal(value), Decimal((0, (1,), -scale)))
    except DecimalException:
        return False
    return True


def tidy(value: Decimal) -> Number:
    """Make a whole number of at most 34 digits an integer."""
    if value.as_tuple().exponent == 0 or (value == value.to_integral_value() and abs(value) < INTEGER_LIMIT):
        return int(value)
    return value


def whole(value: object) -> int | None:
    """Return the integer part of a number that counts something; None for what is no number or too large to count."""
    if type(value) is int:
        return value
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < DIGITS_MAX:
        return int(value)
    return None


def parse(text: str) -> Number | None:
    """Read a number in plain or scientific notation; None if it is none, or out of bounds."""
    try:
        value = CONTEXT.create_decimal(text)
    except DecimalException:
        return None
    if not value.is_finite():
        return None
    return int(value) if value.as_tuple().exponent == 0 else value


def to_text(value: Number) -> str:
    """Write a number with all its digits, without an exponent unless it would be very long."""
    if type(value) is int:
        try:
            return str(value)
        except ValueError:
            # Python refuses to write integers of several thousand digits.
            return str(CONTEXT.create_decimal(value))
    if abs(value.adjusted()) > EXPONENT_MAX + DIGITS_MAX:  # type: ignore[union-attr]  # narrowed above: a Decimal
        return str(value)
    return format(value, "f")
