"""Moving along the tokens of one text, and refusing what is not expected. Knows no grammar."""

from typing import NoReturn

from domain.feel.lexer import END, KEYWORD, OPERATOR, Token, place, tokenize
from domain.feel.limits import NESTING_LEVELS_MAX, FeelSyntaxError

MARKS = frozenset((OPERATOR, KEYWORD))
"""The kinds of token whose text is part of the grammar."""


class Cursor:
    """A place among the tokens of a text, and how deep the grammar is nested there."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = tokenize(source)
        self.position = 0
        self.token = self.tokens[0]
        self.level = 0

    def advance(self) -> None:
        self.position += 1
        self.token = self.tokens[self.position]

    def jump(self, position: int) -> None:
        self.position = position
        self.token = self.tokens[position]

    def accept(self, text: str) -> bool:
        if self.sees(text):
            self.position += 1
            self.token = self.tokens[self.position]
            return True
        return False

    def sees(self, text: str) -> bool:
        """Whether the operator or keyword stands here."""
        return self.token.text == text and self.token.kind in MARKS

    def expect(self, text: str) -> None:
        if not self.accept(text):
            self.refuse(f"'{text}'")

    def end(self) -> None:
        if self.token.kind != END:
            self.refuse("the end of the expression")

    def refuse(self, expected: str, token: Token | None = None) -> NoReturn:
        token = token or self.token
        found = "the text ends" if token.kind == END else f"found '{self.source[token.start : token.end][:40]}'"
        line, column = place(self.source, token.start)
        raise FeelSyntaxError(f"expected {expected}, but {found}", line, column)

    def deeper(self) -> None:
        self.level += 1
        if self.level > NESTING_LEVELS_MAX:
            line, column = place(self.source, self.token.start)
            raise FeelSyntaxError(
                f"expected at most {NESTING_LEVELS_MAX} levels of nesting, but found more", line, column
            )
