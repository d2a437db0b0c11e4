"""Decisions through the API, against a real engine: deployed, evaluated, found again, and the DMN TCK as callers see it."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

from domain.feel import to_json
from tests.api.conftest import Client
from tests.dmn.conformance import SUITE, Case, cases, typed
from tests.dmn.models import decision, literal, model, table
from tests.feel.conformance import alike, value_of

PRICES = model(
    decision("discount", table("amount | vip", "pct", ">= 1000 | true : 20", "- | - : 0", policy="FIRST")),
    decision("price", literal("amount * (100 - discount) / 100"), "discount"),
    model_id="prices",
)


async def test_a_deployment_answers_decisions_and_their_requirements(client: Client) -> None:
    first = await client.deploy(("prices.dmn", PRICES))
    second = await client.deploy(("prices.dmn", PRICES))

    decisions = [entry["decisionDefinition"] for entry in first["deployments"] if entry["decisionDefinition"]]
    (requirements,) = [each["decisionRequirements"] for each in first["deployments"] if each["decisionRequirements"]]
    assert [(each["decisionDefinitionId"], each["version"]) for each in decisions] == [("discount", 1), ("price", 1)]
    assert {each["decisionRequirementsKey"] for each in decisions} == {requirements["decisionRequirementsKey"]}
    assert second["deployments"] == first["deployments"]
    assert (
        await client.ask("GET", f"/decision-definitions/{decisions[0]['decisionDefinitionKey']}/xml") == PRICES.decode()
    )


async def test_an_evaluation_is_answered_and_found_again_with_inputs_and_rules(client: Client) -> None:
    await client.deploy(("prices.dmn", PRICES))
    body = {"decisionDefinitionId": "price", "variables": {"amount": 2000, "vip": True}}
    told = await client.ask("POST", "/decision-definitions/evaluation", body)

    assert (told["output"], told["failureMessage"], told["decisionDefinitionId"]) == ("1600", None, "price")
    first = told["evaluatedDecisions"][0]
    assert [(each["inputName"], each["inputValue"]) for each in first["evaluatedInputs"]] == [
        ("amount", "2000"),
        ("vip", "true"),
    ]
    assert first["matchedRules"][0]["evaluatedOutputs"][0]["outputValue"] == "20"
    found = await client.items("decision-instances", decisionEvaluationKey=told["decisionEvaluationKey"])
    assert [(each["decisionDefinitionId"], each["state"], each["result"]) for each in found] == [
        ("discount", "EVALUATED", "20"),
        ("price", "EVALUATED", "1600"),
    ]
    one = await client.ask("GET", f"/decision-instances/{found[0]['decisionEvaluationInstanceKey']}")
    assert one["matchedRules"] == first["matchedRules"]
    assert one["evaluatedInputs"] == first["evaluatedInputs"]


async def test_a_failure_is_answered_as_one_and_kept(client: Client) -> None:
    await client.deploy(("bad.dmn", model(decision("d", table("n", "o", "- : 1", "- : 2")))))
    told = await client.ask("POST", "/decision-definitions/evaluation", {"decisionDefinitionId": "d"})

    assert told["failedDecisionDefinitionId"] == "d"
    assert "hit policy UNIQUE" in told["failureMessage"]
    (found,) = await client.items("decision-instances", state="FAILED")
    assert found["evaluationFailure"] == told["failureMessage"]


async def test_a_decision_that_is_not_there_is_404_and_a_bad_model_400(client: Client) -> None:
    await client.ask("POST", "/decision-definitions/evaluation", {"decisionDefinitionId": "no"}, status=404)
    problem = await client.deploy(("bad.dmn", model(decision("d", literal("1 +")))), status=400)

    assert "'bad.dmn': element 'd' (line 1): the expression '1 +' cannot be read" in problem["detail"]


async def test_deleted_requirements_take_their_decisions_with_them(client: Client) -> None:
    await client.deploy(("prices.dmn", PRICES))
    (requirements,) = await client.items("decision-requirements")
    await client.ask("POST", f"/resources/{requirements['decisionRequirementsKey']}/deletion")

    assert await client.items("decision-definitions") == []
    await client.ask("POST", "/decision-definitions/evaluation", {"decisionDefinitionId": "price"}, status=404)


def as_json(value: Any) -> Any:
    """Return what a caller can send or gets: temporal values as texts."""
    return to_json(value_of(typed(value)))


async def answered(client: Client, case: Case, keys: dict[str, str]) -> bool:
    inputs = as_json(case.inputs or {})
    body = {"decisionDefinitionKey": keys[case.invocable or case.decision], "variables": inputs}
    told = json.loads(
        (
            await client.post(
                "/v2/decision-definitions/evaluation",
                content=json.dumps(body, default=float),
                headers={"content-type": "application/json"},
            )
        ).text,
        parse_float=Decimal,
    )
    if told["failureMessage"] is not None:
        return case.error_expected
    output = told["output"]
    if case.invocable is not None:
        output = next(
            each["output"] for each in told["evaluatedDecisions"] if each["decisionDefinitionName"] == case.decision
        )
    return alike(json.loads(output, parse_float=Decimal), as_json(case.expected))


async def test_the_tck_is_answered_through_the_api(client: Client) -> None:
    passed: Counter[str] = Counter()
    total: Counter[str] = Counter()
    wrong: list[str] = []
    chosen: dict[tuple[str, ...], list[Case]] = {}
    for case in cases():
        chosen.setdefault((case.model, *case.imported_models), []).append(case)
    for models, some in chosen.items():
        files = [(path.rpartition("/")[2], (SUITE / path).read_bytes()) for path in models]
        deployed = (await client.deploy(*files))["deployments"]
        keys = {
            entry["decisionDefinition"]["name"]: entry["decisionDefinition"]["decisionDefinitionKey"]
            for entry in deployed
            if entry["decisionDefinition"]
        }
        for case in some:
            total[case.level] += 1
            if await answered(client, case, keys):
                passed[case.level] += 1
            else:
                wrong.append(case.id)
    print(passed, total, wrong)

    assert passed["compliance-level-2"] == total["compliance-level-2"]
    assert passed["compliance-level-3"] >= 0.97 * total["compliance-level-3"], wrong
