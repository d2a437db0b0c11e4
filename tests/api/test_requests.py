"""What the API does with a request before the engine hears of it."""

import asyncio
import json
from time import process_time
from typing import Any

import pytest

from api.app import create_app
from domain import commands as c
from domain.results import Rejected
from streams.work import NoAnswer, Overloaded, Unavailable
from tests.api.fakes import INSTANCE_KEY, JOB_KEY, FakeEngine, FakeGateway, FakeSettings, client_of

PROBLEM_FIELDS = {"type", "title", "status", "detail", "instance"}


async def refused(body: bytes | dict[str, Any], path: str = "/v2/process-instances", status: int = 400) -> str:
    """Send a body that must be refused without reaching the engine; return the detail."""
    engine = FakeEngine()
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    began = process_time()
    async with client_of(engine) as client:
        answer = await client.post(path, content=content, headers={"content-type": "application/json"})

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) == PROBLEM_FIELDS
    assert problem["status"] == status
    assert problem["instance"] == path
    assert process_time() - began < 10
    assert not engine.gateway.commands
    return str(problem["detail"])


async def test_an_unknown_field_is_named_with_what_is_allowed() -> None:
    detail = await refused({"processDefinitionId": "p", "variabels": {}})

    assert "'variabels'" in detail
    assert "variables" in detail
    assert "processDefinitionId" in detail


async def test_an_unknown_field_of_a_part_is_named_with_what_that_part_may_have() -> None:
    detail = await refused({"processDefinitionId": "p", "startInstructions": [{"element": "a"}]})

    assert "startInstructions" in detail
    assert "only elementId" in detail
    assert "'element'" in detail


@pytest.mark.parametrize(
    ("body", "field", "expected", "found"),
    [
        ({"processDefinitionId": 1}, "processDefinitionId", "a text or null", "an integer"),
        ({"processDefinitionId": "p", "variables": []}, "variables", "an object or null", "a list"),
        ({"processDefinitionId": "p", "awaitCompletion": "yes"}, "awaitCompletion", "true or false or null", "a text"),
        ({"processDefinitionKey": 5}, "processDefinitionKey", "a text or null", "an integer"),
        ({"processDefinitionKey": "five"}, "processDefinitionKey", "[0-9]", 'found "five"'),
        ({"processDefinitionKey": "5" * 200}, "processDefinitionKey", "[0-9]", f'found "{"5" * 99}…'),
        ({"processDefinitionId": "p", "requestTimeout": -1.5}, "requestTimeout", "an integer", "a number"),
        (
            {"processDefinitionId": "p", "startInstructions": [{"elementId": "a"}, {"elementId": ""}]},
            "startInstructions[1].elementId",
            "a text of length",
            'found ""',
        ),
        ([], "the body", "an object", "a list"),
    ],
)
async def test_a_wrong_type_is_told_by_field_expected_and_found(
    body: Any, field: str, expected: str, found: str
) -> None:
    detail = await refused(json.dumps(body).encode())

    assert field in detail
    assert expected in detail
    assert found in detail


@pytest.mark.parametrize(
    "body",
    [
        b'{"processDefinitionId":"p","variables":{"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}}",
        b'{"processDefinitionId":"p","variables":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}",
        b'{"processDefinitionId":"p","variables":{"x":' + b"9" * 10_000 + b"}}",
        b'{"processDefinitionId":"p","variables":{"x":1.' + b"9" * 10_000 + b"}}",
        b'{"processDefinitionId":"p","variables":{"x":1e400000}}',
        b'{"processDefinitionId":"p","variables":{"x":NaN}}',
        b'{"processDefinitionId":"p","variables":{"x":"\\ud800"}}',
        b'{"processDefinitionId":"p","variables":{"\\udc00":1}}',
        b'{"processDefinitionId":"p","variables":{"x":"a\\u0000b"}}',
        b'{"processDefinitionId":"p","variables":{"\\u0000":1}}',
        b'{"processDefinitionId":"p\xff"}',
        b'{"processDefinitionId":"p",}',
        b"{'processDefinitionId':'p'}",
        b"",
        b"[" * 900_000,
    ],
)
async def test_what_nothing_could_carry_is_refused(body: bytes) -> None:
    assert "expected" in await refused(body)


async def test_digits_and_escapes_within_texts_are_just_text() -> None:
    text = "9" * 5_000 + "\\u0000" + "[" * 500
    engine = FakeEngine(FakeGateway({"processInstanceKey": "1"}))
    async with client_of(engine) as client:
        answer = await client.post("/v2/process-instances", json={"processDefinitionId": "p", "variables": {"x": text}})

    assert answer.status_code == 200, answer.text
    command = engine.gateway.commands[0]
    assert isinstance(command, c.CreateInstance)
    assert command.variables == {"x": text}


