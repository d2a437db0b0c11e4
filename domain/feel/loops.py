"""`for`, `some` and `every`."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from domain.feel import syntax
from domain.feel.access import expected_list
from domain.feel.compiler import Code, Compiler
from domain.feel.limits import ITERATIONS_MAX, NODES_PER_STEP, FeelEvaluationError
from domain.feel.numbers import is_whole
from domain.feel.scopes import Scope
from domain.feel.temporal import Date, date_of, days_of
from domain.feel.values import Range, Run, shown

NUMBERS = (int, Decimal)
Source = Callable[[Any, Any], Sequence[Any] | None]
Visit = Callable[[Any], bool]
"""What a loop does at each turn; false ends it."""

Runner = Callable[[Any, Any, Visit], bool | None]
"""Runs a loop: true when it came to its end, false when a visit ended it, null when a source is no list."""


class _Loop(NamedTuple):
    """What the kinds of loop share: where the items come from, the body, and what that needs."""

    sources: list[tuple[str, Source]]
    body: Code
    weight: int  # steps of one turn
    fresh: bool  # a function made in the body keeps its own scope
    uses_partial: bool
    keeps_partial: bool


def for_loop(compiler: Compiler, node: syntax.For) -> Code:
    loop = _compile_loop(compiler, node.iterators, node.body)
    if len(loop.sources) == 1 and not (loop.fresh or loop.uses_partial):
        return _simple_for(loop)
    turns = _runner(loop.sources, loop)
    body, uses_partial, keeps_partial = loop.body, loop.uses_partial, loop.keeps_partial

    def collect(scope: Any, run: Any) -> Any:
        results: list[Any] = []

        def visit(inner: Any) -> bool:
            if uses_partial:
                if keeps_partial:  # the list must not change under whoever keeps it, and copies have a price
                    run.charge(len(results) // 4)
                    inner["partial"] = list(results)
                else:
                    inner["partial"] = results
            results.append(body(inner, run))
            return True

        return None if turns(scope, run, visit) is None else results

    return collect


def _simple_for(loop: _Loop) -> Code:
    """One iterator and a body without secrets, which most loops have."""
    (name, source), body, weight = loop.sources[0], loop.body, loop.weight

    def collect(scope: Any, run: Any) -> Any:
        items = source(scope, run)
        if items is None:
            return None
        run.charge(len(items) * weight)
        inner = Scope(scope)
        results: list[Any] = []
        for item in items:
            inner[name] = item
            results.append(body(inner, run))
        return results

    return collect


def quantified(compiler: Compiler, node: syntax.Quantified) -> Code:
    loop = _compile_loop(compiler, node.iterators, node.condition)
    decisive = node.quantifier == "some"
    if len(loop.sources) == 1 and not loop.fresh:
        return _simple_quantified(loop, decisive)
    turns, condition, neutral = _runner(loop.sources, loop), loop.body, not decisive

    def decide(scope: Any, run: Any) -> Any:
        result: bool | None = neutral

        def visit(inner: Any) -> bool:
            nonlocal result
            found = condition(inner, run)
            if found is decisive:
                result = decisive
                return False
            if found is not neutral:
                result = None
            return True

        return None if turns(scope, run, visit) is None else result

    return decide


def _simple_quantified(loop: _Loop, decisive: bool) -> Code:
    (name, source), condition, weight = loop.sources[0], loop.body, loop.weight
    neutral = not decisive

    def decide(scope: Any, run: Any) -> Any:
        items = source(scope, run)
        if items is None:
            return None
        run.charge(len(items) * weight)
        inner = Scope(scope)
        result: bool | None = neutral
        for item in items:
            inner[name] = item
            found = condition(inner, run)
            if found is decisive:
                return decisive
            if found is not neutral:
                result = None
        return result

    return decide


def _compile_loop(compiler: Compiler, iterators: tuple[syntax.Iterator, ...], body: syntax.Node) -> _Loop:
    compiler.counted = True
    bound: list[str] = []
    sources: list[tuple[str, Source]] = []
    for iterator in iterators:
        parts = [iterator.source] if iterator.end is None else [iterator.source, iterator.end]
        codes, _ = compiler.scoped(parts, bound)
        source = _list_source(codes[0]) if len(codes) == 1 else _range_source(codes[0], codes[1])
        sources.append((iterator.name, source))
        bound.append(iterator.name)
    kept, functions, before = compiler.partial_kept, compiler.makes_functions, compiler.nodes
    compiler.partial_kept = compiler.makes_functions = False
    (code,), used = compiler.scoped([body], [*bound, "partial"])
    fresh, keeps = compiler.makes_functions, compiler.partial_kept or compiler.makes_functions
    compiler.partial_kept = kept
    compiler.makes_functions = functions or fresh
    weight = (compiler.nodes - before) // NODES_PER_STEP + 1
    return _Loop(sources, code, weight, fresh, "partial" in used, keeps)


def _runner(sources: list[tuple[str, Source]], loop: _Loop) -> Runner:
    name, source = sources[0]
    deeper = _runner(sources[1:], loop) if len(sources) > 1 else None
    weight = 1 if deeper else loop.weight
    fresh = loop.fresh

    def run_all(scope: Any, run: Any, visit: Visit) -> bool | None:
        items = source(scope, run)
        if items is None:
            return None
        run.charge(len(items) * weight)
        inner = Scope(scope)
        for item in items:
            if fresh:
                inner = Scope(scope)
            inner[name] = item
            going = visit(inner) if deeper is None else deeper(inner, run, visit)
            if going is not True:
                return going
        return True

    return run_all


def _list_source(code: Code) -> Source:
    def items(scope: Any, run: Any) -> Sequence[Any] | None:
        value = code(scope, run)
        if value.__class__ is list:
            return value
        if value.__class__ is Range:
            return range_items(value, run)
        expected_list(value, run)
        return None

    return items


def _range_source(low: Code, high: Code) -> Source:
    return lambda scope, run: between(low(scope, run), high(scope, run), run)


def range_items(value: Range, run: Run | None) -> Sequence[Any] | None:
    """The whole numbers or dates in a range, from its start to its end."""
    items = between(value.low, value.high, run)
    if items is None:
        return None
    if items and not value.low_included:
        items = items[1:]
    if items and not value.high_included:
        items = items[:-1]
    return items


def between(low: Any, high: Any, run: Run | None) -> Sequence[Any] | None:
    """From one whole number or date to another, upwards or downwards. Raises FeelEvaluationError when they are too many."""
    if isinstance(low, NUMBERS) and isinstance(high, NUMBERS) and is_whole(low) and is_whole(high):
        return _count(int(low), int(high))
    if isinstance(low, Date) and isinstance(high, Date):
        return [date_of(day) for day in _count(days_of(low), days_of(high))]
    if run is not None:
        run.warn("INVALID_TYPE", lambda: f"Expected a range of whole numbers or dates but found '{shown(low)}'")
    return None


def _count(first: int, last: int) -> range:
    if abs(last - first) >= ITERATIONS_MAX:
        raise FeelEvaluationError(f"a loop over {abs(last - first) + 1} items is longer than {ITERATIONS_MAX}")
    return range(first, last + 1) if first <= last else range(first, last - 1, -1)
