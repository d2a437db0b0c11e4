"""The rules of the language, one by one, in the words of people who write models."""

from collections import ChainMap
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from domain.feel import (
    BASIC,
    FeelEvaluationError,
    FeelSyntaxError,
    FeelType,
    Moment,
    call_function,
    coerce,
    compile_expression,
    compile_unary_tests,
    python_function,
    to_json,
)

AT = Moment(datetime(2026, 11, 24, 12, 30, tzinfo=UTC))


def value(expression: str, /, **variables: Any) -> Any:
    return compile_expression(expression, names=variables).evaluate(variables, AT)


def written(expression: str, /, **variables: Any) -> Any:
    return to_json(value(expression, **variables))


def warnings(expression: str, /, **variables: Any) -> list[str]:
    return [found.type for found in compile_expression(expression).explain(variables, AT).warnings]


# -- numbers -------------------------------------------------------------------------------------------------------------


def test_numbers_are_decimals_and_never_binary_floats() -> None:
    assert value("0.1 + 0.2") == Decimal("0.3")
    assert value("1 / 3") == Decimal("0.3333333333333333333333333333333333")
    assert type(value("0.5 + 0.5")) in (int, Decimal)
    assert type(value("2 + 3")) is int


def test_a_number_has_at_most_34_digits() -> None:
    assert len(str(value("12345678901234567890 * 12345678901234567890")).replace("E+", "").lstrip("-")) <= 38
    assert value("9999999999999999999999999999999999 + 1") == Decimal("1E+34")


@pytest.mark.parametrize("expression", ["10 ** 999999999", "10 ** 100 ** 100", "9.9e6144 * 10", "1e999999999 + 1"])
def test_a_number_out_of_bounds_is_no_number(expression: str) -> None:
    try:
        assert value(expression) is None
    except FeelSyntaxError:
        assert "e999999999" in expression


def test_a_division_by_zero_is_null_with_a_warning() -> None:
    assert value("1 / 0") is None
    assert warnings("1 / 0") != []


def test_truth_is_no_number() -> None:
    assert value("true + 1") is None
    assert value("x = 1", x=True) is None


# -- three-valued logic --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("false and null", False),
        ("null and false", False),
        ("true and null", None),
        ("true or null", True),
        ("null or true", True),
        ("false or null", None),
        ("not(null)", None),
        ('true and "text"', None),
    ],
)
def test_what_is_unknown_stays_unknown_unless_it_does_not_matter(expression: str, expected: bool | None) -> None:
    assert value(expression) is expected


def test_a_condition_that_is_not_true_takes_the_other_branch() -> None:
    assert value("if null then 1 else 2") == 2
    assert value('if "text" then 1 else 2') == 2


def test_a_long_chain_of_else_if_is_no_nesting() -> None:
    chain = " else ".join(f"if x = {number} then {number * 2}" for number in range(500))

    assert value(f"{chain} else -1", x=321) == 642


# -- names ---------------------------------------------------------------------------------------------------------------


def test_a_missing_variable_is_null_and_is_reported() -> None:
    assert value("missing") is None
    assert warnings("missing") == ["NO_VARIABLE_FOUND"]


def test_names_may_hold_spaces_and_signs_when_they_are_known() -> None:
    variables = {"days in weekend": ["sat", "sun"], "first-name": "Ada", "a + b": 3}

    def known(source: str) -> Any:
        return compile_expression(source, names=variables).evaluate(variables, AT)

    assert known("count(days in weekend)") == 2
    assert known("first-name") == "Ada"
    assert known("a+b") == 3


def test_without_being_known_a_sign_is_an_operator() -> None:
    assert value("a-b", a=5, b=3) == 2


def test_names_in_backticks_are_taken_as_they_are() -> None:
    assert compile_expression("`first-name`").evaluate({"first-name": "Ada"}, AT) == "Ada"


def test_a_local_name_hides_an_outer_one_only_inside() -> None:
    assert value("[for x in [1, 2] return x, [x]]", x=9) == [[1, 2], [9]]
    assert value("{x: 1, y: x + 1}.y + x", x=10) == 12


def test_an_expression_says_which_variables_it_may_read() -> None:
    expression = compile_expression("order.total > limit and some line in order.lines satisfies line.price > 3")

    assert expression.free_names == {"order", "limit"}


def test_variables_are_looked_up_and_not_copied() -> None:
    class Lazy(Mapping[str, Any]):
        def __getitem__(self, name: str) -> Any:
            if name != "x":
                raise KeyError(name)
            return 7

        def __iter__(self) -> Iterator[str]:
            raise AssertionError("nobody may ask for all variables")

        def __len__(self) -> int:
            raise AssertionError("nobody may ask for all variables")

    expression = compile_expression("x > 5 and (for y in [1] return x + y)[1] = 8")

    assert expression.evaluate(Lazy(), AT) is True
    assert expression.evaluate(ChainMap({}, {"x": 7}), AT) is True


# -- lists, contexts, functions ------------------------------------------------------------------------------------------


def test_a_filter_sees_the_entries_of_each_item() -> None:
    orders = [{"id": 1, "price": 5}, {"id": 2, "price": 15}, {"id": 3}]

    assert value("orders[price > limit].id", orders=orders, limit=10) == [2]
    assert value("orders[-1].id", orders=orders) == 3


