"""Regular expressions that match in linear time."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theodora.dora.derivation.expressions import (
    MAX_TEXT_CHARACTERS,
    Expression,
    Unusable,
    can_match_without,
)

HOSTILE = ["a" * 4_000 + "!", "ab" * 2_000, "a b " * 1_000, "\u00e9" * 4_000, "x" * 1_000_000]


@pytest.mark.parametrize(
    "pattern",
    [
        *("(a+)+$", "(?:a*)*b", "(ab|a)*c", "(a|a)*$", "(x+y?){50}!", ".*.*.*.*.*.*!", "(.*a){20}"),
        *(
            "((a*)*)*$",
            "(a|aa)+$",
            "([a-z]+)*\\d",
            "(\\w+\\s?)+!",
            "(.{0,20}){0,9}!",
            "(a?){50}a{50}b",
        ),
    ],
)
def test_patterns_that_make_others_backtrack_take_no_time(pattern: str) -> None:
    began = time.thread_time()
    expression = Expression(pattern)
    for text in HOSTILE:
        expression.is_found_in(text)
    assert time.thread_time() - began < 2


_ATOMS = st.sampled_from(["a", "b", ".", "[ab]", r"\w", "a|ab", "^", "$", r"\b", "é"])
_REPEATS = st.sampled_from(["*", "+", "?", "*?", "{0,20}", "{3,}", ""])
PATTERNS = st.recursive(
    _ATOMS,
    lambda inner: st.builds(
        lambda parts, repeat: f"({''.join(parts)}){repeat}", st.lists(inner, min_size=1), _REPEATS
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(PATTERNS)
def test_no_pattern_takes_long_or_holds_the_interpreter(pattern: str) -> None:
    try:
        expression = Expression(f"{pattern}!")
    except Unusable:
        return
    for text in HOSTILE[:3]:
        began = time.thread_time()
        expression.is_found_in(text)
        assert time.thread_time() - began < 0.5


@pytest.mark.parametrize(
    ("pattern", "offset", "reason"),
    [
        ("fix(?=ed)", 3, "look-around"),
        ("fix(?<!pre)", 3, "look-around"),
        (r"\(?=a[(?=](?!b)", 10, "look-around"),
        (r"(a)b\1", 4, "references"),
        ("(?P<n>a)(?P=n)", 8, "references"),
        ("a(?>b)", 1, "atomic"),
        ("a(?#b)", 1, "comments"),
        ("a(?x)b", 1, "this kind of group"),
        (r"a\Z", 1, r"\z"),
        (r"a\y", 1, "escape sequence"),
        ("a\\", 1, "nothing after the backslash"),
        ("ab{1001}", 2, "1000 times"),
        ("(a{50}){30}b", 7, "1000 times"),
        ("a**", 1, "nothing to repeat"),
        ("*a", 0, "nothing to repeat"),
        ("a)b(", 1, "no ( for this )"),
        ("(a)(b[)]", 3, "no ) for this ("),
        ("a[bc", 1, "no ] for this ["),
        ("a[z-b]", 2, "range of characters"),
        ("a\ud800", 1, "not Unicode"),
        (r"\w{900}", None, "too large"),
        (r"\p{L}{1,900}", None, "too large"),
        ("(.{0,20}){0,20}!", None, "too large"),
        ("a" * 501, None, "at most 500 characters"),
    ],
)
def test_what_cannot_be_expressed_is_refused_with_its_place(
    pattern: str, offset: int | None, reason: str
) -> None:
    with pytest.raises(Unusable) as refused:
        Expression(pattern)
    assert reason in refused.value.reason
    assert refused.value.offset == offset


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("hotfix", "A HOTFIX!"),
        ("straße", "STRAßE"),
        ("École", "éCOLE"),
        ("k", "\u212a"),
    ],
)
def test_letters_are_compared_without_case(pattern: str, text: str) -> None:
    assert Expression(pattern, ignore_case=True).is_found_in(text)
    assert not Expression(pattern).is_found_in(text)


def test_long_texts_are_searched_in_their_beginning() -> None:
    text = "a" * (MAX_TEXT_CHARACTERS - 1) + "bb"
    assert Expression("ab$").is_found_in(text)
    assert Expression("(?P<x>a+b)").group_of(text[:-1], "x") == text[:-1]
    assert Expression("(?P<x>a+b*)").group_of(text, "x") is None


@pytest.mark.parametrize(
    ("before", "after", "can"),
    [
        *(("Revert ", "", False), ("(?:", ")+", False), ("(a|b)", "(c|d)?", False)),
        *(("Revert ", "|hotfix", True), ("(", ")?", True), ("(", ")*x", True), ("", "?", True)),
        *(("(a|b", ")", True), ("x(", "){0,3}", True), ("[", "]", True), (r"\Q", "", True)),
    ],
)
def test_whether_a_part_is_needed_is_told(before: str, after: str, *, can: bool) -> None:
    assert can_match_without(before, after) is can


@pytest.mark.parametrize(
    "pattern",
    ["(a|b|c|d|e|f|g){0,1000}" * 20, "a{1000}" * 60, "((a{9}b){9}c|d){30}"],
)
def test_a_pattern_that_is_large_when_written_out_is_refused_before_it_is_compiled(pattern: str):
    began = time.thread_time()
    with pytest.raises(Unusable, match="too large"):
        Expression(pattern)
    assert time.thread_time() - began < 0.01


@pytest.mark.parametrize(
    "pattern",
    [r"v\d{1,3}(\.\d{1,3}){2}", "(.{0,20}){0,9}!", "[a-z]{1,200}", r"\Q{9999}\E", "a{,5}"],
)
def test_ordinary_repetitions_may_be_counted(pattern: str) -> None:
    Expression(pattern)
