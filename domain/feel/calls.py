"""Calls: of built-ins, which are chosen by their arguments, and of functions that are values."""

from collections.abc import Callable, Sequence
from decimal import DecimalException
from typing import Any

from domain.feel import syntax
from domain.feel.access import read_partial
from domain.feel.builtins import BUILTINS
from domain.feel.builtins.table import Builtin, Failed, fit
from domain.feel.compiler import Code, Compiler
from domain.feel.types import conforms
from domain.feel.values import FeelFunction, Run, text_of

_ONLY_READ = frozenset(("sum", "count", "min", "max", "mean", "median", "product", "list contains"))
"""Built-ins that keep no part of a list but its items, so that `partial` need not be copied for them."""


def call(compiler: Compiler, node: syntax.Call) -> Code:
    compiler.counted = True
    function = node.function
    builtin = isinstance(function, syntax.Name) and function.name in BUILTINS
    if isinstance(function, syntax.Name) and builtin and not node.bound:
        only_read = function.name in _ONLY_READ
        arguments = [
            read_partial(compiler, argument) if only_read else compiler.compile(argument) for argument in node.arguments
        ]
        compiler.nodes += 1
        return _builtin(function.name, node.names, arguments)
    arguments = [compiler.compile(argument) for argument in node.arguments]
    if not isinstance(function, syntax.Name):
        return _call_value(compiler.compile(function), "", node.names, arguments)
    compiler.used.add(function.name)
    otherwise = _builtin(function.name, node.names, arguments) if builtin else None
    return _call_value(_find(function.name), function.name, node.names, arguments, otherwise)


def _find(name: str) -> Code:
    def find(scope: Any, run: Any) -> Any:
        try:
            return scope[name]
        except KeyError:
            return None

    return find


# -- built-ins -----------------------------------------------------------------------------------------------------------


def _builtin(name: str, names: tuple[str, ...], arguments: list[Code]) -> Code:
    if names:
        return _named_builtin(name, names, arguments)
    count = len(arguments)
    signatures = [each for each in BUILTINS[name] if each.many or len(each.parameters) == count]
    if not signatures:
        return _no_function(name, f"{count} parameters")
    if len(signatures) == 1 and not signatures[0].many and count in (1, 2):
        return _plain_builtin(signatures[0], arguments)

    def choose(scope: Any, run: Any) -> Any:
        return invoke_builtin(name, signatures, [code(scope, run) for code in arguments], run)

    return choose


def _plain_builtin(signature: Builtin, arguments: list[Code]) -> Code:
    """The common case, without building lists: one signature, one or two arguments, all of the right class."""
    invoke = signature.call
    name = signature.name
    first = arguments[0]
    wanted = signature.kinds[0].classes

    if len(arguments) == 1:

        def call_one(scope: Any, run: Any) -> Any:
            value = first(scope, run)
            if wanted is not None and value.__class__ not in wanted:
                return invoke_builtin(name, (signature,), [value], run)
            return _guarded(name, invoke, (value,), run)

        return call_one
    second = arguments[1]
    also_wanted = signature.kinds[1].classes

    def call_two(scope: Any, run: Any) -> Any:
        value = first(scope, run)
        other = second(scope, run)
        if (wanted is not None and value.__class__ not in wanted) or (
            also_wanted is not None and other.__class__ not in also_wanted
        ):
            return invoke_builtin(name, (signature,), [value, other], run)
        return _guarded(name, invoke, (value, other), run)

    return call_two


def _guarded(name: str, invoke: Callable[..., Any], arguments: Sequence[Any], run: Run) -> Any:
    run.charge(1)
    for argument in arguments:
        if argument.__class__ is str:
            run.charge_text(argument)
    try:
        return invoke(run, *arguments)
    except Failed as failure:
        reason = str(failure)
    except ArithmeticError as failure:
        # An error of a decimal has no words but the name of its Python class.
        reason = "there is no such number" if isinstance(failure, DecimalException) else str(failure)
    run.warn("FUNCTION_INVOCATION_FAILURE", lambda: f"Failed to invoke function '{name}': {reason}")
    return None


