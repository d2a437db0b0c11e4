"""Numbers: whole ones are Python ints while that is exact, all others decimals of 34 digits. Never a binary float."""

from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow

DIGITS_MAX = 34
EXPONENT_MAX = 6144
WHOLE_MAX = 10**DIGITS_MAX
"""Whole numbers from here on, either way, are decimals that keep their first 34 digits."""

CONTEXT = Context(
    prec=DIGITS_MAX,
    rounding=ROUND_HALF_EVEN,
    Emin=1 - EXPONENT_MAX,
    Emax=EXPONENT_MAX,
    traps=[InvalidOperation, DivisionByZero, Overflow],
)
"""As decimal128. Raises an ArithmeticError where there is no number; callers answer null."""

SERIES_STEPS = 100
"""Steps that a root, a power or a logarithm costs: they are series of many terms."""

Number = int | Decimal


def number_literal(text: str) -> Number | None:
    """What the digits of a literal mean; nothing when they are beyond any number."""
    if len(text) <= DIGITS_MAX and text.isascii() and text.isdigit():
        return int(text)
    try:
        return CONTEXT.create_decimal(text)
    except ArithmeticError:
        return None


def shorten(value: Number) -> Number:
    """A number within 34 digits and the exponents of decimal128."""
    if value.__class__ is int and -WHOLE_MAX < value < WHOLE_MAX:
        return value
    return CONTEXT.create_decimal(value)


def add(left: Number, right: Number) -> Number:
    if left.__class__ is int and right.__class__ is int:
        return shorten(left + right)
    return CONTEXT.add(_fit(left), _fit(right))


def subtract(left: Number, right: Number) -> Number:
    if left.__class__ is int and right.__class__ is int:
        return shorten(left - right)
    return CONTEXT.subtract(_fit(left), _fit(right))


def multiply(left: Number, right: Number) -> Number:
    if left.__class__ is int and right.__class__ is int:
        return shorten(left * right)
    return CONTEXT.multiply(_fit(left), _fit(right))


def divide(left: Number, right: Number) -> Number:
    """Raises an ArithmeticError for a zero divisor."""
    if left.__class__ is int and right.__class__ is int and right and not left % right:
        return shorten(left // right)
    return CONTEXT.divide(_fit(left), _fit(right))


def power(base: Number, exponent: Number) -> Number:
    """Raises an ArithmeticError where there is no real result or it is too large."""
    if exponent == 0:
        return 1
    if base == 0 and exponent < 0:
        raise DivisionByZero
    return whole(CONTEXT.power(_fit(base), _fit(exponent)))


def negate(value: Number) -> Number:
    return -value if value.__class__ is int else CONTEXT.minus(value)


def modulo(dividend: Number, divisor: Number) -> Number:
    """As the standard says: `dividend - divisor * floor(dividend / divisor)`, so the sign is the divisor's."""
    if dividend.__class__ is int and divisor.__class__ is int:
        if not divisor:
            raise DivisionByZero
        return dividend % divisor
    rest = CONTEXT.remainder(_fit(dividend), _fit(divisor))
    if rest and (rest < 0) != (divisor < 0):
        rest = CONTEXT.add(rest, _fit(divisor))
    return rest


def whole(value: Decimal) -> Number:
    """An int when the decimal is a whole number without an exponent; the decimal itself otherwise."""
    if value == value.to_integral_value() and abs(value) < WHOLE_MAX:
        return int(value)
    return value


def is_whole(value: Number) -> bool:
    return isinstance(value, int) or value == value.to_integral_value(context=CONTEXT)


def rounded(value: Number, scale: int, rounding: str) -> Number:
    """A number to so many decimals (fewer than none: tens, hundreds…). Raises an ArithmeticError when that cannot be."""
    number = _fit(value)
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent <= scale:
        return value
    if number.adjusted() + 1 + scale > DIGITS_MAX:
        return value
    if number.adjusted() + 1 < -scale - 1:  # far below the place that is kept: quantize needs no digits of it
        number = CONTEXT.create_decimal((number.as_tuple().sign, (1,), -scale - 2)) if number else number
    result = number.quantize(Decimal((0, (1,), -scale)), rounding=rounding, context=CONTEXT)
    return whole(result) if scale <= 0 else result


def number_text(value: Number) -> str:
    """Plain digits, never an exponent, unless the number has thousands of zeros."""
    number = _fit(value)
    if abs(number.adjusted()) > 400:
        return str(number)
    text = format(number, "f")
    return "0" if text == "-0" else text


def _fit(value: Number) -> Decimal:
    return CONTEXT.create_decimal(value)
