"""Models that cannot run are refused with the element and a reason; those that can are not."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.conformance.data import DEPLOYMENTS, deployments
from tests.conformance.summary import NOT_YET

pytestmark = pytest.mark.asyncio(loop_scope="module")

CASES = deployments()


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
async def test_deployment(
    case: dict[str, Any], shared_client: httpx.AsyncClient, record_property: Callable[[str, object], None]
) -> None:
    record_property("conformance", "deployments")
    file = DEPLOYMENTS / case["file"]

    answer = await shared_client.post(
        "/v2/deployments", files={"resources": (file.name, file.read_bytes(), "text/xml")}
    )

    detail = answer.json().get("detail", "")
    if "not supported yet" in detail and not _another_reason(detail, case) and "unsupported" not in case["id"]:
        pytest.skip(f"{NOT_YET}{detail.splitlines()[-1].strip()[:200]}")
    if case["expect"] == "reject":
        assert answer.status_code == 400, f"{case['rule']} was accepted"
        assert case["element"] in detail, detail
    else:
        assert answer.status_code == 200, detail


def _another_reason(detail: str, case: dict[str, Any]) -> bool:
    """Say whether the element is refused for more than being not built."""
    lines = [line for line in detail.splitlines() if str(case.get("element")) in line]
    return any("not supported yet" not in line for line in lines)
