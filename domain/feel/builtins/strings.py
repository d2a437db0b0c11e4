"""Built-ins on strings. Positions count characters from 1, or from the end when negative."""

import base64
from typing import Any

from domain.feel.builtins.numerics import chance
from domain.feel.builtins.table import Failed, entry
from domain.feel.limits import TEXT_CHARACTERS_MAX, FeelEvaluationError
from domain.feel.numbers import Number
from domain.feel.patterns import Pattern, pattern
from domain.feel.values import Run, check_text

COMPILE_STEPS = 10
"""Steps that a regular expression costs before it is tried: it may have to be compiled."""


def _substring(run: Run, text: str, start: Number) -> str:
    return _substring_length(run, text, start, len(text) or 1)


def _substring_length(run: Run, text: str, start: Number, length: Number) -> str:
    position, count = int(start), int(length)
    if not position:
        raise Failed("start position must be a non-zero number")
    if count < 0:
        raise Failed(f"length must not be negative but was '{length}'")
    index = position - 1 if position > 0 else max(len(text) + position, 0)
    return text[index : index + min(count, len(text))]


def _string_length(run: Run, text: str) -> int:
    return len(text)


def _upper_case(run: Run, text: str) -> str:
    return check_text(text.upper())


def _lower_case(run: Run, text: str) -> str:
    return check_text(text.lower())


def _substring_before(run: Run, text: str, match: str) -> str:
    return text.partition(match)[0] if match and match in text else ""


def _substring_after(run: Run, text: str, match: str) -> str:
    if not match:
        return text
    return text.partition(match)[2]


def _contains(run: Run, text: str, match: str) -> bool:
    return match in text


def _starts_with(run: Run, text: str, match: str) -> bool:
    return text.startswith(match)


def _ends_with(run: Run, text: str, match: str) -> bool:
    return text.endswith(match)


def _trim(run: Run, text: str) -> str:
    return text.strip()


def _is_blank(run: Run, text: str) -> bool:
    return not text.strip()


def _to_base64(run: Run, text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _uuid(run: Run) -> str:
    """A version 4 UUID out of the chance that the caller gave."""
    digits = bytearray(chance(run)[:16])
    digits[6] = digits[6] & 0x0F | 0x40
    digits[8] = digits[8] & 0x3F | 0x80
    text = digits.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _string_join(run: Run, items: list[Any]) -> str:
    return _string_join_by(run, items, None)


def _string_join_by(run: Run, items: list[Any], delimiter: str | None) -> str:
    run.charge(len(items))
    texts: list[str] = []
    for item in items:
        if item is None:
            continue
        if item.__class__ is not str:
            raise Failed("expected a list of strings")
        texts.append(item)
    size = sum(map(len, texts)) + len(delimiter or "") * len(texts)
    if size > TEXT_CHARACTERS_MAX:
        raise FeelEvaluationError(f"the expression makes a string of more than {TEXT_CHARACTERS_MAX} characters")
    return (delimiter or "").join(texts)


def _string_join_around(run: Run, items: list[Any], delimiter: str | None, prefix: str, suffix: str) -> str:
    return check_text(prefix + _string_join_by(run, items, delimiter) + suffix)


# -- regular expressions -------------------------------------------------------------------------------------------------


def _compiled(run: Run, expression: str, flags: str | None = None) -> Pattern:
    run.charge(COMPILE_STEPS)
    return pattern(expression, flags or "")


def _matches(run: Run, text: str, expression: str, flags: str | None = None) -> bool:
    return _compiled(run, expression, flags).search(text, run.charge) is not None


def _replace(run: Run, text: str, expression: str, replacement: str, flags: str | None = None) -> str:
    return _compiled(run, expression, flags).replace(text, replacement, run.charge)


def _split(run: Run, text: str, delimiter: str) -> list[str]:
    return _compiled(run, delimiter).split(text, run.charge)


def _extract(run: Run, text: str, expression: str) -> list[str]:
    return _compiled(run, expression).find_all(text, run.charge)


ENTRIES = (
    entry("substring", "string: string, start position: number", _substring),
    entry("substring", "string: string, start position: number, length: number", _substring_length),
    entry("string length", "string: string", _string_length),
    entry("upper case", "string: string", _upper_case),
    entry("lower case", "string: string", _lower_case),
    entry("substring before", "string: string, match: string", _substring_before),
    entry("substring after", "string: string, match: string", _substring_after),
    entry("contains", "string: string, match: string", _contains),
    entry("starts with", "string: string, match: string", _starts_with),
    entry("ends with", "string: string, match: string", _ends_with),
    entry("trim", "string: string", _trim),
    entry("is blank", "string: string", _is_blank),
    entry("to base64", "value: string", _to_base64),
    entry("uuid", "", _uuid),
    entry("string join", "list: list", _string_join),
    entry("string join", "list: list, delimiter: string?", _string_join_by),
    entry("string join", "list: list, delimiter: string?, prefix: string, suffix: string", _string_join_around),
    entry("matches", "input: string, pattern: string", _matches),
    entry("matches", "input: string, pattern: string, flags: string?", _matches),
    entry("replace", "input: string, pattern: string, replacement: string", _replace),
    entry("replace", "input: string, pattern: string, replacement: string, flags: string?", _replace),
    entry("split", "string: string, delimiter: string", _split),
    entry("extract", "string: string, pattern: string", _extract),
)