async def test_a_body_that_is_too_large_is_refused_before_it_is_read() -> None:
    assert "at most 1000000 bytes" in await refused(b'{"x":"' + b"x" * 2_000_000 + b'"}', status=413)


async def test_another_content_type_is_refused() -> None:
    async with client_of(FakeEngine()) as client:
        answer = await client.post("/v2/process-instances", content=b"a=1", headers={"content-type": "text/plain"})
        deployment = await client.post("/v2/deployments", json={})

    assert answer.status_code == 415
    assert deployment.status_code == 415


async def test_paths_and_methods_that_are_not_there_are_problems_too() -> None:
    async with client_of(FakeEngine()) as client:
        for path in ("/v2/nothing", "/nothing", "/v2/jobs/1/nothing"):
            answer = await client.get(path)
            assert (answer.status_code, set(answer.json())) == (404, PROBLEM_FIELDS)
        answer = await client.delete("/v2/jobs/search")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_a_key_that_is_no_key_is_malformed_and_one_that_nobody_owns_is_not_found() -> None:
    async with client_of(FakeEngine()) as client:
        answers = [
            await client.post(f"/v2/jobs/{key}/completion") for key in ("abc", "1.5", "9" * 26, "0", "-1", "9" * 25)
        ]

    assert [answer.status_code for answer in answers] == [400, 400, 400, 404, 404, 404]


async def test_an_answer_to_a_command_carries_its_position() -> None:
    async with client_of(FakeEngine()) as client:
        answer = await client.post(f"/v2/jobs/{JOB_KEY}/completion", json={"variables": {"x": 1.5}})

    assert (answer.status_code, answer.content, answer.headers["procession-position"]) == (204, b"", "2-41")


@pytest.mark.parametrize(
    ("code", "status"),
    [("NOT_FOUND", 404), ("INVALID_STATE", 409), ("ALREADY_EXISTS", 409), ("INVALID_ARGUMENT", 400)],
)
async def test_a_refusal_of_the_engine_has_its_status_and_reason(code: Any, status: int) -> None:
    async with client_of(FakeEngine(FakeGateway(Rejected(code, "expected a, found b")))) as client:
        answer = await client.post(f"/v2/jobs/{JOB_KEY}/completion")

    assert answer.status_code == status
    assert answer.json() == {
        "type": "about:blank",
        "title": code,
        "status": status,
        "detail": "expected a, found b",
        "instance": f"/v2/jobs/{JOB_KEY}/completion",
    }
    assert answer.headers["procession-position"] == "2-41"


@pytest.mark.parametrize(
    ("error", "status", "title"),
    [
        (Overloaded("4,000 commands wait"), 503, "RESOURCE_EXHAUSTED"),
        (Unavailable("nobody"), 503, "UNAVAILABLE"),
        (asyncio.CancelledError(), 503, "UNAVAILABLE"),
        (NoAnswer("late"), 504, "DEADLINE_EXCEEDED"),
        (RuntimeError("secret"), 500, "INTERNAL_ERROR"),
    ],
)
async def test_trouble_of_the_engine_is_told_without_its_inside(error: BaseException, status: int, title: str) -> None:
    async with client_of(FakeEngine(FakeGateway(error=error))) as client:
        answer = await client.post(f"/v2/jobs/{JOB_KEY}/completion")

    assert (answer.status_code, answer.json()["title"]) == (status, title)
    assert "secret" not in answer.text
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_the_idempotency_key_becomes_the_id_and_others_are_marked_as_made_here() -> None:
    engine = FakeEngine()
    async with client_of(engine) as client:
        await client.post(f"/v2/jobs/{JOB_KEY}/completion", headers={"Idempotency-Key": "order-17"})
        await client.post(f"/v2/jobs/{JOB_KEY}/completion")
        wrong = await client.post(f"/v2/jobs/{JOB_KEY}/completion", headers={"Idempotency-Key": "~17"})

    first, second = engine.gateway.commands
    assert first.id == "order-17"
    assert second.id.startswith("~")
    assert wrong.status_code == 400


async def test_a_creation_names_its_process_once() -> None:
    for body in ({}, {"processDefinitionId": "p", "processDefinitionKey": INSTANCE_KEY}):
        assert "either processDefinitionId or processDefinitionKey" in await refused(body)


async def test_a_read_that_waits_for_a_position_that_never_comes_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.waiting.READ_WAIT_SECONDS_MAX", 0.01)
    engine = FakeEngine()
    async with client_of(engine) as client:
        after = await client.get(f"/v2/process-instances/{INSTANCE_KEY}?after=1-3,2-10")
        await client.post(f"/v2/jobs/{JOB_KEY}/completion")
        own = await client.get(f"/v2/process-instances/{INSTANCE_KEY}")
    engine.projectors.elsewhere = {1: 3}
    async with client_of(engine) as client:
        others = await client.post("/v2/process-instances/search", json={})

    assert (after.status_code, after.json()["title"]) == (504, "DEADLINE_EXCEEDED")
    assert own.status_code == 504, "a read went past what this process had acknowledged"
    assert others.status_code == 504, "a read went past what another process had acknowledged"


