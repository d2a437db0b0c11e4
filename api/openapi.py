"""The OpenAPI document, made from the same table that serves the requests."""

import inspect
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final

import msgspec

from api.operations import PREFIX, Operation
from api.problems import MEDIA_TYPE
from api.shapes import KEY, all_schemas, page_schema
from api.submitting import POSITION_HEADER
from projections.queries import Field, Shape

REFERENCE: Final = "#/components/schemas/"

STATUSES: Final[Mapping[int, str]] = {
    400: "The request is malformed.",
    404: "There is no such thing.",
    408: "The body did not come in time.",
    409: "It is in a state in which this cannot be, or exists already.",
    413: "The body is too large.",
    422: "It could not be carried out: the model goes on for ever without waiting.",
    415: "The body is of another content type.",
    500: "An error of the engine.",
    503: "Busy, or not ready: try again.",
    504: "It did not happen in time.",
}

AFTER: Final = {
    "name": "after",
    "in": "query",
    "description": "Hold the answer until reads have got to these positions: `<partition>-<position>`, comma-separated.",
    "schema": {"type": "string", "pattern": "^[0-9]{1,6}-[0-9]{1,18}(,[0-9]{1,6}-[0-9]{1,18})*$"},
}
IDEMPOTENCY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key again acts once and is answered alike.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-}][ -~]*$"},
}

