"""How a regular expression of XPath (with a little of Java's) is read. It never knows a text to match."""

import msgspec

from domain.feel.builtins.table import Failed
from domain.feel.limits import PATTERN_CHARACTERS_MAX
from domain.feel.pattern_sets import ESCAPED_TESTS, CharSet, CharTest, is_word, property_test

PATTERN_DEPTH_MAX = 50
"""Groups within groups."""
REPEAT_MAX = 1_000
"""The largest number in `{m,n}`."""


class PatternError(Failed):
    """The regular expression is wrong, or too large."""


class Part(msgspec.Struct, frozen=True):
    """A part of a pattern."""


class OneOf(Part, frozen=True):
    """One character of a set."""

    chars: CharSet


class Sequence(Part, frozen=True):
    parts: list[Part]


class Choice(Part, frozen=True):
    choices: list[Part]


class Repeat(Part, frozen=True):
    """`most` is None where there is no bound."""

    part: Part
    least: int
    most: int | None
    lazy: bool


class Group(Part, frozen=True):
    number: int
    part: Part


class Look(Part, frozen=True):
    """What follows must, or must not, be like the part."""

    part: Part
    negative: bool


class Assertion(Part, frozen=True):
    """A place: `^`, `$`, `b` or `B`."""

    kind: str


class Backreference(Part, frozen=True):
    group: int


_NEWLINES = "\n\r"
_SINGLE_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}


