"""A tree as text, which is read as the same tree."""

import time
from random import Random, SystemRandom

import pytest
from hypothesis import given

from cases.search import CASES
from lengths import short_and_long
from strategies.queries import queries, random_event, random_query
from theodora.query import Query, parse, to_text
from theodora.query.parser import MAX_CHARACTERS


def test_what_a_query_was_read_as_is_read_again_from_its_text() -> None:
    """All cases in one test, as a test takes longer than a case."""
    trees = {case.query: parse(case.query) for case in CASES}
    assert {text: parse(to_text(tree)) for text, tree in trees.items()} == trees


@given(queries)
def test_a_tree_is_read_from_its_text(query: Query) -> None:
    assert parse(to_text(query)) == query


@short_and_long("trees", 1_500, 5_000)
def test_many_trees_are_read_from_their_text(trees: int) -> None:
    seed = SystemRandom().randrange(2**32)
    rng = Random(seed)
    for _ in range(trees):
        query = random_query(rng, random_event(rng))
        text = to_text(query)
        if len(text) <= MAX_CHARACTERS:
            assert parse(text) == query, f"seed {seed}: {text}"


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("", "*"),
        ("-*:*", "-*"),
        ("@services:web AND repository:x", "service:web repository_id:x"),
        ("a OR b && (c || d)", "a OR b (c OR d)"),
        ("env:(a b)", "env:a env:b"),
        ("NOT (a b)", "-(a b)"),
        ("-_exists_:k", "_missing_:k"),
        ("_exists_:k", "k:*"),
        ('env:"production"', "env:production"),
        ("env:a\\ b", 'env:"a b"'),
        ('env:"say \\"a\\\\b\\""', 'env:"say \\"a\\\\b\\""'),
        ("env:\\-a*", "env:\\-a*"),
        ("env:AND \\AND:env", "env:AND \\AND:env"),
        ("\\_exists_:k @@k:v", "\\_exists_:k \\@k:v"),
        ('"Api Service" WEB a-*', '"api service" web a-*'),
        ("duration:1h30m", "duration:5400"),
        ("duration:{1 TO 9}", "duration:[2 TO 8]"),
        ("duration:>1", "duration:>=2"),
        ('duration:"-5"', 'duration:"-5"'),
        ("started_at:1693491974", 'started_at:"2023-08-31T14:26:14Z"'),
        ("started_at:>=1693491974", "started_at:>=2023-08-31T14:26:14Z"),
        ("k:{1 TO 2]", "k:{1 TO 2]"),
        ('k:["a b" TO *]', 'k:>="a b"'),
        ("change_failure:true", "change_failure:true"),
    ],
)
def test_a_text_is_printed_in_one_form(text: str, printed: str) -> None:
    assert to_text(parse(text)) == printed


def test_what_is_nested_deeply_is_not_printed_deeper() -> None:
    text = "(-_missing_:a (-b OR -(c " * 16 + "x" + "))) " * 16
    assert parse(to_text(parse(text))) == parse(text)


def test_the_time_to_print_does_not_double_with_each_level() -> None:
    query = parse("-(a OR -(b " * 18 + "c" + "))" * 18)
    began_sec = time.process_time()
    to_text(query)
    assert time.process_time() - began_sec < 0.5
