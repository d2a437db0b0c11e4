"""The given conformance cases: how they are read, run and judged."""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from domain.feel import (
    BASIC,
    Date,
    DateTime,
    DayTimeDuration,
    FeelEvaluationError,
    FeelSyntaxError,
    Moment,
    Time,
    YearMonthDuration,
    coerce,
    compile_expression,
    compile_unary_tests,
    equal,
    parse_temporal,
    to_json,
)

AT = Moment(datetime(2026, 11, 24, 12, 0, tzinfo=UTC))
TOLERANCE = Decimal("1e-8")
"""Relative, as the data says."""

SUITES = ("feel-scala", "tck", "feelin")
TEMPORAL = (Date, DateTime, DayTimeDuration, Time, YearMonthDuration)


class Case(msgspec.Struct):
    """One line of the data."""

    id: str
    expression: str
    feature: str
    context: Any = None
    expected: Any = None
    unary: bool = False
    input: Any = msgspec.UNSET
    no_input: bool = False
    error_expected: bool = False
    expect_failure: bool = False
    warning: dict[str, str] | None = None
    functions: dict[str, str] = {}
    standalone: bool = True
    declared_type: str | None = None
    camunda_dmn_scala_1_9_0: str = "SUCCESS"

    @property
    def needs_model(self) -> bool:
        """Whether types of a decision model are needed, which the data does not hold."""
        return not self.standalone and not self.functions


class Verdict(msgspec.Struct):
    case: Case
    passed: bool
    found: str


def data() -> Path:
    """The folder with the cases. A missing folder is an error: a skip would look like a pass."""
    named = os.environ.get("PROCESSION_CONFORMANCE")
    if named:
        return Path(named) / "feel"
    for folder in Path(__file__).resolve().parents:
        found = folder.parent / "shared" / "conformance" / "feel"
        if found.is_dir():
            return found
    raise FileNotFoundError("expected shared/conformance beside the checkout, or its folder in PROCESSION_CONFORMANCE")


def cases(suite: str) -> list[Case]:
    """Read one suite."""
    lines = (data() / f"{suite}.jsonl").read_text().splitlines()
    return [msgspec.convert(json.loads(line, parse_float=Decimal), Case) for line in lines]


def judge(case: Case) -> Verdict:
    """Run one case. What it answers is right, or it is not; an error of Python is never right."""
    try:
        found, warnings = _answer(case)
    except (FeelSyntaxError, FeelEvaluationError) as error:
        return Verdict(case, case.expect_failure or case.error_expected, f"error: {error}")
    if case.expect_failure:
        return Verdict(case, passed=False, found=repr(found))
    passed = alike(found, value_of(case.expected))
    if not passed and case.declared_type in BASIC:
        passed = alike(coerce(found, BASIC[case.declared_type]), value_of(case.expected))
    if not passed and case.unary and case.id.startswith("feelin"):
        # This suite has false where the others have null.
        passed = found is None and case.expected is False
    if case.warning and (case.warning["type"], case.warning["message"]) not in warnings:
        return Verdict(case, passed=False, found=f"{found!r} with warnings {warnings}")
    return Verdict(case, passed, repr(found))


def _answer(case: Case) -> tuple[Any, list[tuple[str, str]]]:
    given = value_of(case.context)
    variables = dict(given) if isinstance(given, dict) else {}
    names = list(_names(given))
    for name, source in case.functions.items():
        variables[name] = compile_expression(source, names=names).evaluate(variables, AT)
    if case.unary:
        value = value_of(case.input) if case.input is not msgspec.UNSET else None
        if case.input is msgspec.UNSET and not isinstance(given, dict):
            # A context that is no context is the input itself.
            value = given
        tests = compile_unary_tests(case.expression, names=names)
        explained = tests.explain(value, variables, AT)
        assert tests.matches(value, variables, AT) == explained.value
    else:
        explained = compile_expression(case.expression, names=names).explain(variables, AT)
    return explained.value, [(warning.type, warning.message) for warning in explained.warnings]


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, entry in value.items():
            yield key
            yield from _names(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _names(entry)


def value_of(data: Any) -> Any:
    """Return the FEEL value that the data means."""
    if isinstance(data, list):
        return [value_of(entry) for entry in data]
    if not isinstance(data, dict):
        return data
    if "$type" not in data:
        known = {key: value_of(entry) for key, entry in data.items()}
        return {key: entry for key, entry in known.items() if not _is_undefined(data[key])}
    if data["$type"] == "undefined":
        return None
    text: str = data["value"]
    if data["$type"] == "untyped":
        return {"true": True, "false": False}.get(text, Decimal(text) if text[0].isdigit() else text)
    if "[" in text:
        # Java writes the zone in brackets, after the offset that it has there.
        text = text[: max(text.rfind("+"), text.rfind("-"))] + "@" + text[text.index("[") + 1 : -1]
    return parse_temporal(text)


def _is_undefined(data: Any) -> bool:
    return isinstance(data, Mapping) and data.get("$type") == "undefined"


def alike(found: Any, wanted: Any) -> bool:
    """Compare as the data asks: temporal values as values, numbers with a tolerance, truth as itself."""
    if isinstance(found, TEMPORAL) and isinstance(wanted, str):
        wanted = parse_temporal(wanted)
    if isinstance(wanted, TEMPORAL):
        return type(found) is type(wanted) and equal(found, wanted) is True
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(alike, found, wanted))
    if isinstance(wanted, dict):
        return (
            isinstance(found, dict)
            and found.keys() == wanted.keys()
            and all(alike(found[k], wanted[k]) for k in wanted)
        )
    if isinstance(wanted, bool) or isinstance(found, bool) or wanted is None or found is None:
        return found is wanted
    if isinstance(wanted, (int, Decimal)):
        if not isinstance(found, (int, Decimal)):
            return False
        return abs(Decimal(found) - Decimal(wanted)) <= TOLERANCE * max(abs(Decimal(wanted)), Decimal(1))
    return bool(to_json(found) == wanted)
