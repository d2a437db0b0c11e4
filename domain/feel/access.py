"""Paths and filters: how expressions reach into contexts, lists and temporal values."""

from collections.abc import Callable, Iterable
from typing import Any

from domain.feel import syntax
from domain.feel.compiler import Code, Compiler, literal_of, read
from domain.feel.limits import NODES_PER_STEP
from domain.feel.numbers import is_whole
from domain.feel.scopes import Scope
from domain.feel.temporal import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Date,
    DateTime,
    DayTimeDuration,
    Time,
    YearMonthDuration,
    weekday,
)
from domain.feel.values import NUMBER_TYPES, Range, Run, shown, text_of, within

ITEM = "item"


# -- paths ---------------------------------------------------------------------------------------------------------------


def path(compiler: Compiler, node: syntax.Path) -> Code:
    value = read_partial(compiler, node.value)
    name = node.name

    def step(scope: Any, run: Any) -> Any:
        holder = value(scope, run)
        if holder.__class__ is dict and name in holder:
            return holder[name]
        return property_of(holder, name, run)

    return step


def read_partial(compiler: Compiler, node: syntax.Node) -> Code:
    """Compile the value that a path or filter reads. `partial` may be the living list there: only parts of it get out."""
    if isinstance(node, syntax.Name) and node.name == "partial":
        compiler.used.add(node.name)
        return read(node.name)
    return compiler.compile(node)


def property_of(holder: Any, name: str, run: Run | None) -> Any:
    """What stands behind a dot, of any value."""
    kind = holder.__class__
    if kind is dict:
        if name in holder:
            return holder[name]
        if run is not None:
            run.warn("NO_CONTEXT_ENTRY_FOUND", lambda: _no_entry(holder, name))
        return None
    if kind is list:
        if run is not None:
            run.charge(len(holder))
        return [property_of(item, name, run) for item in holder]
    if holder is None:
        if run is not None:
            run.warn("NO_CONTEXT_ENTRY_FOUND", lambda: f"No context entry found with key '{name}'. The context is null")
        return None
    properties = _PROPERTIES.get(kind)
    if properties is not None and name in properties:
        return properties[name](holder)
    if run is not None:
        run.warn("NO_PROPERTY_FOUND", lambda: _no_property(holder, name, properties or {}))
    return None


def _no_entry(holder: dict[str, Any], name: str) -> str:
    keys = ", ".join(f"'{key}'" for key in holder)
    return f"No context entry found with key '{name}'. Available keys: {keys}"


def _no_property(holder: Any, name: str, properties: Iterable[str]) -> str:
    available = ", ".join(f"'{key}'" for key in properties)
    return f"No property found with name '{name}' of value '{text_of(holder)}'. Available properties: {available}"


def _offset(value: Time | DateTime) -> DayTimeDuration | None:
    return None if value.offset is None else DayTimeDuration(value.offset * SECOND)


def _units(size: int, limit: int) -> Any:
    """A part of a duration; negative durations have negative parts."""

    def part(value: DayTimeDuration) -> int:
        count = abs(value.nanoseconds) // size % limit if limit else abs(value.nanoseconds) // size
        return -count if value.nanoseconds < 0 else count

    return part


def _months(value: YearMonthDuration) -> int:
    return abs(value.months) % 12 * (-1 if value.months < 0 else 1)


def _years(value: YearMonthDuration) -> int:
    return abs(value.months) // 12 * (-1 if value.months < 0 else 1)


