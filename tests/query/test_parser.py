"""What a text is read as; what it is refused for, and where.

Most of it stands in tests/cases/search.json; here is what cases cannot say.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from random import Random, SystemRandom
from typing import Any

import pytest
from hypothesis import given

from cases.search import CASES, CONSTRUCTS, ERRORS, ErrorCase
from strategies.queries import random_text, texts
from theodora.errors import Invalid
from theodora.query import (
    NOTHING,
    And,
    Equals,
    Everything,
    Exists,
    Not,
    NumberRange,
    Or,
    Query,
    Tag,
    Text,
    Wild,
    Wildcard,
    parse,
    resolve,
)
from theodora.query.scanner import SPECIAL


def refusal(text: str) -> str:
    with pytest.raises(Invalid) as refused:
        parse(text)
    (problem,) = refused.value.problems
    assert problem.path == ("query",)
    return problem.detail


def tag(value: str) -> Equals:
    return Equals(Tag("k"), value)


@pytest.mark.parametrize("case", ERRORS, ids=str)
def test_an_error_says_what_is_wrong_and_where(case: ErrorCase) -> None:
    assert refusal(case.query) == case.detail


class TestLimits:
    def test_a_query_of_4096_characters_is_read(self) -> None:
        assert parse("k:" + "x" * 4094) == tag("x" * 4094)

    def test_a_longer_query_is_refused(self) -> None:
        detail = 'attribute "query" must be at most 4096 characters'
        assert refusal("k:" + "x" * 4095) == detail

    def test_500_terms_are_read(self) -> None:
        query = parse(" ".join(["a", "k:b", "k:>1", "k:[1 TO 2]", "*"] * 100))
        assert isinstance(query, And)
        assert len(query.parts) == 500

    @pytest.mark.parametrize("last", ["b", '"b"', "k:b", "k:>1", "k:[1 TO 2]", "*", "*:*"])
    def test_the_501st_term_is_refused(self, last: str) -> None:
        start = 2 * 500 + 1 + last.rfind(":") + 1 if last.startswith(("k:", "*:")) else 1001
        assert refusal("a " * 500 + last) == (
            f'error parsing attribute "query": more than 500 terms at position {start}'
        )

    def test_50_nested_groups_are_read(self) -> None:
        assert parse("(" * 50 + "k:a" + ")" * 50) == tag("a")

    def test_the_51st_nested_group_is_refused(self) -> None:
        assert refusal("k:" + "(" * 51 + "a" + ")" * 51) == (
            'error parsing attribute "query": nested more than 50 levels at position 53'
        )

    def test_groups_side_by_side_are_not_nested(self) -> None:
        assert isinstance(parse("(a)" * 400), And)

    def test_thousands_of_open_brackets_are_refused_at_the_51st(self) -> None:
        assert refusal("(" * 4096).endswith("position 51")


class TestTrees:
    def test_and_binds_tighter_than_or(self) -> None:
        assert parse("k:a OR k:b k:c") == Or((tag("a"), And((tag("b"), tag("c")))))

    def test_a_sign_binds_tighter_than_and(self) -> None:
        assert parse("NOT k:a k:b") == And((Not(tag("a")), tag("b")))

    @pytest.mark.parametrize("text", ["k:a (k:b k:c)", "(k:a k:b) k:c", "k:(a (b && c))"])
    def test_conjunctions_are_flat(self, text: str) -> None:
        assert parse(text) == And((tag("a"), tag("b"), tag("c")))

    @pytest.mark.parametrize("text", ["k:a OR (k:b OR k:c)", "k:((a || b) OR c)"])
    def test_disjunctions_are_flat(self, text: str) -> None:
        assert parse(text) == Or((tag("a"), tag("b"), tag("c")))

    @pytest.mark.parametrize("text", ["-(-k:a)", "NOT (NOT (+k:a))", "(((k:a)))", "+k:a"])
    def test_what_changes_nothing_leaves_no_trace(self, text: str) -> None:
        assert parse(text) == tag("a")

    @pytest.mark.parametrize("text", ["", " \n", "*", "*:*", "(*)", "-(-*)"])
    def test_every_event_has_one_tree(self, text: str) -> None:
        assert parse(text) == Everything()

    @pytest.mark.parametrize("text", ["-*", "duration:soon", "change_failure:1", "...", '""', "**"])
    def test_no_event_has_one_tree(self, text: str) -> None:
        assert parse(text) == NOTHING

    @pytest.mark.parametrize(
        "text", ["k:*", "k:**", "_exists_:k", "_exists_:@k", "-_missing_:k", "k:[* TO *]"]
    )
    def test_existence_has_one_tree(self, text: str) -> None:
        assert parse(text) == Exists(Tag("k"))

    def test_wildcards_become_tokens_and_escaped_ones_characters(self) -> None:
        expected = ("a", Wild.RUN, "*", Wild.ONE, Wild.ONE, "?b")
        assert parse(r"k:a**\*??\?b") == Wildcard(Tag("k"), expected)

    def test_free_text_becomes_folded_words(self) -> None:
        assert parse('"Straße, ÉCOLE"') == Text((("strasse",), ("école",)), everywhere=False)
        assert parse("*:Api-S*v?") == Text(
            (("api",), ("s", Wild.RUN, "v", Wild.ONE)), everywhere=True
        )

    @pytest.mark.parametrize("character", sorted(SPECIAL))
    def test_every_special_character_can_be_escaped_anywhere(self, character: str) -> None:
        escaped = f"\\{character}"
        assert parse(f"k:{escaped}") == tag(character)
        assert parse(f"k:a{escaped}b") == tag(f"a{character}b")
        assert parse(f'k:"{escaped}"') == tag(character)
        assert parse(f"{escaped}:a") == Equals(Tag(character), "a")


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("duration:90", 90, 90),
        ("duration:>90", 91, None),
        ("duration:>=90", 90, None),
        ("duration:<90", None, 89),
        ("duration:<=90", None, 90),
        ("duration:>1.5", 2, None),
        ("duration:>=1.5", 2, None),
        ("duration:<1.5", None, 1),
        ("duration:<=1500ms", None, 1),
        ("duration:>-1.5", -1, None),
        ("duration:[1 TO 5}", 1, 4),
        ("duration:{1 TO 5]", 2, 5),
        ("duration:[1 TO 1e30]", 1, None),
        ("duration:>=9223372036854775807", 2**63 - 1, None),
        ("duration:<=-9223372036854775808", None, -(2**63)),
        ("duration:5.5", 6, 5),
        ("started_at:>1970-01-01", 1, None),
        (
            "started_at:{1970-01-02 TO 1970-01-02T00:00:00.000000003Z}",
            86400 * 10**9 + 1,
            86400 * 10**9 + 2,
        ),
    ],
)
def test_ends_of_numbers_become_integers_of_the_range(
    text: str, low: int | None, high: int | None
) -> None:
    query = parse(text)
    assert isinstance(query, NumberRange)
    assert (query.low, query.high) == (low, high)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("duration:>9223372036854775807", NOTHING),
        ("duration:<-1e30", NOTHING),
        ("duration:1e30", NOTHING),
        ("duration:<1e30", Exists(resolve("duration"))),
        ("started_at:<9999-12-31", Exists(resolve("started_at"))),
        ("started_at:>0001-01-01", Exists(resolve("started_at"))),
        ("started_at:>9999-12-31", NOTHING),
    ],
)
def test_ends_that_no_stored_number_reaches_are_open_or_hold_nothing(
    text: str, expected: Query
) -> None:
    assert parse(text) == expected


@given(texts)
def test_any_text_has_a_tree_or_an_error_with_a_position(text: str) -> None:
    try:
        parse(text)
    except Invalid as refused:
        (problem,) = refused.problems
        message, _, position = problem.detail.rpartition(" at position ")
        assert message.startswith('error parsing attribute "query": ')
        assert 1 <= int(position) <= len(text) + 1


def test_any_pieces_of_queries_have_a_tree_or_an_error() -> None:
    seed = SystemRandom().randrange(2**32)
    rng = Random(seed)
    trees = 0
    for _ in range(20_000):
        text = random_text(rng)
        try:
            parse(text)
            trees += 1
        except Invalid:
            continue
        except Exception as error:
            raise AssertionError(f"seed {seed}: {text!r}") from error
    assert trees > 1_000, f"seed {seed}: too few of the texts were queries"


def test_part_of_a_query_has_a_tree_or_an_error() -> None:
    for case in CASES:
        for end in range(len(case.query)):
            with suppress(Invalid):
                parse(case.query[:end])


@pytest.mark.parametrize(
    "write",
    [
        lambda n: "k:" + "x" * n,
        lambda n: "k:" + "\\x" * (n // 2),
        lambda n: '"' + "x " * (n // 2),
        lambda n: "k:" + "*x" * (n // 2),
        lambda n: "k:[" + "1" * n,
        lambda n: "duration:>" + "1" * n,
        lambda n: "duration:>" + "1.1" * (n // 3),
        lambda n: "started_at:>" + "2" * n,
        lambda n: " " * n,
        lambda n: "k: " + " " * n + "x",
        lambda n: "x-" * (n // 2),
        lambda n: "AND" * (n // 3),
        lambda n: "(" * 49 + "a " * min(n // 8, 500) + ")" * 49,
        lambda n: "k:a OR " * (n // 8),
    ],
)
def test_the_work_grows_no_faster_than_the_text(write: Callable[[int], str]) -> None:
    short, long = work(write(1_000)), work(write(4_000))
    assert long < 5 * short + 500


def work(text: str) -> int:
    """How many calls reading `text` takes."""
    calls = 0

    def count(_frame: object, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        with suppress(Invalid):
            parse(text)
    finally:
        sys.setprofile(before)
    return calls


def test_every_construct_of_the_contract_has_an_example_each_way() -> None:
    assert all(construct["matches"] and construct["differs"] for construct in CONSTRUCTS)
