"""What a built-in is: a name, the names and kinds of its parameters, and a Python function. One entry, one signature."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from domain.feel.temporal import Date, DateTime, DayTimeDuration, Time, YearMonthDuration
from domain.feel.values import NUMBER_TYPES, FeelFunction, Range


class Failed(ValueError):  # noqa: N818 - an answer of the language, not an error of ours
    """A built-in cannot answer. The result is null and the message becomes a warning."""


class Kind(NamedTuple):
    """What a parameter takes: values of these classes (any, when there are none named), and perhaps null."""

    name: str
    classes: frozenset[type] | None
    nullable: bool


_CLASSES: dict[str, frozenset[type] | None] = {
    "any": None,
    "number": NUMBER_TYPES,
    "string": frozenset((str,)),
    "boolean": frozenset((bool,)),
    "list": frozenset((list,)),
    "context": frozenset((dict,)),
    "function": frozenset((FeelFunction,)),
    "range": frozenset((Range,)),
    "date": frozenset((Date, DateTime)),
    "date and time": frozenset((DateTime,)),
    "time": frozenset((Time,)),
    "duration": frozenset((DayTimeDuration, YearMonthDuration)),
    "days and time duration": frozenset((DayTimeDuration,)),
}

Call = Callable[..., Any]
"""Gets the Run and the arguments."""


class Builtin(NamedTuple):
    """One signature of one built-in. With `many`, any number of arguments become the one list."""

    name: str
    parameters: tuple[str, ...]
    kinds: tuple[Kind, ...]
    call: Call
    many: bool


def entry(name: str, signature: str, call: Call) -> Builtin:
    """A built-in. `signature` reads as in the standard: `list: list, position: number`. A kind that ends with `?` takes
    null, and may be left out of a call with names; `any` takes everything; `list...` collects arguments.
    """
    parameters: list[str] = []
    kinds: list[Kind] = []
    many = False
    for part in filter(None, signature.split(", ")):
        parameter, _, kind = part.partition(": ")
        many = many or kind.endswith("...")
        word = kind.removesuffix("...").removesuffix("?")
        parameters.append(parameter)
        kinds.append(Kind(word, _CLASSES[word], kind.endswith("?") or word == "any"))
    return Builtin(name, tuple(parameters), tuple(kinds), call, many)


def fit(value: Any, kind: Kind) -> Any:
    """An argument as the parameter takes it, or NotImplemented. One item and a list of one stand for each other."""
    if kind.classes is None or value.__class__ in kind.classes:
        return value
    if value is None:
        return None if kind.nullable else NotImplemented
    if list in kind.classes:
        return [value]
    if value.__class__ is list and len(value) == 1 and value[0].__class__ in kind.classes:
        return value[0]
    return NotImplemented


def by_name(entries: Sequence[Builtin]) -> dict[str, tuple[Builtin, ...]]:
    """All signatures of each name, in the order of the table."""
    found: dict[str, list[Builtin]] = {}
    for each in entries:
        found.setdefault(each.name, []).append(each)
    return {name: tuple(signatures) for name, signatures in found.items()}
