"""Random events and queries that are awkward, and that meet often.

`random_event(rng)` and `random_query(rng, event)` are fast enough for tens of thousands; the
Hypothesis strategies at the end are made of them. A query is a tree that `parse` could make.
"""

from collections.abc import Sequence
from random import Random
from typing import Any

from hypothesis import strategies as st

from theodora.events import Deployment, Failure, Git, Remediation
from theodora.events.values import STAGE_AVERAGES
from theodora.query import (
    FIELDS,
    NOTHING,
    Bound,
    Equals,
    Event,
    Everything,
    Exists,
    Field,
    Production,
    Query,
    Tag,
    Target,
    Text,
    TextRange,
    Type,
    Wild,
    Wildcard,
    all_of,
    any_of,
    complement,
)
from theodora.query.operands import number_range, parse_number
from theodora.query.patterns import pattern_of
from theodora.query.words import words_of_term

SECOND_NS = 10**9
INT64_MAX = 2**63 - 1

TEXTS = (
    *("web", "Web", "api", "api-service", "api service", "api_service", "v1.2", "v1", "a_b"),
    *("*", "?", "w*b", "we?", "[w]eb", "%", "_", "w_b", "\\", "a\\b", '"', 'a"b', "'"),
    *("(a OR b)", "AND", "OR", "NOT", "TO", "and", "-a", "+a", "=a", "a~1", "^a", "“a”"),
    *("a=b", "a:b", "@a", "&&", "||x"),
    *("null", "true", "1", "01", "1.0", "2", "10", "-1", " a", "a b", "a\nb", "é", "e\u0301"),
    *("İstanbul", "istanbul", "Straße", "STRASSE", "ΣΑΣ", "σας", "日本語", "ﬁ", "ǰ"),
    *("\u00a0", "\uffff", "😀", "\U0010ffff"),
    *("checkout-service/v2", "Überweisung.DIENST", "payments_api 2024", "日本語サービス-x", "zzz"),
)
_LONG_TEXTS = [text for text in TEXTS if len(text) > 2]
NUMBERS = (
    *("0", "-0", "1", "01", "1.0", "1e0", "1E+0", "2", "10", "1e1", "-1", "-1.5", "-2", ".5"),
    *("0.5", "9007199254740992", "9007199254740993", "-9007199254740993", "9223372036854775808"),
    *("1" * 40, "1" * 39 + "2", "1e999", "1e-999", "1e1000", "0x10", "1_0", "+1", "1.", "inf"),
    *("nan", "\u0661"),
)
KEYS = (
    *("k", "K", "build", "a b", "é", "k.k", "AND", "_exists_", "@k", "-k", "+k", "=k", "k”", "*"),
    *('q"', "&&"),
)
SHADOWED_KEYS = ("team", "env", "service", "tags", "timestamp")
ENVS = ("production", "Prod", "LIVE", "staging")
COUNTS = (0, 1, 2, 3, 10, 12, 2**31, 2**53, 2**53 + 1, INT64_MAX)
SPANS = (0, 1, 9, 10, 59, 60, 3600, 5400, 86_400, 93_784)
INSTANTS = (
    *(1, SECOND_NS, 1_000_000_000_000_000_000, INT64_MAX),
    *(1_693_491_974 * SECOND_NS + offset for offset in (0, 1, 1_000, 500_000_000, SECOND_NS)),
    *(1_704_067_200 * SECOND_NS + offset for offset in (-1, 0, 10 * SECOND_NS, 5400 * SECOND_NS)),
)


def random_event(rng: Random) -> Event:
    """A deployment or a failure; each value is absent now and then.

    Half of them have the same few texts in several fields and tags.
    """
    texts = rng.sample(TEXTS, 2) if rng.random() < 0.5 else TEXTS
    started, finished = sorted((rng.choice(INSTANTS), rng.choice(INSTANTS)))
    values: dict[str, Any] = {
        "id": f"{rng.choice(TEXTS)}{rng.randrange(100)}",
        "started_at_ns": started,
        "created_at_ns": rng.choice(INSTANTS),
        "custom_tags": _tags(rng, texts),
        "source": rng.choice(("api", "github", "Import")),
        "git": _maybe(rng, _git(rng)),
        "env": _maybe(rng, rng.choice(texts if rng.random() < 0.7 else ENVS)),
        **{name: _maybe(rng, rng.choice(texts)) for name in ("team", "version")},
    }
    return rng.choice((_deployment, _failure))(rng, finished, values, texts)


def random_query(rng: Random, event: Event | None = None, depth: int = 4) -> Query:
    """A tree; about half of its leaves say something that is so, or nearly so, of `event`."""
    shape = rng.random()
    if shape < 0.08:
        return _terms(rng, event)
    if shape < 0.14:
        return _substrings(rng, event)
    if depth == 0 or shape < 0.4:
        return _leaf(rng, event)
    if shape < 0.55:
        return complement(random_query(rng, event, depth - 1))
    parts = [random_query(rng, event, depth - 1) for _ in range(rng.randint(2, 4))]
    return rng.choice((all_of, any_of))(parts)


