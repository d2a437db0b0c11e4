"""What an expression may cost: hostile ones end quickly, in an error of the language."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.feel import FeelEvaluationError, FeelSyntaxError, Moment, compile_expression, compile_unary_tests, to_json

AT = Moment(datetime(2026, 11, 24, 12, 0, tzinfo=UTC))
QUICKLY = 30.0
"""Seconds, on a machine that is busy with other tests. The limits are steps, not seconds; this only catches hanging."""


@contextmanager
def quickly() -> Generator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < QUICKLY


HUNGRY = {
    "a huge range": "for i in 1..1000000000 return i",
    "many nested loops": "for a in 1..100000, b in 1..100000 return 1",
    "a quantifier that never ends": "every a in 1..100000, b in 1..100000 satisfies a > 0",
    "a list that doubles": "for i in 1..200 return if i = 1 then [1] else concatenate(partial[-1], partial[-1])",
    "a string that doubles": 'for i in 1..200 return if i = 1 then "ab" else partial[-1] + partial[-1]',
    "many long strings": 'for i in 1..1000000 return string join(for j in 1..1000 return "abcdefgh")',
    "many long lists": "for i in 1..1000000 return reverse(xs)",
    "many sums": "for i in 1..1000000 return sum(xs)",
    "a flattened tree": "for i in 1..200 return if i = 1 then [1] else flatten([partial[-1], partial[-1]])",
    "a function that calls itself": "(function(f) f(f))(function(f) f(f))",
    "a function that calls itself twice": "(function(f, n) f(f, n))(function(f, n) [f(f, n + 1), f(f, n + 1)], 0)",
    "a sort by a slow function": "sort(xs, function(a, b) (every c in xs, d in xs satisfies d >= 0) and a < b)",
    "a comparison of lists in a loop": "for i in 1..1000000 return xs = ys",
    "a text of lists in a loop": "for i in 1..1000000 return string(xs)",
    "distinct values": "for i in 1..1000000 return count(distinct values(xs))",
    "filters": "for i in 1..1000000 return xs[item = -1]",
    "powers that are not whole": "for i in 1..1900000 return 1.5 ** 2000.3",
    "exponentials": "for i in 1..1900000 return exp(14000)",
    "sorts that fail": "for i in 1..1900000 return sort(lists)",
    "long replacements": 'for i in 1..1900000 return replace("abcabc", "b", long)',
    "ranges out of long texts": "for i in 1..1900000 return range(long)",
    "back references": 'matches(long, "(x+x+)+\\1y")',
}


@pytest.mark.parametrize("expression", HUNGRY.values(), ids=HUNGRY.keys())
def test_a_hungry_expression_ends_in_an_error(expression: str) -> None:
    variables = {
        "xs": list(range(1000)),
        "ys": list(range(1000)),
        "long": "x" * 5000,
        "lists": [[number] for number in range(1000)],
    }

    with quickly(), pytest.raises(FeelEvaluationError):
        compile_expression(expression).evaluate(variables, AT)


SLOW_PATTERNS = ["(a+)+$", "(a|aa)+$", "(a*)*b", "(.*)*x", "^(([a-z])+.)+[A-Z]([a-z])+$", "(a?){50}a{50}b"]


@pytest.mark.parametrize("pattern", SLOW_PATTERNS)
def test_a_pattern_that_explodes_elsewhere_is_answered_here(pattern: str) -> None:
    expression = compile_expression("matches(text, pattern)")

    with quickly():
        assert expression.evaluate({"text": "a" * 2000 + "!", "pattern": pattern}, AT) is False


def test_a_loop_of_a_million_is_no_attack() -> None:
    assert compile_expression("count(for i in 1..100000 return i ** 2 + 1)").evaluate({}, AT) == 100_000
    assert compile_expression("count(for i in 1..1000000 return i)").evaluate({}, AT) == 1_000_000


DEEP = {
    "parentheses": "(" * 50_000 + "1" + ")" * 50_000,
    "open parentheses": "(" * 30_000,
    "lists": "[" * 10_000 + "]" * 10_000,
    "contexts": "{a:" * 5_000 + "1" + "}" * 5_000,
    "negations": "-" * 30_000 + "1",
    "nots": "not(" * 5_000 + "true" + ")" * 5_000,
    "powers": "2" + "**(2" * 5_000 + ")" * 5_000,
    "functions": "function(x) " * 2_500 + "1",
    "loops": "for x in [1] return " * 1_500 + "1",
    "conditions": "if " * 5_000 + "true",
    "filters in filters": "a[" * 10_000 + "1" + "]" * 10_000,
    "calls of calls": "f" + "(1)" * 10_000,
    "paths": "a" + ".b" * 16_000,
    "ins": "1 in (" * 5_000 + "1" + ")" * 5_000,
}


@pytest.mark.parametrize("source", DEEP.values(), ids=DEEP.keys())
def test_deep_nesting_is_an_error_of_the_language(source: str) -> None:
    with quickly():
        try:
            compile_expression(source).evaluate({}, AT)
        except (FeelSyntaxError, FeelEvaluationError):
            return
    # What is not refused must at least have been answered: paths and chains are no nesting.


def test_a_long_expression_is_refused() -> None:
    with pytest.raises(FeelSyntaxError):
        compile_expression("1" + " + 1" * 100_000)


@pytest.mark.parametrize(
    "expression",
    [
        "for i in 1..100000 return [partial[-1]]",
        "for i in 1..60 return if i = 1 then [1] else [partial[-1], partial[-1]]",
    ],
)
def test_a_result_that_no_json_can_hold_is_an_error(expression: str) -> None:
    with quickly(), pytest.raises(FeelEvaluationError):
        to_json(compile_expression(expression).evaluate({}, AT))


# -- any text, any context -----------------------------------------------------------------------------------------------

WORDS = (
    "x y item partial null true false if then else for in return some every satisfies and or not between instance of "
    "function date time number string list context date and time duration sum count min max matches replace split sort "
    "get value context put string join range now today concatenate flatten union mode decimal abs modulo substring "
    "( ) [ ] { } , : . .. + - * / ** = != < <= > >= ? @ -> 0 1 2 -1 1.5 1e3 100000000000 "
    '"a" "" "P1D" "2020-01-01" "10:00:00" @"P1Y" @"2020-01-01" @"10:00:00@Europe/Paris" `x` '
)
TOKENS = st.lists(st.sampled_from(WORDS.split(" ")), max_size=25).map(" ".join)
PIECES = st.recursive(
    st.sampled_from(
        ["x", "y", "1", "-2.5", '"a"', "null", "true", '@"P1D"', '@"2020-02-29"', "[1..3]", "(> 2)", "{a: x}"]
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "**", "=", "<", "and", "or", "in", "!="]), inner).map(
            " ".join
        ),
        st.tuples(
            st.sampled_from(["not", "sum", "string", "count", "flatten", "date", "number", "abs", "sort"]), inner
        ).map(lambda call: f"{call[0]}({call[1]})"),
        st.tuples(
            st.sampled_from(["concatenate", "append", "get value", "matches", "before", "union", "decimal", "sublist"]),
            inner,
            inner,
        ).map(lambda call: f"{call[0]}({call[1]}, {call[2]})"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]})[{pair[1]}]"),
        st.tuples(inner, inner).map(lambda pair: f"[{pair[0]}, {pair[1]}]"),
        st.tuples(inner, inner).map(lambda pair: f"(for x in {pair[0]} return {pair[1]})"),
        st.tuples(inner, inner).map(lambda pair: f"(some y in {pair[0]} satisfies {pair[1]})"),
        st.tuples(inner, inner, inner).map(lambda three: f"(if {three[0]} then {three[1]} else {three[2]})"),
        st.tuples(inner, inner, inner).map(lambda three: f"({three[0]} between {three[1]} and {three[2]})"),
        st.tuples(inner, st.sampled_from(["number", "list<Any>", "date and time"])).map(" instance of ".join),
        inner.map(lambda piece: f"({piece}).a"),
        inner.map(lambda piece: f"(function(x) {piece})(1)"),
    ),
    max_leaves=8,
)
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.decimals(allow_nan=False, allow_infinity=False), st.text(max_size=5)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("axy"), inner, max_size=3)),
    max_leaves=5,
)
FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@FUZZ
@given(st.one_of(TOKENS, PIECES, st.text(max_size=30)), VALUES, VALUES)
def test_any_text_with_any_variables_ends_in_a_value_or_an_error_of_the_language(source: str, x: Any, y: Any) -> None:
    try:
        found = compile_expression(source).explain({"x": x, "y": y}, AT)
        to_json(found.value)
    except (FeelSyntaxError, FeelEvaluationError):
        return


@FUZZ
@given(st.one_of(TOKENS, PIECES, st.text(max_size=30)), VALUES, VALUES)
def test_any_unary_tests_end_in_truth_or_an_error_of_the_language(source: str, x: Any, tested: Any) -> None:
    try:
        found = compile_unary_tests(source).matches(tested, {"x": x, "y": 1}, AT)
        assert found in (True, False, None)
    except (FeelSyntaxError, FeelEvaluationError):
        return
