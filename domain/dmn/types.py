"""Item definitions: the types that a decision model declares, and how given data becomes a value of them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from domain.bpmn.xml import Xml
from domain.dmn.sight import Book, Sight
from domain.dmn.xml import child, children, text_in, written
from domain.feel import BASIC, FeelEvaluationError, FeelType, Moment, UnaryTests, coerce, parse_temporal

_AT = Moment(now=datetime(1970, 1, 1, tzinfo=UTC))
"""Constraints depend on no clock."""

_TEMPORAL = {
    "date",
    "time",
    "date and time",
    "days and time duration",
    "years and months duration",
}
_OTHER_NAMES = {"integer": "number", "long": "number", "double": "number"}
"""Types of Camunda 7, which its modeler still writes into older models."""

BUILT_IN: dict[str, FeelType] = {**BASIC, **{name: BASIC[meant] for name, meant in _OTHER_NAMES.items()}}


def read_types(book: Book, root: Xml, known: dict[str, FeelType]) -> None:
    """Add the types of a model to `known`, each after those that it is made of. One that contains itself is open there."""
    items = {item.get("name", ""): item for item in children(root, "itemDefinition")}
    for item in root.iter(f"{root.tag[: root.tag.rfind('}') + 1]}itemComponent"):
        book.note_path(item.get("name", ""))
    making: set[str] = set()

    def named(name: str) -> FeelType:
        short = name.rpartition(":")[2]
        name = name if name in known or name in items else short
        if name in items and name not in known:
            if name in making:
                return BASIC["Any"]
            making.add(name)
            known[name] = _made(book, items[name], named)
            making.discard(name)
        return known.get(name) or known.get(short.removeprefix("feel.")) or BASIC["Any"]

    for name in items:
        named(name)


def unconstrained(types: Mapping[str, FeelType]) -> dict[str, FeelType]:
    """Return types without their constraints: `instance of` does not ask for them."""
    done: dict[int, FeelType] = {}

    def bare(kind: FeelType) -> FeelType:
        if id(kind) not in done:  # what two types share is made once, however often they share it
            done[id(kind)] = msgspec.structs.replace(
                kind,
                allowed=None,
                item=None if kind.item is None else bare(kind.item),
                entries=kind.entries and tuple((name, bare(entry)) for name, entry in kind.entries),
            )
        return done[id(kind)]

    return {name: bare(kind) for name, kind in types.items()}


def _made(book: Book, item: Xml, named: Callable[[str], FeelType]) -> FeelType:
    components = list(children(item, "itemComponent"))
    function = child(item, "functionItem")
    reference = written(item, "typeRef")
    made = named(reference) if reference else BASIC["Any"]
    if components:
        entries = tuple((part.get("name", ""), _made(book, part, named)) for part in components)
        made = FeelType("context", entries=entries)
    elif function is not None:
        made = FeelType("function", result=named(function.get("outputTypeRef", "")))
    made = _constrained(book, item, "allowedValues", made)
    if item.get("isCollection") == "true":
        made = FeelType("list", item=made)
    return _constrained(book, item, "typeConstraint", made)


def _constrained(book: Book, item: Xml, name: str, base: FeelType) -> FeelType:
    constraint = child(item, name)
    source = text_in(constraint)
    if constraint is None or not source:
        return base
    if name == "allowedValues":
        book.allowed[item.get("name", "")] = source
    tests = Sight(book, ()).tests(constraint, source, "the allowed values")
    return msgspec.structs.replace(base, allowed=_both(base.allowed, tests))


def _both(before: Callable[[Any], bool | None] | None, tests: UnaryTests) -> Callable[[Any], bool | None]:
    def allowed(value: Any) -> bool:
        try:
            return (before is None or before(value) is True) and tests.matches(value, {}, _AT) is True
        except FeelEvaluationError:
            return False

    return allowed


def given(value: Any, wanted: FeelType | None) -> Any:
    """Return given data as a value of a declared type: JSON has no temporal values, so their texts are read."""
    if wanted is None or value is None:
        return value
    return coerce(_temporal(value, wanted), wanted)


def _temporal(value: Any, wanted: FeelType) -> Any:
    if isinstance(value, str):
        kind = wanted.item.name if wanted.name == "list" and wanted.item is not None else wanted.name
        return parse_temporal(value) if kind in _TEMPORAL else value
    if isinstance(value, list) and wanted.item is not None:
        return [_temporal(item, wanted.item) for item in value]
    if isinstance(value, Mapping) and wanted.entries is not None:
        kinds = dict(wanted.entries)
        return {name: _temporal(part, kinds[name]) if name in kinds else part for name, part in value.items()}
    return value
