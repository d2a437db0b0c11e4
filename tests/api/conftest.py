"""A running server with a real engine, for the tests that speak HTTP to it."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from api.app import create_app
from infra import run
from infra.embedded_postgres import EmbeddedPostgres
from infra.engine import Engine
from infra.settings import Settings, load
from tests.conftest import new_database

START_SECONDS_MAX = 150


@dataclass
class Server:
    """An engine with its API, on a loop and a thread of its own."""

    address: str = ""
    ready: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None
    loop: asyncio.AbstractEventLoop | None = None
    ended: asyncio.Event | None = None

    async def serve(self, postgres: EmbeddedPostgres, template: str) -> None:
        self.loop, self.ended = asyncio.get_running_loop(), asyncio.Event()
        async with new_database(postgres, template) as url:
            settings = load({"database_url": url, "port": 0, "partitions": 2, "cors_origins": ("https://example.org",)})
            async with run.serving(settings) as (_, self.address):
                self.ready.set()
                await self.ended.wait()

    def main(self, postgres: EmbeddedPostgres, template: str) -> None:
        try:
            asyncio.run(self.serve(postgres, template))
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.ready.set()


@pytest.fixture(scope="module")
def server(postgres_server: EmbeddedPostgres, template_database: str) -> Iterator[Server]:
    """A server that the module's tests share."""
    found = Server()
    thread = threading.Thread(target=found.main, args=(postgres_server, template_database), name="server")
    thread.start()
    found.ready.wait(START_SECONDS_MAX)
    assert found.error is None, found.error
    yield found
    assert found.loop is not None
    assert found.ended is not None
    found.loop.call_soon_threadsafe(found.ended.set)
    thread.join(START_SECONDS_MAX)


class Client(httpx.AsyncClient):
    """Speaks to the API of a real engine in this process."""

    engine: Engine

    async def ask(self, method: str, path: str, body: Any = None, *, status: int | None = None, **more: Any) -> Any:
        """Send JSON; return the answer's document. Without a `status` any success will do."""
        content = None if body is None else json.dumps(body)
        headers = {"content-type": "application/json", **more.pop("headers", {})}
        answer = await self.request(method, f"/v2{path}", content=content, headers=headers, **more)
        assert answer.is_success if status is None else answer.status_code == status, answer.text
        return answer.json() if answer.content and "json" in answer.headers["content-type"] else answer.text

    async def items(self, what: str, **wanted: Any) -> list[dict[str, Any]]:
        """Search with a filter; return the items."""
        found: list[dict[str, Any]] = (await self.ask("POST", f"/{what}/search", {"filter": wanted}))["items"]
        return found

    async def deploy(self, *files: tuple[str, bytes], status: int = 200) -> Any:
        """Deploy files."""
        answer = await self.post("/v2/deployments", files=[("resources", (*file, "text/xml")) for file in files])
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.fixture
async def client(database_url: str) -> AsyncGenerator[Client]:
    """A client of an engine of this test's own."""
    settings: Settings = load({"database_url": database_url, "partitions": 3})
    async with Engine.running(settings, database_url) as engine:
        transport = httpx.ASGITransport(create_app(engine, settings))
        async with Client(transport=transport, base_url="http://procession", timeout=30) as found:
            found.engine = engine
            yield found
