"""Boxed expressions: everything that can stand in a decision, compiled to logic. Knows nothing of requirements."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from domain.bpmn.xml import Xml
from domain.dmn.sight import Book, Logic, Sight, typed
from domain.dmn.table import read_table
from domain.dmn.xml import child, children, local, text_in, written
from domain.feel import FeelFunction, FeelType, Range, Run, coerce
from domain.feel.calls import invoke_function
from domain.feel.loops import range_items
from domain.feel.scopes import Scope

BOXED_LEVELS_MAX = 60
"""Boxed expressions inside of each other."""

ENTRIES_MAX = 500
"""Entries of a context: each sees all before it."""

Reader = Callable[[Sight, Xml, int], Logic]


def read_logic(sight: Sight, xml: Xml, level: int = 0) -> Logic:
    """Compile a boxed expression; what is wrong with it is noted in the sight's book."""
    if level > BOXED_LEVELS_MAX:
        sight.book.problem(xml, f"expected at most {BOXED_LEVELS_MAX} expressions inside of each other, but found more")
        return nothing
    return typed(_READERS[local(xml)](sight, xml, level), sight.book.type_of(written_type(xml)))


def expression_of(xml: Xml | None) -> Xml | None:
    """Return the boxed expression inside an element, or None."""
    return None if xml is None else child(xml, *_READERS)


def inner(sight: Sight, xml: Xml | None, level: int) -> Logic:
    """Compile the expression inside an element; none is null."""
    found = expression_of(xml)
    return nothing if found is None else read_logic(sight, found, level + 1)


def written_type(xml: Xml) -> str:
    """Return the declared type of an expression or variable; "" if there is none."""
    return xml.get("typeRef", "").strip()


def nothing(_scope: Any, _run: Run) -> None:
    """Null."""


def function_of(
    name: str,
    parameters: Sequence[tuple[str, FeelType | None]],
    body: Logic,
    scope: Any,
    result: FeelType | None = None,
) -> FeelFunction:
    """Return a function whose arguments are made to fit their types; one that cannot be makes the call null."""

    def call(run: Run, arguments: list[Any]) -> Any:
        run.charge(4)
        inside = Scope(scope)
        for (parameter, wanted), argument in zip(parameters, arguments, strict=True):
            value = argument if wanted is None else coerce(argument, wanted)
            if value is None and argument is not None:
                run.warn("FUNCTION_INVOCATION_FAILURE", lambda: f"Illegal argument for '{parameter}' of '{name}'")  # noqa: B023 - made at once
                return None
            inside[parameter] = value
        found = body(inside, run)
        return found if result is None else coerce(found, result)

    return FeelFunction([parameter for parameter, _ in parameters], call, name=name, result_type=result)


def parameters_of(book: Book, xml: Xml) -> list[tuple[str, FeelType | None]]:
    """Return names and types of the formal parameters of a function."""
    return [
        (each.get("name", ""), book.type_of(written_type(each) or written(each, "typeRef")))
        for each in children(xml, "formalParameter")
    ]


# -- the kinds -----------------------------------------------------------------------------------------------------------


def _literal(sight: Sight, xml: Xml, level: int) -> Logic:
    language = xml.get("expressionLanguage", "")
    if language and "feel" not in language.lower():
        sight.book.problem(xml, f"expected the expression language FEEL, but found '{language[:100]}'")
    if child(xml, "importedValues") is not None:
        sight.book.problem(xml, "expected an expression, but found imported values, which are not supported")
    return sight.logic(xml, text_in(xml), "the expression")


def _table(sight: Sight, xml: Xml, level: int) -> Logic:
    return read_table(sight, xml).value


def _context(sight: Sight, xml: Xml, level: int) -> Logic:
    entries: list[tuple[str, Logic]] = []
    result: Logic | None = None
    found = list(children(xml, "contextEntry"))
    if len(found) > ENTRIES_MAX:
        sight.book.problem(xml, f"expected at most {ENTRIES_MAX} entries of a context, but found {len(found)}")
        return nothing
    for entry in found:
        variable = child(entry, "variable")
        logic = inner(sight, entry, level)
        if variable is None:
            result = logic
            continue
        name = variable.get("name", "")
        entries.append((name, typed(logic, sight.book.type_of(written_type(variable)))))
        sight = sight.plus(name)

    def make(scope: Any, run: Run) -> Any:
        inside = Scope(scope)
        made: dict[str, Any] = {}
        for name, logic in entries:
            made[name] = inside[name] = logic(inside, run)
        return made if result is None else result(inside, run)

    return make


def _invocation(sight: Sight, xml: Xml, level: int) -> Logic:
    called = inner(sight, xml, level)
    bindings = [
        (
            "" if (parameter := child(each, "parameter")) is None else parameter.get("name", ""),
            inner(sight, each, level),
        )
        for each in children(xml, "binding")
    ]

    def invoke(scope: Any, run: Run) -> Any:
        function = called(scope, run)
        given = {name: logic(scope, run) for name, logic in bindings}
        if function.__class__ is not FeelFunction or not given.keys() <= set(function.parameters):
            run.warn("NO_FUNCTION_FOUND", lambda: f"No function found with parameters: {','.join(given)}")
            return None
        return invoke_function(function, [given.get(name) for name in function.parameters], run)

    return invoke


