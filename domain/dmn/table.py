"""Decision tables: which rules a row of inputs meets, and what the hit policy makes of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from domain.bpmn.problems import shorten
from domain.bpmn.xml import Xml
from domain.dmn.columns import Column
from domain.dmn.sight import Book, DecisionFailure, Logic, Sight
from domain.dmn.xml import child, children, text_in, written
from domain.feel import (
    FeelEvaluationError,
    FeelSyntaxError,
    Moment,
    Run,
    UnaryTests,
    compile_expression,
    equal,
    text_of,
)

HIT_POLICIES = ("UNIQUE", "ANY", "FIRST", "PRIORITY", "RULE ORDER", "OUTPUT ORDER", "COLLECT")
AGGREGATIONS = {name: compile_expression(f"{name.lower()}(values)") for name in ("SUM", "MIN", "MAX", "COUNT")}
RULES_MAX = 10_000
"""Rules of one table."""

_AT = Moment(now=datetime(1970, 1, 1, tzinfo=UTC))


class Input(msgspec.Struct, frozen=True):
    """An input column."""

    id: str
    name: str
    logic: Logic
    column: Column


class Output(msgspec.Struct, frozen=True):
    """An output column. `ranks` are its values, the most important first, for the policies that ask for it."""

    id: str
    name: str
    label: str
    default: Logic | None
    ranks: tuple[Any, ...] = ()


class Rule(msgspec.Struct, frozen=True):
    """A row; `index` counts from 1."""

    id: str
    index: int
    entries: tuple[Logic, ...]


class Matched(msgspec.Struct, frozen=True):
    """A rule that was met, with its outputs in the order of the columns."""

    rule: Rule
    values: list[Any]


class Decided(msgspec.Struct, frozen=True):
    """What a table found: the values of its inputs, the rules that were met, and the result."""

    inputs: list[Any]
    matched: list[Matched]
    value: Any


class DecisionTable:
    """A compiled table."""

    __slots__ = ("_aggregation", "_policy", "_rules", "inputs", "outputs")

    def __init__(
        self, policy: str, aggregation: str, inputs: list[Input], outputs: list[Output], rules: list[Rule]
    ) -> None:
        self._policy = policy
        self._aggregation = aggregation
        self.inputs = inputs
        self.outputs = outputs
        self._rules = rules

    def decide(self, scope: Any, run: Run) -> Decided:
        """Evaluate the table. Raises DecisionFailure where the hit policy is not kept, and FeelEvaluationError."""
        alive = (1 << len(self._rules)) - 1
        values: list[Any] = []
        run.charge(1 + len(self._rules) // 64)
        for each in self.inputs:
            value = each.logic(scope, run)
            values.append(value)
            if alive:
                alive = each.column.rules_for(value, alive, scope, run)
        if self._policy == "FIRST":
            alive &= -alive
        matched: list[Matched] = []
        while alive:
            lowest = alive & -alive
            alive ^= lowest
            rule = self._rules[lowest.bit_length() - 1]
            matched.append(Matched(rule, [entry(scope, run) for entry in rule.entries]))
            run.charge(1)
        return Decided(values, matched, self._result(matched, scope, run))

    def value(self, scope: Any, run: Run) -> Any:
        """The result alone."""
        return self.decide(scope, run).value

    def _result(self, matched: list[Matched], scope: Any, run: Run) -> Any:
        if not matched:
            return self._default(scope, run)
        if len(matched) == 1 and self._policy in ("UNIQUE", "FIRST", "ANY", "PRIORITY"):
            return self._shaped(matched[0].values)
        match self._policy:
            case "UNIQUE":
                rules = ", ".join(str(found.rule.index) for found in matched[:10])
                raise DecisionFailure(f"the hit policy UNIQUE allows one rule to match, and found the rules {rules}")
            case "ANY":
                self._expect_equal(matched)
                return self._shaped(matched[0].values)
            case "PRIORITY":
                return self._shaped(min(matched, key=self._rank).values)
            case "OUTPUT ORDER":
                return [self._shaped(found.values) for found in sorted(matched, key=self._rank)]
            case _:
                return self._collected([self._shaped(found.values) for found in matched], run)

    def _shaped(self, values: list[Any]) -> Any:
        if len(values) == 1:
            return values[0]
        return {output.name: value for output, value in zip(self.outputs, values, strict=True)}

    def _default(self, scope: Any, run: Run) -> Any:
        if all(output.default is None for output in self.outputs):
            return None
        return self._shaped([None if each.default is None else each.default(scope, run) for each in self.outputs])

    def _expect_equal(self, matched: list[Matched]) -> None:
        first = matched[0]
        for found in matched[1:]:
            if equal(found.values, first.values) is not True:
                raise DecisionFailure(
                    "the hit policy ANY allows only rules with the same output to match, and found"
                    f" '{shorten(text_of(self._shaped(first.values)))}' in rule {first.rule.index}"
                    f" and '{shorten(text_of(self._shaped(found.values)))}' in rule {found.rule.index}"
                )

    def _rank(self, found: Matched) -> tuple[int, ...]:
        return tuple(_place(output.ranks, value) for output, value in zip(self.outputs, found.values, strict=True))

    def _collected(self, values: list[Any], run: Run) -> Any:
        if not self._aggregation:
            return values
        found = AGGREGATIONS[self._aggregation].within({"values": values}, run)
        if found is None:
            shown = shorten(text_of(values))
            raise DecisionFailure(f"the aggregation {self._aggregation} expects numbers, and found {shown}")
        return found


def _place(ranks: Sequence[Any], value: Any) -> int:
    return next((index for index, rank in enumerate(ranks) if equal(rank, value) is True), len(ranks))


# -- reading -------------------------------------------------------------------------------------------------------------


def read_table(sight: Sight, xml: Xml, result_type: str = "") -> DecisionTable:
    """Compile a table; what is wrong with it is noted in the sight's book. `result_type` ranks a single output."""
    book = sight.book
    policy = xml.get("hitPolicy", "UNIQUE").upper()
    aggregation = xml.get("aggregation", "").upper()
    rows = list(children(xml, "rule"))
    columns = list(children(xml, "input"))
    outputs = [_output(sight, each, result_type) for each in children(xml, "output")]
    _check(book, xml, policy, aggregation, outputs)
    if len(rows) > RULES_MAX:
        book.problem(xml, f"expected at most {RULES_MAX} rules, but found {len(rows)}")
        rows = []
    tests: list[list[UnaryTests]] = [[] for _ in columns]
    rules: list[Rule] = []
    for index, row in enumerate(rows, start=1):
        cells = list(children(row, "inputEntry"))
        answers = list(children(row, "outputEntry"))
        if len(cells) != len(columns) or len(answers) != len(outputs):
            book.problem(
                row,
                f"expected rule {index} to have {len(columns)} input and {len(outputs)} output entries,"
                f" but found {len(cells)} and {len(answers)}",
            )
            continue
        for place, cell in enumerate(cells):
            tests[place].append(sight.tests(cell, text_in(cell), f"the input entry of rule {index}"))
        entries = tuple(sight.logic(answer, text_in(answer), f"the output entry of rule {index}") for answer in answers)
        rules.append(Rule(row.get("id", ""), index, entries))
    inputs = [_input(sight, column, entries) for column, entries in zip(columns, tests, strict=True)]
    return DecisionTable(policy, aggregation, inputs, outputs, rules)