def random_text(rng: Random) -> str:
    """Pieces of queries in any order: mostly not a query."""
    separators = ("", "", " ")
    pieces = (rng.choice(_PIECES) + rng.choice(separators) for _ in range(rng.randint(0, 12)))
    return "".join(pieces)


_PIECES = (
    *('"', "(", ")", "[", "]", "{", "}", "+", "-", "!", ":", "~", "^", "?", "*", ">", "<", "="),
    *("\\", ">=", "<=", " TO ", "TO", "AND", " OR ", "NOT", "&&", "||", "*:", "_exists_:"),
    *("_missing_:", "env:", "@duration:", "change_failure:", "started_at:", "tags:", "k:"),
    *("[1 TO 5]", "(a OR b)", "a", "web", "5", "1h30m", "2023-08-31", "true", '"a b"', "é"),
    *("日本", "\u3000", "\n", "@", "&", "|", "“", "”"),
)


def _deployment(
    rng: Random, finished: int, values: dict[str, Any], texts: Sequence[str]
) -> Deployment:
    return Deployment(
        service=rng.choice(texts),
        finished_at_ns=finished,
        change_failure=rng.choice((None, False, True)),
        deployment_type=rng.choice(("standard", "rollback", "rollforward")),
        remediation=_maybe(
            rng, Remediation(rng.choice(TEXTS), rng.choice(("rollback", "rollforward")))
        ),
        recovery_time_sec=_maybe(rng, rng.choice(SPANS)),
        number_of_commits=_maybe(rng, rng.choice(COUNTS)),
        change_lead_time=_maybe(rng, rng.choice(SPANS)),
        **{each.name: _maybe(rng, rng.choice(SPANS)) for each in STAGE_AVERAGES},
        failed_by=_maybe(rng, rng.choice(TEXTS)),
        lead_time_status=_maybe(rng, rng.choice(("baseline", "gap", "shallow"))),
        **values,
    )


def _failure(rng: Random, finished: int, values: dict[str, Any], texts: Sequence[str]) -> Failure:
    return Failure(
        services=tuple(dict.fromkeys(rng.choices(TEXTS, k=rng.randint(0, 3)))),
        finished_at_ns=_maybe(rng, finished),
        name=_maybe(rng, " ".join(rng.choices(texts, k=rng.randint(1, 4)))),
        severity=_maybe(rng, rng.choice(texts)),
        **values,
    )


def _maybe(rng: Random, value: Any) -> Any:
    return None if rng.random() < 0.3 else value


def _git(rng: Random) -> Git:
    host = rng.choice(("https://github.com/", "git@GitHub.com:", "/srv/"))
    return Git(rng.choice("ab") * 40, f"{host}org/{rng.choice(('app', 'App.git', 'web-é'))}")


def _tags(rng: Random, texts: Sequence[str]) -> tuple[str, ...]:
    keys = rng.choices((*KEYS, *SHADOWED_KEYS), k=rng.choice((0, 0, 1, 2, 6)))
    return tuple(dict.fromkeys(f"{key}:{rng.choice(rng.choice((texts, NUMBERS)))}" for key in keys))


def _terms(rng: Random, event: Event | None) -> Query:
    """Any of a few values that events are posted under, which can be walked together."""
    posted = [field for field in FIELDS if field.type is Type.TEXT and field.in_free_text]
    targets = rng.choices((*posted, *map(Tag, KEYS)), k=rng.randint(2, 4))
    return any_of([_equals(rng, target, event) for target in targets])


def _substrings(rng: Random, event: Event | None) -> Query:
    """Parts of words of three characters or more, in fields, in tags and in free text."""
    fields = [field for field in FIELDS if field.type is Type.TEXT]
    made: list[Query] = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        target = rng.choice((*fields, Tag(rng.choice(KEYS))))
        text = _text(rng, target, event)
        tokens = _part(rng, text if len(text) > 2 else rng.choice(_LONG_TEXTS), least=3)
        if rng.random() < 0.5:
            words = words_of_term(pattern_of(tokens))
            made.append(Text(words, rng.random() < 0.5) if words else NOTHING)
        else:
            made.append(Wildcard(target, pattern_of(tokens)))
    return made[0] if len(made) == 1 else rng.choice((all_of, any_of, any_of))(made)


def _leaf(rng: Random, event: Event | None) -> Query:
    if rng.random() < 0.06:
        return rng.choice((Everything(), NOTHING, Production(), Production()))
    if rng.random() < 0.2:
        return _free_text(rng, event)
    target = rng.choice(FIELDS) if rng.random() < 0.7 else Tag(rng.choice(KEYS))
    make = rng.choice((_exists, _equals, _equals, _wildcard, _wildcard, _range, _range))
    return make(rng, target, event)


