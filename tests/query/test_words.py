"""How values and terms are cut into words."""

import sys

import pytest

from theodora.query import Wild
from theodora.query.patterns import Pattern
from theodora.query.words import spaced_pattern, stand_in, words, words_of_term


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("API-Service v1.2", ["api", "service", "v1", "2"]),
        ("snake_case", ["snake_case"]),
        ("  ...  ", []),
        ("", []),
        ("Straße", ["strasse"]),
        ("Δίψης", ["δίψησ"]),
        ("日本語 Ελλάδα", ["日本語", "ελλάδα"]),
        ("İstanbul", ["istanbul"]),
        ("line\nbreak", ["line", "break"]),
    ],
)
def test_a_value_is_cut_at_what_is_no_letter_digit_or_underscore(
    value: str, expected: list[str]
) -> None:
    assert words(value) == expected


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (("api-Service",), (("api",), ("service",))),
        (("Web", Wild.RUN), (("web", Wild.RUN),)),
        (("api-", Wild.RUN), (("api",), (Wild.RUN,))),
        ((Wild.RUN, "-b", Wild.ONE, "c"), ((Wild.RUN,), ("b", Wild.ONE, "c"))),
        (("--",), ()),
        ((Wild.RUN, "-", Wild.ONE), ()),
    ],
)
def test_a_term_is_cut_so_too_and_keeps_its_wildcards(
    term: Pattern, expected: tuple[Pattern, ...]
) -> None:
    assert words_of_term(term) == expected


def test_words_stand_one_after_another() -> None:
    assert stand_in((("b",), ("c",)), "a b c d")
    assert not stand_in((("b",), ("d",)), "a b c d")
    assert stand_in((("b", Wild.RUN), (Wild.ONE,)), "a bbb c d")
    assert not stand_in((("a",), ("b",)), "a")


@pytest.mark.parametrize(
    ("sought", "expected"),
    [
        ((("a",), ("b",)), (" a b ",)),
        (((Wild.RUN, "a", Wild.RUN),), ("a",)),
        (((Wild.RUN, "a"), ("b", Wild.RUN)), ("a b",)),
        (((Wild.ONE, "a"),), (" ", Wild.ONE, "a ")),
        ((("a", Wild.RUN), ("b",)), (" a", Wild.RUN, " b ")),
        ((("a",), (Wild.RUN,)), (" a ", Wild.RUN, " ")),
        (((Wild.RUN, Wild.ONE, "a"),), (" ", Wild.RUN, Wild.ONE, "a ")),
    ],
)
def test_runs_at_either_end_of_words_need_no_space_beside_them(
    sought: tuple[Pattern, ...], expected: Pattern
) -> None:
    assert spaced_pattern(sought) == expected


def test_folded_words_hold_word_characters_only_and_fold_to_themselves() -> None:
    for character in map(chr, range(sys.maxunicode + 1)):
        for word in words(character):
            assert words(word) == [word]
