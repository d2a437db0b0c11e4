"""Filters of a search request into SQL conditions. Nothing of a request but parameters reaches the statement."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from projections.queries.shape import BadQuery, Field, Parameters, Shape

KEY = re.compile(r"-?[0-9]{1,25}")
KEY_BITS_MAX = 63
NO_KEY = 0
"""No row has it: stands for keys that are well formed but too large to be one of ours."""

INT_MAX = 2**31 - 1
LIST_LENGTH_MAX = 10_000
"""Values of one $in or $notIn, alternatives of one $or, and so on."""

CASTS = {"text": "text", "key": "bigint", "enum": "text", "int": "bigint", "time": "timestamptz", "bool": "boolean"}

_COMPARISONS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_OPERATORS = {
    "text": ("$eq", "$neq", "$exists", "$in", "$notIn", "$like"),
    "key": ("$eq", "$neq", "$exists", "$in", "$notIn"),
    "enum": ("$eq", "$neq", "$exists", "$in", "$notIn", "$like"),
    "int": ("$eq", "$neq", "$exists", "$in", "$gt", "$gte", "$lt", "$lte"),
    "time": ("$eq", "$neq", "$exists", "$in", "$gt", "$gte", "$lt", "$lte"),
}


def describe(value: Any) -> str:
    """Say in a few words what a JSON value is."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f"the text {value[:60]!r}"
        case Mapping():
            return "an object"
        case Sequence():
            return "a list"
        case _:
            return f"the number {value}"[:80]


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """Return the value if it is an object (None: an empty one)."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BadQuery(f"expected {where} to be an object, but found {describe(value)}")
    return value


def items(value: Any, where: str) -> Sequence[Any]:
    """Return the value if it is a list that is not too long."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise BadQuery(f"expected {where} to be a list, but found {describe(value)}")
    if len(value) > LIST_LENGTH_MAX:
        raise BadQuery(f"expected {where} to have at most {LIST_LENGTH_MAX} items, but found {len(value)}")
    return value


def parse_key(value: Any, where: str) -> int:
    """Return a key as a number; `NO_KEY` for one that cannot be ours."""
    if not isinstance(value, str) or not KEY.fullmatch(value):
        raise BadQuery(f"expected {where} to be a key, a text of 1 to 25 digits, but found {describe(value)}")
    number = int(value)
    return number if number.bit_length() <= KEY_BITS_MAX else NO_KEY


def parse_text(value: Any, where: str) -> str:
    """Return a text that PostgreSQL can have."""
    if not isinstance(value, str):
        raise BadQuery(f"expected {where} to be a text, but found {describe(value)}")
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise BadQuery(f"expected {where} to have no NUL and no lone surrogates, but it has")
    return value


def parse_int(value: Any, where: str) -> int:
    """Return a number of at most 32 bits."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadQuery(f"expected {where} to be an integer, but found {describe(value)}")
    if abs(value) > INT_MAX:
        raise BadQuery(f"expected {where} to be between {-INT_MAX} and {INT_MAX}, but found {describe(value)}")
    return value


def parse_time(value: Any, where: str) -> datetime:
    """Return a time with zone."""
    if isinstance(value, str):
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            if time.tzinfo is not None and 1 < time.year < 9999:
                return time
    raise BadQuery(f"expected {where} to be a time with zone as ISO 8601, but found {describe(value)}")


def parse_bool(value: Any, where: str) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise BadQuery(f"expected {where} to be true or false, but found {describe(value)}")
    return value


def _parse_value(field: Field, value: Any, where: str) -> Any:
    word = parse_text(value, where)
    if field.values and word not in field.values:
        raise BadQuery(f"expected {where} to be one of {', '.join(field.values)}, but found {describe(value)}")
    return word


_PARSERS: dict[str, Callable[[Any, str], Any]] = {
    "text": parse_text,
    "key": parse_key,
    "int": parse_int,
    "time": parse_time,
    "bool": parse_bool,
}


def parse(field: Field, value: Any, where: str) -> Any:
    """Return a value of the field's kind."""
    if field.kind == "enum":
        return _parse_value(field, value, where)
    return _PARSERS[field.kind](value, where)


def like_pattern(text: str) -> str:
    r"""Return the SQL pattern of a filter pattern: `*` any run, `?` one character, backslash escapes."""
    result: list[str] = []
    escaped = False
    for character in text:
        if escaped:
            result.append("\\" + character if character in "%_\\" else character)
            escaped = False
        elif character == "\\":
            escaped = True
        elif character in "*?":
            result.append("%" if character == "*" else "_")
        else:
            result.append("\\" + character if character in "%_" else character)
    if escaped:
        result.append("\\\\")
    return "".join(result)


def _operator(field: Field, sql: str, parameters: Parameters, operator: str, value: Any, where: str) -> str:
    cast = CASTS[field.kind]
    match operator:
        case "$eq":
            return f"{sql} = {parameters.add(parse(field, value, where), cast)}"
        case "$neq":
            return f"{sql} IS DISTINCT FROM {parameters.add(parse(field, value, where), cast)}"
        case "$exists":
            return f"{sql} IS NOT NULL" if parse_bool(value, where) else f"{sql} IS NULL"
        case "$in":
            values = [parse(field, item, f"{where}[{index}]") for index, item in enumerate(items(value, where))]
            return f"{sql} = ANY({parameters.add(values, cast + '[]')})"
        case "$notIn":
            values = [parse(field, item, f"{where}[{index}]") for index, item in enumerate(items(value, where))]
            return f"({sql} IS NULL OR {sql} <> ALL({parameters.add(values, cast + '[]')}))"
        case "$like":
            return f"{sql} LIKE {parameters.add(like_pattern(parse_text(value, where)), 'text')}"
        case _:
            return f"{sql} {_COMPARISONS[operator]} {parameters.add(parse(field, value, where), cast)}"


