"""The web application: the operations of the API, and beside them health, readiness, metrics and documentation."""

from typing import Any, Final

from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from api import asyncapi
from api.auth import Authentication
from api.docs import page
from api.engine import Engine, Settings
from api.openapi import document
from api.operations import Api, Operation, Operations
from api.problems import MEDIA_TYPE, Problem
from api.resources import (
    cluster,
    decisions,
    deployments,
    element_instances,
    jobs,
    messages,
    process_definitions,
    process_instances,
    user_tasks,
)
from api.submitting import POSITION_HEADER

OPERATIONS: Final[tuple[Operation, ...]] = (
    *cluster.OPERATIONS,
    *deployments.OPERATIONS,
    *process_definitions.OPERATIONS,
    *process_instances.OPERATIONS,
    *jobs.OPERATIONS,
    *user_tasks.OPERATIONS,
    *messages.OPERATIONS,
    *element_instances.OPERATIONS,
    *decisions.OPERATIONS,
)
"""All that the API can do, in the open."""


def create_app(engine: Engine, settings: Settings) -> ASGIApp:
    """Return the application over a running engine."""
    app = FastAPI(title="Procession", docs_url=None, redoc_url=None, openapi_url=None)
    _serve_health(app, engine)
    _serve_documentation(app)
    app.add_exception_handler(HTTPException, _http_problem)
    # Around the application and not in it: its own layers cost a quarter of an answer, and do nothing for the operations.
    served: ASGIApp = Operations(app, Api(engine, settings), OPERATIONS)
    if settings.api_token is not None:
        served = Authentication(served, token=settings.api_token.get_secret_value())
    if settings.cors_origins:
        served = CORSMiddleware(
            served,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=("*",),
            expose_headers=(POSITION_HEADER, "retry-after"),
        )
    return served


def _serve_health(app: FastAPI, engine: Engine) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def alive() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    async def ready(request: Request) -> Response:
        if engine.ready:
            return Response(b'{"status":"ready"}', media_type="application/json")
        problem = Problem(503, "UNAVAILABLE", "the engine takes no commands yet, or no more")
        return Response(problem.body(request.url.path), 503, media_type=MEDIA_TYPE)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(engine.metrics), media_type=CONTENT_TYPE_LATEST)


def _serve_documentation(app: FastAPI) -> None:
    described = document(OPERATIONS)
    app.openapi_schema = described
    shown = page(described)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> dict[str, Any]:
        return described

    topics = asyncapi.document()

    @app.get("/asyncapi", include_in_schema=False)
    async def describe_topics() -> dict[str, Any]:
        return topics

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(shown, media_type="text/html; charset=utf-8")


async def _http_problem(request: Request, error: Exception) -> Response:
    """Answer what no operation answers in the same form as all else."""
    assert isinstance(error, HTTPException)
    title = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}.get(error.status_code, "INVALID_ARGUMENT")
    detail = {404: "expected the path of something that is here, see /docs, but found another one"}
    problem = Problem(error.status_code, title, detail.get(error.status_code, str(error.detail)))
    headers = dict(error.headers or {})
    return Response(problem.body(request.url.path), problem.status, headers, media_type=MEDIA_TYPE)
