"""Describes the topics as one AsyncAPI 3 document, with the JSON Schema of every command and event, from the code itself.

It also says which changes of a schema would break those who rely on it.
"""

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Final, get_args

import msgspec

from api.shapes import SHAPES, schema_of
from domain.commands import AnyCommand, Reaction
from domain.events import AnyEvent

ASYNCAPI: Final = "3.0.0"
SCHEMAS: Final = "#/components/schemas/"
EVENT_HEADERS: Final = {
    "type": "event type, as in the body",
    "schema": "version of the body's schema, from 1",
    "stream": "what the event belongs to, as instance/<key>; also the record's key",
    "partition": "the engine's partition, from 1; the topic's is one less",
    "position": "number in the partition, from 1, without holes",
    "time": "when it was decided, ISO 8601, UTC, milliseconds",
    "cause": "id of the command that led to it",
    "by": "who wanted it; empty for the engine itself",
    "key": "key of the process instance; only for events of instances",
}
JOB_HEADERS: Final = {
    "type": "job type, as in the body",
    "key": "key of the job; the record's key is that of the process instance",
    "partition": "the engine's partition, from 1; the topic's is one less",
    "deadline": "until when the job is the worker's, in milliseconds since 1970",
    "retries": "how many times it may still be tried",
}
LETTER_HEADERS: Final = {
    "reason": "what was expected and what was found",
    "topic": "where the record stood",
    "partition": "of that topic, from 0",
    "offset": "in that partition",
    "bytes": "how long the record was; only where it did not fit and its beginning is kept",
}
OPTIONAL_AT_THE_TOPIC: Final = frozenset({"id", "issued_at"})
"""What a producer may leave out: it comes from the record's place and time."""

Schema = dict[str, Any]


def schemas() -> dict[str, Schema]:
    """Return the JSON Schema of every command that anybody may send and of every event, by name."""
    commands = [each for each in get_args(AnyCommand) if not issubclass(each, Reaction)]
    _, found = msgspec.json.schema_components((*commands, *get_args(AnyEvent)), ref_template=SCHEMAS + "{name}")
    for each in commands:
        own = found[each.__name__]
        own["required"] = [name for name in own["required"] if name not in OPTIONAL_AT_THE_TOPIC]
    return dict(sorted(found.items()))


def document() -> dict[str, Any]:
    """Return the AsyncAPI document."""
    commands = {each.__name__: each for each in get_args(AnyCommand) if not issubclass(each, Reaction)}
    events = {each.__name__: each for each in get_args(AnyEvent)}
    messages = {
        **{name: _message(name, each) for name, each in commands.items()},
        **{name: _message(name, each, EVENT_HEADERS) for name, each in events.items()},
        "ActivatedJob": {
            "name": "job",
            "summary": "A job, leased to whoever reads it: complete-job, fail-job or throw-job-error says what came of it.",
            "payload": {"$ref": f"{SCHEMAS}ActivatedJob"},
            "headers": _headers(JOB_HEADERS),
        },
        "DeadLetter": {
            "name": "dead-letter",
            "summary": "A record of the commands topic that is no command, with its original bytes.",
            "contentType": "application/octet-stream",
            "headers": _headers(LETTER_HEADERS),
        },
    }
    return {
        "asyncapi": ASYNCAPI,
        "info": {
            "title": "Procession",
            "version": version("procession"),
            "description": "Commands from anywhere, events to anyone. Keys are integers of 64 bits; a command may give them as text.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "commands": _channel(
                "procession.commands", "Any producer, any partitioner. A record is one command as JSON.", commands
            ),
            "events": _channel(
                "procession.events",
                "Each partition's events in order of position. A position that comes twice is the same event.",
                events,
            ),
            "jobs": {
                **_channel(
                    "procession.jobs.{type}",
                    "Jobs of a type that has a topic. One comes at least once, and again when its lease ends.",
                    ["ActivatedJob"],
                ),
                "parameters": {"type": {"description": "A job type, as PROCESSION_KAFKA_JOB_TYPES names it."}},
            },
            "deadLetters": _channel("procession.dead-letters", "What was no command, and why.", ["DeadLetter"]),
        },
        "operations": {
            "receiveCommands": {"action": "receive", "channel": {"$ref": "#/channels/commands"}},
            "sendEvents": {"action": "send", "channel": {"$ref": "#/channels/events"}},
            "sendJobs": {"action": "send", "channel": {"$ref": "#/channels/jobs"}},
            "sendDeadLetters": {"action": "send", "channel": {"$ref": "#/channels/deadLetters"}},
        },
        "components": {
            "messages": messages,
            "schemas": {**schemas(), "ActivatedJob": schema_of(SHAPES["ActivatedJob"])},
        },
    }


def _message(name: str, kind: type[Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
    described: dict[str, Any] = {"name": kind.__struct_config__.tag, "payload": {"$ref": SCHEMAS + name}}
    if kind.__doc__:
        described["summary"] = kind.__doc__.strip().splitlines()[0]
    if headers:
        described["headers"] = _headers(headers)
    return described


def _headers(meanings: dict[str, str]) -> Schema:
    return {
        "type": "object",
        "properties": {name: {"type": "string", "description": meaning} for name, meaning in meanings.items()},
    }


def _channel(address: str, description: str, names: Any) -> dict[str, Any]:
    return {
        "address": address,
        "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }


# --- compatibility -------------------------------------------------------------------------------------------------------


def breaks(old: dict[str, Schema], new: dict[str, Schema]) -> list[str]:
    """Return a sentence for each change that would break a producer of commands, a consumer of events, or a stored event."""
    wrong: list[str] = []
    for name, was in old.items():
        if name not in new:
            wrong.append(f"{name}: expected it to stay, but it is gone")
        else:
            wrong += _breaks(name, was, new[name])
    return wrong


def _breaks(where: str, was: Schema, now: Schema) -> Iterator[str]:
    before, after = was.get("properties", {}), now.get("properties", {})
    for name in before:
        if name not in after:
            yield f"{where}.{name}: expected the field to stay, but it is gone"
        elif _shape(before[name]) != _shape(after[name]) and not _wider(before[name], after[name]):
            yield f"{where}.{name}: expected {_shape(before[name])}, but it is {_shape(after[name])}"
    for name in now.get("required", ()):
        if name not in was.get("required", ()):
            yield f"{where}.{name}: expected a field that may be left out, but it is required now"
    for name in was.get("required", ()):
        if name in after and name not in now.get("required", ()):
            yield f"{where}.{name}: expected a field that is always there, but it may be left out now"


def _shape(schema: Schema) -> Schema:
    """Return what a schema allows, without what it says to people."""
    return {key: value for key, value in schema.items() if key not in ("description", "title", "default")}


def _wider(was: Schema, now: Schema) -> bool:
    """Say whether a field may hold all that it could before; for enumerations and alternatives only."""
    for kind in ("enum", "anyOf"):
        if kind in was and kind in now:
            return all(each in now[kind] for each in was[kind])
    return "anyOf" in now and _shape(was) in now["anyOf"]
