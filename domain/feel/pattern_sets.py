"""Sets of characters in regular expressions: classes, escapes and Unicode properties. They never know a pattern's structure."""

import unicodedata
from collections.abc import Callable, Iterable

CharTest = Callable[[str], bool]

_BLOCKS: dict[str, tuple[int, int]] = {
    "BasicLatin": (0x0000, 0x007F),
    "Latin-1Supplement": (0x0080, 0x00FF),
    "LatinExtended-A": (0x0100, 0x017F),
    "LatinExtended-B": (0x0180, 0x024F),
    "IPAExtensions": (0x0250, 0x02AF),
    "SpacingModifierLetters": (0x02B0, 0x02FF),
    "CombiningDiacriticalMarks": (0x0300, 0x036F),
    "Greek": (0x0370, 0x03FF),
    "GreekandCoptic": (0x0370, 0x03FF),
    "Cyrillic": (0x0400, 0x04FF),
    "CyrillicSupplement": (0x0500, 0x052F),
    "Armenian": (0x0530, 0x058F),
    "Hebrew": (0x0590, 0x05FF),
    "Arabic": (0x0600, 0x06FF),
    "Devanagari": (0x0900, 0x097F),
    "Bengali": (0x0980, 0x09FF),
    "Tamil": (0x0B80, 0x0BFF),
    "Thai": (0x0E00, 0x0E7F),
    "Georgian": (0x10A0, 0x10FF),
    "HangulJamo": (0x1100, 0x11FF),
    "LatinExtendedAdditional": (0x1E00, 0x1EFF),
    "GreekExtended": (0x1F00, 0x1FFF),
    "GeneralPunctuation": (0x2000, 0x206F),
    "SuperscriptsandSubscripts": (0x2070, 0x209F),
    "CurrencySymbols": (0x20A0, 0x20CF),
    "LetterlikeSymbols": (0x2100, 0x214F),
    "NumberForms": (0x2150, 0x218F),
    "Arrows": (0x2190, 0x21FF),
    "MathematicalOperators": (0x2200, 0x22FF),
    "BoxDrawing": (0x2500, 0x257F),
    "GeometricShapes": (0x25A0, 0x25FF),
    "MiscellaneousSymbols": (0x2600, 0x26FF),
    "CJKSymbolsandPunctuation": (0x3000, 0x303F),
    "Hiragana": (0x3040, 0x309F),
    "Katakana": (0x30A0, 0x30FF),
    "CJKUnifiedIdeographs": (0x4E00, 0x9FFF),
    "HangulSyllables": (0xAC00, 0xD7A3),
    "HalfwidthandFullwidthForms": (0xFF00, 0xFFEF),
}

_CATEGORIES = frozenset(
    [
        "Lu",
        "Ll",
        "Lt",
        "Lm",
        "Lo",
        "Mn",
        "Mc",
        "Me",
        "Nd",
        "Nl",
        "No",
        "Pc",
        "Pd",
        "Ps",
        "Pe",
        "Pi",
        "Pf",
        "Po",
        "Zs",
        "Zl",
        "Zp",
        "Sm",
        "Sc",
        "Sk",
        "So",
        "Cc",
        "Cf",
        "Cs",
        "Co",
        "Cn",
        "L",
        "M",
        "N",
        "P",
        "Z",
        "S",
        "C",
    ]
)

_POSIX: dict[str, CharTest] = {
    "Lower": lambda char: "a" <= char <= "z",
    "Upper": lambda char: "A" <= char <= "Z",
    "Alpha": lambda char: char.isascii() and char.isalpha(),
    "Digit": lambda char: "0" <= char <= "9",
    "Alnum": lambda char: char.isascii() and char.isalnum(),
    "Punct": lambda char: char in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    "Space": lambda char: char in " \t\n\r\f\v",
}


class CharSet:
    """A set of characters: some single ones, ranges and tests, without those of another set."""

    def __init__(
        self,
        chars: Iterable[str] = (),
        ranges: Iterable[tuple[str, str]] = (),
        tests: Iterable[CharTest] = (),
        *,
        negated: bool = False,
        minus: "CharSet | None" = None,
        any_case: bool = False,
    ) -> None:
        self._chars = frozenset(chars)
        self._ranges = tuple(ranges)
        self._tests = tuple(tests)
        self._negated = negated
        self._minus = minus
        self._any_case = any_case
        self._known: dict[str, bool] = {}

    def __contains__(self, char: str) -> bool:
        known = self._known.get(char)
        if known is None:
            known = self._decide(char)
            if len(self._known) < _KNOWN_MAX:
                self._known[char] = known
        return known

    def _decide(self, char: str) -> bool:
        forms = case_forms(char) if self._any_case else (char,)
        inside = any(self._has(form) for form in forms) is not self._negated
        return inside and (self._minus is None or char not in self._minus)

    def _has(self, char: str) -> bool:
        return (
            char in self._chars
            or any(low <= char <= high for low, high in self._ranges)
            or any(test(char) for test in self._tests)
        )


_KNOWN_MAX = 1_000
"""Characters for which one set remembers its answer."""


def case_forms(char: str) -> tuple[str, ...]:
    """Return the character in all its cases."""
    return (char, char.lower(), char.upper(), char.casefold())


def is_space(char: str) -> bool:
    return char in " \t\n\r"


def is_digit(char: str) -> bool:
    return unicodedata.category(char) == "Nd"


def is_word(char: str) -> bool:
    """Say whether XPath's or Java's word characters have it: neither punctuation nor separator, or an underscore."""
    return char == "_" or unicodedata.category(char)[0] not in "PZC"


def is_name_start(char: str) -> bool:
    return char.isalpha() or char in "_:"


def is_name_part(char: str) -> bool:
    return char.isalnum() or char in "_:-.\u00b7"


ESCAPED_TESTS: dict[str, CharTest] = {
    "s": is_space,
    "d": is_digit,
    "w": is_word,
    "i": is_name_start,
    "c": is_name_part,
}
r"""The tests of `\s` and so on; the capital letter is the opposite."""


def property_test(name: str) -> CharTest | None:
    r"""Return the test of `\p{name}`: a category, a block or a POSIX class; None if there is none of that name."""
    if name in _CATEGORIES:
        return lambda char: unicodedata.category(char).startswith(name)
    if name.startswith("Is") and name[2:] in _BLOCKS:
        low, high = _BLOCKS[name[2:]]
        return lambda char: low <= ord(char) <= high
    return _POSIX.get(name)