def _function(sight: Sight, xml: Xml, level: int) -> Logic:
    parameters = parameters_of(sight.book, xml)
    if xml.get("kind", "FEEL") != "FEEL":
        return lambda scope, _run: function_of("", parameters, nothing, scope)  # code of others is never run
    body = inner(sight.plus(*(name for name, _ in parameters)), xml, level)
    return lambda scope, _run: function_of("", parameters, body, scope)


def _list(sight: Sight, xml: Xml, level: int) -> Logic:
    items = [read_logic(sight, each, level + 1) for each in children(xml, *_READERS)]
    return lambda scope, run: [item(scope, run) for item in items]


def _relation(sight: Sight, xml: Xml, level: int) -> Logic:
    book = sight.book
    names = [column.get("name", "") for column in children(xml, "column")]
    types = [book.type_of(written_type(column)) for column in children(xml, "column")]
    rows: list[list[Logic]] = []
    for row in children(xml, "row"):
        cells = [read_logic(sight, each, level + 1) for each in children(row, *_READERS)]
        if len(cells) != len(names):
            book.problem(row, f"expected a row of {len(names)} values, but found {len(cells)}")
            continue
        rows.append([typed(cell, wanted) for cell, wanted in zip(cells, types, strict=True)])

    def make(scope: Any, run: Run) -> Any:
        return [{name: cell(scope, run) for name, cell in zip(names, row, strict=True)} for row in rows]

    return make


def _conditional(sight: Sight, xml: Xml, level: int) -> Logic:
    condition, then, otherwise = (inner(sight, child(xml, name), level) for name in ("if", "then", "else"))
    return lambda scope, run: then(scope, run) if condition(scope, run) is True else otherwise(scope, run)


def _for(sight: Sight, xml: Xml, level: int) -> Logic:
    name = xml.get("iteratorVariable", "")
    source = inner(sight, child(xml, "in"), level)
    returned = child(xml, "return")
    body = inner(sight.plus(name, "partial"), returned, level)
    uses_partial = returned is not None and any("partial" in str(text) for text in returned.itertext())

    def loop(scope: Any, run: Run) -> Any:
        items = _items(source(scope, run), run)
        if items is None:
            return None
        results: list[Any] = []
        for item in items:
            inside = Scope(scope)
            inside[name] = item
            run.charge(1)
            if uses_partial:  # whoever keeps it must not see it grow
                run.charge(len(results) // 16)
                inside["partial"] = list(results)
            results.append(body(inside, run))
        return results

    return loop


def _quantified(sight: Sight, xml: Xml, level: int) -> Logic:
    name = xml.get("iteratorVariable", "")
    source = inner(sight, child(xml, "in"), level)
    body = inner(sight.plus(name), child(xml, "satisfies"), level)
    decide = any if local(xml) == "some" else all

    def loop(scope: Any, run: Run) -> Any:
        found = _each(source(scope, run), name, body, scope, run)
        return None if found is None else decide(found)

    return loop


def _filter(sight: Sight, xml: Xml, level: int) -> Logic:
    source = inner(sight, child(xml, "in"), level)
    match = inner(sight.plus("item"), child(xml, "match"), level)

    def choose(scope: Any, run: Run) -> Any:
        items = _items(source(scope, run), run)
        found = _each(items, "item", match, scope, run)
        if found is None or items is None:
            return None
        return [item for item, keep in zip(items, found, strict=True) if keep]

    return choose


def _each(value: Any, name: str, body: Logic, scope: Any, run: Run) -> list[bool] | None:
    """Ask a condition of each item; null if an answer is no boolean. The entries of `item` are in sight themselves."""
    items = _items(value, run)
    if items is None:
        return None
    answers: list[bool] = []
    for item in items:
        run.charge(1)
        inside = Scope(scope)
        if name == "item" and isinstance(item, dict):
            inside.update(item)
        inside[name] = item
        answer = body(inside, run)
        if answer.__class__ is not bool:
            run.warn("INVALID_TYPE", lambda: "Expected a boolean for each item")
            return None
        answers.append(answer)
    return answers


def _items(value: Any, run: Run) -> Iterable[Any] | None:
    if value is None:
        return None
    if isinstance(value, list):
        items: list[Any] = value
        return items
    return range_items(value, run) if value.__class__ is Range else [value]


_READERS: dict[str, Reader] = {
    "literalExpression": _literal,
    "decisionTable": _table,
    "context": _context,
    "invocation": _invocation,
    "functionDefinition": _function,
    "list": _list,
    "relation": _relation,
    "conditional": _conditional,
    "for": _for,
    "some": _quantified,
    "every": _quantified,
    "filter": _filter,
}
"""Every kind, in the open."""
