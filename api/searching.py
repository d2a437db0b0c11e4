"""Reads: wait until the tables are current enough, then ask them."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import asyncpg
import msgspec

from api.operations import Answer, Call, json
from api.problems import not_found
from api.requests import FilterOnly, Search
from api.submitting import addressed
from api.waiting import current
from projections import queries


def request_of(body: Search | FilterOnly) -> dict[str, Any]:
    """Return a search as the query layer takes it."""
    request: dict[str, Any] = {} if body.filter is None else {"filter": body.filter}
    if isinstance(body, Search):
        for name, part in (("sort", body.sort), ("page", body.page)):
            if part is not None:
                request[name] = msgspec.to_builtins(part)
    return request


async def search(
    call: Call,
    shape: queries.Shape,
    body: Search,
    *,
    fixed: Mapping[str, Any] | None = None,
    truncate_values: bool = True,
) -> Answer:
    """Answer a search."""
    await current(call)
    pool, request = call.api.engine.pool, request_of(body)
    return json(await queries.search(pool, shape, request, fixed=fixed, truncate_values=truncate_values))


async def get(call: Call, shape: queries.Shape, what: str) -> Answer:
    """Answer with the one thing that the path names."""
    return json(await must_exist(call, shape, what))


async def xml_of(call: Call, what: str, read: Callable[[asyncpg.Pool, str], Awaitable[bytes | None]]) -> Answer:
    """Answer with the XML of the one thing that the path names."""
    await current(call, addressed(call, what))
    content = await read(call.api.engine.pool, call.key)
    if content is None:
        raise not_found(what, call.key)
    return Answer(200, content, "text/xml")


async def must_exist(call: Call, shape: queries.Shape, what: str) -> queries.Item:
    """Return the one thing that the path names; raise `Problem`, 404, if it is not there."""
    return await _get(call, shape, what, addressed(call, what))


async def get_derived(call: Call, shape: queries.Shape, what: str) -> Answer:
    """Answer likewise, where the key is one that the tables made and that names no partition."""
    return json(await _get(call, shape, what, None))


async def _get(call: Call, shape: queries.Shape, what: str, key: int | None) -> queries.Item:
    await current(call, key)
    item = await queries.get(call.api.engine.pool, shape, call.key)
    if item is None:
        raise not_found(what, call.key)
    return item
