"""Compiled expressions and unary tests, ready to be evaluated against variables."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from domain.feel import access, calls, loops, syntax
from domain.feel.builtins import BUILTINS
from domain.feel.compiler import COMPILERS, Code, Compiler, MatchCode, matcher
from domain.feel.lexer import place
from domain.feel.limits import CONSTANT_STEPS_MAX, FeelEvaluationError, FeelSyntaxError
from domain.feel.names import know_functions
from domain.feel.parser import parse_expression, parse_unary_tests
from domain.feel.scopes import INPUT, Scope
from domain.feel.types import FeelType
from domain.feel.values import FeelFunction, FeelWarning, Moment, Run

COMPILERS.update(
    {
        syntax.Path: access.path,
        syntax.Filter: access.filter_list,
        syntax.For: loops.for_loop,
        syntax.Quantified: loops.quantified,
        syntax.Call: calls.call,
    }
)
know_functions(BUILTINS)

_NO_TYPES: dict[str, FeelType] = {}


class Evaluation(msgspec.Struct, frozen=True):
    """A value and why parts of it are null."""

    value: Any
    warnings: tuple[FeelWarning, ...]


class Expression:
    """A compiled expression. `free_names` are the variables it may read: the first parts of its paths."""

    __slots__ = ("_code", "_counted", "free_names", "source")

    def __init__(self, source: str, code: Code, free_names: frozenset[str], *, counted: bool) -> None:
        self.source = source
        self.free_names = free_names
        self._code = code
        self._counted = counted

    def evaluate(self, variables: Mapping[str, Any], at: Moment) -> Any:
        """The value; null where the language says so. Raises FeelEvaluationError for what must become an incident."""
        try:
            return self._code(variables, Run(at) if self._counted else None)
        except (RecursionError, ArithmeticError) as failure:
            raise _refused(failure) from failure

    def within(self, variables: Mapping[str, Any], run: Run) -> Any:
        """The value, as a part of a larger evaluation that shares its budget and guards against Python's own limits."""
        return self._code(variables, run)

    def constant(self, at: Moment) -> Any:
        """The value without any variable, within `CONSTANT_STEPS_MAX`. Raises FeelEvaluationError."""
        try:
            return self._code({}, Run(at, steps=CONSTANT_STEPS_MAX))
        except (RecursionError, ArithmeticError) as failure:
            raise _refused(failure) from failure

    def explain(self, variables: Mapping[str, Any], at: Moment) -> Evaluation:
        """The value with the warnings that arose, for people and incidents."""
        warnings: list[FeelWarning] = []
        try:
            value = self._code(variables, Run(at, warnings))
        except (RecursionError, ArithmeticError) as failure:
            raise _refused(failure) from failure
        return Evaluation(value, tuple(warnings))

    def __repr__(self) -> str:
        return f"Expression({self.source!r})"


class UnaryTests:
    """Compiled unary tests, as in the input entries of a decision table."""

    __slots__ = ("_code", "free_names", "source")

    def __init__(self, source: str, code: MatchCode, free_names: frozenset[str]) -> None:
        self.source = source
        self.free_names = free_names
        self._code = code

    def matches(self, value: Any, variables: Mapping[str, Any], at: Moment) -> bool | None:
        """Whether the tests hold of a value; null when that cannot be said. Raises FeelEvaluationError."""
        return self._decide(value, variables, Run(at))

    def within(self, value: Any, scope: Mapping[str, Any], run: Run) -> bool | None:
        """As `Expression.within`; the scope has the value under `INPUT`."""
        found: bool | None = self._code(value, scope, run)
        return found

    def explain(self, value: Any, variables: Mapping[str, Any], at: Moment) -> Evaluation:
        """As `matches`, with the warnings that arose."""
        warnings: list[FeelWarning] = []
        result = self._decide(value, variables, Run(at, warnings))
        return Evaluation(result, tuple(warnings))

    def _decide(self, value: Any, variables: Mapping[str, Any], run: Run) -> bool | None:
        if value is None:
            run.warn("NO_VARIABLE_FOUND", lambda: "No input value found.")
        scope = Scope(variables)
        scope[INPUT] = value
        try:
            found: bool | None = self._code(value, scope, run)
        except (RecursionError, ArithmeticError) as failure:
            raise _refused(failure) from failure
        return found

    def __repr__(self) -> str:
        return f"UnaryTests({self.source!r})"


def compile_expression(
    source: str, *, names: Iterable[str] = (), types: Mapping[str, FeelType] | None = None
) -> Expression:
    """Compile the text of an expression, without the leading `=`. `names` are variables that are known to exist: they may
    hold blanks and operators, and go before built-ins of the same name. `types` are item definitions by name.

    Raises FeelSyntaxError.
    """
    try:
        compiler = Compiler(_NO_TYPES if types is None else types)
        code = compiler.compile(parse_expression(source, names))
    except RecursionError as failure:
        raise FeelSyntaxError("expected fewer levels of nesting", 1, 1) from failure
    if INPUT in compiler.used:
        raise FeelSyntaxError("'?' can only be used inside a unary test", *place(source, compiler.input_at))
    return Expression(source, code, frozenset(compiler.used), counted=compiler.counted)


def compile_unary_tests(
    source: str, *, names: Iterable[str] = (), types: Mapping[str, FeelType] | None = None
) -> UnaryTests:
    """Compile unary tests, as `< 5, [7..9]`, `not("a")` or `-`. Raises FeelSyntaxError."""
    try:
        tests = parse_unary_tests(source, names)
        compiler = Compiler(_NO_TYPES if types is None else types)
        code = _always if not tests.tests else matcher(compiler, tests.tests, alone=True)
    except RecursionError as failure:
        raise FeelSyntaxError("expected fewer levels of nesting", 1, 1) from failure
    compiler.used.discard(INPUT)
    return UnaryTests(source, _negated(code) if tests.negated else code, frozenset(compiler.used))


def call_function(function: FeelFunction, arguments: list[Any], at: Moment) -> Any:
    """Call a FEEL function value from Python, with one argument for each parameter. Raises FeelEvaluationError."""
    try:
        return calls.invoke_function(function, arguments, Run(at))
    except (RecursionError, ArithmeticError) as failure:
        raise _refused(failure) from failure


def _always(value: Any, scope: Any, run: Any) -> bool:
    return True


def _negated(code: MatchCode) -> MatchCode:
    return lambda value, scope, run: code(value, scope, run) is not True


def _refused(failure: Exception) -> FeelEvaluationError:
    if isinstance(failure, RecursionError):
        return FeelEvaluationError("the expression or one of its values nests too deeply")
    return FeelEvaluationError("a variable holds a number that is none, or is beyond all limits")