class PatternReader:
    """One reading of one pattern. `groups` is the number of groups found."""

    def __init__(self, pattern: str, flags: frozenset[str]) -> None:
        if len(pattern) > PATTERN_CHARACTERS_MAX:
            raise PatternError(f"the pattern has more than {PATTERN_CHARACTERS_MAX} characters")
        self.any_case = "i" in flags
        self.dot_all = "s" in flags
        self.text = _without_space(pattern) if "x" in flags else pattern
        self.at = 0
        self.groups = 0
        self.closed: set[int] = set()
        self.references = False
        self.depth = 0

    def read(self) -> Part:
        part = self.choice()
        if self.at < len(self.text):
            raise PatternError("a ')' closes nothing")
        return part

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self) -> str:
        if self.at >= len(self.text):
            raise PatternError("the pattern ends too early")
        self.at += 1
        return self.text[self.at - 1]

    def skip(self, text: str) -> bool:
        """Step over a text if it stands here."""
        if not self.text.startswith(text, self.at):
            return False
        self.at += len(text)
        return True

    def choice(self) -> Part:
        self.depth += 1
        if self.depth > PATTERN_DEPTH_MAX:
            raise PatternError(f"groups are nested more than {PATTERN_DEPTH_MAX} levels deep")
        choices = [self.sequence()]
        while self.skip("|"):
            choices.append(self.sequence())
        self.depth -= 1
        return choices[0] if len(choices) == 1 else Choice(choices)

    def sequence(self) -> Part:
        parts: list[Part] = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self.repeated(self.atom()))
        return parts[0] if len(parts) == 1 else Sequence(parts)

    def repeated(self, part: Part) -> Part:
        sign = self.peek()
        if sign not in ("*", "+", "?", "{") or not sign:
            return part
        if isinstance(part, (Assertion, Look)):
            raise PatternError(f"{sign!r} repeats what has no length")
        self.at += 1
        if sign == "{":
            least, most = self.bounds()
        else:
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        lazy = self.skip("?")
        if self.peek() in ("*", "+", "{") and self.peek():
            raise PatternError(f"{self.peek()!r} repeats a repetition")
        return Repeat(part, least, most, lazy)

    def bounds(self) -> tuple[int, int | None]:
        end = self.text.find("}", self.at)
        least, comma, most = self.text[self.at : max(end, self.at)].partition(",")
        if end < 0 or not _is_count(least) or not (most == "" or _is_count(most)):
            raise PatternError("a repetition is {n}, {n,} or {n,m}")
        self.at = end + 1
        low = int(least)
        high = low if not comma else int(most) if most else None
        if low > REPEAT_MAX or (high is not None and not low <= high <= REPEAT_MAX):
            raise PatternError(f"a repetition counts upwards, to {REPEAT_MAX} at most")
        return low, high

    def atom(self) -> Part:
        char = self.take()
        match char:
            case "(":
                return self.group()
            case "[":
                return OneOf(self.char_class())
            case ".":
                return OneOf(CharSet(negated=True) if self.dot_all else CharSet(_NEWLINES, negated=True))
            case "^" | "$":
                return Assertion(char)
            case "\\":
                return self.escape()
            case "*" | "+" | "?" | "{" | "}" | "]":
                raise PatternError(f"{char!r} has nothing to do here")
            case _:
                return OneOf(CharSet(char, any_case=self.any_case))

    def group(self) -> Part:
        if self.skip("?:"):
            return self.until_closed()
        if self.skip("?="):
            return Look(self.until_closed(), negative=False)
        if self.skip("?!"):
            return Look(self.until_closed(), negative=True)
        if self.peek() == "?":
            raise PatternError("of the groups with '(?', only '(?:', '(?=' and '(?!' are supported")
        self.groups += 1
        number = self.groups
        part = self.until_closed()
        self.closed.add(number)
        return Group(number, part)

    def until_closed(self) -> Part:
        part = self.choice()
        if not self.skip(")"):
            raise PatternError("a '(' is not closed")
        return part

    def escape(self) -> Part:
        char = self.peek()
        if char in "123456789" and char:
            return self.backreference()
        if char in ("b", "B"):
            self.at += 1
            return Assertion(char)
        found = self.escaped()
        if isinstance(found, str):
            return OneOf(CharSet(found, any_case=self.any_case))
        return OneOf(CharSet(tests=(found,), any_case=self.any_case))

    def backreference(self) -> Part:
        number = int(self.take())
        while self.peek().isdecimal() and number * 10 + int(self.peek()) <= self.groups:
            number = number * 10 + int(self.take())
        if number not in self.closed:
            raise PatternError(f"\\{number} refers to no group before it")
        self.references = True
        return Backreference(number)

    def escaped(self) -> str | CharTest:
        """Read what follows a backslash: a character, or the test of a class of characters."""
        char = self.take()
        if char in _SINGLE_ESCAPES:
            return _SINGLE_ESCAPES[char]
        if char.lower() in ESCAPED_TESTS:
            test = ESCAPED_TESTS[char.lower()]
            return test if char.islower() else _opposite(test)
        if char in ("p", "P"):
            return self.named_property(negative=char == "P")
        if char == "u":
            return self.code_point()
        if char.isalnum():
            raise PatternError(f"\\{char} has no meaning")
        return char

    def named_property(self, *, negative: bool) -> CharTest:
        end = self.text.find("}", self.at)
        if self.peek() != "{" or end < 0:
            raise PatternError("\\p needs a name in braces")
        name = self.text[self.at + 1 : end]
        self.at = end + 1
        test = property_test(name)
        if test is None:
            raise PatternError(f"there is no property {name!r} of characters")
        return _opposite(test) if negative else test

    def code_point(self) -> str:
        if self.skip("{"):
            end = self.text.find("}", self.at)
            digits, self.at = self.text[self.at : max(end, self.at)], end + 1
        else:
            digits = self.text[self.at : self.at + 4]
            self.at += 4
        try:
            return chr(int(digits, 16))
        except (ValueError, OverflowError):
            raise PatternError("\\u needs four hexadecimal digits, or some in braces") from None

    def char_class(self) -> CharSet:
        """Read a class from behind its bracket to its end."""
        self.depth += 1
        if self.depth > PATTERN_DEPTH_MAX:
            raise PatternError(f"classes are nested more than {PATTERN_DEPTH_MAX} levels deep")
        negated = self.skip("^")
        chars: list[str] = []
        ranges: list[tuple[str, str]] = []
        tests: list[CharTest] = []
        minus: CharSet | None = None
        first = True
        while first or self.peek() != "]":
            if not first and self.skip("-["):
                minus = self.char_class()
                if self.peek() != "]":
                    raise PatternError("a class ends with what is taken from it")
                break
            found = self.class_item()
            first = False
            if not isinstance(found, str):
                tests.append(found)
            elif self.peek() == "-" and self.text[self.at + 1 : self.at + 2] not in ("]", "[", ""):
                self.at += 1
                last = self.class_item()
                if not isinstance(last, str) or last < found:
                    raise PatternError("a range of characters goes upwards, from one to another")
                ranges.append((found, last))
            else:
                chars.append(found)
        self.at += 1
        self.depth -= 1
        return CharSet(chars, ranges, tests, negated=negated, minus=minus, any_case=self.any_case)

    def class_item(self) -> str | CharTest:
        char = self.take()
        if char == "\\":
            return self.escaped()
        if char in "[]":
            raise PatternError("a class is empty, or has a '[' without a backslash")
        return char


def _opposite(test: CharTest) -> CharTest:
    return lambda char: not test(char)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 6


def _without_space(pattern: str) -> str:
    """Take away the space outside of classes."""
    kept: list[str] = []
    depth = 0
    escaped = False
    for char in pattern:
        if char in " \t\n\r" and not depth:
            continue
        kept.append(char)
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        else:
            depth += (char == "[") - (char == "]" and depth > 0)
    return "".join(kept)


__all__ = [
    "Assertion",
    "Backreference",
    "Choice",
    "Group",
    "Look",
    "OneOf",
    "Part",
    "PatternError",
    "PatternReader",
    "Repeat",
    "Sequence",
    "is_word",
]
