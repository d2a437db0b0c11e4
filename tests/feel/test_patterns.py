"""Regular expressions: XPath's rules, a little of Java's, and the same answer as Python's own where both know it."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.feel.builtins.table import Failed
from domain.feel.limits import FeelEvaluationError
from domain.feel.patterns import pattern


@pytest.mark.parametrize(
    ("text", "expression", "flags"),
    [
        ("foobar", "^fo*b", ""),
        ("a\nb", "^b$", "m"),
        ("a\nb", "a.b", "s"),
        ("Straße", "STRASSE|straße", "i"),
        ("hello world", "hello\\ sworld", "x"),
        ("a-b", "[a-z-[aeiou]]$", ""),
        ("ελ", "^\\p{IsGreek}+$", ""),
        ("x1", "^\\i\\c$", ""),
        ("aa", "^(a)\\1$", ""),
        ("foo bar", "\\bbar\\b", ""),
        ("password1", "^(?=.*\\d)(?!.*\\s).{8,}$", ""),
        ("ABC", "(?i)abc", ""),
        ("😀", "^.$", ""),
    ],
)
def test_a_pattern_matches(text: str, expression: str, flags: str) -> None:
    assert pattern(expression, flags).search(text) is not None


@pytest.mark.parametrize(
    ("text", "expression", "flags"),
    [
        ("a\nb", "a.b", ""),
        ("a\nb", "^b$", ""),
        ("e", "[a-z-[aeiou]]", ""),
        ("O", "[A-Z-[OI]]", "i"),
        ("Q", "[^Q]", "i"),
    ],
)
def test_a_pattern_does_not_match(text: str, expression: str, flags: str) -> None:
    assert pattern(expression, flags).search(text) is None


@pytest.mark.parametrize(
    "expression",
    ["[", "[a-z", "(", ")", "a**", "*", "\\", "\\q", "(.)\\2", "[b-a]", "a{3,2}", "\\p{Nothing}", "(?<=a)b", "[]"],
)
def test_a_wrong_pattern_is_refused(expression: str) -> None:
    with pytest.raises(Failed):
        pattern(expression, "")


@pytest.mark.parametrize(
    "expression", ["((a{1000}){1000}){1000}", "(" * 600 + "a" + ")" * 600, "a" * 2000, "[a-[" * 400]
)
def test_a_pattern_that_is_too_large_is_refused(expression: str) -> None:
    with pytest.raises(Failed):
        pattern(expression, "")


def test_back_references_end_at_a_limit() -> None:
    with pytest.raises(FeelEvaluationError):
        pattern("(x+x+)+\\1y", "").search("x" * 5000)


def test_groups_are_put_into_the_replacement() -> None:
    assert pattern("(\\w+) (\\w+)", "").replace("Ada Lovelace", "$2, $1 \\$$0") == "Lovelace, Ada $Ada Lovelace"
    assert pattern("(a)|b", "").replace("ab", "[$1]") == "[a][]"


def test_empty_matches_part_characters() -> None:
    assert pattern("", "").split("abc") == ["a", "b", "c", ""]
    assert pattern("x*", "").replace("ab", "-") == "-a-b-"


def may_repeat(part: str) -> bool:
    """Engines disagree about repeating what can be empty, so that is not compared."""
    return re.fullmatch(part, "") is None


PARTS = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "c"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner.filter(may_repeat), st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}"])).map(
            lambda pair: f"({pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(PARTS, st.text(alphabet="abc", max_size=7))
def test_the_machine_finds_what_python_finds(expression: str, text: str) -> None:
    found = re.search(expression, text)

    assert pattern(expression, "").search(text) == (found.span() if found else None)
