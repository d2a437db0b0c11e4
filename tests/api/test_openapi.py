"""The OpenAPI document is true: whatever it allows is answered as it says, and nothing is an error of ours."""

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from jsonschema import Draft202012Validator
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import OPERATIONS
from api.docs import page
from api.openapi import document
from tests.api.conftest import Server
from tests.support.bpmn import bpmn

EXAMPLES = 8
"""Per operation, and as many again with the key of something real."""
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
SECONDS_MAX = 60.0
"""Only against hanging."""
SLOW = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)
"""The document is large, and each example is a request to a real engine."""

MODEL = bpmn("o start -> pack; pack -> user ask; ask -> O end; at pack ~ message m nudge")


@pytest.fixture(scope="module")
def real(server: Server) -> dict[str, str]:
    """Keys of what is really there, by the name that paths give them."""
    with httpx.Client(base_url=f"{server.address}/v2", timeout=SECONDS_MAX) as client:
        deployed = client.post("/deployments", files={"resources": ("p.bpmn", MODEL)}).json()
        definition = deployed["deployments"][0]["processDefinition"]["processDefinitionKey"]
        body = {"processDefinitionKey": definition, "variables": {"key": "k", "list": [1, 2.5, "x", None]}}
        created = [client.post("/process-instances", json=body).json() for _ in range(3)]
        job = {"type": "pack", "timeout": 1_000, "maxJobsToActivate": 1, "requestTimeout": -1}
        first = client.post("/jobs/activation", json=job).json()["jobs"][0]
        client.post(f"/jobs/{first['jobKey']}/completion", json={}).raise_for_status()
        fails = client.post("/jobs/activation", json=job).json()["jobs"][0]
        client.post(f"/jobs/{fails['jobKey']}/failure", json={"retries": 0}).raise_for_status()

        def key_of(what: str, name: str) -> str:
            return str(client.post(f"/{what}/search", json={}).json()["items"][0][name])

        return {
            "processDefinitionKey": definition,
            "resourceKey": definition,
            "processInstanceKey": created[0]["processInstanceKey"],
            "jobKey": fails["jobKey"],
            "userTaskKey": key_of("user-tasks", "userTaskKey"),
            "elementInstanceKey": key_of("element-instances", "elementInstanceKey"),
            "variableKey": key_of("variables", "variableKey"),
            "incidentKey": key_of("incidents", "incidentKey"),
        }


schema = schemathesis.openapi.from_dict(document(OPERATIONS))


@schema.parametrize()  # pyright: ignore[reportUntypedFunctionDecorator]  # schemathesis does not type it
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=SLOW)
def test_every_answer_is_as_described_and_none_is_an_error_of_ours(
    case: Any, server: Server, real: dict[str, str]
) -> None:
    # Both wait on purpose: the one for a position that never comes, the other for jobs that never come.
    if isinstance(case.query, dict):
        case.query.pop("after", None)
    if case.path.endswith("/jobs/activation") and isinstance(case.body, dict):
        case.body["requestTimeout"] = -1

    _check(case, server)
    for name in set(case.path_parameters) & set(real):
        case.path_parameters[name] = real[name]
        _check(case, server)


def _check(case: Any, server: Server) -> None:
    answer = case.call(base_url=server.address, timeout=SECONDS_MAX)
    case.validate_response(answer, checks=CHECKS)


def test_the_document_is_a_valid_one_and_names_each_operation_once() -> None:
    described = document(OPERATIONS)
    names = [operation["operationId"] for methods in described["paths"].values() for operation in methods.values()]

    assert len(names) == len(set(names)) == len(OPERATIONS)
    for found in described["components"]["schemas"].values():
        Draft202012Validator.check_schema(found)


def test_the_documentation_page_shows_every_operation_and_needs_no_network() -> None:
    shown = page(document(OPERATIONS))

    assert all(f"/v2{operation.path}" in shown for operation in OPERATIONS)
    assert "<script" not in shown
    assert "http://" not in shown
    assert "https://" not in shown


def test_the_documentation_is_served(server: Server) -> None:
    assert httpx.get(f"{server.address}/docs", timeout=SECONDS_MAX).headers["content-type"].startswith("text/html")
    assert httpx.get(f"{server.address}/openapi.json", timeout=SECONDS_MAX).json()["openapi"] == "3.1.0"
