"""The given conformance cases of decision models: how they are read, run and judged."""

import json
import re
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from domain.bpmn.problems import InvalidModel
from domain.dmn import DecisionModel, evaluate, namespaces, read_model
from tests.feel.conformance import AT, alike, data, value_of

SUITE = data().parent / "dmn"


class Case(msgspec.Struct):
    """One line of the manifest."""

    id: str
    level: str
    feature: str
    model: str
    decision_id: str | None
    decision: str
    camunda_dmn_scala_1_9_0: str
    expected: Any = None
    inputs: Any = None
    invocable: str | None = None
    imported_models: list[str] = []
    error_expected: bool = False


def cases() -> list[Case]:
    """Read the manifest."""
    lines = json.loads((SUITE / "manifest.json").read_text(), parse_float=Decimal)
    return [msgspec.convert(line, Case) for line in lines]


@cache
def model(path: str, imported: tuple[str, ...]) -> DecisionModel | InvalidModel:
    """Compile a model once, or return why it is none."""
    others = {namespaces((SUITE / other).read_bytes())[0]: other for other in imported}

    def importing(namespace: str) -> DecisionModel | None:
        found = model(others[namespace], ()) if namespace in others else None
        return found if isinstance(found, DecisionModel) else None

    try:
        return read_model(Path(SUITE / path).read_bytes(), importing)
    except InvalidModel as error:
        return error


_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def typed(value: Any) -> Any:
    """Return data in which values without a type have the one that they look like."""
    if isinstance(value, list):
        return [typed(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("$type") != "untyped":
        return {name: typed(each) for name, each in value.items()}
    text: str = value["value"]
    return {"true": True, "false": False}.get(text, Decimal(text) if _NUMBER.fullmatch(text) else text)


def judge(case: Case) -> tuple[bool, str]:
    """Say whether the engine answers a case as it should, and what it answered."""
    found = model(case.model, tuple(case.imported_models))
    if isinstance(found, InvalidModel):
        return False, f"refused: {found}"
    wanted = case.invocable or case.decision
    decision = next((each for each in found.decisions.values() if wanted in (each.name, each.id)), None)
    if decision is None:
        return False, f"no decision {wanted}"
    result = evaluate(decision, value_of(typed(case.inputs or {})), AT)
    if result.failure is not None:
        return case.error_expected, result.failure
    output = result.output
    if case.invocable is not None:
        output = next(each.output for each in result.decided if case.decision in (each.decision.name, each.decision.id))
    return alike(output, value_of(typed(case.expected))), repr(output)
