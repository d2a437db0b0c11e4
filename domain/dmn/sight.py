"""Expressions of a decision model: what they can see, and how their texts become code. Knows nothing of decisions."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from domain.bpmn.problems import InvalidModel, Problems, shorten
from domain.bpmn.xml import Xml, line_of
from domain.feel import FeelSyntaxError, FeelType, Run, UnaryTests, coerce, compile_expression, compile_unary_tests

Logic: TypeAlias = Callable[[Any, Run], Any]
"""Compiled logic: a scope and the evaluation to a value."""

EXPRESSIONS_CHARACTERS_MAX = 250_000
"""Characters of all different expressions of one model; the dearest ones take 7 µs a character to compile."""

NAMES_PER_CHARACTER = 200
"""As many names are looked for in the time that a character takes to compile."""

_WORD = re.compile(r"\w+")


class DecisionFailure(Exception):  # noqa: N818 - it is what the model does, in the words of the domain
    """A decision has no answer. `str()` goes on after "but"."""


class Book:
    """One model while it is read: its problems, its types, and the names that may stand behind a dot."""

    def __init__(self, types: Mapping[str, FeelType], *, checked: bool) -> None:
        self.checked = checked
        """Whether problems are for somebody who can still mend them."""
        self.problems = Problems()
        self.types = types
        """By every name that a declaration may use."""
        self.declared: dict[str, FeelType] = {}
        """Those of the model, as `instance of` knows them: without constraints."""
        self.allowed: dict[str, str] = {}
        """Text of the allowed values, by the name of the type: outputs are ranked by it."""
        self.paths = Vocabulary()
        """Names of several words that any context of the model may have."""
        self.element_id = ""
        """The element that is being read."""
        self._characters = 0

    def note_path(self, name: str) -> None:
        """Let expressions find a name of several words behind a dot. One that holds a dot itself would hide paths."""
        if "." not in name and not name.replace("_", "a").isalnum():
            self.paths.add(name)

    def problem(self, xml: Xml, reason: str) -> None:
        """Note why the model cannot be used."""
        self.problems.add(self.element_id, line_of(xml), reason)

    def expect_to_compile(self, source: str, names: int = 0) -> None:
        """Count an expression, and the names that were looked for in it. Raise `InvalidModel` when that is too much."""
        self._characters += len(source) + names // NAMES_PER_CHARACTER
        if self.checked and self._characters > EXPRESSIONS_CHARACTERS_MAX:
            raise InvalidModel.of(
                f"expected at most {EXPRESSIONS_CHARACTERS_MAX} characters of expressions, but found more; split the model"
            )

    def type_of(self, name: str | None) -> FeelType | None:
        """Return the type that is referred to, or None: a value of no type or of an unknown one is left as it is."""
        if not name:
            return None
        found = self.types.get(name)
        if found is None:
            for prefix in ("feel:", "feel."):
                name = name.removeprefix(prefix)
            found = self.types.get(name) or self.types.get(name.rpartition(":")[2])
        return found


class Vocabulary:
    """Names, found by their first word: tables have many cells, and models many names."""

    __slots__ = ("_by_word", "size")

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._by_word: dict[str, dict[str, str]] = {}
        self.size = 0
        for name in names:
            self.add(name)

    def __contains__(self, name: str) -> bool:
        return name in self._by_word.get(_first_word(name), ())

    def add(self, name: str) -> None:
        """Add a name; no name is none."""
        if name and name not in self:
            self._by_word.setdefault(_first_word(name), {})[name] = _squeezed(name)
            self.size += 1

    def names(self) -> Iterator[str]:
        """Yield all names."""
        for names in self._by_word.values():
            yield from names

    def find(self, words: Iterable[str], squeezed: str, found: list[str]) -> int:
        """Add the names that can stand in a text of these words; return how many were looked at."""
        looked = 0
        for word in words:
            names = self._by_word.get(word)
            if names:
                looked += len(names)
                found += [name for name, text in names.items() if text in squeezed]
        return looked


def _first_word(name: str) -> str:
    found = _WORD.match(name)
    return found[0] if found else ""


def _squeezed(text: str) -> str:
    """Blanks between the parts of a name do not matter."""
    return "".join(text.split())


class Sight:
    """The names that are in sight at one place of the model."""

    __slots__ = ("_expressions", "_names", "_tests", "book")

    def __init__(self, book: Book, names: Iterable[str]) -> None:
        self.book = book
        self._names = Vocabulary(names)
        self._expressions: dict[str, Logic] = {}
        self._tests: dict[str, UnaryTests] = {}

    def plus(self, *names: str) -> "Sight":
        """Return the sight of a place inside, where further names are known."""
        return Sight(self.book, [*self._names.names(), *names])

    def _known(self, source: str) -> list[str]:
        """Count an expression that is to be compiled, and return the names that can stand in it."""
        words = {"", *_WORD.findall(source)}
        squeezed = _squeezed(source)
        known: list[str] = []
        looked = self._names.find(words, squeezed, known) + self.book.paths.find(words, squeezed, known)
        self.book.expect_to_compile(source, looked)
        return known

    def logic(self, xml: Xml, source: str, what: str) -> Logic:
        """Compile an expression. No text is null; what is wrong becomes a problem that names `what`."""
        if source not in self._expressions:
            self._expressions[source] = self._compile(xml, source, what)
        return self._expressions[source]

    def _compile(self, xml: Xml, source: str, what: str) -> Logic:
        if not source:
            return _null
        if source in self._names:
            return _reading(source)
        names = self._known(source)
        try:
            return compile_expression(source, names=names, types=self.book.declared).within
        except FeelSyntaxError as error:
            self.book.problem(xml, f"{what} '{shorten(source)}' cannot be read: {error}")
            return _null

    def tests(self, xml: Xml, source: str, what: str) -> UnaryTests:
        """Compile unary tests. No text is `-`."""
        if source not in self._tests:
            names = self._known(source)
            try:
                tests = compile_unary_tests(source or "-", names=names, types=self.book.declared)
            except FeelSyntaxError as error:
                self.book.problem(xml, f"{what} '{shorten(source)}' cannot be read: {error}")
                tests = compile_unary_tests("-")
            self._tests[source] = tests
        return self._tests[source]


def _null(_scope: Any, _run: Run) -> None:
    return None


def _reading(name: str) -> Logic:
    def read(scope: Any, run: Run) -> Any:
        try:
            return scope[name]
        except KeyError:
            run.warn("NO_VARIABLE_FOUND", lambda: f"No variable found with name '{name}'")
            return None

    return read


def typed(logic: Logic, wanted: FeelType | None) -> Logic:
    """Return logic whose value is made to fit a declared type."""
    if wanted is None or wanted.name == "Any":
        return logic
    return lambda scope, run: coerce(logic(scope, run), wanted)
