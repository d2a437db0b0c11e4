"""A tree to closures `(scope, run) -> value`. Compiled once at deployment; each closure has its operands at hand.

`run` is None for expressions that cannot loop, call or fail: then nothing is counted and nobody listens for warnings.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from domain.feel import arithmetic, numbers, syntax
from domain.feel.limits import NODES_PER_STEP
from domain.feel.scopes import INPUT, Scope
from domain.feel.types import FeelType, conforms, resolve
from domain.feel.values import (
    NUMBER_TYPES,
    FeelFunction,
    Range,
    Run,
    compare,
    same,
    within,
)

Code = Callable[[Any, Any], Any]
"""A compiled expression: scope and Run (or None) to value."""

MatchCode = Callable[[Any, Any, Any], Any]
"""A compiled test: the value, scope and Run to true, false or null."""

_RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Compiler:
    """One compilation. Collects the names that are read and whether an evaluation must be counted."""

    def __init__(self, types: Mapping[str, FeelType]) -> None:
        self.types = types
        self.used: set[str] = set()
        self.counted = False
        self.nodes = 0
        self.makes_functions = False
        self.partial_kept = False
        self.input_at = 0

    def compile(self, node: syntax.Node) -> Code:
        self.nodes += 1
        return COMPILERS[node.__class__](self, node)

    def scoped(self, nodes: Iterable[syntax.Node], bound: Iterable[str]) -> tuple[list[Code], set[str]]:
        """Compile parts that see some more names. Returns what they read, those names included."""
        outer = self.used
        self.used = set()
        codes = [self.compile(node) for node in nodes]
        used = self.used
        outer |= used.difference(bound)
        self.used = outer
        return codes, used


def constant(value: Any) -> Code:
    return lambda _scope, _run: value


def literal_of(node: syntax.Node) -> Any:
    """The value of a literal, or NotImplemented."""
    return node.value if isinstance(node, syntax.Literal) else NotImplemented


def read(name: str) -> Code:
    """The variable of that name, or null with a warning."""

    def variable(scope: Any, run: Any) -> Any:
        try:
            return scope[name]
        except KeyError:
            if run is not None:
                run.warn("NO_VARIABLE_FOUND", lambda: f"No variable found with name '{name}'")
            return None

    return variable


def _literal(compiler: Compiler, node: syntax.Literal) -> Code:
    return constant(node.value)


def _name(compiler: Compiler, node: syntax.Name) -> Code:
    compiler.used.add(node.name)
    if node.name == "partial":
        compiler.partial_kept = True
    return read(node.name)


def _input(compiler: Compiler, node: syntax.Input) -> Code:
    compiler.used.add(INPUT)
    compiler.input_at = node.start

    def value(scope: Any, run: Any) -> Any:
        try:
            return scope[INPUT]
        except KeyError:
            if run is not None:
                run.warn("NO_VARIABLE_FOUND", lambda: "No input value found.")
            return None

    return value


def _negation(compiler: Compiler, node: syntax.Negation) -> Code:
    operand = compiler.compile(node.operand)
    negate = arithmetic.negate
    return lambda scope, run: negate(operand(scope, run), run)


def _arithmetic(compiler: Compiler, node: syntax.Arithmetic) -> Code:
    code = compiler.compile(node.first)
    if len(node.rest) == 1:
        sign, right = node.rest[0]
        return _binary(code, sign, compiler.compile(right))
    rest = [(arithmetic.OPERATORS[sign], compiler.compile(operand)) for sign, operand in node.rest]

    def chain(scope: Any, run: Any) -> Any:
        value = code(scope, run)
        for apply, operand in rest:
            value = apply(value, operand(scope, run), run)
        return value

    return chain


def _binary(left: Code, sign: str, right: Code) -> Code:
    apply = arithmetic.OPERATORS[sign]
    if sign not in _EXACT:
        return lambda scope, run: apply(left(scope, run), right(scope, run), run)
    exact = _EXACT[sign]
    most = numbers.WHOLE_MAX

    def whole_first(scope: Any, run: Any) -> Any:
        a = left(scope, run)
        b = right(scope, run)
        if a.__class__ is int and b.__class__ is int:
            value = exact(a, b)
            if -most < value < most:
                return value
        return apply(a, b, run)

    return whole_first


_EXACT: dict[str, Callable[[int, int], int]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}


# -- comparison and logic ------------------------------------------------------------------------------------------------


def _comparison(compiler: Compiler, node: syntax.Comparison) -> Code:
    right = literal_of(node.right)
    sign = node.operator
    if isinstance(node.left, syntax.Name) and right.__class__ in (int, Decimal, str):
        compiler.compile(node.left)
        return _compare_variable(node.left.name, sign, right)
    return _compare(compiler.compile(node.left), sign, compiler.compile(node.right))


def _compare_variable(name: str, sign: str, right: Any) -> Code:
    """A variable beside a constant, which most conditions are."""
    if sign in ("=", "!="):
        return _equals_variable(name, right, wanted=sign == "=")
    relation = _RELATIONS[sign]
    kinds = NUMBER_TYPES if right.__class__ is not str else frozenset((str,))
    slow = read(name)

    def decide(scope: Any, run: Any) -> Any:
        try:
            left = scope[name]
        except KeyError:
            left = slow(scope, run)
        if left.__class__ in kinds:
            return relation(left, right)
        return compare(sign, left, right, run)

    return decide


def _equals_variable(name: str, right: Any, *, wanted: bool) -> Code:
    kinds = NUMBER_TYPES if right.__class__ is not str else frozenset((str,))
    slow = read(name)

    def decide(scope: Any, run: Any) -> Any:
        try:
            left = scope[name]
        except KeyError:
            left = slow(scope, run)
        if left.__class__ in kinds:
            return (left == right) is wanted
        found = same(left, right, run)
        return None if found is None else found is wanted

    return decide


def _compare(left: Code, sign: str, right: Code) -> Code:
    if sign == "=":
        return lambda scope, run: same(left(scope, run), right(scope, run), run)
    if sign == "!=":

        def differ(scope: Any, run: Any) -> Any:
            found = same(left(scope, run), right(scope, run), run)
            return None if found is None else not found

        return differ
    relation = _RELATIONS[sign]

    def decide(scope: Any, run: Any) -> Any:
        a = left(scope, run)
        b = right(scope, run)
        if a.__class__ in NUMBER_TYPES and b.__class__ in NUMBER_TYPES:
            return relation(a, b)
        return compare(sign, a, b, run)

    return decide


def _junction(compiler: Compiler, node: syntax.Junction) -> Code:
    codes = [compiler.compile(operand) for operand in node.operands]
    decisive = node.operator == "or"
    if len(codes) == 2:
        return _junction_of_two(codes[0], codes[1], decisive)
    neutral = not decisive

    def decide(scope: Any, run: Any) -> Any:
        certain = True
        for code in codes:
            value = code(scope, run)
            if value is decisive:
                return decisive
            if value is not neutral:
                certain = False
        return neutral if certain else None

    return decide


def _junction_of_two(left: Code, right: Code, decisive: bool) -> Code:
    neutral = not decisive

    def decide(scope: Any, run: Any) -> Any:
        a = left(scope, run)
        if a is decisive:
            return a
        b = right(scope, run)
        if b is decisive:
            return b
        return neutral if a is neutral and b is neutral else None

    return decide


def _between(compiler: Compiler, node: syntax.Between) -> Code:
    value, low, high = (compiler.compile(part) for part in (node.value, node.low, node.high))

    def decide(scope: Any, run: Any) -> Any:
        return within(value(scope, run), Range(low(scope, run), high(scope, run), True, True), run)

    return decide


def _within(compiler: Compiler, node: syntax.Within) -> Code:
    value = compiler.compile(node.value)
    outer = compiler.used
    compiler.used = set()
    decide = matcher(compiler, node.tests, alone=False)
    uses_input = INPUT in compiler.used
    compiler.used = outer | (compiler.used - {INPUT})
    if not uses_input:
        return lambda scope, run: decide(value(scope, run), scope, run)

    def with_input(scope: Any, run: Any) -> Any:
        inner = Scope(scope)
        found = inner[INPUT] = value(scope, run)
        return decide(found, inner, run)

    return with_input


def _instance_of(compiler: Compiler, node: syntax.InstanceOf) -> Code:
    value = compiler.compile(node.value)
    wanted = resolve(node.type, compiler.types)
    return lambda scope, run: conforms(value(scope, run), wanted, run)


def _if(compiler: Compiler, node: syntax.If) -> Code:
    cases = [(compiler.compile(condition), compiler.compile(value)) for condition, value in node.cases]
    otherwise = compiler.compile(node.otherwise)
    if len(cases) == 1:
        condition, value = cases[0]
        return lambda scope, run: value(scope, run) if condition(scope, run) is True else otherwise(scope, run)

    def decide(scope: Any, run: Any) -> Any:
        for test, result in cases:
            if test(scope, run) is True:
                return result(scope, run)
        return otherwise(scope, run)

    return decide


# -- tests ---------------------------------------------------------------------------------------------------------------


def matcher(compiler: Compiler, tests: tuple[syntax.Node, ...], *, alone: bool) -> MatchCode:
    """Tests joined by `or`. `alone` are the unary tests of a decision table, where a condition may stand for itself."""
    codes = [_match_code(compiler, test, alone) for test in tests]
    if len(codes) == 1:
        return codes[0]

    def decide(value: Any, scope: Any, run: Any) -> Any:
        result: bool | None = False
        for code in codes:
            found = code(value, scope, run)
            if found is True:
                return True
            if found is None:
                result = None
        return result

    return decide


def _match_code(compiler: Compiler, test: syntax.Node, alone: bool) -> MatchCode:
    if isinstance(test, syntax.Test):
        return _match_operator(test.operator, compiler.compile(test.operand))
    before = compiler.used
    compiler.used = set()
    code = compiler.compile(test)
    uses_input = INPUT in compiler.used
    compiler.used |= before
    if uses_input:
        return _match_condition(code)
    if isinstance(test, syntax.Literal) and test.value.__class__ is bool:
        return lambda value, scope, run: same(value, code(scope, run), run)
    if not alone:
        return lambda value, scope, run: matches_value(value, code(scope, run), run)
    return _match_any(code)


def _match_operator(sign: str, operand: Code) -> MatchCode:
    if sign == "=":
        return lambda value, scope, run: same(value, operand(scope, run), run)
    if sign == "!=":

        def differ(value: Any, scope: Any, run: Any) -> Any:
            found = same(value, operand(scope, run), run)
            return None if found is None else not found

        return differ
    return lambda value, scope, run: compare(sign, value, operand(scope, run), run)


def _match_condition(code: Code) -> MatchCode:
    def decide(value: Any, scope: Any, run: Any) -> Any:
        found = code(scope, run)
        return found if found.__class__ is bool else None

    return decide


def _match_any(code: Code) -> MatchCode:
    def decide(value: Any, scope: Any, run: Any) -> Any:
        found = code(scope, run)
        if found is True:
            return True
        if found is False:
            return value is False
        return matches_value(value, found, run)

    return decide


def matches_value(value: Any, allowed: Any, run: Run | None) -> bool | None:
    """Whether a value is the allowed one, lies in an allowed range, or is in an allowed list."""
    if allowed.__class__ is Range:
        return within(value, allowed, run)
    if allowed.__class__ is list:
        if run is not None:
            run.charge(len(allowed))
        if value.__class__ is list and same(value, allowed, None):
            return True
        return any(_matches_item(value, item) for item in allowed)
    return same(value, allowed, run)


def _matches_item(value: Any, item: Any) -> bool:
    return bool(within(value, item, None) if item.__class__ is Range else same(value, item, None))


# -- making values -------------------------------------------------------------------------------------------------------


def _list(compiler: Compiler, node: syntax.ListLiteral) -> Code:
    codes = [compiler.compile(item) for item in node.items]
    return lambda scope, run: [code(scope, run) for code in codes]


def _range(compiler: Compiler, node: syntax.RangeLiteral) -> Code:
    low, high = literal_of(node.low), literal_of(node.high)
    low_included, high_included, unbounded = node.low_included, node.high_included, node.unbounded
    if low is not NotImplemented and high is not NotImplemented:
        return constant(Range(low, high, low_included, high_included, unbounded))
    low_code, high_code = compiler.compile(node.low), compiler.compile(node.high)

    def make(scope: Any, run: Any) -> Any:
        return Range(low_code(scope, run), high_code(scope, run), low_included, high_included, unbounded)

    return make


def _context(compiler: Compiler, node: syntax.ContextLiteral) -> Code:
    compiler.nodes += NODES_PER_STEP  # making a dict costs more than reading one
    names = [name for name, _ in node.entries]
    outer = compiler.used
    used: set[str] = set()
    functions = compiler.makes_functions
    compiler.makes_functions = False
    entries: list[tuple[str, Code]] = []
    for index, (name, value) in enumerate(node.entries):
        compiler.used = set()
        entries.append((name, compiler.compile(value)))
        outer |= compiler.used.difference(names[:index])
        used |= compiler.used
    compiler.used = outer
    closed = compiler.makes_functions or not used.isdisjoint(names)
    compiler.makes_functions = functions or compiler.makes_functions
    if not closed:
        return lambda scope, run: {name: code(scope, run) for name, code in entries}

    def make(scope: Any, run: Any) -> Any:
        inner = Scope(scope)
        for name, code in entries:
            inner[name] = code(inner, run)
        return dict(inner)

    return make


def _function(compiler: Compiler, node: syntax.FunctionDefinition) -> Code:
    parameters = node.parameters
    types = tuple(None if written is None else resolve(written, compiler.types) for written in node.types)
    compiler.makes_functions = compiler.counted = True
    if node.body is None:
        return lambda _scope, _run: FeelFunction(parameters, lambda _inner, _arguments: None, types=types)
    (body,), _ = compiler.scoped([node.body], parameters)

    def make(scope: Any, run: Any) -> Any:
        def call(run: Run, arguments: list[Any]) -> Any:
            run.charge(1)
            inner = Scope(scope)
            for parameter, argument in zip(parameters, arguments, strict=True):
                inner[parameter] = argument
            return body(inner, run)

        return FeelFunction(parameters, call, types=types)

    return make


COMPILERS: dict[type[syntax.Node], Callable[[Compiler, Any], Code]] = {
    syntax.Literal: _literal,
    syntax.Name: _name,
    syntax.Input: _input,
    syntax.Negation: _negation,
    syntax.Arithmetic: _arithmetic,
    syntax.Comparison: _comparison,
    syntax.Junction: _junction,
    syntax.Between: _between,
    syntax.Within: _within,
    syntax.InstanceOf: _instance_of,
    syntax.If: _if,
    syntax.ListLiteral: _list,
    syntax.RangeLiteral: _range,
    syntax.ContextLiteral: _context,
    syntax.FunctionDefinition: _function,
}
"""What compiles each kind of node; `access`, `loops` and `calls` add theirs in `domain.feel.expression`."""