_TEXT: Final = {"type": "string"}
_INTEGER: Final = {"type": "integer", "minimum": -(2**31) + 1, "maximum": 2**31 - 1}
_TIME: Final = {"type": "string", "format": "date-time"}
_KINDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "text": _TEXT,
    "key": KEY,
    "int": _INTEGER,
    "time": _TIME,
    "bool": {"type": "boolean"},
}
_COMPARED: Final = ("int", "time")


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    schemas = all_schemas()
    schemas |= {f"{kind.title()}Filter": _operators(kind, {**_KINDS[kind]}) for kind in ("text", "key", "int", "time")}
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(PREFIX + operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Procession",
            "version": version("procession"),
            "summary": "An event-sourced BPMN 2.0 process engine.",
            "description": (
                "Paths, fields, filters, cursors and problem details are those of Camunda 8's Orchestration Cluster API. "
                "Every answer to a command has the header `Procession-Position`; a read with `?after=` that position sees "
                "all that the command did. Reads are never behind what any process of the engine has acknowledged."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _operation(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    description = inspect.getdoc(operation.handler) or ""
    found: dict[str, Any] = {
        "operationId": operation.handler.__name__.strip("_") + "_" + operation.tag.split(" ")[0],
        "summary": description.split(". ")[0].rstrip("."),
        "description": description,
        "tags": [operation.tag],
        "parameters": _parameters(operation),
        "responses": _responses(operation),
    }
    if body := _body(operation, schemas):
        found["requestBody"] = body
    return found


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if operation.parameter:
        found.append({"name": operation.parameter, "in": "path", "required": True, "schema": {**KEY}})
    found += [
        {
            "name": one.name,
            "in": "query",
            "description": one.description,
            "required": one.required,
            "schema": {**one.schema},
        }
        for one in operation.query
    ]
    if operation.reads:
        found.append(AFTER)
    if commands(operation):
        found.append(IDEMPOTENCY)
    return found


def commands(operation: Operation) -> bool:
    """Say whether the operation is a command, as opposed to a read."""
    return 503 in operation.errors and operation.method != "GET" and "/clock" not in operation.path


def _body(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any] | None:
    if operation.multipart:
        schema = {
            "type": "object",
            "properties": {
                "resources": {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}},
                "tenantId": {"type": "string", "const": "<default>"},
            },
            "required": ["resources"],
        }
        return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    if operation.body is None:
        return None
    if operation.search is not None:
        name = f"{_title(operation.search.name)}{operation.body.__name__}"
        schemas[name] = _search(operation.search, only_filter=operation.body.__name__ == "FilterOnly")
        reference = {"$ref": REFERENCE + name}
    else:
        (reference,), components = msgspec.json.schema_components([operation.body], ref_template=REFERENCE + "{name}")
        schemas.update(components)
    return {"required": not operation.optional, "content": {"application/json": {"schema": reference}}}


def _responses(operation: Operation) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if commands(operation):
        text = "Where the events of the command end: `<partition>-<position>`."
        headers = {POSITION_HEADER.title(): {"description": text, "schema": _TEXT}}
    found: dict[str, Any] = {}
    if operation.answer:
        found["200"] = {"description": "Done.", "content": _content(operation.answer), "headers": headers}
    if not operation.answer or operation.may_be_empty:
        found["204"] = {"description": "Done; nothing to say.", "headers": headers}
    declared = {*operation.errors, 500}
    if operation.body is not None or operation.parameter or operation.reads:
        declared.add(400)
    if operation.body is not None:
        declared |= {408, 413, 415}
    if operation.reads:
        declared.add(504)
    if commands(operation):
        declared |= {409, 422, 503, 504}
    problem = {MEDIA_TYPE: {"schema": {"$ref": REFERENCE + "Problem"}}}
    for status in sorted(declared):
        found[str(status)] = {"description": STATUSES[status], "content": problem}
    return found


def _content(answer: str) -> dict[str, Any]:
    if "/" in answer:
        return {media_type: {"schema": _TEXT} for media_type in answer.split(" or ")}
    if answer.startswith("page of "):
        schema = page_schema(answer.removeprefix("page of "))
    elif answer.startswith("list of "):
        schema = {"type": "array", "items": {"$ref": REFERENCE + answer.removeprefix("list of ")}}
    else:
        schema = {"$ref": REFERENCE + answer}
    return {"application/json": {"schema": schema}}


# --- searches ---------------------------------------------------------------------------------------------------------


def _title(name: str) -> str:
    return "".join(word.title() for word in name.split("-"))


def _search(shape: Shape, *, only_filter: bool) -> dict[str, Any]:
    sorts = [field.name for field in shape.fields if field.sorts]
    order = {"type": "string", "enum": ["ASC", "DESC"]}
    sort = {
        "type": "object",
        "properties": {"field": {"type": "string", "enum": sorts}, "order": order},
        "required": ["field"],
        "additionalProperties": False,
    }
    limit = {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 100}
    page = {
        "type": "object",
        "description": "At most one of from, after and before.",
        "properties": {
            "limit": limit,
            "from": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
            "after": {"type": "string", "description": "endCursor of the page before."},
            "before": {"type": "string", "description": "startCursor of the page after."},
        },
        "additionalProperties": False,
    }
    parts: dict[str, Any] = {"filter": _filter(shape)}
    if not only_filter:
        parts |= {"sort": {"type": "array", "items": sort}, "page": page}
    return {"type": "object", "properties": parts, "additionalProperties": False}


def _filter(shape: Shape) -> dict[str, Any]:
    properties: dict[str, Any] = {field.name: _field(field) for field in shape.fields if field.filters}
    for name in (*shape.specials, *shape.related):
        properties.setdefault(name, {})
    filters: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if shape.alternatives:
        inner = {**filters, "properties": {**properties}}
        properties["$or"] = {"type": "array", "items": inner, "description": "One of these must match as well."}
    return filters


def _field(field: Field) -> dict[str, Any]:
    bare = {**_KINDS.get(field.kind, _TEXT)}
    if field.values:
        bare["enum"] = list(field.values)
    if field.filters != "full" or field.kind == "bool":
        return bare
    if not field.values:
        return {"$ref": f"{REFERENCE}{field.kind.title()}Filter"}
    return _operators(field.kind, bare)


def _operators(kind: str, bare: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a filter with all operators of its kind."""
    many = {"type": "array", "items": bare}
    operators: dict[str, Any] = {"$eq": bare, "$neq": bare, "$exists": {"type": "boolean"}, "$in": many}
    if kind in _COMPARED:
        operators |= dict.fromkeys(("$gt", "$gte", "$lt", "$lte"), bare)
    else:
        operators["$notIn"] = many
    if kind in {"text", "enum"}:
        operators["$like"] = _TEXT
    return {"anyOf": [bare, {"type": "object", "properties": operators, "additionalProperties": False}]}