def _check(book: Book, xml: Xml, policy: str, aggregation: str, outputs: list[Output]) -> None:
    if policy not in HIT_POLICIES:
        book.problem(
            xml, f"expected the hit policy to be one of {', '.join(HIT_POLICIES)}, but found '{shorten(policy)}'"
        )
    if aggregation and aggregation not in AGGREGATIONS:
        book.problem(
            xml,
            f"expected the aggregation to be one of {', '.join(AGGREGATIONS)}, but found '{shorten(aggregation)}'",
        )
    if aggregation and policy != "COLLECT":
        book.problem(xml, f"expected an aggregation only with the hit policy COLLECT, but found '{shorten(policy)}'")
    if not outputs:
        book.problem(xml, "expected a decision table to have an output, but found none")
    if len(outputs) > 1:
        if aggregation not in ("", "COUNT"):
            book.problem(xml, f"expected one output for the aggregation {aggregation}, but found {len(outputs)}")
        names = [output.name for output in outputs]
        if "" in names or len(set(names)) < len(names):
            book.problem(
                xml, "expected each of several outputs to have a name of its own, but one has none or another's"
            )


def _input(sight: Sight, xml: Xml, entries: list[UnaryTests]) -> Input:
    expression = child(xml, "inputExpression")
    source = text_in(expression)
    if not source:
        sight.book.problem(xml, "expected an input to have an expression, but found none")
    logic = sight.logic(xml, source, "the input expression")
    return Input(xml.get("id", ""), xml.get("label") or source, logic, Column(entries))


def _output(sight: Sight, xml: Xml, result_type: str) -> Output:
    name = xml.get("name", "")
    default = text_in(child(xml, "defaultOutputEntry"))
    ranked = text_in(child(xml, "outputValues"))
    if not ranked:
        ranked = sight.book.allowed.get(written(xml, "typeRef") or result_type, "")
    return Output(
        xml.get("id", ""),
        name,
        xml.get("label") or name,
        sight.logic(xml, default, "the default output") if default else None,
        _ranks(sight, xml, ranked),
    )


def _ranks(sight: Sight, xml: Xml, source: str) -> tuple[Any, ...]:
    if not source:
        return ()
    sight.book.expect_to_compile(source)
    try:
        values = compile_expression(f"[{source}]").evaluate({}, _AT)
    except (FeelSyntaxError, FeelEvaluationError):
        return ()  # values may also be described, as in "> 0", and then have no order
    return tuple(values)
