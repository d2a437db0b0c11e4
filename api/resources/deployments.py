"""Deployments, and the resources that came with them."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from api import bodies
from api.operations import Answer, Call, Operation, json
from api.problems import Problem, invalid, not_found
from api.requests import NAME_CHARACTERS_MAX, DeleteResource, Search
from api.searching import get, search
from api.submitting import DEFAULT_TENANT, accepted, addressed, check_tenant, position, stamp
from api.waiting import current
from domain import commands as c
from projections import queries

TAG = "resources"
FILES_MAX: Final = 100
"""Files in one deployment."""
FORM_FIELD_BYTES_MAX: Final = 1_000
RESOURCE: Final = "a resource"
KINDS: Final = (
    ("processes", "processDefinition"),
    ("decisions", "decisionDefinition"),
    ("decisionRequirements", "decisionRequirements"),
    ("forms", "form"),
)
"""The engine's lists of what was deployed -> the field of an entry of the answer."""


async def deploy(call: Call) -> Answer:
    """Deploy all files (parts named `resources`) or none; their extension tells the kind: .bpmn, .dmn, .form."""
    resources = await _files(call)
    reply = await call.api.engine.gateway.submit(c.DeployResources(resources=resources, **stamp(call)))
    deployed = accepted(call, reply, "deploymentKey")
    return json(
        {
            "deploymentKey": deployed["deploymentKey"],
            "tenantId": DEFAULT_TENANT,
            "deployments": [entry for kind, field in KINDS for entry in _entries(deployed.get(kind, ()), field)],
        },
        position(reply),
    )


def _entries(items: Any, field: str) -> list[dict[str, Any]]:
    empty: Mapping[str, None] = dict.fromkeys([*(name for _, name in KINDS), "resource"])
    return [{**empty, field: {**item, "tenantId": DEFAULT_TENANT}} for item in items]


async def _files(call: Call) -> tuple[c.Resource, ...]:
    content_type = call.header(b"content-type") or ""
    if content_type.split(";")[0].strip().lower() != "multipart/form-data":
        detail = f"expected a body of the content type multipart/form-data, but found {content_type[:100]!r}"
        raise Problem(415, "UNSUPPORTED_MEDIA_TYPE", detail)
    limit = call.api.settings.request_bytes_max
    body = await bodies.read(call.receive, call.header(b"content-length"), limit)
    parser = MultiPartParser(
        Headers(raw=call.scope["headers"]),
        _once(body),
        max_files=FILES_MAX,
        max_fields=10,
        max_part_size=FORM_FIELD_BYTES_MAX,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise invalid(f"expected a multipart form of at most {FILES_MAX} files, but {error.message}") from None
    except (LookupError, ValueError):
        raise invalid("expected a multipart form, but found a body that is none") from None
    try:
        return await _resources(form)
    finally:
        await form.close()


async def _resources(form: FormData) -> tuple[c.Resource, ...]:
    found: list[c.Resource] = []
    for name, value in form.multi_items():
        if name == "tenantId" and isinstance(value, str):
            check_tenant(value)
        elif name == "resources" and isinstance(value, UploadFile):
            found.append(c.Resource(_file_name(value), await value.read()))
        else:
            raise invalid(
                "expected the parts resources, each a file with its name, and tenantId, but found"
                f" {name[:100]!r}{' without a file name' if name == 'resources' else ''}"
            )
    if not found:
        raise invalid("expected at least one file in a part named resources, but found none")
    return tuple(found)


def _file_name(file: UploadFile) -> str:
    name = file.filename or ""
    if not 0 < len(name) <= NAME_CHARACTERS_MAX or not name.isprintable():
        raise invalid(
            f"expected a printable file name of 1 to {NAME_CHARACTERS_MAX} characters, but found {name[:300]!r}"
        )
    return name


async def _once(body: bytes) -> AsyncGenerator[bytes]:
    yield body
    yield b""


async def search_resources(call: Call, body: Search) -> Answer:
    """Search deployed resources."""
    return await search(call, queries.RESOURCES, body)


async def get_resource(call: Call) -> Answer:
    """Get a deployed resource."""
    return await get(call, queries.RESOURCES, RESOURCE)


async def _content(call: Call) -> tuple[str, bytes]:
    await current(call, addressed(call, RESOURCE))
    found = await queries.resource_content(call.api.engine.pool, call.key)
    if found is None:
        raise not_found(RESOURCE, call.key)
    return found


async def resource_content(call: Call) -> Answer:
    """Get the content of a resource as it was deployed."""
    name, content = await _content(call)
    return Answer(200, content, "application/json" if name.endswith((".form", ".json")) else "text/xml")


async def resource_binary(call: Call) -> Answer:
    """Get the content of a resource as it was deployed, as bytes."""
    return Answer(200, (await _content(call))[1], "application/octet-stream")


async def delete_resource(call: Call, body: DeleteResource) -> Answer:
    """Make a definition unusable for new instances; running ones go on."""
    key = addressed(call, RESOURCE)
    reply = await call.api.engine.gateway.submit(c.DeleteResource(key=key, **stamp(call)))
    accepted(call, reply)
    return json({"resourceKey": call.key, "batchOperation": None}, position(reply))


async def get_form(call: Call) -> Answer:
    """Get a form."""
    return await get(call, queries.FORMS, "a form")


OPERATIONS = (
    Operation(
        "POST", "/deployments", deploy, TAG, answer="DeploymentResult", multipart=True, errors=(400, 413, 415, 503)
    ),
    Operation(
        "POST",
        "/resources/search",
        search_resources,
        TAG,
        answer="page of ResourceResult",
        body=Search,
        optional=True,
        search=queries.RESOURCES,
        reads=True,
    ),
    Operation("GET", "/resources/{resourceKey}", get_resource, TAG, answer="ResourceResult", reads=True, errors=(404,)),
    Operation(
        "GET",
        "/resources/{resourceKey}/content",
        resource_content,
        TAG,
        answer="text/xml or application/json",
        reads=True,
        errors=(404,),
    ),
    Operation(
        "GET",
        "/resources/{resourceKey}/content/binary",
        resource_binary,
        TAG,
        answer="application/octet-stream",
        reads=True,
        errors=(404,),
    ),
    Operation(
        "POST",
        "/resources/{resourceKey}/deletion",
        delete_resource,
        TAG,
        answer="DeleteResourceResponse",
        body=DeleteResource,
        optional=True,
        errors=(404, 503),
    ),
    Operation("GET", "/forms/{formKey}", get_form, TAG, answer="FormResult", reads=True, errors=(404,)),
)