@pytest.mark.parametrize("after", ["x", "1", "0-1", "5-1", "1-2-3", "1-", ""])
async def test_a_position_that_cannot_be_is_malformed(after: str) -> None:
    async with client_of(FakeEngine()) as client:
        answer = await client.post("/v2/jobs/search", params={"after": after})

    assert answer.status_code == 400


async def test_the_clock_can_be_set_only_where_it_is_controlled() -> None:
    engine = FakeEngine()
    async with client_of(engine) as client:
        answer = await client.put("/v2/clock", json={"timestamp": 1_000})
    assert answer.status_code == 409
    assert "PROCESSION_CLOCK" in answer.json()["detail"]

    async with client_of(engine, FakeSettings(clock="controlled")) as client:
        assert (await client.put("/v2/clock", json={"timestamp": 1_000})).status_code == 204
        assert (await client.post("/v2/clock/reset")).status_code == 204
    assert [time and time.timestamp() for time in engine.times] == [1, None]


async def test_jobs_come_with_the_fields_that_clients_insist_on() -> None:
    engine = FakeEngine(FakeGateway(offer=lambda: [{"jobKey": JOB_KEY}]))
    async with client_of(engine) as client:
        answer = await client.post("/v2/jobs/activation", json={"type": "a", "timeout": 1, "maxJobsToActivate": 1})

    (job,) = answer.json()["jobs"]
    assert job["tenantId"] == "<default>"
    assert job["leaseToken"] is None


async def test_a_worker_that_goes_away_cancels_its_poll() -> None:
    engine = FakeEngine(FakeGateway(offer=lambda: None))
    body = b'{"type":"a","timeout":1,"maxJobsToActivate":1}'
    received = iter([{"type": "http.request", "body": body}, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(received)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v2/jobs/activation", "query_string": b"", "headers": []}
    await create_app(engine, FakeSettings())(scope, receive, send)
    await asyncio.sleep(0)

    assert (engine.gateway.polls, engine.gateway.cancelled) == (1, 1)
    assert sent[-1]["body"] == b'{"jobs":[]}'


async def test_health_readiness_and_metrics() -> None:
    engine = FakeEngine()
    async with client_of(engine) as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.get("/v2/status")).status_code == 204
        assert (await client.get("/metrics")).headers["content-type"].startswith("text/plain")
        engine.ready = False
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/v2/status")).status_code == 503


async def test_browsers_may_call_from_the_origins_of_the_settings_only() -> None:
    origin = "https://console.example.org"
    async with client_of(FakeEngine(), FakeSettings(cors_origins=(origin,))) as client:
        allowed = await client.get("/v2/topology", headers={"origin": origin})
        other = await client.get("/v2/topology", headers={"origin": "https://evil.example.org"})

    assert allowed.headers["access-control-allow-origin"] == origin
    assert "access-control-allow-origin" not in other.headers


async def test_a_body_that_comes_too_slowly_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.bodies.READ_SECONDS_MAX", 0.01)
    first = iter([{"type": "http.request", "body": b"{", "more_body": True}])
    sent: list[Any] = []

    async def receive() -> Any:
        message = next(first, None)
        if message is None:
            await asyncio.Event().wait()
        return message

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v2/process-instances", "query_string": b"", "headers": []}
    await create_app(FakeEngine(), FakeSettings())(scope, receive, send)

    assert sent[0]["status"] == 408


async def test_a_model_that_never_waits_is_the_callers_error_and_a_bug_of_ours_keeps_its_inside() -> None:
    for reason, status in (("TooManyFacts: the model has a loop", 422), ("KeyError: secret", 500)):
        async with client_of(FakeEngine(FakeGateway(Rejected("PROCESSING_ERROR", reason)))) as client:
            answer = await client.post(f"/v2/jobs/{JOB_KEY}/completion")

        assert answer.status_code == status
        assert "secret" not in answer.text


async def test_an_idempotency_key_that_another_command_had_is_a_conflict() -> None:
    async with client_of(FakeEngine()) as client:
        answer = await client.post("/v2/messages/publication", json={"name": "m"}, headers={"Idempotency-Key": "a"})

    assert answer.status_code == 409
    assert "Idempotency-Key" in answer.json()["detail"]


async def test_a_word_that_is_none_of_those_allowed_is_told_with_them() -> None:
    detail = await refused({"sort": [{"field": "jobKey", "order": "UP"}]}, "/v2/jobs/search")

    assert 'sort[0].order to be one of ASC, DESC, asc, desc, but found "UP"' in detail
