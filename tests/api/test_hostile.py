"""Input made to hurt: each gets a clear answer within two seconds on a usual machine, in bounded memory, and the engine goes on."""

import asyncio
import resource
from collections.abc import Callable
from time import process_time
from typing import Any

import pytest

from tests.api.conftest import Client, Server
from tests.support.bpmn import NAMESPACES, bpmn

SECONDS_MAX = 10.0
"""Of this process's own work, the server's included, on a slow machine; on a usual one the worst takes 0.6 s."""
MEGABYTES_MAX = 300
"""How much the process may grow; the largest body that is read at all is 4 MB."""


def model(body: str) -> bytes:
    return f'<definitions {NAMESPACES}><process id="h" isExecutable="true">{body}</process></definitions>'.encode()


def chained(count: int) -> bytes:
    """A start event and so many manual tasks in a line."""
    tasks = "".join(
        f'<manualTask id="t{n}"/><sequenceFlow id="f{n}" sourceRef="{f"t{n - 1}" if n else "s"}" targetRef="t{n}"/>'
        for n in range(count)
    )
    return model(f'<startEvent id="s"/>{tasks}')


def nested(count: int) -> bytes:
    """So many sub-processes, each in the one before."""
    return model(
        '<startEvent id="s"/>' + "".join(f'<subProcess id="n{n}">' for n in range(count)) + "</subProcess>" * count
    )


def entities() -> bytes:
    return b'<!DOCTYPE d [<!ENTITY a "' + b"a" * 60_000 + b'">]><d>' + b"&a;" * 10_000 + b"</d>"


def namespaces() -> bytes:
    declared = " ".join(f'xmlns:n{n}="urn:{n}"' for n in range(20_000))
    return f"<definitions {NAMESPACES} {declared}/>".encode()


def attributes() -> bytes:
    return model("<startEvent " + " ".join(f'a{n}="1"' for n in range(100_000)) + ' id="s"/>')


MODELS: dict[str, Callable[[], bytes]] = {
    "100,000 elements in a line": lambda: chained(100_000),
    "20,000 elements in a line": lambda: chained(20_000),
    "100,000 elements in each other": lambda: nested(100_000),
    "1,000 elements in each other": lambda: nested(1_000),
    "entities": entities,
    "namespaces": namespaces,
    "attributes": attributes,
    "one long text": lambda: model(f'<startEvent id="s" name="{"n" * 3_000_000}"/>'),
    "a binary file": lambda: bytes(range(256)) * 4_000,
    "an expression of parentheses": lambda: bpmn(f"o start -> x c; c ->[= {'(' * 50_000}] a; c ->[else] b", "h"),
    "an expression of additions": lambda: bpmn(f"o start -> x c; c ->[= 1{'+1' * 50_000} > 1] a; c ->[else] b", "h"),
}


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize("name", MODELS)
async def test_a_model_made_to_hurt(server: Server, name: str) -> None:
    content = MODELS[name]()
    before = peak()
    async with Client(base_url=server.address, timeout=30) as client:
        answer, seconds = await timed(client, "/v2/deployments", files={"resources": ("h.bpmn", content)})
        assert answer.status_code < 500, answer.text
        assert answer.is_success or answer.json()["detail"]
        assert seconds < SECONDS_MAX
        assert peak() - before < MEGABYTES_MAX
        assert (await client.get("/readyz")).status_code == 200


async def timed(client: Client, path: str, **sent: Any) -> tuple[Any, float]:
    began = process_time()
    answer = await client.post(path, **sent)
    return answer, process_time() - began


@pytest.mark.parametrize(
    "variables",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"a":' + b"9" * 1_000_000 + b"}",
        b'{"a":1e999999999}',
        b'{"a":-1e-999999999}',
        b'{"a":"' + b"\\ud800" * 100_000 + b'"}',
        b'{"a":"' + b"\\u0000" * 100_000 + b'"}',
        b'{"a":' + b'"' + b"x" * 3_900_000,
        b'{"a":' + b"[1," * 300_000,
    ],
    ids=["lists", "objects", "digits", "huge", "tiny", "surrogates", "nul", "cut off", "open"],
)
async def test_variables_made_to_hurt(server: Server, variables: bytes) -> None:
    body = b'{"processDefinitionId":"none","variables":' + variables + b"}"
    async with Client(base_url=server.address, timeout=30) as client:
        headers = {"content-type": "application/json"}
        answer, seconds = await timed(client, "/v2/process-instances", content=body, headers=headers)

    assert answer.status_code == 400, answer.text
    assert answer.json()["detail"]
    assert seconds < SECONDS_MAX


@pytest.mark.parametrize(
    "expression",
    [
        "for i in 1..1000000000 return i",
        "count(for a in 1..100000, b in 1..100000 return a)",
        "9999999999999999999999 ** 999999999",
        'matches("' + "a" * 5_000 + '!", "(a+)+$")',
        "(" * 40_000,
        "-" * 90_000 + "1",
        "1" + "+1" * 49_000,
        'string join(for i in 1..1000000 return "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")',
    ],
)
async def test_an_expression_that_never_ends(server: Server, expression: str) -> None:
    async with Client(base_url=server.address, timeout=30) as client:
        answer, seconds = await timed(client, "/v2/expression/evaluation", json={"expression": f"= {expression}"})

    assert answer.status_code in {200, 400}, answer.text
    assert seconds < SECONDS_MAX + 1


async def test_many_bad_requests_at_once_leave_the_engine_answering(server: Server) -> None:
    async with Client(base_url=server.address, timeout=30) as client:
        bad = [client.post("/v2/process-instances", content=b"[" * 100_000) for _ in range(50)]
        answers = await asyncio.gather(*bad)
        assert {answer.status_code for answer in answers} <= {400, 415}
        assert (await client.get("/readyz")).status_code == 200


async def test_processes_that_call_each_other_for_ever_end_as_an_incident(client: Client) -> None:
    a, b = bpmn("o start -> call c second; c -> O end", "first"), bpmn("o start -> call c first; c -> O end", "second")
    await client.deploy(("a.bpmn", a), ("b.bpmn", b), ("p.bpmn", bpmn("o start -> pack -> O end")))
    root = (await client.ask("POST", "/process-instances", {"processDefinitionId": "first"}))["processInstanceKey"]

    answer, seconds = await timed(client, "/v2/process-instances", json={"processDefinitionId": "p"})
    assert answer.is_success
    assert seconds < SECONDS_MAX
    await client.engine.idle()
    incidents = await client.items("incidents", state="ACTIVE")
    assert [item["errorType"] for item in incidents] == ["CALLED_ELEMENT_ERROR"]
    await client.ask("POST", f"/process-instances/{root}/cancellation", status=204)
    await client.engine.idle()
    assert len(await client.items("process-instances", state="ACTIVE")) == 1
