"""Every event that matches a part of a word has the trigrams that are looked up for it."""

from collections import Counter
from random import Random

from strategies.queries import random_event, random_query
from theodora.events import Deployment
from theodora.query import Event, Query, Text, Wildcard, matches, parse
from theodora.query.ast import And, Not, Or
from theodora.storage.events.segments import Alternatives
from theodora.storage.events.tables import DEPLOYMENTS, FAILURES
from theodora.storage.events.terms import other_words, searched_words
from theodora.storage.events.trigrams import codes_of, rarest, trigrams_of
from theodora.storage.search.substrings import trigrams_of_value, trigrams_of_words

EVENTS = 400
QUERIES_OF_AN_EVENT = 10


def leaves(query: Query) -> list[Text | Wildcard]:
    match query:
        case And(parts) | Or(parts):
            return [leaf for part in parts for leaf in leaves(part)]
        case Not(part):
            return leaves(part)
        case Text() | Wildcard():
            return [query]
        case _:
            return []


def trigrams_of_event(event: Event) -> set[int]:
    searched = (
        searched_words(DEPLOYMENTS, event)
        if isinstance(event, Deployment)
        else searched_words(FAILURES, event)
    )
    return trigrams_of(searched, other_words(event))


def trigrams_of_leaf(leaf: Text | Wildcard) -> Alternatives:
    if isinstance(leaf, Text):
        return trigrams_of_words(leaf.words, everywhere=leaf.everywhere)
    return trigrams_of_value(leaf.target, leaf.pattern)


def test_whatever_matches_has_all_trigrams_of_an_alternative() -> None:
    rng = Random()
    told: Counter[bool] = Counter()
    for _ in range(EVENTS):
        event = random_event(rng)
        there = trigrams_of_event(event)
        for _ in range(QUERIES_OF_AN_EVENT):
            for leaf in leaves(random_query(rng, event)):
                sought = trigrams_of_leaf(leaf)
                is_found = not sought or any(there.issuperset(each) for each in sought)
                if matches(leaf, event):
                    assert is_found, (leaf, event)
                told[is_found] += 1
    # Most of what does not match is ruled out by its trigrams, or nothing would be gained.
    assert told[False] > told.total() / 10, told


def test_trigrams_are_looked_up_where_a_part_of_a_word_has_three_characters() -> None:
    for query, alternatives in (
        ("*zzq*", 1),
        ("*zz*", 0),
        ("zz*q", 1),
        ("*:*zzq*", 2),
        ("*:*zzz*", 2),
        ("*:*123*", 0),
        ("*:*12z*", 0),
        ("*:*rue*", 0),
        ("version:*zzq*", 1),
        ("version:*.7", 1),
        ("version:*7*", 0),
        ("source:*zzq*", 1),
        ("anything:*zzq*", 1),
        ("tags:*zzq*", 1),
        ("duration:*123*", 0),
        ("started_at:*2026*", 0),
    ):
        leaf = parse(query)
        assert isinstance(leaf, Text | Wildcard)
        assert len(trigrams_of_leaf(leaf)) == alternatives, query


def test_trigrams_that_hashes_do_not_have_come_first() -> None:
    codes = codes_of("abczzzq", is_searched=True).tolist()
    first, *others = rarest(codes, 3)
    assert {first, *others} == set(codes_of("zzzq", is_searched=True)) | {codes[2]}
    assert len({*codes, *codes_of("abczzzq", is_searched=False).tolist()}) == 2 * len(codes)


def test_a_trigram_never_crosses_lines() -> None:
    assert trigrams_of(" ab \n cd \n", "") == {
        code for line in (" ab ", " cd ") for code in codes_of(line, is_searched=True).tolist()
    }
