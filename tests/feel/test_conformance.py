"""Every given case of the three suites, and which of them fail: exactly those that the reference names, with reasons."""

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.feel.conformance import SUITES, Case, Verdict, alike, cases, judge, value_of

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "feel.md"
BARS = {"feel-scala": 0.99, "tck": 0.95, "feelin": 0.98}
"""The least share of passes, of all cases that can run without a decision model."""
CAMUNDA_BAR = 0.99
"""The same, of the TCK's cases that Camunda passes."""


@cache
def verdicts(suite: str) -> tuple[Verdict, ...]:
    return tuple(judge(case) for case in cases(suite) if not case.needs_model)


def share(judged: list[Verdict]) -> float:
    return sum(verdict.passed for verdict in judged) / len(judged)


@cache
def known_failures() -> dict[str, str]:
    """Return the failing cases that the reference lists, each with its reason."""
    return dict(
        re.findall(r"^\| `((?:feel-scala|tck|feelin)/[^`]+)` \|.*\| ([^|]+) \|$", REFERENCE.read_text(), re.MULTILINE)
    )


@pytest.mark.parametrize("suite", SUITES)
def test_a_suite_passes_to_its_bar(suite: str) -> None:
    judged = list(verdicts(suite))
    counts = Counter("passed" if verdict.passed else "failed" for verdict in judged)
    left_out = len(cases(suite)) - len(judged)

    print(f"{suite}: {dict(counts)}, {left_out} need a decision model")  # the counts are for people

    assert share(judged) >= BARS[suite]


def test_what_camunda_passes_of_the_tck_passes_here() -> None:
    judged = [verdict for verdict in verdicts("tck") if verdict.case.camunda_dmn_scala_1_9_0 == "SUCCESS"]

    assert share(judged) >= CAMUNDA_BAR


@pytest.mark.parametrize("suite", SUITES)
def test_what_fails_is_listed_with_its_reason(suite: str) -> None:
    failed = {verdict.case.id: verdict.found for verdict in verdicts(suite) if not verdict.passed}

    assert failed.keys() == {case for case in known_failures() if case.startswith(suite + "/")}, failed


@pytest.mark.parametrize(
    ("expression", "context", "expected", "unary"),
    [
        ("1 + 1", {}, 3, False),
        ("x", {"x": 1}, True, False),
        ('date("2020-01-01")', {}, {"$type": "date", "value": "2020-01-02"}, False),
        ("[1, 2]", {}, [1], False),
        ("{a: 1}", {}, {"a": 1, "b": None}, False),
        ("null", {}, False, False),
    ],
)
def test_a_wrong_answer_does_not_pass(expression: str, context: object, expected: object, unary: bool) -> None:
    case = Case(id="own/1", expression=expression, feature="", context=context, expected=expected, unary=unary)

    assert not judge(case).passed


def test_numbers_are_alike_within_the_tolerance_and_only_there() -> None:
    assert alike(1000000000, 1000000001)
    assert not alike(1000, 1001)
    assert not alike(1, True)
    assert alike(
        value_of({"$type": "dayTimeDuration", "value": "PT60S"}),
        value_of({"$type": "dayTimeDuration", "value": "PT1M"}),
    )
