"""Where the conformance data is, and what is in it: see the README beside the data."""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any


def directory() -> Path:
    """Return the folder of the data: PROCESSION_CONFORMANCE, else shared/conformance beside the checkout."""
    given = os.environ.get("PROCESSION_CONFORMANCE")
    found = Path(given) if given else Path(__file__).parents[3] / "shared" / "conformance"
    assert found.is_dir(), f"expected the conformance data in {found}; PROCESSION_CONFORMANCE names another folder"
    return found


SCENARIOS = directory() / "bpmn-zeebe" / "scenarios"
DEPLOYMENTS = directory() / "bpmn-zeebe" / "deploy-rejection"
HOSTILE = directory() / "hostile" / "samples"


def read(path: Path) -> Any:
    """Return a JSON file, numbers as decimals."""
    return json.loads(path.read_bytes(), parse_float=Decimal)


def scenarios() -> list[dict[str, Any]]:
    """Return all scenarios."""
    found: list[dict[str, Any]] = read(SCENARIOS / "scenarios.json")
    return found


def deployments() -> list[dict[str, Any]]:
    """Return the models that must be refused, and some that must not."""
    found: list[dict[str, Any]] = read(DEPLOYMENTS / "index.json")
    return found


def hostile() -> list[dict[str, Any]]:
    """Return what attackers and accidents send, where the file is stored."""
    return [sample for sample in read(HOSTILE / "index.json") if sample["stored"]]
