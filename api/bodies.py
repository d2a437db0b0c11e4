"""Request bodies: bytes into typed values, with limits, and refusals that say what was expected and what came.

Everything that PostgreSQL, JSON or the engine could not carry is refused here, so that nothing behind has to ask again.
"""

import asyncio
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Literal, TypeVar, get_args, get_origin

import msgspec
from starlette.types import Message, Receive

from api.problems import Problem, invalid

DEPTH_MAX: Final = 200
"""Levels of a JSON document. The engine walks values level by level and must never run out of stack."""
DIGITS_MAX: Final = 1_000
"""Digits of one number."""
EXPONENT_MAX: Final = 6_144
"""Power of ten of the largest number, and below zero of the smallest: what a decimal of 34 digits can hold."""
READ_SECONDS_MAX: Final = 30.0
"""For a body to come; who sends it slower is not waited for."""
LIST_LENGTH_MAX: Final = 1_000
"""Names in one list of a request (variables to fetch, start instructions, tags)."""

SHOWN_CHARACTERS_MAX: Final = 100
"""Of a wrong value, in the refusal."""

Body = TypeVar("Body")

_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_LONG_NUMBER = re.compile(rb"[0-9]{%d}" % (DIGITS_MAX + 1))
_BRACKETS = re.compile(rb"[\[\]{}]")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_WHERE = re.compile(r"^(.*?)(?: - at `(?:key in )?(\$.*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"^Object contains unknown field `(.*)`$", re.DOTALL)
_EXPECTED = re.compile(r"^Expected `(.*?)`(.*?)(?:, got `(.*)`)?$", re.DOTALL)

_WORDS: Final[Mapping[str, str]] = {
    "str": "a text",
    "int": "an integer",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
    "float": "a number that is no integer",
    "decimal": "a number that is no integer",
}


class TooLarge(Problem):
    """The body is larger than the API reads."""

    def __init__(self, limit: int, found: int | None) -> None:
        came = f"found {found}" if found is not None else "more came"
        super().__init__(413, "INVALID_ARGUMENT", f"expected a body of at most {limit} bytes, but {came}")


class Gone(Exception):  # noqa: N818 - it names what the caller is
    """The caller closed the connection before its request was read."""


async def read(receive: Receive, declared: str | None, limit: int) -> bytes:
    """Return the whole body; raise `TooLarge` before more than `limit` bytes are held."""
    if declared is not None and declared.isascii() and declared.isdigit() and int(declared[:20]) > limit:
        raise TooLarge(limit, int(declared[:20]))
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Gone
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False) and len(body) <= limit:
        return body
    try:
        async with asyncio.timeout(READ_SECONDS_MAX):
            return await _rest(receive, message, limit)
    except TimeoutError:
        detail = f"expected the whole body within {READ_SECONDS_MAX:g} s, but it did not come"
        raise Problem(408, "DEADLINE_EXCEEDED", detail) from None


async def _rest(receive: Receive, message: Message, limit: int) -> bytes:
    """Return a body of which the first message is there."""
    parts: list[bytes] = [message.get("body", b"")]
    size = len(parts[0])
    while message.get("more_body", False) and size <= limit:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if size > limit:
        raise TooLarge(limit, None)
    return b"".join(parts)


def _number(text: str) -> Decimal:
    if len(text) > DIGITS_MAX:
        raise ValueError(f"expected a number of at most {DIGITS_MAX} digits, but found one of {len(text)} characters")
    number = Decimal(text)
    if number and abs(number.adjusted()) > EXPONENT_MAX:
        raise ValueError(f"expected a number between 1e-{EXPONENT_MAX} and 1e{EXPONENT_MAX}, but found {text[:40]}")
    return number


_encode: Final = msgspec.json.Encoder(decimal_format="number").encode

_DECODERS: Final[dict[Any, msgspec.json.Decoder[Any]]] = {}
"""One per kind of body, made when it first comes."""


def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(kind, float_hook=_number)
    return decoder


def decode(kind: type[Body], body: bytes) -> Body:
    """Return the JSON document as a value of `kind`. Raises `Problem`."""
    _check_depth(body)
    if _LONG_NUMBER.search(body) and _LONG_NUMBER.search(_STRINGS.sub(b'""', body)):
        raise invalid(f"expected numbers of at most {DIGITS_MAX} digits, but found a longer one")
    try:
        value: Body = _decoder(kind).decode(body)
    except msgspec.ValidationError as error:
        raise invalid(_sentence(kind, str(error), body)) from None
    except RecursionError:
        raise invalid(f"expected at most {DEPTH_MAX} levels of JSON, but found more") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if _SURROGATE.search(body):
            raise invalid(
                "expected texts of Unicode characters, but found a lone surrogate (\\uD800 to \\uDFFF)"
            ) from None
        found = str(error) if body else "the body is empty"
        raise invalid(f"expected a JSON object in UTF-8, but {found[:1].lower()}{found[1:]}") from None
    if b"\\u0000" in body and _has_nul(msgspec.to_builtins(value)):
        raise invalid("expected texts without the character NUL (\\u0000), but found one")
    return value


