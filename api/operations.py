"""How a request becomes a call of a function, and what it returns an answer.

One table of operations serves the routing (two dictionary look-ups, whatever their number), the decoding of bodies and
the OpenAPI document. It knows no operation by name.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import parse_qs

import asyncpg
import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from api import bodies
from api.engine import Engine, Settings
from api.problems import MEDIA_TYPE, Problem, exhausted, invalid, too_late, unavailable
from api.waiting import Acknowledged
from projections.queries import BadQuery, Shape
from streams.work import NoAnswer, Overloaded, Unavailable

log = logging.getLogger(__name__)

PREFIX: Final = "/v2"
KEY: Final = re.compile(r"-?[0-9]{1,25}")
PARAMETER_CHARACTERS_MAX: Final = 1_000

_DATABASE_GONE: Final = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""How asyncpg says, in the middle of a read or before it, that the database is away."""

_encode = msgspec.json.Encoder(decimal_format="number").encode

Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class Answer(msgspec.Struct, frozen=True):
    """What goes back: a status, headers (lower case) and a body."""

    status: int = 200
    body: bytes = b""
    media_type: str = "application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


def json(value: Any, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Answer:
    """Answer with a JSON document."""
    return Answer(200, _encode(value), headers=headers)


class Api:
    """What all calls share."""

    __slots__ = ("acknowledged", "engine", "settings")

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self.settings = settings
        self.acknowledged = Acknowledged()


class Call:
    """One request on its way through the API."""

    __slots__ = ("_query", "api", "key", "receive", "scope")

    def __init__(self, api: Api, scope: Scope, receive: Receive, key: str) -> None:
        self.api = api
        self.scope = scope
        self.receive = receive
        self.key = key
        """The key in the path; empty if it has none."""
        self._query: Mapping[str, list[str]] | None = None

    def header(self, name: bytes) -> str | None:
        """Return the first header of that name (lower case)."""
        for header, value in self.scope["headers"]:
            if header == name:
                text: str = value.decode("latin-1")
                return text
        return None

    def query(self, name: str) -> str | None:
        """Return the query parameter; raise `Problem` if it is there more than once."""
        if not self.scope["query_string"]:
            return None
        if self._query is None:
            text = self.scope["query_string"].decode("latin-1")
            try:
                self._query = parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=100)
            except ValueError:
                raise invalid("expected at most 100 query parameters in UTF-8, but found others") from None
        values = self._query.get(name, [])
        if len(values) > 1:
            raise invalid(f"expected the query parameter {name!r} once, but found it {len(values)} times")
        if values and len(values[0]) > PARAMETER_CHARACTERS_MAX:
            raise invalid(
                f"expected the query parameter {name!r} to have at most {PARAMETER_CHARACTERS_MAX} characters"
            )
        return values[0] if values else None

    def query_flag(self, name: str, default: bool) -> bool:
        """Return a query parameter that is true or false."""
        value = self.query(name)
        if value not in {None, "true", "false"}:
            raise invalid(f"expected the query parameter {name!r} to be true or false, but found {value!r}")
        return default if value is None else value == "true"


Handler: TypeAlias = Callable[..., Awaitable[Answer]]
"""(call) or (call, body) -> answer; raises `Problem`. Its docstring is the operation's description."""


class QueryParameter(msgspec.Struct, frozen=True):
    """A query parameter, for the documentation."""

    name: str
    schema: Mapping[str, Any]
    description: str
    required: bool = False


TRUNCATE: Final = QueryParameter("truncateValues", {"type": "boolean", "default": True}, "Whether long values are cut.")


class Operation(msgspec.Struct, frozen=True):
    """One operation of the API."""

    method: Method
    path: str
    """Below `/v2`; at most one `{…Key}` in it."""
    handler: Handler
    tag: str
    answer: str = ""
    """Name of the shape of a 200 (`api.shapes`), `page of X`, `list of X`, a media type, or empty for 204."""
    body: type[Any] | None = None
    optional: bool = False
    """Whether the body may be left out; it is then as if it were `{}`."""
    multipart: bool = False
    search: Shape | None = None
    """Shape whose filters and sorts the body takes."""
    reads: bool = False
    """Whether `?after=` holds it."""
    may_be_empty: bool = False
    """Whether 204 is an answer besides 200."""
    errors: tuple[int, ...] = ()
    query: tuple[QueryParameter, ...] = ()

    @property
    def parameter(self) -> str:
        """Name of the key in the path, or empty."""
        return self.path.split("{")[1].split("}")[0] if "{" in self.path else ""


Table: TypeAlias = dict[str, tuple[str, dict[str, Operation]]]
"""Path with `*` in place of the key -> (path as documented, method -> operation)."""


