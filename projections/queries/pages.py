"""Sorting, paging and cursors, and running a search.

A cursor holds the sort values of the row beside it, in standard base64: the next page starts where the last one ended
however many rows were added before it. Ties are broken by the key.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

import asyncpg
import msgspec

from projections.connections import Connection, Pool
from projections.queries.filters import (
    CASTS,
    KEY_BITS_MAX,
    conditions_of,
    describe,
    items,
    mapping,
    parse,
    parse_int,
    parse_key,
)
from projections.queries.shape import BadQuery, Field, Parameters, Shape

Reader: TypeAlias = Connection | Pool
Item: TypeAlias = dict[str, Any]
Page: TypeAlias = dict[str, Any]
"""{"items": [...], "page": {"totalItems", "hasMoreTotalItems", "startCursor", "endCursor"}}"""

LIMIT_DEFAULT = 100
LIMIT_MAX = 10_000
TOTAL_MAX = 10_000
"""Counting stops here; `hasMoreTotalItems` says so."""
CURSOR_CHARACTERS_MAX = 20_000

_DECODE = msgspec.json.Decoder()


class Order(msgspec.Struct, frozen=True):
    """One sort criterion."""

    field: Field
    descending: bool

    @property
    def sql(self) -> str:
        """The expression to sort by."""
        return self.field.filter_sql or self.field.sql


class Window(msgspec.Struct, frozen=True):
    """Which part of the result is wanted."""

    limit: int = LIMIT_DEFAULT
    offset: int = 0
    cursor: Sequence[Any] | None = None
    backwards: bool = False


def orders_of(shape: Shape, wanted: Any) -> list[Order]:
    """Return the sort criteria, the key at the end."""
    orders: list[Order] = []
    for index, entry in enumerate(items(wanted, "sort") if wanted is not None else ()):
        where = f"sort[{index}]"
        criterion = mapping(entry, where)
        name, order = criterion.get("field"), criterion.get("order") or "ASC"
        field = shape.field(name) if isinstance(name, str) else None
        if field is None or not field.sorts:
            allowed = ", ".join(field.name for field in shape.fields if field.sorts)
            raise BadQuery(f"expected {where}.field to be one of {allowed}, but found {describe(name)}")
        if order not in {"ASC", "DESC", "asc", "desc"}:
            raise BadQuery(f"expected {where}.order to be ASC or DESC, but found {describe(order)}")
        if set(criterion) - {"field", "order"}:
            raise BadQuery(f"expected {where} to have field and order, but found {', '.join(map(str, criterion))}")
        orders.append(Order(field, order in {"DESC", "desc"}))
    return [*orders, Order(Field("key", shape.key, shape.key_kind), descending=False)]


def window_of(shape: Shape, orders: Sequence[Order], wanted: Any) -> Window:
    """Return the page that is asked for."""
    page = {name: value for name, value in mapping(wanted, "page").items() if value is not None}
    unknown = set(page) - {"limit", "from", "after", "before"}
    if unknown or sum(name in page for name in ("from", "after", "before")) > 1:
        raise BadQuery(
            "expected page to have limit and at most one of from, after and before,"
            f" but found {', '.join(sorted(map(str, page)))}"
        )
    limit = parse_int(page.get("limit", LIMIT_DEFAULT), "page.limit")
    if not 1 <= limit <= LIMIT_MAX:
        raise BadQuery(f"expected page.limit to be between 1 and {LIMIT_MAX}, but found {limit}")
    offset = parse_int(page.get("from", 0), "page.from")
    if offset < 0:
        raise BadQuery(f"expected page.from to be 0 or more, but found {offset}")
    for name in ("after", "before"):
        if page.get(name, "") != "":
            cursor = _read_cursor(shape, orders, page[name], f"page.{name}")
            return Window(limit, 0, cursor, backwards=name == "before")
    return Window(limit, offset)


def _signature(shape: Shape, orders: Sequence[Order]) -> str:
    return ",".join([shape.name, *(f"{order.field.name}{'-' if order.descending else '+'}" for order in orders)])


def write_cursor(shape: Shape, orders: Sequence[Order], values: Sequence[Any]) -> str:
    """Return the cursor of a row with these sort values."""
    return b64encode(msgspec.json.encode([_signature(shape, orders), *values])).decode()


def _read_cursor(shape: Shape, orders: Sequence[Order], text: Any, where: str) -> list[Any]:
    refused = BadQuery(f"expected {where} to be a cursor of this search with this sort, but found {describe(text)}")
    if not isinstance(text, str) or len(text) > CURSOR_CHARACTERS_MAX:
        raise refused
    try:
        decoded = _DECODE.decode(b64decode(text + "=" * (-len(text) % 4), validate=True))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise refused from None
    if not isinstance(decoded, list) or decoded[:1] != [_signature(shape, orders)] or len(decoded) != len(orders) + 1:
        raise refused
    values: list[Any] = []
    for order, value in zip(orders, decoded[1:], strict=True):
        if order.field.kind == "key" and isinstance(value, int) and value.bit_length() < 64:
            values.append(value)
        elif value is None:
            values.append(None)
        elif order.field.kind == "enum":
            values.append(parse(Field("", "", "text"), value, where))
        else:
            values.append(parse(order.field, value, where))
    return values


def _beyond(orders: Sequence[Order], window: Window, parameters: Parameters) -> str:
    """Return the condition for rows after the cursor (before it, when going backwards). NULL sorts as the largest."""
    assert window.cursor is not None
    alternatives: list[str] = []
    same: list[str] = []
    for order, value in zip(orders, window.cursor, strict=True):
        smaller = order.descending != window.backwards
        if value is None:
            if smaller:
                alternatives.append(" AND ".join([*same, f"{order.sql} IS NOT NULL"]))
            same.append(f"{order.sql} IS NULL")
            continue
        parameter = parameters.add(value, CASTS[order.field.kind])
        beyond = f"{order.sql} < {parameter}" if smaller else f"({order.sql} > {parameter} OR {order.sql} IS NULL)"
        alternatives.append(" AND ".join([*same, beyond]))
        same.append(f"{order.sql} = {parameter}")
    return "(" + " OR ".join(f"({alternative})" for alternative in alternatives) + ")"


def select_list(shape: Shape, *, detail: bool) -> list[Field]:
    """Return the fields that are shown."""
    return [field for field in shape.fields if field.shown and (detail or not field.detail)]


def _columns(fields: Sequence[Field], *, full: bool) -> str:
    return ", ".join(
        f'{(field.full_sql if full and field.full_sql else field.sql)} AS "{field.name}"' for field in fields
    )


def to_item(fields: Sequence[Field], row: asyncpg.Record) -> Item:
    """Return a row as the API has it."""
    return {field.name: _shown(field.kind, row[index]) for index, field in enumerate(fields)}


def _shown(kind: str, value: Any) -> Any:
    if value is None:
        return None
    match kind:
        case "key":
            return str(value)
        case "time":
            return time_text(value)
        case "json":
            return _DECODE.decode(value)
        case _:
            return value


def time_text(time: datetime) -> str:
    """Return a time as the API has it: UTC, whole milliseconds."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03}Z"


