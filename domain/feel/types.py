"""Types: those that FEEL has, those made from them, and those that a decision model declares. Used by `instance of`, by
typed parameters, and for the coercion that DMN asks for.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from domain.feel import syntax
from domain.feel.temporal import Date, DateTime, DayTimeDuration, Time, YearMonthDuration
from domain.feel.values import NUMBER_TYPES, FeelFunction, Range, Run

ANY = "Any"
NULL = "null"


class FeelType(msgspec.Struct, frozen=True):
    """A type. `name` says the kind; the rest belongs to lists and ranges (`item`), contexts (`entries`) and functions
    (`parameters`, `result`). `allowed` tells whether a value meets the constraints of an item definition.
    """

    name: str
    item: "FeelType | None" = None
    entries: tuple[tuple[str, "FeelType"], ...] | None = None
    parameters: tuple["FeelType", ...] | None = None
    result: "FeelType | None" = None
    allowed: Callable[[Any], bool | None] | None = None


_NO_CLASSES: frozenset[type] = frozenset()
_CLASSES: dict[str, frozenset[type]] = {
    "number": NUMBER_TYPES,
    "string": frozenset((str,)),
    "boolean": frozenset((bool,)),
    "date": frozenset((Date,)),
    "time": frozenset((Time,)),
    "date and time": frozenset((DateTime,)),
    "days and time duration": frozenset((DayTimeDuration,)),
    "years and months duration": frozenset((YearMonthDuration,)),
    "list": frozenset((list,)),
    "context": frozenset((dict,)),
    "function": frozenset((FeelFunction,)),
    "range": frozenset((Range,)),
}
_SYNONYMS = {
    "any": ANY,
    "dateTime": "date and time",
    "date time": "date and time",
    "day-time-duration": "days and time duration",
    "year-month-duration": "years and months duration",
    "dayTimeDuration": "days and time duration",
    "day time duration": "days and time duration",
    "yearMonthDuration": "years and months duration",
    "year month duration": "years and months duration",
}

_PLAIN: dict[str, FeelType] = {name: FeelType(name) for name in (*_CLASSES, ANY, NULL)}
BASIC = {**_PLAIN, **{name: _PLAIN[meant] for name, meant in _SYNONYMS.items()}}
"""The types without arguments, by every name they have."""


def resolve(written: syntax.TypeName, types: Mapping[str, FeelType]) -> FeelType | None:
    """The type that was written, or nothing when nobody declared it: no value is an instance of that."""
    if written.name in types:
        return types[written.name]
    if written.arguments is None:
        return BASIC.get(written.name)
    known: list[FeelType] = []
    for argument in written.arguments:
        found = resolve(argument, types)
        if found is None:
            return None
        known.append(found)
    match written.name:
        case "list" | "range" if len(known) == 1:
            return FeelType(written.name, item=known[0])
        case "context":
            return FeelType("context", entries=tuple(zip(written.names, known, strict=True)))
        case "function":
            return FeelType("function", parameters=tuple(known[:-1]), result=known[-1]) if known else BASIC["function"]
        case _:
            return None


def conforms(value: Any, wanted: FeelType | None, run: Run | None = None) -> bool:
    """`instance of`: null is an instance of nothing."""
    if wanted is None or value is None:
        return False
    return _fits(value, wanted, run)


def _fits(value: Any, wanted: FeelType, run: Run | None) -> bool:
    if value is None:
        return wanted.name in (NULL, ANY)
    if wanted.name != ANY and value.__class__ not in _CLASSES.get(wanted.name, _NO_CLASSES):
        return False
    if wanted.item is not None and not _item_fits(value, wanted.item, run):
        return False
    if wanted.entries is not None and not _entries_fit(value, wanted.entries, run):
        return False
    if wanted.parameters is not None and not _function_fits(value, wanted):
        return False
    return wanted.allowed is None or wanted.allowed(value) is True


def _item_fits(value: Any, item: FeelType, run: Run | None) -> bool:
    if value.__class__ is Range:
        return all(end is None or _fits(end, item, run) for end in (value.low, value.high))
    if run is not None:
        run.charge(len(value))
    return all(part is None or _fits(part, item, run) for part in value)


def _entries_fit(value: dict[str, Any], entries: tuple[tuple[str, FeelType], ...], run: Run | None) -> bool:
    return all(name in value and (value[name] is None or _fits(value[name], kind, run)) for name, kind in entries)


def _function_fits(value: FeelFunction, wanted: FeelType) -> bool:
    parameters = wanted.parameters or ()
    if len(value.parameters) != len(parameters):
        return False
    if value.types and any(
        given is not None and not is_subtype(expected, given)
        for expected, given in zip(parameters, value.types, strict=True)
    ):
        return False
    return value.result_type is None or wanted.result is None or is_subtype(value.result_type, wanted.result)


def is_subtype(narrow: FeelType, wide: FeelType) -> bool:
    """Whether every value of one type is a value of the other."""
    if wide.name == ANY or narrow == wide:
        return True
    if narrow.name != wide.name:
        return False
    if wide.item is not None:
        return narrow.item is not None and is_subtype(narrow.item, wide.item)
    if wide.entries is not None:
        given = dict(narrow.entries or ())
        return all(name in given and is_subtype(given[name], kind) for name, kind in wide.entries)
    return wide.parameters is None


def coerce(value: Any, wanted: FeelType) -> Any:
    """A value made to fit a declared type as DMN says: a single item becomes a list, a list of one its item, a date its
    midnight in UTC; what does not fit becomes null.
    """
    if value is None or _fits(value, wanted, None):
        return value
    if wanted.name == "list" and value.__class__ is not list:
        return coerce([value], wanted)
    if value.__class__ is list and wanted.name not in ("list", ANY):
        return coerce(value[0], wanted) if len(value) == 1 else None
    if wanted.name == "date and time" and value.__class__ is Date:
        midnight = DateTime(value, 0, 0)
        return midnight if _fits(midnight, wanted, None) else None
    if wanted.item is not None and value.__class__ is list:
        return _coerce_list(value, wanted, wanted.item)
    if wanted.entries is not None and value.__class__ is dict:
        return _coerce_context(value, wanted, wanted.entries)
    return None


def _coerce_list(value: list[Any], wanted: FeelType, item: FeelType) -> Any:
    made = [coerce(part, item) for part in value]
    if any(after is None and before is not None for before, after in zip(value, made, strict=True)):
        return None
    return made if _fits(made, wanted, None) else None


def _coerce_context(value: dict[str, Any], wanted: FeelType, entries: tuple[tuple[str, FeelType], ...]) -> Any:
    made = dict(value)
    for name, kind in entries:
        if name in made:
            made[name] = coerce(made[name], kind)
            if made[name] is None and value[name] is not None:
                return None
    return made if _fits(made, wanted, None) else None