def invoke_builtin(name: str, signatures: Sequence[Builtin], arguments: list[Any], run: Run) -> Any:
    """Call the first signature that takes the arguments."""
    for signature in signatures:
        fitted = _fit_all(signature, arguments)
        if fitted is not None:
            return _guarded(name, signature.call, fitted, run)
    illegal = ", ".join(f"'{text_of(argument)}'" for argument in arguments) if run.warnings is not None else ""
    run.warn("FUNCTION_INVOCATION_FAILURE", lambda: f"Failed to invoke function '{name}': Illegal arguments: {illegal}")
    return None


def _fit_all(signature: Builtin, arguments: list[Any]) -> list[Any] | None:
    if signature.many and not (len(arguments) == 1 and arguments[0].__class__ is list):
        if not arguments or (len(arguments) == 1 and arguments[0] is None):
            return None
        return [arguments]
    fitted = [fit(argument, kind) for argument, kind in zip(arguments, signature.kinds, strict=True)]
    return None if any(argument is NotImplemented for argument in fitted) else fitted


def _named_builtin(name: str, names: tuple[str, ...], arguments: list[Code]) -> Code:
    given = frozenset(names)
    signatures = [each for each in BUILTINS[name] if _takes(each, given)]
    if not signatures or len(given) != len(names):
        return _no_function(name, f"parameters: {','.join(names)}")

    def choose(scope: Any, run: Any) -> Any:
        values = dict(zip(names, (code(scope, run) for code in arguments), strict=True))
        for signature in signatures:
            ordered = [values.get(parameter) for parameter in signature.parameters]
            fitted = [fit(value, kind) for value, kind in zip(ordered, signature.kinds, strict=True)]
            if not any(value is NotImplemented for value in fitted):
                return _guarded(name, signature.call, fitted, run)
        return invoke_builtin(name, (), list(values.values()), run)

    return choose


def _takes(signature: Builtin, given: frozenset[str]) -> bool:
    missing = [
        kind for parameter, kind in zip(signature.parameters, signature.kinds, strict=True) if parameter not in given
    ]
    return given.issubset(signature.parameters) and all(kind.nullable for kind in missing)


def _no_function(name: str, found_with: str) -> Code:
    def missing(scope: Any, run: Any) -> Any:
        run.warn("NO_FUNCTION_FOUND", lambda: f"No function found with name '{name}' and {found_with}")
        return None

    return missing


# -- functions as values -------------------------------------------------------------------------------------------------


def _call_value(
    function: Code, name: str, names: tuple[str, ...], arguments: list[Code], otherwise: Code | None = None
) -> Code:
    """Call what a variable holds. When that is no function, `otherwise` is the built-in of the same name."""
    count = len(arguments)
    missing = _no_function(name, f"parameters: {','.join(names)}" if names else f"{count} parameters")

    def invoke(scope: Any, run: Any) -> Any:
        called = function(scope, run)
        if called.__class__ is not FeelFunction:
            return (otherwise or missing)(scope, run)
        values = [code(scope, run) for code in arguments]
        if not names:
            return invoke_function(called, values, run) if count == len(called.parameters) else missing(scope, run)
        if not set(names) <= set(called.parameters):
            return missing(scope, run)
        given = dict(zip(names, values, strict=True))
        return invoke_function(called, [given.get(parameter) for parameter in called.parameters], run)

    return invoke


def invoke_function(function: FeelFunction, arguments: list[Any], run: Run) -> Any:
    """Call a function with one argument for each parameter. An argument that its declared type refuses makes it null."""
    for argument, wanted in zip(arguments, function.types, strict=False):
        if wanted is not None and argument is not None and not conforms(argument, wanted, run):
            run.warn("FUNCTION_INVOCATION_FAILURE", lambda: f"Illegal arguments: '{text_of(argument)}'")  # noqa: B023 - made at once
            return None
    return function.call(run, arguments)