def compare(field: Field, parameters: Parameters, value: Any, where: str, sql: str = "") -> str:
    """Return the condition that a filter puts on one field."""
    sql = sql or field.filter_sql or field.sql
    if not isinstance(value, Mapping):
        return f"{sql} = {parameters.add(parse(field, value, where), CASTS[field.kind])}"
    allowed = _OPERATORS.get(field.kind, ()) if field.filters == "full" else ()
    conditions: list[str] = []
    for operator, operand in value.items():
        if operator not in allowed:
            expected = f"an operator of {', '.join(allowed)}" if allowed else "a bare value"
            raise BadQuery(f"expected {where} to have {expected}, but found {describe(operator)}")
        conditions.append(_operator(field, sql, parameters, operator, operand, f"{where}.{operator}"))
    return " AND ".join(conditions) or "true"


def conditions_of(shape: Shape, parameters: Parameters, wanted: Any, where: str = "filter") -> list[str]:
    """Return the conditions of a filter, to be joined by AND."""
    found: list[str] = []
    related: dict[str, Any] = {}
    for name, value in mapping(wanted, where).items():
        place = f"{where}.{name}"
        field = shape.field(name)
        if value is None:
            continue
        if name in shape.related:
            related[name] = value
        elif name in shape.specials:
            found.append(shape.specials[name](parameters, value, place))
        elif name == "$or" and shape.alternatives and where == "filter":
            found.append(_any_of(shape, parameters, value, place))
        elif field is not None and field.filters:
            found.append(compare(field, parameters, value, place))
        else:
            raise BadQuery(
                f"expected {where} to have only {', '.join(filter_names(shape))}, but found {describe(name)}"
            )
    if related and shape.combined is not None:
        found.append(shape.combined(parameters, related, where))
    return found


def _any_of(shape: Shape, parameters: Parameters, value: Any, where: str) -> str:
    alternatives = [
        " AND ".join(conditions_of(shape, parameters, item, f"{where}[{index}]")) or "true"
        for index, item in enumerate(items(value, where))
    ]
    return "(" + " OR ".join(f"({alternative})" for alternative in alternatives) + ")" if alternatives else "true"


def filter_names(shape: Shape) -> list[str]:
    """Return the names that the shape's filter may have."""
    names = {field.name for field in shape.fields if field.filters} | set(shape.specials) | set(shape.related)
    return sorted(names | ({"$or"} if shape.alternatives else set()))


def variable_conditions(scope: str) -> Callable[[Parameters, Any, str], str]:
    """Return the filter `[{name, value}, …]`, all of which must be variables `v` for which `scope` holds."""
    named = Field("value", "v.value", "text", "full")

    def condition(parameters: Parameters, value: Any, where: str) -> str:
        found: list[str] = []
        for index, entry in enumerate(items(value, where)):
            place = f"{where}[{index}]"
            parts = mapping(entry, place)
            if set(parts) != {"name", "value"}:
                raise BadQuery(
                    f"expected {place} to have name and value, but found {', '.join(map(str, parts)) or 'neither'}"
                )
            name = parameters.add(parse_text(parts["name"], f"{place}.name"), "text")
            matches = compare(named, parameters, parts["value"], f"{place}.value")
            if isinstance(parts["value"], str):
                matches += f" AND hashtext(v.value) = hashtext({parameters.add(parts['value'], 'text')})"
            found.append(f"EXISTS (SELECT FROM variables v WHERE {scope} AND v.name = {name} AND {matches})")
        return " AND ".join(found) or "true"

    return condition


def all_tags(sql: str) -> Callable[[Parameters, Any, str], str]:
    """Return the filter by a list of tags, all of which the row must have."""

    def condition(parameters: Parameters, value: Any, where: str) -> str:
        tags = [parse_text(item, f"{where}[{index}]") for index, item in enumerate(items(value, where))]
        return f"{sql} @> {parameters.add(tags, 'text[]')}"

    return condition


def any_of_list(sql: str) -> Callable[[Parameters, Any, str], str]:
    """Return the filter by text of which one in the list `sql` must match; negated operators: none may."""
    named = Field("item", "item", "text", "full")

    def condition(parameters: Parameters, value: Any, where: str) -> str:
        if isinstance(value, str):
            return f"{sql} @> {parameters.add([parse_text(value, where)], 'text[]')}"
        found: list[str] = []
        for operator, operand in mapping(value, where).items():
            if operator == "$exists":
                found.append(f"(cardinality({sql}) > 0) = {parameters.add(parse_bool(operand, where), 'boolean')}")
                continue
            positive = {"$neq": "$eq", "$notIn": "$in"}.get(operator)
            matches = compare(named, parameters, {positive or operator: operand}, where)
            found.append(f"{'NOT ' if positive else ''}EXISTS (SELECT FROM unnest({sql}) AS item WHERE {matches})")
        return " AND ".join(found) or "true"

    return condition
