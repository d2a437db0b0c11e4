"""With a token set, nobody writes or reads without showing it; the caller's name goes into the records."""

import base64

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from api.auth import CALLER, Authentication

TOKEN = "a token"


async def _name(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"caller:{request.scope.get(CALLER)}")


def _client() -> httpx.AsyncClient:
    inner = Starlette(routes=[Route("/v2/topology", _name), Route("/readyz", _name)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(Authentication(inner, TOKEN)), base_url="http://engine")


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "shown", ["", "Bearer", "Bearer wrong", _basic("ann", "wrong"), "Basic not-base64!", f"Digest {TOKEN}"]
)
async def test_without_the_token_the_answer_is_401_and_says_what_was_expected(shown: str) -> None:
    async with _client() as client:
        answer = await client.get("/v2/topology", headers={"authorization": shown})

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == "UNAUTHORIZED"
    assert TOKEN not in answer.text


async def test_the_token_opens_as_bearer_and_as_basic_password_which_names_the_caller() -> None:
    async with _client() as client:
        bearer = await client.get("/v2/topology", headers={"authorization": f"Bearer {TOKEN}"})
        basic = await client.get("/v2/topology", headers={"authorization": _basic("ann", TOKEN)})

    assert (bearer.text, basic.text) == ("caller:", "caller:ann")


async def test_probes_need_no_token() -> None:
    async with _client() as client:
        assert (await client.get("/readyz")).status_code == 200
