"""Describes the HTTP API as Markdown, from the OpenAPI document that the engine serves."""

from collections.abc import Iterator
from typing import Any

from api.app import OPERATIONS
from api.openapi import STATUSES, document

OTHERS = (
    ("/healthz", "200 as long as the process answers."),
    ("/readyz", "200 as soon as commands are taken, 503 before and after."),
    ("/metrics", "What the engine counts, for Prometheus: see [metrics](metrics.md)."),
    ("/docs", "This page, as HTML, from the engine that runs."),
    ("/openapi.json", "The same for programs."),
)

INLINE_FIELDS_MAX = 4
"""More fields than this stand below each other."""


def http_page(note: str) -> str:
    """The page of operations and the shapes that they speak in."""
    described = document(OPERATIONS)
    groups: dict[str, list[str]] = {}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).extend(_operation(method.upper(), path, operation))
    lines = ["# HTTP API", "", note, "", described["info"]["description"], ""]
    lines += [
        "Requests and answers are JSON; keys are strings. Errors are problem details (RFC 9457): [Problem](#problem).",
        "",
    ]
    lines += ["Beside `/v2` there are:", "", "| path | answer |", "|---|---|"]
    lines += [f"| `GET {path}` | {meaning} |" for path, meaning in OTHERS]
    lines += ["", "What a problem's status says, here and below:", "", "| status | meaning |", "|---|---|"]
    lines += [f"| {status} | {meaning} |" for status, meaning in STATUSES.items()]
    lines += [""]
    for tag, operations in groups.items():
        lines += [f"## {tag.capitalize()}", "", *operations]
    lines += ["## Shapes", ""]
    for name, schema in sorted(described["components"]["schemas"].items()):
        lines += _shape(name, schema)
    return "\n".join(lines)


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield from (f"### {method} {path}", "", " ".join(operation["description"].split()), "")
    for parameter in operation["parameters"]:
        if parameter["in"] != "path":
            required = ", required" if parameter.get("required") else ""
            yield f"* `{parameter['name']}` ({parameter['in']}{required}): {parameter.get('description', '')}"
    body = operation.get("requestBody", {})
    for media_type, content in body.get("content", {}).items():
        kind = "" if media_type == "application/json" else f"{media_type}, "
        yield f"* body{'' if body['required'] else ' (may be left out)'}: {kind}{_type(content['schema'])}"
    for status, answer in operation["responses"].items():
        if int(status) not in STATUSES:
            kinds = {media: _type(content["schema"]) for media, content in answer.get("content", {}).items()}
            said = ", ".join(kind if media == "application/json" else media for media, kind in kinds.items())
            yield f"* {status}: {said or answer['description'].rstrip('.').lower()}"
    yield f"* problems: {', '.join(status for status in operation['responses'] if int(status) in STATUSES)}"
    yield ""


def _shape(name: str, schema: dict[str, Any]) -> Iterator[str]:
    required = set(schema.get("required", ()))
    yield from (f"### {name}", "")
    if text := " ".join(schema.get("description", "").split()):
        yield from (text, "")
    properties = schema.get("properties", {})
    if not properties:
        yield from (_type(schema), "")
        return
    yield from ("| field | | type |", "|---|---|---|")
    for field, kind in properties.items():
        yield f"| `{field}` | {'' if field in required else 'may be left out'} | {_type(kind)} |"
    yield ""


def _type(schema: dict[str, Any]) -> str:
    """A schema in a few words, with links to shapes."""
    properties = schema.get("properties", {})
    match schema:
        case {"$ref": reference}:
            name = reference.rsplit("/", 1)[1]
            return f"[{name}](#{name.lower()})"
        case {"anyOf": kinds}:
            operators = [kind for kind in kinds if "$eq" in kind.get("properties", {})]
            if operators:
                # A filter takes a bare value or an object of comparisons; its operators say enough.
                others = [_type(kind) for kind in kinds if kind not in operators]
                return f"{' or '.join(others)}, or {' '.join(f'`{name}`' for name in operators[0]['properties'])}"
            return " or ".join(map(_type, kinds))
        case {"enum": values}:
            return " ".join("null" if value is None else f"`{value}`" for value in values)
        case {"type": "array", "items": items}:
            return f"list of {_type(items)}"
        case {"type": "array"}:
            return "list"
        case _ if "page" in properties and "items" in properties:
            return f"page of {_type(properties['items']['items'])}"
        case _ if properties:
            inner = [f"`{name}`: {_type(kind)}" for name, kind in properties.items()]
            return "<br>".join(inner) if len(inner) > INLINE_FIELDS_MAX else f"{{ {', '.join(inner)} }}"
        case _:
            return str(schema.get("format") or schema.get("type") or "any JSON value")