def _exists(_rng: Random, target: Target, _event: Event | None) -> Query:
    return Exists(target)


def _equals(rng: Random, target: Target, event: Event | None) -> Query:
    match target:
        case Field(type=Type.BOOLEAN):
            return Equals(target, rng.choice((True, False)))
        case Field(type=Type.NUMBER | Type.DURATION | Type.TIME):
            value = _integer(rng, target, event)
            return number_range(target, value, value)
        case _:
            return Equals(target, _text(rng, target, event))


def _wildcard(rng: Random, target: Target, event: Event | None) -> Query:
    with_wildcards = rng.choice((_with_wildcards, _part))
    pattern = pattern_of(with_wildcards(rng, _text(rng, target, event)))
    if pattern == (Wild.RUN,):
        return Exists(target)
    return (
        Wildcard(target, pattern) if Wild.RUN in pattern or Wild.ONE in pattern else Exists(target)
    )


def _as_it_is(_rng: Random, text: str) -> list[str | Wild]:
    return [text]


def _with_wildcards(rng: Random, text: str) -> list[str | Wild]:
    """Characters of `text` with wildcards for some of them, so that it may still fit."""
    tokens: list[str | Wild] = []
    for character in text:
        chance = rng.random()
        if chance < 0.1:
            tokens.append(Wild.ONE)
        elif chance < 0.25:
            tokens.append(Wild.RUN)
        else:
            tokens.append(character)
        if chance > 0.95:
            tokens.append(Wild.RUN)
    return tokens


def _part(rng: Random, text: str, least: int = 1) -> list[str | Wild]:
    """A part of `text`, or something like it, between runs; at times it is an end of it."""
    start = rng.randint(0, max(len(text) - 3, 0))
    end = min(start + max(rng.choice((1, 2, 3, 3, 4, 6)), least), len(text))
    part = rng.choice((text[start:end], text[start:end], text[start:end].swapcase(), "zzqx"))
    around = rng.choice(((True, True), (True, True), (True, False), (False, True)))
    return [*[Wild.RUN] * around[0], *([part] if part else []), *[Wild.RUN] * around[1]]


def _range(rng: Random, target: Target, event: Event | None) -> Query:
    match target:
        case Field(type=Type.BOOLEAN):
            return Equals(target, rng.choice((True, False)))
        case Field(type=Type.NUMBER | Type.DURATION | Type.TIME):
            low, high = (_maybe(rng, _integer(rng, target, event)) for _ in range(2))
            return number_range(target, low, high)
        case _:
            low, high = (_maybe(rng, _bound(rng, target, event)) for _ in range(2))
            return TextRange(target, low, high) if low or high else Exists(target)


def _bound(rng: Random, target: Target, event: Event | None) -> Bound:
    text = _text(rng, target, event)
    value = parse_number(text) if isinstance(target, Tag) else None
    return Bound(text, value, rng.choice((True, False)))


def _free_text(rng: Random, event: Event | None) -> Query:
    everywhere = rng.random() < 0.3
    fields = [field for field in FIELDS if field.in_free_text or everywhere]
    text = _text(rng, rng.choice(fields), event)
    start = rng.randint(0, len(text))
    text = rng.choice((text, text[start:], text.swapcase(), f"{text} {rng.choice(TEXTS)}"))
    tokens = rng.choice((_as_it_is, _as_it_is, _with_wildcards, _part))(rng, text)
    words = words_of_term(pattern_of(tokens))
    return Text(words, everywhere) if words else NOTHING


def _text(rng: Random, target: Target, event: Event | None) -> str:
    own = target.texts(event) if event and rng.random() < 0.6 else ()
    if own:
        return rng.choice(own)
    match target:
        case Tag():
            return rng.choice(rng.choice((TEXTS, NUMBERS)))
        case Field(type=Type.BOOLEAN):
            return rng.choice(("true", "false"))
        case Field(type=Type.NUMBER | Type.DURATION | Type.TIME):
            return target.text_form(_integer(rng, target, None))
        case _:
            return rng.choice(TEXTS)


def _integer(rng: Random, target: Field, event: Event | None) -> int:
    own = target.values(event) if event and rng.random() < 0.6 else ()
    pool = {Type.NUMBER: COUNTS, Type.DURATION: SPANS}.get(target.type, INSTANTS)
    value = rng.choice(own or pool)
    assert isinstance(value, int)
    return value + rng.choice((0, 0, 0, 1, -1))


_randoms = st.randoms(use_true_random=False)

events = _randoms.map(random_event)
queries = _randoms.map(random_query)
texts = st.one_of(st.text(max_size=60), _randoms.map(random_text))
