"""The input columns of a decision table: which rules a value leaves in question, without asking rule by rule.

A set of rules is an integer with one bit for each. Entries that are constants are looked up: equal ones in a dict, limits
of numbers by the region between two limits that the value lies in.
"""

from bisect import bisect_left
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from domain.feel import FeelSyntaxError, Run, UnaryTests, syntax
from domain.feel.parser import parse_unary_tests
from domain.feel.scopes import INPUT, Scope

NUMBERS = (int, Decimal)
REGIONS_KEPT_MAX = 4_096
"""Regions of one column whose rules are remembered."""


class Column:
    """The entries of one input."""

    __slots__ = ("_always", "_equal", "_limits", "_ranged", "_regions", "_rest", "_true_false")

    def __init__(self, entries: list[UnaryTests]) -> None:
        rules: dict[str, int] = {}
        tests: dict[str, UnaryTests] = {}
        for index, entry in enumerate(entries):
            rules[entry.source] = rules.get(entry.source, 0) | 1 << index
            tests[entry.source] = entry
        self._always = 0
        self._equal: dict[Any, int] = {}
        self._true_false = [0, 0]
        self._ranged: list[tuple[UnaryTests, int]] = []
        self._rest: list[tuple[UnaryTests, int]] = []
        limits: set[Any] = set()
        for source, entry in tests.items():
            self._sort(entry, rules[source], limits)
        self._limits = sorted(limits)
        self._regions: dict[int, int] = {}

    def _sort(self, entry: UnaryTests, rules: int, limits: set[Any]) -> None:
        tree = None if entry.free_names else _tree(entry.source)
        if tree is not None and not tree.tests:
            self._always |= rules
            return
        constants = None if tree is None else _constants(tree)
        if constants is not None:
            for value in constants:
                if value.__class__ is bool:
                    self._true_false[value] |= rules
                else:
                    self._equal[value] = self._equal.get(value, 0) | rules
            return
        found = None if tree is None else _limits_of(tree)
        if found is None:
            self._rest.append((entry, rules))
        else:
            limits.update(found)
            self._ranged.append((entry, rules))

    def rules_for(self, value: Any, alive: int, scope: Any, run: Run) -> int:
        """Return which of the rules `alive` the value meets."""
        kind = value.__class__
        found = self._always
        asked = self._rest
        if kind is str:
            found |= self._equal.get(value, 0)
            asked = self._ranged + self._rest if self._ranged else self._rest
        elif kind is int or kind is Decimal:
            found |= self._equal.get(value, 0)
            if self._ranged:
                found |= self._region(value, run)
        elif kind is bool:
            found |= self._true_false[value]
            asked = self._ranged + self._rest if self._ranged else self._rest
        else:
            return self._by_asking(value, alive, scope, run)
        if asked and alive & ~found:
            found |= _ask(asked, value, alive & ~found, scope, run)
        return found & alive

    def _region(self, value: Any, run: Run) -> int:
        """All tests against constant limits have the same answer for every number between two neighbouring limits."""
        index = bisect_left(self._limits, value)
        at_limit = index < len(self._limits) and self._limits[index] == value
        region = 2 * index + at_limit
        found = self._regions.get(region)
        if found is None:
            if len(self._regions) >= REGIONS_KEPT_MAX:
                self._regions.clear()
            found = self._regions[region] = _ask(self._ranged, value, -1, {}, run)
        return found

    def _by_asking(self, value: Any, alive: int, scope: Any, run: Run) -> int:
        """For values that are no plain constants: null, lists, contexts and temporal values. `[1]` is 1 here, too."""
        found = self._always | _ask([*self._ranged, *self._rest], value, alive, scope, run)
        only = value
        while only.__class__ is list and len(only) == 1:
            only = only[0]
        return (found | self._equal_to(only)) & alive

    def _equal_to(self, value: Any) -> int:
        if value.__class__ is bool:
            return self._true_false[value]
        return self._equal.get(value, 0) if value.__class__ in (str, int, Decimal) else 0


def _ask(tests: list[tuple[UnaryTests, int]], value: Any, alive: int, scope: Any, run: Run) -> int:
    inner = Scope(scope)
    inner[INPUT] = value
    found = 0
    run.charge(len(tests))
    for test, rules in tests:
        if rules & alive and test.within(value, inner, run) is True:
            found |= rules
    return found


def _tree(source: str) -> syntax.Tests | None:
    try:
        return parse_unary_tests(source)
    except FeelSyntaxError:
        return None  # it was compiled, so it needs the names of the model to be read


def _constants(tree: syntax.Tests) -> list[Any] | None:
    """The values of tests that are nothing but constants, or None."""
    if tree.negated:
        return None
    values = [_constant(test) for test in tree.tests]
    return None if any(value is None for value in values) else values


def _constant(node: syntax.Node) -> Any:
    if isinstance(node, syntax.Literal) and isinstance(node.value, (str, bool, *NUMBERS)):
        return node.value
    return _number(node)


def _number(node: syntax.Node) -> Any:
    if isinstance(node, syntax.Literal) and isinstance(node.value, NUMBERS) and not isinstance(node.value, bool):
        return node.value
    if isinstance(node, syntax.Negation):
        inner = _number(node.operand)
        return None if inner is None else -inner
    return None


def _limits_of(tree: syntax.Tests) -> list[Any] | None:
    """The limits of tests that only compare with numbers, or None."""
    limits = [limit for test in tree.tests for limit in _limits_of_one(test)]
    return None if any(limit is None for limit in limits) else limits


def _limits_of_one(node: syntax.Node) -> Iterator[Any]:
    if isinstance(node, syntax.Test):
        yield _number(node.operand)
    elif isinstance(node, syntax.RangeLiteral):
        for end in (node.low, node.high):
            none = node.unbounded and isinstance(end, syntax.Literal) and end.value is None
            if not none:
                yield _number(end)
    else:
        yield _number(node)
