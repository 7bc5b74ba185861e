"""Stories of deliveries: the events that they add up to, in whatever order they come in."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any

import msgspec

from actors import TESTER
from deliveries import Delivery, body_of, ns, reading
from theodora.dora import MetricsQuery, Period
from theodora.events import Deployment, Failure
from theodora.query import parse
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS, SourceSettings
from theodora.sources.webhooks.fold import fold
from theodora.sources.webhooks.read import encode_settings
from theodora.sources.webhooks.worker import InboxWorker
from theodora.storage import Folded, Organisation, Store


def events_of(
    kind: str, story: Sequence[Delivery], settings: SourceSettings = DEFAULT_SETTINGS
) -> Mapping[str, Folded]:
    """The events of a story by their things, which are the same in every order."""
    expected = _folded(kind, story, settings)
    shuffled = [*story, *story[::2]]
    Random(7).shuffle(shuffled)
    for order in (story[::-1], [*story, *story], shuffled):
        assert _folded(kind, order, settings) == expected
    return expected


def deployments(
    kind: str, story: Sequence[Delivery], settings: SourceSettings = DEFAULT_SETTINGS
) -> list[Deployment]:
    """The deployments of a story, the first one first."""
    events = events_of(kind, story, settings).values()
    found = [each for each in events if isinstance(each, Deployment)]
    return sorted(found, key=lambda each: each.finished_at_ns)


def failures(
    kind: str, story: Sequence[Delivery], settings: SourceSettings = DEFAULT_SETTINGS
) -> list[Failure]:
    """The failures of a story, the first one first."""
    events = events_of(kind, story, settings).values()
    found = [each for each in events if isinstance(each, Failure)]
    return sorted(found, key=lambda each: each.started_at_ns)


def _folded(kind: str, story: Sequence[Delivery], settings: SourceSettings) -> dict[str, Folded]:
    documents: dict[str, set[str]] = {}
    for delivery in story:
        found = reading(kind, delivery, settings)
        assert found.state != "failed", found.reason
        for fact in found.facts:
            documents.setdefault(fact.thing, set()).add(fact.document)
    folded = {thing: fold(kind, thing, list(facts)) for thing, facts in documents.items()}
    return {thing: event for thing, event in folded.items() if event is not None}


SentStory = Sequence[tuple[str, Delivery]]
"""Deliveries with the kinds of their sources."""

PERIOD = Period(ns(-24), ns(24 * 28))


def shuffled(seed: int) -> Callable[[SentStory], SentStory]:
    """In any order, and some of them twice."""

    def shuffle(story: SentStory) -> SentStory:
        rng = Random(seed)
        mixed = [*story, *rng.sample(list(story), len(story) // 2)]
        rng.shuffle(mixed)
        return mixed

    return shuffle


ORDERS: dict[str, Callable[[SentStory], SentStory]] = {
    "reversed": lambda story: story[::-1],
    "twice": lambda story: [*story, *story],
    "each twice": lambda story: [each for each in story for _ in range(2)],
    "interleaved": lambda story: [*story[::2], *story[1::2]],
    "shuffled": shuffled(0),
}


def deliver(
    store: Store,
    name: str,
    story: SentStory,
    settings: Mapping[str, SourceSettings] = {},
    at_once: int = 1_000,
) -> Organisation:
    """A new organisation that has received the story, and read a part of it at a time."""
    org = store.keys.ensure_organisation(name, 1, actor=TESTER).result()
    sources = {
        kind: store.sources.add(org, kind, kind, encode_settings(given), 1, actor=TESTER).result()
        for kind, given in settings.items()
    }
    worker = InboxWorker(store, 30)
    for start in range(0, len(story), at_once):
        writes = [
            store.inbox.receive(
                *(org, kind, sources[kind].id if kind in sources else ""),
                *(each.headers, body_of(each), ns(0)),
                actor=TESTER,
            )
            for kind, each in story[start : start + at_once]
        ]
        for write in writes:
            write.result()
        while worker.work_off():
            pass
        store.derivations.derive_all_queued(actor=TESTER)
    assert not any(counts.failed for counts in store.inbox.counts(org))
    return org


def results(store: Store, org: Organisation) -> dict[str, Any]:
    """What a story has come to, in all that does not depend on when its parts came in."""
    query = MetricsQuery(
        period=PERIOD, as_of_ns=PERIOD.end_ns, interval="month", group_by=(), stages=True
    )
    repositories = [
        store.commits.repository(org, each.repository_id)
        for each in store.commits.repositories(org)
    ]
    return {
        "metrics": store.metrics.report(org, query, parse("*")).overall.total,
        "deployments": _sorted_events(store.deployments.everything(org)),
        "failures": _sorted_events(store.failures.everything(org)),
        "pull requests": sorted(repr(pull) for each in repositories for pull in each.pull_requests),
        "commits": {
            sha: commit.parents for each in repositories for sha, commit in each.commits.items()
        },
    }


def _sorted_events(found: Iterable[Deployment | Failure]) -> list[str]:
    """Events without the time at which they came in."""
    return sorted(repr(msgspec.structs.replace(each, created_at_ns=0)) for each in found)