def _check_depth(body: bytes) -> None:
    if body.count(b"[") + body.count(b"{") <= DEPTH_MAX:
        return
    depth = 0
    for bracket in _BRACKETS.finditer(_STRINGS.sub(b"", body)):
        depth += 1 if bracket.group() in b"[{" else -1
        if depth > DEPTH_MAX:
            raise invalid(f"expected at most {DEPTH_MAX} levels of JSON, but found more")


def _has_nul(value: Any) -> bool:
    match value:
        case str():
            return "\x00" in value
        case dict():
            return any(_has_nul(name) or _has_nul(item) for name, item in value.items())
        case list() | tuple():
            return any(map(_has_nul, value))
        case _:
            return False


# --- msgspec's messages in our sentences ------------------------------------------------------------------------------


def _sentence(kind: type[Any], message: str, body: bytes) -> str:
    match = _WHERE.match(message)
    assert match is not None, "the pattern takes any text"
    text, path = match.group(1), match.group(2) or "$"
    place = path.removeprefix("$").removeprefix(".") or "the body"
    if unknown := _UNKNOWN.match(text):
        allowed = ", ".join(_field_names(kind, path)) or "no fields"
        inside = "" if path == "$" else f" in {place}"
        return f"expected{inside} only {allowed}, but found the unknown field {unknown.group(1)[:100]!r}"
    if expected := _EXPECTED.match(text):
        wanted = " or ".join(_WORDS.get(word, word) for word in expected.group(1).split(" | "))
        found = expected.group(3)
        came = _WORDS.get(found, found) if found else _at(path, body)
        return f"expected {place} to be {wanted}{expected.group(2)}, but found {came}"
    if text.startswith("Invalid enum value"):
        return f"expected {place} to be one of {', '.join(_words_of(kind, path))}, but found {_at(path, body)}"
    if text.startswith("Object missing required field"):
        return f"expected {place} to have the field {text.split('`')[1]!r}, but it is missing"
    return f"{text} (at {place})" if path != "$" else text


def _at(path: str, body: bytes) -> str:
    """Return what stands at a path of a document that can be decoded, as the beginning of its JSON text."""
    if "[...]" in path:  # of a map, whose key msgspec does not tell
        return "another value"
    value: Any = _decoder(Any).decode(body)
    for name, index in re.findall(r"\.([^.\[]+)|\[(\d+)\]", path):
        value = value[int(index)] if index else value[name]
    text = _encode(value).decode()
    return text if len(text) <= SHOWN_CHARACTERS_MAX else f"{text[:SHOWN_CHARACTERS_MAX]}…"


def _field_names(kind: type[Any], path: str) -> tuple[str, ...]:
    """Return the names that the object at `path` of a struct may have."""
    return _struct_names(_struct(_type_at(kind, path)))


def _words_of(kind: type[Any], path: str) -> list[str]:
    """Return the words that a text at `path` of a struct may be."""
    found = _type_at(kind, path)
    return [word for part in (found, *get_args(found)) if get_origin(part) is Literal for word in get_args(part)]


def _type_at(kind: type[Any], path: str) -> Any:
    found: Any = kind
    for name in re.findall(r"[A-Za-z_$][\w$]*|\[[^\]]*\]", path.removeprefix("$")):
        found = _inner(found) if name.startswith("[") else _field_type(_struct(found), name)
    return found


def _struct(found: Any) -> Any:
    """Return the struct in a type such as `X | None`."""
    if isinstance(found, type) and issubclass(found, msgspec.Struct):
        return found
    return next((inner for part in get_args(found) if (inner := _struct(part)) is not None), None)


def _inner(found: Any) -> Any:
    return next((part for part in get_args(found) if _struct(part) is not None), None)


def _field_type(struct: Any, name: str) -> Any:
    if struct is None:
        return None
    return next((field.type for field in msgspec.structs.fields(struct) if field.encode_name == name), None)


def _struct_names(struct: Any) -> tuple[str, ...]:
    return () if struct is None else tuple(field.encode_name for field in msgspec.structs.fields(struct))