_PROPERTIES: dict[type, dict[str, Callable[[Any], Any]]] = {
    Date: {
        "year": lambda value: value.year,
        "month": lambda value: value.month,
        "day": lambda value: value.day,
        "weekday": weekday,
    },
    Time: {
        "timezone": lambda value: value.zone,
        "second": lambda value: value.nanoseconds // SECOND % 60,
        "time offset": _offset,
        "minute": lambda value: value.nanoseconds // MINUTE % 60,
        "hour": lambda value: value.nanoseconds // HOUR,
    },
    DateTime: {
        "timezone": lambda value: value.zone,
        "year": lambda value: value.date.year,
        "second": lambda value: value.nanoseconds // SECOND % 60,
        "month": lambda value: value.date.month,
        "day": lambda value: value.date.day,
        "time offset": _offset,
        "weekday": lambda value: weekday(value.date),
        "minute": lambda value: value.nanoseconds // MINUTE % 60,
        "hour": lambda value: value.nanoseconds // HOUR,
    },
    YearMonthDuration: {"years": _years, "months": _months},
    DayTimeDuration: {
        "days": _units(DAY, 0),
        "hours": _units(HOUR, 24),
        "minutes": _units(MINUTE, 60),
        "seconds": _units(SECOND, 60),
    },
    Range: {
        "start": lambda value: value.low,
        "end": lambda value: value.high,
        "start included": lambda value: value.low is not None and value.low_included,
        "end included": lambda value: value.high is not None and value.high_included,
    },
}
"""In the order in which Camunda's messages list them."""


# -- filters -------------------------------------------------------------------------------------------------------------


def filter_list(compiler: Compiler, node: syntax.Filter) -> Code:
    value = read_partial(compiler, node.value)
    index = literal_of(node.condition)
    if index.__class__ in NUMBER_TYPES:
        return _by_index(value, index)
    compiler.counted = True
    before = compiler.nodes
    (condition,), used = compiler.scoped([node.condition], (ITEM,))
    weight = (compiler.nodes - before) // NODES_PER_STEP + 1
    names = tuple(used - {ITEM})

    def select(scope: Any, run: Any) -> Any:
        items = as_items(value(scope, run), run)
        if items is None:
            return None
        if not items:
            return None if condition(scope, run).__class__ in NUMBER_TYPES else []
        run.charge(len(items) * weight)
        return _select(items, condition, names, scope, run)

    return select


def _by_index(value: Code, index: Any) -> Code:
    def pick(scope: Any, run: Any) -> Any:
        items = value(scope, run)
        if items.__class__ is not list:
            items = as_items(items, run)
        return None if items is None else item_at(items, index)

    return pick


def as_items(value: Any, run: Run | None) -> list[Any] | None:
    """The items that a filter sees: those of a list, or the value alone. Nothing for null, with a warning."""
    if value.__class__ is list:
        return value
    if value is None:
        expected_list(value, run)
        return None
    return [value]


def expected_list(value: Any, run: Run | None) -> None:
    if run is not None:
        run.warn("INVALID_TYPE", lambda: f"Expected list but found '{shown(value)}'")


def item_at(items: list[Any], index: Any) -> Any:
    """The item at a position counted from 1, or from the end when negative; null when there is none."""
    if not is_whole(index) or not index or not -len(items) <= index <= len(items):
        return None
    position = int(index)
    return items[position - 1] if position > 0 else items[position]


def _select(items: list[Any], condition: Code, names: tuple[str, ...], scope: Any, run: Any) -> Any:
    """Items for which the condition is true. What it says of the first one decides whether it is a position instead."""
    result: list[Any] = []
    first = True
    for item in items:
        inner = Scope(scope)
        inner[ITEM] = item
        if item.__class__ is dict:
            for name in names:
                if name in item:
                    inner[name] = item[name]
            if ITEM in item:
                inner[ITEM] = item[ITEM]
        found = condition(inner, run)
        if found is True:
            result.append(item)
        elif first and found is not False and found is not None:
            return item_at(items, found) if found.__class__ in NUMBER_TYPES else _by_range(items, found)
        first = False
    return result


def _by_range(items: list[Any], found: Any) -> Any:
    """A range as a filter keeps the items that lie in it; any other value keeps nothing at all."""
    if found.__class__ is not Range:
        return None
    return [item for item in items if within(item, found, None)]
