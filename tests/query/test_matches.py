"""Which events a query finds."""

from random import Random, SystemRandom

import pytest

from cases.search import CASES, EVENTS, Case
from strategies.queries import random_event, random_query
from theodora.events import Deployment, Failure
from theodora.query import (
    FIELDS,
    And,
    Bound,
    Equals,
    Event,
    Exists,
    Field,
    Not,
    NumberRange,
    Or,
    Query,
    Tag,
    Target,
    Text,
    TextRange,
    Wild,
    Wildcard,
    complement,
    matches,
    parse,
)
from theodora.query.operands import number_range

BARE_DEPLOYMENT = Deployment(service="web", started_at_ns=1, finished_at_ns=1)
BARE_FAILURE = Failure(started_at_ns=1)


def test_a_query_finds_exactly_the_events_of_its_case() -> None:
    """All cases in one test, as a test takes longer than a case."""
    wrong = {str(case): found for case in CASES if (found := found_by(case)) != case.matching}
    assert wrong == {}


def found_by(case: Case) -> set[str]:
    query = parse(case.query)
    return {name for name in case.among if matches(query, EVENTS[name])}


@pytest.mark.parametrize(
    ("target", "event"),
    [
        pytest.param(target, event, id=f"{target} of a {kind}")
        for kind, event in (("deployment", BARE_DEPLOYMENT), ("failure", BARE_FAILURE))
        for target in (*FIELDS, Tag("k"))
        if not target.values(event)
    ],
)
def test_where_a_field_is_absent_no_leaf_holds_and_every_complement_does(
    target: Target, event: Event
) -> None:
    leaves: list[Query] = [
        Exists(target),
        Equals(target, ""),
        Equals(target, value=False),
        Wildcard(target, (Wild.RUN, "x")),
        TextRange(target, None, Bound("x", None, inclusive=True)),
    ]
    if isinstance(target, Field):
        leaves.append(NumberRange(target, None, 2**63 - 1))
    for leaf in leaves:
        assert not matches(leaf, event)
        assert matches(complement(leaf), event)


def test_the_connectives_are_those_of_logic() -> None:
    seed = SystemRandom().randrange(2**32)
    rng = Random(seed)
    for _ in range(2_000):
        event = random_event(rng)
        a, b = (random_query(rng, event, depth=2) for _ in range(2))
        a_holds, b_holds = matches(a, event), matches(b, event)
        assert matches(Not(a), event) == (not a_holds), f"seed {seed}"
        assert matches(And((a, b)), event) == (a_holds and b_holds), f"seed {seed}"
        assert matches(Or((a, b)), event) == (a_holds or b_holds), f"seed {seed}"


def test_random_queries_find_some_events_and_not_others() -> None:
    seed = SystemRandom().randrange(2**32)
    rng = Random(seed)
    pairs = [(random_query(rng, event), event) for event in map(random_event, [rng] * 2_000)]
    found = sum(matches(query, event) for query, event in pairs)
    assert 400 < found < 1_600, f"seed {seed}"


def test_both_ends_of_a_range_hold_for_one_and_the_same_value() -> None:
    event = Failure(started_at_ns=1, custom_tags=("k:1", "k:9"))
    assert not matches(parse("k:[4 TO 6]"), event)
    assert matches(parse("k:>=4 k:<=6"), event)


def test_a_tags_key_ends_at_its_first_colon() -> None:
    event = Failure(started_at_ns=1, custom_tags=("image:registry:5000/app",))
    assert matches(parse(r"image:registry\:5000/app"), event)
    assert not matches(parse(r"image\:registry:5000/app"), event)


def test_long_values_and_patterns_with_many_wildcards_are_matched_at_once() -> None:
    """A matcher that went back on its runs would not end within the age of the universe."""
    event = Failure(started_at_ns=1, name="a" * 1_000 + "b")
    assert not matches(parse("name:" + "*a" * 400 + "*c"), event)
    assert not matches(parse("*" + "a*" * 400 + "c"), event)
    assert matches(parse("name:" + "*a" * 400 + "*b"), event)


def test_a_span_that_is_no_whole_number_is_compared_as_it_is_shown() -> None:
    duration = next(field for field in FIELDS if field.name == "duration")
    event = Deployment(service="web", started_at_ns=1, finished_at_ns=1_500_000_001)
    assert matches(number_range(duration, 2, 2), event)
    assert not matches(parse("duration:<2"), event)


def test_a_range_of_texts_goes_by_code_point_and_not_by_utf_16() -> None:
    event = Failure(started_at_ns=1, name="\U0001f600")
    assert matches(parse("name:>\uffff"), event)


def test_a_boolean_is_no_number() -> None:
    event = Deployment(service="web", started_at_ns=1, finished_at_ns=1, change_failure=True)
    assert not matches(parse("change_failure:1"), event)


def test_words_are_found_in_one_value_only() -> None:
    event = Failure(started_at_ns=1, name="one", severity="two")
    assert not matches(Text((("one",), ("two",)), everywhere=False), event)


def test_digits_in_a_text_field_are_compared_as_text() -> None:
    event = Failure(started_at_ns=1, version="10")
    assert not matches(parse("version:>9"), event)