async def search(
    connection: Reader,
    shape: Shape,
    request: Mapping[str, Any],
    *,
    fixed: Mapping[str, Any] | None = None,
    condition: tuple[str, Sequence[Any]] = ("true", ()),
    truncate_values: bool = True,
) -> Page:
    """Answer a search request {"filter", "sort", "page"} (each optional).

    `fixed` is a further filter, in the same language, that the caller's path sets (e.g. {"processInstanceKey": key}).
    `condition` is one in SQL, with the values of $1, $2 …
    `truncate_values` counts for VARIABLES only: values longer than VALUE_PREVIEW_CHARACTERS are cut and isTruncated says so.
    """
    unknown = set(request) - {"filter", "sort", "page"}
    if unknown:
        raise BadQuery(
            f"expected a search to have filter, sort and page, but found {', '.join(sorted(map(str, unknown)))}"
        )
    parameters = Parameters(list(condition[1]))
    conditions = [condition[0], *([shape.where] if shape.where else [])]
    conditions += conditions_of(shape, parameters, fixed)
    conditions += conditions_of(shape, parameters, request.get("filter"))
    orders = orders_of(shape, request.get("sort"))
    window = window_of(shape, orders, request.get("page"))
    rows, fields = await _fetch(
        connection, shape, orders, window, conditions, Parameters([*parameters.values]), truncate_values
    )
    if window.cursor is None and window.offset == 0 and len(rows) < window.limit:
        total = len(rows)
    else:
        counted = f"SELECT 1 FROM {shape.source} WHERE {' AND '.join(conditions)} LIMIT {TOTAL_MAX + 1}"
        total = await connection.fetchval(f"SELECT count(*) FROM ({counted}) AS found", *parameters.values)
    ends = [write_cursor(shape, orders, row[len(fields) :]) for row in ((rows[0], rows[-1]) if rows else ())]
    start, end = ends or (None, None)
    return {
        "items": [to_item(fields, row) for row in rows],
        "page": {
            "totalItems": min(total, TOTAL_MAX),
            "hasMoreTotalItems": total > TOTAL_MAX,
            "startCursor": start,
            "endCursor": end,
        },
    }


async def _fetch(
    connection: Reader,
    shape: Shape,
    orders: Sequence[Order],
    window: Window,
    conditions: Sequence[str],
    parameters: Parameters,
    truncate_values: bool,
) -> tuple[list[asyncpg.Record], list[Field]]:
    fields = select_list(shape, detail=False)
    places = ", ".join(f"{order.sql} AS sort_{index}" for index, order in enumerate(orders))
    where = list(conditions)
    if window.cursor is not None:
        where.append(_beyond(orders, window, parameters))
    directions = ", ".join(
        f"sort_{index} {'DESC' if order.descending != window.backwards else 'ASC'}"
        for index, order in enumerate(orders)
    )
    limit = f"LIMIT {parameters.add(window.limit, 'bigint')} OFFSET {parameters.add(window.offset, 'bigint')}"
    statement = (
        f"SELECT {_columns(fields, full=not truncate_values)}, {places} FROM {shape.source}"
        f" WHERE {' AND '.join(where)} ORDER BY {directions} {limit}"
    )
    rows = await connection.fetch(statement, *parameters.values)
    return (rows[::-1] if window.backwards else rows), fields


async def get(connection: Reader, shape: Shape, key: str) -> Item | None:
    """Return the one item with this key (VARIABLES: never cut; DECISION_INSTANCES: with inputs and rules), or None.

    A key that is not an optional minus and 1 to 25 digits raises `BadQuery`.
    """
    assert shape.key_kind == "key" or shape.get_where, f"{shape.name} has no get"
    number = parse_key(key, "the key")
    values: Sequence[int] = (number,)
    if shape.index_digits:
        values = divmod(int(key), 10**shape.index_digits)
        if values[0].bit_length() > KEY_BITS_MAX:
            return None
    fields = select_list(shape, detail=True)
    conditions = [shape.get_where or f"{shape.key} = $1::bigint", *([shape.where] if shape.where else [])]
    row = await connection.fetchrow(
        f"SELECT {_columns(fields, full=True)} FROM {shape.source} WHERE {' AND '.join(conditions)}", *values
    )
    return None if row is None else to_item(fields, row)
