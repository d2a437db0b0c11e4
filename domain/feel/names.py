"""Which names are in sight while an expression is parsed. A name may hold blanks and operators, so it is found by its
tokens, the longest first.
"""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from itertools import pairwise

from domain.feel.lexer import STRING, Token, tokenize
from domain.feel.limits import FeelSyntaxError

PROPERTY_NAMES = ("time offset", "start included", "end included")
TYPE_NAMES = (
    "date and time",
    "days and time duration",
    "years and months duration",
    "day time duration",
    "day-time-duration",
    "year-month-duration",
    "date time",
    "year month duration",
)
FUNCTION_NAMES: set[str] = set()
"""Built-ins whose names hold blanks; filled by the table of built-ins through `know_functions`."""

_SPACED = frozenset(("+", "-", "*", "/", "**"))
_Spellings = dict[str, list[tuple[tuple[str, ...], str]]]


def spelled(source: str, tokens: Sequence[Token]) -> str:
    """A name as it is kept: as written when it has no blanks; else with one blank where there were some or an operator is."""
    text = source[tokens[0].start : tokens[-1].end]
    if len(tokens) == 1:
        return tokens[0].text
    if not any(character.isspace() for character in text):
        return text
    parts = [tokens[0].text]
    for before, token in pairwise(tokens):
        if before.end != token.start or before.text in _SPACED or token.text in _SPACED:
            parts.append(" ")
        parts.append(token.text)
    return "".join(parts)


def _spell(spellings: _Spellings, name: str) -> str | None:
    """Note a name of several tokens. Returns its first token, or nothing when one token is the whole name."""
    try:
        texts = tuple(token.text for token in tokenize(name)[:-1])
    except FeelSyntaxError:
        return None  # such a name can only be written between backticks
    if len(texts) < 2:
        return None
    found = spellings.setdefault(texts[0], [])
    found.append((texts, name))
    found.sort(key=lambda entry: -len(entry[0]))
    return texts[0]


def _find(spellings: _Spellings, tokens: Sequence[Token], position: int) -> tuple[str, int] | None:
    for texts, name in spellings.get(tokens[position].text, ()):
        part = tokens[position : position + len(texts)]
        if tuple(token.text for token in part) == texts and all(token.kind != STRING for token in part):
            return name, len(texts)
    return None


_FUNCTIONS: _Spellings = {}
_TYPES: _Spellings = {}
_PROPERTIES: _Spellings = {}
for _name in TYPE_NAMES:
    _spell(_TYPES, _name)
for _name in PROPERTY_NAMES:
    _spell(_PROPERTIES, _name)


def know_functions(names: Iterable[str]) -> None:
    """Let the parser find built-ins whose names hold blanks."""
    for name in names:
        if name not in FUNCTION_NAMES:
            FUNCTION_NAMES.add(name)
            _spell(_FUNCTIONS, name)


class Names:
    """The names in sight at one place of the text."""

    def __init__(self, names: Iterable[str]) -> None:
        self._single: set[str] = set()
        self._variables: _Spellings = {}
        self._segments: _Spellings = {}
        self._added: list[str] = []
        self._filters = 0
        for name in names:
            self._single.add(name)
            if not name.isalnum():
                _spell(self._variables, name)
                _spell(self._segments, name)

    def __contains__(self, name: str) -> bool:
        return name in self._single or name in self._added

    def add(self, name: str) -> None:
        """Bring a name into the innermost scope. Behind a dot it is known from here on."""
        self._added.append(name)
        if not name.isalnum():
            _spell(self._segments, name)

    @contextmanager
    def scope(self) -> Generator[None]:
        before = len(self._added)
        try:
            yield
        finally:
            del self._added[before:]

    @contextmanager
    def inside_filter(self) -> Generator[None]:
        """Inside a filter, the entries of an item are in sight too."""
        self._filters += 1
        try:
            yield
        finally:
            self._filters -= 1

    def variable(self, tokens: Sequence[Token], position: int) -> tuple[str, int] | None:
        """The longest variable or built-in of several tokens that begins here, and how many tokens it takes."""
        found: tuple[str, int] | None = None
        if self._variables:
            found = _find(self._variables, tokens, position)
        if self._added or self._filters:
            found = self._local(tokens, position) or found
        if found is None and tokens[position].text in _FUNCTIONS:
            found = _find(_FUNCTIONS, tokens, position)
            if found is not None and tokens[position + found[1]].text != "(":
                return None
        return found

    def _local(self, tokens: Sequence[Token], position: int) -> tuple[str, int] | None:
        if tokens[position].text not in self._segments:
            return None
        found = _find(self._segments, tokens, position)
        if found is not None and (self._filters or found[0] in self._added):
            return found
        return None

    def segment(self, tokens: Sequence[Token], position: int) -> tuple[str, int] | None:
        """The longest name of several tokens behind a dot."""
        return _find(self._segments, tokens, position) or _find(_PROPERTIES, tokens, position)

    def type(self, tokens: Sequence[Token], position: int) -> tuple[str, int] | None:
        """The longest type of several tokens."""
        return _find(self._variables, tokens, position) or _find(_TYPES, tokens, position)
