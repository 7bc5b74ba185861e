"""docs/sources-payloads.md says what becomes of every recorded body.

When it lags, write it again:
PYTHONPATH=tests .venv/bin/python tests/sources/webhooks/test_payloads.py
"""

from pathlib import Path

import pytest

from payloads import FOLDER, SETTINGS, Payload, payloads_of
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
    return HEAD + "".join(map(section, SOURCES))


@needs_payloads
def test_every_recorded_body_is_understood_or_ignored_with_a_reason() -> None:
    assert PAGE.read_text() == written()


@needs_payloads
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
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


if __name__ == "__main__":
    PAGE.write_text(written())
