"""Decision tables: matching, hit policies, aggregations, and the index that must not change an answer."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.bpmn.problems import InvalidModel
from domain.dmn import read_model
from domain.feel import compile_unary_tests
from tests.dmn.models import answer, ask, decision, model, read, result, table
from tests.feel.conformance import AT

AGES = ("< 18 : 1", "[18..65] : 2", "> 65 : 3")


def of(*rules: str, inputs: str = "a", outputs: str = "o", policy: str = "UNIQUE", aggregation: str = "") -> bytes:
    return model(decision("d", table(inputs, outputs, *rules, policy=policy, aggregation=aggregation)))


@pytest.mark.parametrize(
    ("age", "wanted"), [(17, 1), (18, 2), (Decimal("65.0"), 2), (Decimal("65.1"), 3), (None, None)]
)
def test_a_number_meets_the_rule_of_its_range(age: Any, wanted: Any) -> None:
    assert result(of(*AGES), a=age) == wanted


def test_several_outputs_become_a_context() -> None:
    found = result(of('"x" : 1 | 2', inputs="a", outputs="first | second"), a="x")

    assert found == {"first": 1, "second": 2}


def test_what_went_in_and_which_rules_were_met_are_told() -> None:
    found = ask(of("1 | - : 5", "2 | - : 6", inputs="a | b"), a=2, b="x").decided[0]

    assert [(name, value) for _, name, value in found.inputs] == [("a", 2), ("b", "x")]
    assert [(met.rule.id, met.rule.index, met.values) for met in found.matched] == [("r2", 2, [6])]


def test_unique_refuses_two_rules_and_names_them() -> None:
    found = ask(of("- : 1", "1 : 1"), a=1)

    assert found.output is None
    assert found.failure == (
        "expected to evaluate decision 'd', but the hit policy UNIQUE allows one rule to match, and found the rules 1, 2"
    )


def test_any_takes_equal_outputs_only() -> None:
    assert result(of("- : 1", "1 : 1", policy="ANY"), a=1) == 1
    assert "hit policy ANY" in str(ask(of("- : 1", "1 : 2", policy="ANY"), a=1).failure)


def test_first_takes_the_first_rule() -> None:
    assert result(of("> 0 : 1", "- : 2", policy="FIRST"), a=1) == 1


def test_priority_and_output_order_follow_the_order_of_the_output_values() -> None:
    rules = ('- : "low"', '1 : "high"')

    assert result(of(*rules, outputs='o="high", "low"', policy="PRIORITY"), a=1) == "high"
    assert result(of(*rules, outputs='o="high", "low"', policy="OUTPUT ORDER"), a=1) == ["high", "low"]
    assert result(of(*rules, policy="RULE ORDER"), a=1) == ["low", "high"]


@pytest.mark.parametrize(("aggregation", "wanted"), [("", [3, 5]), ("SUM", 8), ("MIN", 3), ("MAX", 5), ("COUNT", 2)])
def test_collect_aggregates(aggregation: str, wanted: Any) -> None:
    assert result(of("- : 3", "1 : 5", policy="COLLECT", aggregation=aggregation), a=1) == wanted


def test_an_aggregation_of_what_is_no_number_fails() -> None:
    assert "expects numbers" in str(ask(of('- : "x"', policy="COLLECT", aggregation="SUM"), a=1).failure)


def test_without_a_rule_the_default_answers_else_null() -> None:
    xml = of("1 : 5").replace(b"</output>", b"<defaultOutputEntry><text>9</text></defaultOutputEntry></output>")

    assert result(of("1 : 5"), a=2) is None
    assert result(xml, a=2) == 9


def test_entries_may_read_variables_and_the_input() -> None:
    assert result(of("> limit : 1", "? = other : 2"), a=5, limit=9, other=5) == 2


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (of("1 : 5", policy="BEST"), "expected the hit policy to be one of"),
        (of("1 | 2 : 5"), "expected rule 1 to have 1 input and 1 output entries, but found 2 and 1"),
        (of("1 : 5", aggregation="SUM"), "expected an aggregation only with the hit policy COLLECT"),
        (of("1 : 5 | 6", outputs="o | o"), "each of several outputs to have a name of its own"),
        (of("1 : 5", inputs=""), "expected an input to have an expression"),
        (of("1 : 5 +"), "the output entry of rule 1 '5 +' cannot be read"),
        (of("< : 5"), "the input entry of rule 1 '<' cannot be read"),
    ],
)
def test_what_cannot_be_decided_is_refused_at_its_element(xml: bytes, reason: str) -> None:
    with pytest.raises(InvalidModel, match="element 'd' ") as refused:
        read_model(xml)

    assert reason in str(refused.value)


CELLS = (
    "-",
    "1",
    "1, 2",
    "< 2",
    "not(1)",
    "not(< 2)",
    "[1..3]",
    "]1..3[",
    '"a"',
    '"a", "b"',
    "true",
    "!= 2",
    "null",
    "-1",
    "x",
)
VALUES = st.sampled_from(
    [None, -1, 0, 1, Decimal("1.5"), 2, 3, 4, "a", "b", "c", True, False, [1], ["a"], [1, 2], {"k": 1}]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(CELLS), min_size=1, max_size=12), VALUES, VALUES)
def test_the_index_finds_what_rule_by_rule_would_find(cells: list[str], value: Any, other: Any) -> None:
    variables = {"a": value, "x": other}
    together = of(*(f"{cell} : {index}" for index, cell in enumerate(cells)), policy="RULE ORDER")
    found = answer(read(together), variables).output

    tests = [compile_unary_tests(cell, names=["x"]) for cell in cells]
    assert found == ([i for i, test in enumerate(tests) if test.matches(value, variables, AT)] or None)
