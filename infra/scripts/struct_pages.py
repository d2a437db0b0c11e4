"""Describes commands and events as Markdown, from their structs and what their source says about each field."""

import ast
import functools
import inspect
import textwrap
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any, NamedTuple, get_args

import msgspec

from domain import commands, events
from domain.events import base, definitions, instances, messages, waiting, work
from eventstore.codec import CODEC
from eventstore.records import EventRecord

EVENT_MODULES: tuple[ModuleType, ...] = (instances, work, waiting, messages, definitions, base)
"""In the order in which a reader meets them."""


class Described(NamedTuple):
    """One field, as its source has it."""

    name: str
    type: str
    default: str
    meaning: str


def commands_page(note: str) -> str:
    """The page of commands: those of people and programs, then those that follow from facts."""
    members: tuple[type[msgspec.Struct], ...] = get_args(commands.AnyCommand)
    external = [member for member in members if not issubclass(member, commands.Reaction)]
    reactions = [member for member in members if issubclass(member, commands.Reaction)]
    return "\n".join(
        [
            "# Commands",
            "",
            note,
            "",
            "A command is an intention and may be refused; what it leads to are [events](events.md). On every wire it is a JSON",
            "object whose `type` is the name below; fields that have their default are left out. Most people send commands through",
            "the [HTTP API](http.md), which makes them.",
            "",
            "Every command has these fields:",
            "",
            *_table(_fields(commands.Command)),
            "",
            "## From people, workers and producers",
            "",
            *_sections(external, without=commands.Command),
            "## Reactions",
            "",
            "The engine sends these to itself: each follows from one stored event, for another stream, or from a time that has come.",
            "The API offers none of them. Beside the fields above, each has:",
            "",
            *_table(_own_fields(commands.Reaction)),
            "",
            *_sections(reactions, without=commands.Reaction),
            "## Parts",
            "",
            *_parts([commands]),
        ]
    )


def events_page(note: str) -> str:
    """The page of events, by the part of the engine that they tell of."""
    members: tuple[type[msgspec.Struct], ...] = get_args(events.AnyEvent)
    parts: list[str] = []
    for module in EVENT_MODULES:
        own = [member for member in members if member.__module__ == module.__name__]
        title = "What every stream may hold" if module is base else module.__name__.rsplit(".", 1)[1].capitalize()
        parts += [f"## {title}", "", inspect.getdoc(module) or "", "", *_sections(own, without=events.Event)]
    assert sum(line.startswith("### ") for line in parts) == len(members), (
        "an event stands in a module that is not listed"
    )
    return "\n".join(
        [
            "# Events",
            "",
            note,
            "",
            "An event is a fact: it is stored as it is and never changed. Its body is a JSON object whose `type` is the name below;",
            "fields that have their default are left out, and numbers keep all their digits. Read them in SQL from the view",
            "`event_log`:",
            "",
            "    procession psql -c 'select position, type, body from event_log order by partition, position limit 20'",
            "",
            "Around each event stands its record:",
            "",
            *_table([field for field in _fields(EventRecord) if field.name != "event"]),
            "",
            f"The table `events` also has the `schema` version of the body. Old versions are read for ever; {_versions(members)}",
            "`Variables` is an object of names and JSON values, `Json` any JSON value.",
            "",
            *parts,
            "## Parts",
            "",
            *_parts(EVENT_MODULES),
        ]
    )


def _versions(members: Iterable[type[msgspec.Struct]]) -> str:
    later = {tag: CODEC.version(tag) for tag in map(_tag, members) if CODEC.version(tag) > 1}
    if not later:
        return "every type is at version 1 now."
    return (
        "all are at version 1 now, but for " + ", ".join(f"`{tag}` ({number})" for tag, number in later.items()) + "."
    )


def _parts(modules: Iterable[ModuleType]) -> Iterator[str]:
    """The structs that stand in fields of others: they are untagged."""
    for module in modules:
        for name, found in vars(module).items():
            if not inspect.isclass(found) or found.__module__ != module.__name__:
                continue
            if issubclass(found, msgspec.Struct) and found.__struct_config__.tag_field is None:
                yield from (f"### {name}", "", inspect.getdoc(found) or "", "", *_table(_fields(found)), "")


def _sections(structs: Iterable[type[msgspec.Struct]], without: type[msgspec.Struct]) -> Iterator[str]:
    shared = {field.name for field in _fields(without)}
    for struct in structs:
        fields = [field for field in _fields(struct) if field.name not in shared]
        yield from (f"### {_tag(struct)}", "", inspect.getdoc(struct) or "", "")
        if fields:
            yield from (*_table(fields), "")


def _tag(struct: type[msgspec.Struct]) -> str:
    return str(struct.__struct_config__.tag)


def _table(fields: Iterable[Described]) -> list[str]:
    rows = (
        f"| `{field.name}` | `{_cell(field.type)}` | {f'`{_cell(field.default)}`' if field.default else ''} | {_cell(field.meaning)} |"
        for field in fields
    )
    return ["| field | type | default | meaning |", "|---|---|---|---|", *rows]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _fields(struct: type[msgspec.Struct]) -> list[Described]:
    """All fields, those of the bases first."""
    bases = [
        base for base in reversed(struct.__mro__) if issubclass(base, msgspec.Struct) and base is not msgspec.Struct
    ]
    found = {field.name: field for base in bases for field in _own_fields(base)}
    assert set(found) == set(struct.__struct_fields__), f"{struct.__name__}: its source was misread"
    return list(found.values())


@functools.cache
def _own_fields(struct: type[Any]) -> list[Described]:
    """The fields of the struct's own source. A text right below a field is its meaning, as Python's tools have it."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(struct))).body
    assert isinstance(definition, ast.ClassDef)
    found: list[Described] = []
    for statement in definition.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                found.append(Described(name, ast.unparse(annotation), ast.unparse(value) if value else "", ""))
            case ast.Expr(value=ast.Constant(value=str(text))) if found:
                found[-1] = found[-1]._replace(meaning=inspect.cleandoc(text))
            case _:
                pass
    return found
