"""Text to tokens. Knows characters and keywords; which names may hold blanks is the parser's business."""

import re
from typing import NamedTuple, NoReturn

from domain.feel.limits import EXPRESSION_CHARACTERS_MAX, FeelSyntaxError

NUMBER = "number"
STRING = "string"
NAME = "name"
QUOTED = "quoted name"
KEYWORD = "keyword"
OPERATOR = "operator"
END = "end"

KEYWORDS = frozenset(
    ("and", "or", "if", "then", "else", "for", "in", "return", "some", "every", "satisfies", "between", "instance", "function", "true", "false", "null", "not"),
)  # fmt: skip


class Token(NamedTuple):
    """One token. `text` is what it says (strings unescaped, names unquoted), `start` and `end` are offsets."""

    kind: str
    text: str
    start: int
    end: int


# The planes above the first hold emoji, which FEEL allows in names and Python does not count among word characters.
# Signs of currencies are no letters of FEEL, but of Java, and so of Camunda.
_START = r"(?:[^\W\d]|[?$¢£¥€\U00010000-\U000EFFFF])"
_PART = r"(?:\w|[?$¢£¥€\U00010000-\U000EFFFF\u00B7\u0300-\u036F\u203F\u2040])"
_TOKEN = re.compile(
    rf"""
      (?P<blank>(?:\s|//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/)+)
    | (?P<name>{_START}{_PART}*)
    | (?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<quoted>`[^`]*`)
    | (?P<operator>\*\*|<=|>=|!=|\.\.|->|[-+*/^=<>()\[\]{{}},:.@'])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(
    r"\\(?:U(0[0-9a-fA-F]{5}|10[0-9a-fA-F]{4}|(?![dD][89a-fA-F])[0-9a-fA-F]{5})|[uU]([0-9a-fA-F]{4})|(.))", re.DOTALL
)
_PAIR = re.compile("([\ud800-\udbff])([\udc00-\udfff])")
_LONE = re.compile("[\ud800-\udfff]")
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "'": "'", "\\": "\\"}


def tokenize(source: str) -> list[Token]:
    """All tokens of a text, ending with one of kind END. Raises FeelSyntaxError."""
    if len(source) > EXPRESSION_CHARACTERS_MAX:
        raise FeelSyntaxError(
            f"expected at most {EXPRESSION_CHARACTERS_MAX} characters, but the expression has {len(source)}", 1, 1
        )
    tokens: list[Token] = []
    add = tokens.append
    position = 0
    match = _TOKEN.match
    length = len(source)
    while position < length:
        found = match(source, position)
        if found is None:
            _refuse(source, position)
        end = found.end()
        group = found.lastgroup
        if group == "name":
            text = found.group()
            add(Token(KEYWORD if text in KEYWORDS else NAME, text, position, end))
        elif group == "operator":
            add(Token(OPERATOR, found.group(), position, end))
        elif group == "number":
            add(Token(NUMBER, found.group(), position, end))
        elif group == "string":
            add(Token(STRING, unescape(found.group()[1:-1]), position, end))
        elif group == "quoted":
            add(Token(QUOTED, found.group()[1:-1], position, end))
        position = end
    add(Token(END, "", length, length))
    return tokens


def place(source: str, offset: int) -> tuple[int, int]:
    """Line and column of an offset, both counted from 1."""
    before = source[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def unescape(text: str) -> str:
    """The characters that the inside of a string literal stands for. An unknown escape stands for itself."""
    if "\\" not in text:
        return text
    text = _PAIR.sub(_join, _ESCAPE.sub(_replace, text))
    return _LONE.sub("\ufffd", text)  # half a character can be neither stored nor sent


def _replace(found: re.Match[str]) -> str:
    long, short, other = found.groups()
    if other is not None:
        return _SIMPLE.get(other, "\\" + other)
    code = int(short or long, 16)
    return chr(code) if code <= 0x10FFFF else "\ufffd"


def _join(found: re.Match[str]) -> str:
    high, low = ord(found[1]), ord(found[2])
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


def _refuse(source: str, position: int) -> NoReturn:
    line, column = place(source, position)
    character = source[position]
    if character == '"':
        raise FeelSyntaxError("expected the end of the string, but the text ends first", line, column)
    if character == "`":
        raise FeelSyntaxError("expected the closing backtick of the name, but the text ends first", line, column)
    raise FeelSyntaxError(f"expected an expression, but found the character {character!r}", line, column)
