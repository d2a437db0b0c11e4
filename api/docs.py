"""The documentation page: the OpenAPI document as one HTML page without scripts, so that it works without a network."""

from html import escape
from typing import Any, Final

import msgspec

STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --quiet: #888; --accent: #2b6cb0; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
h2::first-letter { text-transform: uppercase; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0; padding: .3rem .7rem; }
summary { cursor: pointer; overflow-wrap: anywhere; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { overflow-x: auto; }
.method { display: inline-block; width: 4.2rem; font-weight: 700; color: var(--accent); }
.quiet, small { color: var(--quiet); }
table { border-collapse: collapse; width: 100%; }
td { border-top: 1px solid var(--line); padding: .2rem .5rem .2rem 0; vertical-align: top; overflow-wrap: anywhere; }
nav a { margin-right: 1rem; }
"""


def page(document: dict[str, Any]) -> str:
    """Return the page."""
    groups: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).append(_operation(method, path, operation))
    menu = "".join(f'<a href="#{_anchor(tag)}">{escape(tag)}</a>' for tag in (*groups, "shapes"))
    body = "".join(f'<h2 id="{_anchor(tag)}">{escape(tag)}</h2>{"".join(found)}' for tag, found in groups.items())
    shapes = "".join(_shape(name, schema) for name, schema in sorted(document["components"]["schemas"].items()))
    info = document["info"]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}: HTTP API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1><p>{_prose(info['description'])}</p>"
        f'<p>The same for programs: <a href="/openapi.json">/openapi.json</a></p><nav>{menu}</nav>{body}'
        f'<h2 id="shapes">Shapes</h2>{shapes}</body></html>'
    )


def _anchor(tag: str) -> str:
    return tag.replace(" ", "-")


def _prose(text: str) -> str:
    """Return text as HTML; what stands in backticks is code."""
    return "".join(
        f"<code>{escape(part)}</code>" if index % 2 else escape(part) for index, part in enumerate(text.split("`"))
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [f"<p>{_prose(operation['description'])}</p>"]
    if operation["parameters"]:
        rows = (
            f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one['in'])}</td>"
            f"<td>{_prose(one.get('description', ''))}</td></tr>"
            for one in operation["parameters"]
        )
        parts.append(f"<table>{''.join(rows)}</table>")
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        optional = "" if operation["requestBody"]["required"] else ", may be left out"
        parts.append(f"<p>Body, {escape(media_type)}{optional}: {_type(content['schema'])}</p>")
    answers = "".join(
        f"<tr><td>{status}</td><td>{escape(answer['description'])}</td><td>{_answer(answer)}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    parts.append(f"<table>{answers}</table>")
    return (
        f'<details id="{escape(operation["operationId"])}"><summary><span class="method">{method.upper()}</span>'
        f'<code>{escape(path)}</code> <span class="quiet">{_prose(operation["summary"])}</span></summary>'
        f"{''.join(parts)}</details>"
    )


def _answer(answer: dict[str, Any]) -> str:
    return ", ".join(_type(content["schema"]) for content in answer.get("content", {}).values())


def _type(schema: dict[str, Any]) -> str:
    """Return a schema in a few words, with links to shapes."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f'<a href="#{escape(name)}">{escape(name)}</a>'
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if "items" in schema.get("properties", {}) and "page" in schema["properties"]:
        return f"page of {_type(schema['properties']['items']['items'])}"
    if schema.get("properties"):
        return f"<pre>{escape(msgspec.json.format(msgspec.json.encode(schema), indent=1).decode())}</pre>"
    return escape(str(schema.get("format") or schema.get("type") or "anything"))


def _shape(name: str, schema: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code>{'' if field in required else ' <small>may be left out</small>'}</td>"
        f"<td>{_type(kind)}</td></tr>"
        for field, kind in schema.get("properties", {}).items()
    )
    text = _prose(schema.get("description", ""))
    return f'<details id="{escape(name)}"><summary><code>{escape(name)}</code> {text}</summary><table>{rows}</table></details>'