def table(operations: Iterable[Operation]) -> Table:
    """Return operations by path and method."""
    found: Table = {}
    for operation in operations:
        place = re.sub(r"\{.*?\}", "*", PREFIX + operation.path)
        methods = found.setdefault(place, (PREFIX + operation.path, {}))[1]
        assert operation.method not in methods, f"{operation.method} {operation.path} stands twice"
        methods[operation.method] = operation
    return found


class Operations:
    """All operations of the API, before everything else that the application answers.

    Routing through the application would cost about as much as answering: the table is all the routing they need.
    """

    def __init__(self, app: ASGIApp, api: Api, operations: Iterable[Operation]) -> None:
        self.app = app
        self.api = api
        self.table = table(operations)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take every path below `/v2`; the rest is the application's."""
        if scope["type"] == "http" and scope["path"].startswith(PREFIX + "/"):
            await self.handle(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever happens."""
        try:
            answer = await self._answer(scope, receive)
        except Problem as problem:
            answer = self._problem(problem, scope)
        except bodies.Gone:
            return
        except asyncio.CancelledError:
            # Only the server cancels, when it stops and its patience is over; the task ends with the answer.
            answer = self._problem(unavailable("this process stops; try again"), scope)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer
            answer = self._problem(_failure(error, scope), scope)
        await respond(send, answer, head=scope["method"] == "HEAD")

    @staticmethod
    def _problem(problem: Problem, scope: Scope) -> Answer:
        headers = tuple((name.encode(), value.encode()) for name, value in problem.headers.items())
        return Answer(problem.status, problem.body(scope["path"]), MEDIA_TYPE, headers)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        operation, key = self._find(scope)
        call = Call(self.api, scope, receive, key)
        if "{" in operation.path and not KEY.fullmatch(key):
            raise invalid(
                f"expected {operation.parameter} in the path to be a key, 1 to 25 digits, but found {key[:100]!r}"
            )
        try:
            if operation.body is None:
                return await operation.handler(call)
            return await operation.handler(call, await self._body(operation, call))
        except BadQuery as error:
            raise invalid(str(error)) from None
        except Overloaded as error:
            raise exhausted(str(error)) from None
        except Unavailable as error:
            raise unavailable(str(error)) from None
        except NoAnswer as error:
            raise too_late(str(error)) from None

    def _find(self, scope: Scope) -> tuple[Operation, str]:
        path: str = scope["path"]
        key = ""
        found = self.table.get(path)
        if found is None:
            # No path has more than one key, and a key begins with a digit or a minus where words begin with a letter.
            segments = path.split("/")
            for index in range(3, len(segments)):
                place = "/".join([*segments[:index], "*", *segments[index + 1 :]])
                if (found := self.table.get(place)) is not None:
                    key = segments[index]
                    break
        if found is None:
            raise Problem(404, "NOT_FOUND", "expected the path of an operation, see /docs, but found another one")
        method = scope["method"]
        operation = found[1].get("GET" if method == "HEAD" else method)
        if operation is None:
            allowed = ", ".join(sorted(found[1]))
            detail = f"expected one of the methods {allowed} at this path, but found {method}"
            raise Problem(405, "METHOD_NOT_ALLOWED", detail, {"allow": allowed})
        return operation, key

    async def _body(self, operation: Operation, call: Call) -> Any:
        limit = self.api.settings.request_bytes_max
        body = await bodies.read(call.receive, call.header(b"content-length"), limit)
        media_type = (call.header(b"content-type") or "").split(";")[0].strip().lower()
        if body and media_type not in {"", "application/json"} and not media_type.endswith("+json"):
            detail = f"expected a body of the content type application/json, but found {media_type[:100]!r}"
            raise Problem(415, "UNSUPPORTED_MEDIA_TYPE", detail)
        if not body and operation.optional:
            body = b"{}"
        return bodies.decode(operation.body, body)  # type: ignore[arg-type]  # `operation.body` is no None here


def _failure(error: Exception, scope: Scope) -> Problem:
    """Return what a caller is told of an error: that the database is away, or that the error is ours. The log learns which."""
    asked = f"{scope['method']} {scope['path']}"
    # A value that cannot be sent is an InterfaceError as well, and ours.
    if isinstance(error, _DATABASE_GONE) and not isinstance(error, ValueError):
        log.warning("%s found no database: %s: %s", asked, type(error).__name__, error)
        return unavailable("the database does not answer just now; try again")
    log.error("%s failed", asked, exc_info=error)
    detail = "the request could not be carried out because of an error of the engine; its log says more"
    return Problem(500, "INTERNAL_ERROR", detail)


async def respond(send: Send, answer: Answer, *, head: bool = False) -> None:
    """Send an answer."""
    headers = [*answer.headers]
    if answer.status != 204:
        headers.append((b"content-type", answer.media_type.encode()))
        headers.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else answer.body})
