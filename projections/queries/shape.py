"""What one search answers, as data: where rows come from and which field of the API is which expression.

The only SQL that reaches a statement is written in shapes; all that comes from a request goes out as a parameter.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import msgspec

VALUE_PREVIEW_CHARACTERS = 8191
"""Longer variable values are cut in search results."""


class BadQuery(Exception):  # noqa: N818 - it names what was asked
    """The request cannot be answered; the text says what was expected and what came."""


class Parameters:
    """The values of a statement, in order of their numbers."""

    __slots__ = ("values",)

    def __init__(self, values: list[Any] | None = None) -> None:
        self.values: list[Any] = [] if values is None else values

    def add(self, value: Any, cast: str) -> str:
        """Keep a value and return the text that stands for it."""
        self.values.append(value)
        return f"${len(self.values)}::{cast}"


Condition: TypeAlias = Callable[[Parameters, Any, str], str]
"""(parameters, what the filter says, where in the request) -> SQL condition; raises `BadQuery`."""


class Field(msgspec.Struct, frozen=True):
    """A field of the API."""

    name: str
    sql: str
    kind: str
    """text, key, enum, int, time, bool, json (a document), texts (list of text)."""
    filters: str = ""
    """full: all operators of its kind; plain: a bare value only; empty: not in the filter."""
    sorts: bool = False
    shown: bool = True
    """Whether it is in the answer; others only filter."""
    detail: bool = False
    """Only in the answer to a get."""
    full_sql: str = ""
    """Expression for a get, and a search without truncation, if it differs."""
    filter_sql: str = ""
    """Expression for filter and sort, if another one is faster for many rows."""
    values: tuple[str, ...] = ()
    """Of an enum, what a filter may name."""


class Shape(msgspec.Struct, frozen=True):
    """A search and a get."""

    name: str
    source: str
    fields: tuple[Field, ...]
    key: str
    """Expression of the unique key, by which ties are broken."""
    key_kind: str = "key"
    where: str = ""
    specials: Mapping[str, Condition] = {}
    """Filters that are more than a comparison of one field."""
    alternatives: bool = False
    """Whether the filter has `$or`."""
    get_where: str = ""
    """Condition of a get in place of `<key> = $1`."""
    index_digits: int = 0
    """If not 0: the API's key ends in an index of so many digits; $1 is what stands before it, $2 the index."""
    related: tuple[str, ...] = ()
    """Names in the filter that `specials` handle together under the first of them."""
    combined: Condition | None = None
    """Handles the `related` fields of a filter, given as a mapping of those present."""

    def field(self, name: str) -> Field | None:
        """Return a field by its API name."""
        return next((field for field in self.fields if field.name == name), None)


# Fields of each kind; unless said otherwise they filter and sort.
text = partial(Field, kind="text", filters="full", sorts=True)
key = partial(Field, kind="key", filters="full", sorts=True)
number = partial(Field, kind="int", filters="full", sorts=True)
time = partial(Field, kind="time", filters="full", sorts=True)
flag = partial(Field, kind="bool", filters="plain")
document = partial(Field, kind="json")


def enum(name: str, sql: str, values: str, *, filters: str = "full", sorts: bool = True) -> Field:
    """Return a field with one of some words, parted by spaces."""
    return Field(name, sql, "enum", filters, sorts, values=tuple(values.split()))


TENANT = text("tenantId", "'<default>'::text")
"""There is one tenant so far."""
