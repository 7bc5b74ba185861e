"""What may be typed at the cursor, which stands at the bar."""

from random import Random, SystemRandom

import pytest

from strategies.queries import random_text
from theodora.query import Tag, resolve
from theodora.query.completion import Completion, complete

ANY, NOT = ("AND", "OR", "NOT"), ("NOT",)


def at_bar(query: str) -> Completion:
    cursor = query.index("|")
    return complete(query.replace("|", ""), cursor)


@pytest.mark.parametrize("query", ["|", "(|", "-|", "a OR |", "NOT |", "a AND (|", "- |", "env:(|"])
def test_a_name_may_begin_a_clause(query: str) -> None:
    completion = at_bar(query)
    assert completion.names
    assert completion.typed == ""


@pytest.mark.parametrize("query", ["env:a |", "a |", '"a b" |', "(a) |", "k:[1 TO 2] |", "k:>1 |"])
def test_an_operator_or_another_clause_may_follow_a_clause(query: str) -> None:
    completion = at_bar(query)
    assert completion.operators == ANY
    assert completion.names


@pytest.mark.parametrize("query", ["|", "a AND |", "(|", "te|"])
def test_only_not_may_begin_a_clause(query: str) -> None:
    assert at_bar(query).operators == NOT


@pytest.mark.parametrize(
    ("query", "start", "end", "typed"),
    [
        ("te|", 0, 2, "te"),
        ("-te|am:x", 1, 5, "te"),
        ("a (te|) b", 3, 5, "te"),
        ("a\\ b|c d", 0, 5, "a\\ b"),
    ],
)
def test_a_name_replaces_the_word_it_is_typed_in(
    query: str, start: int, end: int, typed: str
) -> None:
    completion = at_bar(query)
    assert (completion.start, completion.end, completion.typed) == (start, end, typed)
    assert completion.names


@pytest.mark.parametrize(
    ("query", "start", "end", "typed"),
    [
        ("service:|", 8, 8, ""),
        ("service: |", 9, 9, ""),
        ("services:we|b x", 9, 12, "we"),
        ('service:"my we|', 8, 14, "my we"),
        ('service:"my we|" x', 8, 15, "my we"),
        ("service:>=w|", 10, 11, "w"),
        ("service:(web OR ap|)", 16, 18, "ap"),
        ("service:((|", 10, 10, ""),
        ("service:“we|b” x", 8, 13, "we"),
        ("“service”:we|", 10, 12, "we"),
        ("service:+we|", 8, 11, "+we"),
    ],
)
def test_a_value_of_the_field_may_follow_its_name(
    query: str, start: int, end: int, typed: str
) -> None:
    completion = at_bar(query)
    assert (completion.start, completion.end, completion.typed) == (start, end, typed)
    assert completion.values_of is resolve("service")


@pytest.mark.parametrize("query", ["is:|", "@is:pro|", "a is:(|"])
def test_a_state_may_follow_is(query: str) -> None:
    completion = at_bar(query)
    assert completion.states == ("production",)
    assert completion.values_of is None


def test_a_value_of_a_tag_may_follow_its_key() -> None:
    assert at_bar("@language:j|").values_of == Tag("language")


def test_after_a_name_there_is_no_other_name_or_operator() -> None:
    completion = at_bar("service:|")
    assert not completion.names
    assert completion.operators == ()


def test_within_a_group_of_a_field_other_names_may_stand() -> None:
    assert at_bar("service:(web te|)").names


def test_after_a_group_its_field_no_longer_counts() -> None:
    assert at_bar("service:(web) x|").values_of is None


@pytest.mark.parametrize("query", ["_exists_:|", "_missing_:te|", "_exists_:(|"])
def test_names_follow_the_words_for_existence(query: str) -> None:
    completion = at_bar(query)
    assert completion.names
    assert completion.values_of is None


@pytest.mark.parametrize("query", ["*:we|", "duration:[1 T|", "duration:{|"])
def test_nothing_is_known_of_free_text_and_bounds(query: str) -> None:
    completion = at_bar(query)
    assert not completion.names
    assert completion.values_of is None


def test_any_place_in_any_text_has_an_answer_within_the_text() -> None:
    seed = SystemRandom().randrange(2**32)
    rng = Random(seed)
    for _ in range(5_000):
        text = random_text(rng)
        cursor = rng.randint(0, len(text))
        completion = complete(text, cursor)
        assert 0 <= completion.start <= cursor <= completion.end <= len(text), (
            f"seed {seed}: {text}"
        )
