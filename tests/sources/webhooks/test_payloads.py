"""docs/sources-payloads.md says what becomes of every recorded body.

When it lags, write it again:
PYTHONPATH=tests .venv/bin/python tests/sources/webhooks/test_payloads.py
"""

import contextlib
import copy
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from payloads import FOLDER, SETTINGS, Payload, payloads_of
from theodora.errors import Invalid
from theodora.query.reference import code, table
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS
from theodora.sources.webhooks.facts import StoredFact, decode_fact
from theodora.sources.webhooks.fold import fold
from theodora.sources.webhooks.read import read_received
from theodora.sources.webhooks.table import SOURCES, SourceKind
from theodora.storage import DeliveryReading, Organisation, StoredDelivery

PAGE = Path(__file__).parents[3] / "docs" / "sources-payloads.md"

needs_payloads = pytest.mark.skipif(
    not FOLDER.exists(), reason="the recorded payloads (../shared/data/payloads) are not here"
)

DAMAGES: Sequence[Any] = (
    *(None, True, 0, -1, 1.5, 10**30, "", "x", "\0", "é" * 3_000, [], [None], [[]], {}, {"a": 1}),
    *("2026-13-01T00:00:00Z", "0001-01-01T00:00:00Z"),
)

RECORDED = [source for source in SOURCES if source.fixtures]

HEAD = """# Recorded payloads

What becomes of each recorded webhook body, by source. `tests/sources/webhooks/test_payloads.py`
writes this page and compares it. Names that begin with `built.` were invented after the
provider's schema. A body is either turned into facts or ignored with the reason that
[the source](sources.md) shows.
"""


def read(source: SourceKind, payload: Payload) -> DeliveryReading:
    org = Organisation(1, "", "default")
    received = StoredDelivery(
        org, 1, source.name, "", 1, payload.headers, payload.body, "waiting", "", 0
    )
    return read_received(received, SETTINGS.get(source.name, DEFAULT_SETTINGS), {})


def result(reading: DeliveryReading) -> str:
    """What a body says, in words."""
    if reading.state == "ignored":
        return f"ignored: {reading.reason}"
    assert reading.state == "done", reading
    facts = [decode_fact(fact.document) for fact in reading.facts]
    pushed = [f"{len(each.commits)} commits of {each.repository_id}" for each in reading.commits]
    return "; ".join([*map(said, facts), *pushed])


def said(fact: StoredFact) -> str:
    kind, _, number = fact.thing.partition(":")
    status = getattr(fact, "status", None) or "described"
    return f"{kind.replace('_', ' ')} {code(number)} {status}"


def section(source: SourceKind) -> str:
    rows = [(code(payload.name), result(read(source, payload))) for payload in payloads_of(source)]
    return f"\n## {source.title}\n\n{table(('body', 'what it says'), rows)}\n"


def written() -> str:
    return HEAD + "".join(map(section, RECORDED))


@needs_payloads
def test_every_recorded_body_is_understood_or_ignored_with_a_reason() -> None:
    assert PAGE.read_text() == written()


@needs_payloads
@pytest.mark.parametrize("source", RECORDED, ids=lambda source: source.name)
def test_facts_of_recorded_bodies_add_up_to_events(source: SourceKind) -> None:
    """Of one thing at a time: bodies of several collections may use one id."""
    payloads = list(payloads_of(source))
    assert payloads
    for payload in payloads:
        facts = read(source, payload).facts
        for thing in {fact.thing for fact in facts}:
            documents = [fact.document for fact in facts if fact.thing == thing]
            assert fold(source.name, thing, documents) == fold(
                source.name, thing, documents[::-1] * 2
            )


@needs_payloads
@pytest.mark.parametrize("source", RECORDED, ids=lambda source: source.name)
def test_a_damaged_body_is_read_ignored_or_fails(source: SourceKind) -> None:
    """It never raises, whatever is missing, or of another type."""
    rng = Random(source.name)
    for payload in payloads_of(source):
        for _ in range(10):
            body = json.dumps(damaged(json.loads(payload.body), rng))
            for fact in read(source, payload._replace(body=body)).facts:
                with contextlib.suppress(Invalid):
                    fold(source.name, fact.thing, [fact.document])


def damaged(payload: Any, rng: Random) -> Any:
    """The payload with some members that are missing, or of any type."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        found = list(places(payload))
        if found:
            container, key = rng.choice(found)
            if rng.random() < 0.3:
                del container[key]
            else:
                container[key] = copy.deepcopy(rng.choice(DAMAGES))
    return payload


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each member and element, at any depth, as what contains it and its name or index."""
    members = value.items() if isinstance(value, dict) else ()
    elements = enumerate(value) if isinstance(value, list) else ()
    for key, inner in (*members, *elements):
        yield value, key
        yield from places(inner)


if __name__ == "__main__":
    PAGE.write_text(written())
