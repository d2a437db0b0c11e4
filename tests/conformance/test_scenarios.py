"""Every scenario of the conformance data, through the REST API, as a client would do it, in both modes of the engine."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.conformance.data import SCENARIOS, scenarios
from tests.conformance.expectations import check
from tests.conformance.summary import NOT_YET
from tests.conformance.world import NotYet, World

CASES = scenarios()


@pytest.mark.parametrize("scenario", CASES, ids=[case["id"] for case in CASES])
async def test_scenario(
    scenario: dict[str, Any], mode: str, client: httpx.AsyncClient, record_property: Callable[[str, object], None]
) -> None:
    record_property("conformance", f"scenarios, {mode}")
    world = World(client)
    await world.settle()
    try:
        for step in scenario["steps"]:
            if "check" in step:
                await check(world, step["check"])
            else:
                await world.step(step, SCENARIOS)
    except NotYet as missing:
        pytest.skip(f"{NOT_YET}{missing}")

    await check(world, scenario["expect"])