def test_a_loop_sees_its_earlier_results() -> None:
    assert value("for i in 1..6 return if i = 1 then 1 else i * partial[-1]") == [1, 2, 6, 24, 120, 720]


def test_a_function_remembers_where_it_was_made() -> None:
    assert value("{n: 2, twice: function(x) x * n, r: (for n in [5] return twice(n))}.r") == [10]


def test_a_function_can_come_from_python() -> None:
    def sum_of(left: Any, right: Any) -> Any:
        return left + right

    add = python_function(["left", "right"], sum_of)

    assert value("add(1, 2)", add=add) == 3
    assert value("add(right: 1, left: 2)", add=add) == 3
    assert value("add(1)", add=add) is None


def test_a_function_value_can_be_called_from_python() -> None:
    assert call_function(value("function(a, b) a * b"), [6, 7], AT) == 42


def test_sorting_with_a_function_is_stable() -> None:
    people = [{"n": "b", "a": 1}, {"n": "a", "a": 2}, {"n": "c", "a": 1}]

    assert value("sort(people, function(x, y) x.a < y.a).n", people=people) == ["b", "c", "a"]


# -- time ----------------------------------------------------------------------------------------------------------------


def test_now_and_today_come_from_the_caller() -> None:
    assert written("now()") == "2026-11-24T12:30:00Z"
    assert written("today()") == "2026-11-24"


def test_time_has_nanoseconds_and_far_years() -> None:
    assert written('@"2026-01-01T00:00:00.123456789Z" + @"PT0.000000001S"') == "2026-01-01T00:00:00.12345679Z"
    assert written("date(-999999999, 1, 1)") == "-999999999-01-01"


def test_a_month_later_is_at_most_the_end_of_the_month() -> None:
    assert written('date("2024-01-31") + duration("P1M")') == "2024-02-29"


def test_a_day_in_a_zone_may_have_23_hours() -> None:
    span = '@"2026-03-30T00:00:00@Europe/Berlin" - @"2026-03-29T00:00:00@Europe/Berlin"'

    assert written(span) == "PT23H"


def test_chance_comes_from_the_caller_too() -> None:
    draw = compile_expression("[uuid(), uuid(), random number()]")
    here, there = Moment(AT.now, "a"), Moment(AT.now, "b")

    assert draw.evaluate({}, here) == draw.evaluate({}, here)
    assert draw.evaluate({}, here) != draw.evaluate({}, there)
    assert len(set(map(str, draw.evaluate({}, here)))) == 3


# -- unary tests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tests", "tested", "expected"),
    [
        ("-", None, True),
        ("< 5", 4, True),
        ("[1..5), 9", 9, True),
        ("not(1, 2)", 3, True),
        ('"a", "b"', "b", True),
        ("? > 3 and ? < 5", 4, True),
        ("< 5", None, None),
        ("max", 7, True),
    ],
)
def test_a_test_holds_of_a_value(tests: str, tested: Any, expected: bool | None) -> None:
    assert compile_unary_tests(tests).matches(tested, {"max": 7}, AT) is expected


# -- types ---------------------------------------------------------------------------------------------------------------


def test_types_of_a_model_can_be_asked_for() -> None:
    small = FeelType("number", allowed=lambda number: bool(number < 10))
    expression = compile_expression(
        "[3 instance of Small, 30 instance of Small, 3 instance of Unknown]", types={"Small": small}
    )

    assert expression.evaluate({}, AT)[:2] == [True, False]


def test_a_list_of_one_becomes_its_item_where_a_type_asks_for_it() -> None:
    assert coerce([1], BASIC["number"]) == 1
    assert coerce("1", BASIC["number"]) is None


# -- results and errors --------------------------------------------------------------------------------------------------


def test_results_become_json_with_all_their_digits() -> None:
    made = written('{n: 1 / 3, d: @"2026-01-01", l: [null, true], r: (1..10], f: function(x) x}')

    assert made == {
        "n": Decimal("0.3333333333333333333333333333333333"),
        "d": "2026-01-01",
        "l": [None, True],
        "r": "(1..10]",
        "f": made["f"],
    }


@pytest.mark.parametrize(
    ("source", "line", "column"),
    [
        ("1 +", 1, 4),
        ("1 + * 2", 1, 5),
        ("{a: 1,\n b 2}", 2, 5),
        ('"open', 1, 1),
        ("[1, 2", 1, 6),
        ("if x then 1", 1, 12),
        ("x y", 1, 3),
        ("", 1, 1),
    ],
)
def test_a_syntax_error_names_its_place(source: str, line: int, column: int) -> None:
    with pytest.raises(FeelSyntaxError) as caught:
        compile_expression(source)

    assert (caught.value.line, caught.value.column) == (line, column)
    assert f"line {line}" in str(caught.value)


def test_a_failed_assertion_is_an_error_with_its_message() -> None:
    with pytest.raises(FeelEvaluationError, match="no customer"):
        value('assert(customer, customer != null, "no customer")', customer=None)


@pytest.mark.parametrize("expression", ["sqrt(-1)", "exp(100000)", "modulo(1, 0)"])
def test_a_number_that_there_is_not_is_told_in_words(expression: str) -> None:
    (found,) = compile_expression(expression).explain({}, AT).warnings

    assert found.message.endswith("there is no such number")
