"""What a preview of settings shows is what saving them and a replay changes."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from actors import TESTER
from deliveries import Delivery, body_of, deployment, github, incident, pull_request, status
from theodora.sources.webhooks.common_settings import followed_settings
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS, SourceSettings
from theodora.sources.webhooks.fold import event_id
from theodora.sources.webhooks.preview import preview_common_settings, preview_settings
from theodora.sources.webhooks.read import encode_settings
from theodora.sources.webhooks.worker import InboxWorker
from theodora.storage import InboxQuery, Organisation, Store, WebhookSource

GITHUB = (
    status(deployment(1, 1, 1), "success", 2),
    status(deployment(2, 1, 1, env="staging"), "success", 2),
    status({**deployment(3, 1, 1), "ref": "v1.0-rc1"}, "success", 2),
    pull_request(3, "opened", 1),
    github(
        "release",
        action="published",
        release={"id": 9, "tag_name": "v1.0", "published_at": "2026-03-01T05:00:00Z"},
    ),
    github("ping"),
)
HIGH = {"priority": {"summary": "P1"}, "service": {"summary": "cart"}}
PAGERDUTY = (
    incident("triggered", 1, "Q1"),
    incident("triggered", 1, "Q2", **HIGH),
    incident("resolved", 2, "Q2", **HIGH),
)


@pytest.fixture
def worker(store: Store) -> Iterator[InboxWorker]:
    worker = InboxWorker(store, keep_days=30)
    yield worker
    worker.stop()


def filled(
    store: Store, org: Organisation, kind: str, deliveries: tuple[Delivery, ...]
) -> WebhookSource:
    source = store.sources.add(org, kind, kind, "", 1, actor=TESTER).result()
    for each in deliveries:
        store.inbox.receive(
            org, kind, source.id, each.headers, body_of(each), 1, actor=TESTER
        ).result()
    InboxWorker(store, 30).work_off()
    return source


def events(store: Store, org: Organisation) -> Mapping[str, Any]:
    found = [*store.deployments.everything(org), *store.failures.everything(org)]
    return {each.id: each for each in found}


def states(store: Store, source: WebhookSource) -> list[str]:
    query = InboxQuery(source.kind, source.id)
    return sorted(each.state for each in store.inbox.select(source.organisation, query))


@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        ("github", {}, (0, 0, 0)),
        ("github", {"service": "web"}, (0, 0, 3)),
        ("github", {"releases": True, "env": "production"}, (1, 0, 0)),
        ("github", {"count_deployments": "NOT version:*-rc*"}, (0, 1, 0)),
        ("github", {"envs": {"staging": "production"}, "team": "Web"}, (0, 0, 3)),
        ("github", {"envs": {"staging": "e" * 300}}, (0, 1, 0)),
        ("pagerduty", {"count_failures": "severity:P1"}, (0, 1, 0)),
        ("pagerduty", {"services": {"cart": "basket"}}, (0, 0, 1)),
    ],
)
def test_a_preview_is_what_a_replay_changes(
    store: Store,
    org: Organisation,
    worker: InboxWorker,
    kind: str,
    settings: dict[str, Any],
    expected: tuple[int, int, int],
) -> None:
    source = filled(store, org, kind, {"github": GITHUB, "pagerduty": PAGERDUTY}[kind])
    before, states_before = events(store, org), states(store, source)
    given = SourceSettings(**settings)
    found = preview_settings(store, source, given)
    assert (found.count("new"), found.count("lost"), found.count("changed")) == expected
    assert (events(store, org), states(store, source)) == (before, states_before)
    encoded = encode_settings(given)
    store.sources.change_settings(org, source.id, encoded, actor=TESTER).result()
    store.inbox.replay(org, kind, source.id, actor=TESTER).result()
    worker.work_off()
    after = events(store, org)
    assert {event_id(kind, each.thing) for each in found.differences} == {
        id_ for id_ in {**before, **after} if before.get(id_) != after.get(id_)
    }
    assert sorted(found.then.elements()) == states(store, source)
    assert sorted(found.now.elements()) == states_before
    assert not preview_settings(store, source, given).differences


def test_a_difference_names_what_differs(store: Store, org: Organisation) -> None:
    source = filled(store, org, "github", GITHUB)
    [moved] = preview_settings(
        store, source, SourceSettings(envs={"staging": "production"})
    ).differences
    assert (moved.now, moved.then) == ("env staging", "env production")
    query = "NOT version:*-rc*"
    [lost] = preview_settings(store, source, SourceSettings(count_deployments=query)).differences
    assert lost.now == "shop, production, v1.0-rc1"
    assert lost.then == "it does not match the setting count_deployments"
    [new] = preview_settings(store, source, SourceSettings(releases=True, team="Web")).differences[
        -1:
    ]
    assert (new.kind, new.then) == ("new", "shop, v1.0, Web")


def test_facts_of_deliveries_that_are_no_longer_kept_count_too(
    store: Store, org: Organisation, worker: InboxWorker
) -> None:
    """The first success finishes a deployment, and its delivery is gone."""
    source = filled(store, org, "github", GITHUB[:1])
    store.inbox.prune(org, 2, 0, actor=TESTER).result()
    again = status(deployment(1, 1, 1), "success", 9)
    store.inbox.receive(
        org, "github", source.id, again.headers, body_of(again), 5, actor=TESTER
    ).result()
    worker.work_off()
    found = preview_settings(store, source, SourceSettings(env="staging"))
    assert (found.deliveries, found.differences) == (1, [])


def test_a_preview_of_settings_of_all_sources_is_what_replays_change(
    store: Store, org: Organisation, worker: InboxWorker
) -> None:
    """One source has a service of its own; PagerDuty comes with an API key."""
    own = filled(store, org, "github", (pull_request(3, "opened", 1),))
    mine = encode_settings(SourceSettings(service="own", releases=False))
    store.sources.change_settings(org, own.id, mine, actor=TESTER).result()
    release = github("release", action="published", release={**GITHUB[4].payload["release"]})
    told = [("github", own.id, release), ("pagerduty", "", PAGERDUTY[0])]
    told.append(("github", own.id, status(deployment(9, 1, 1), "success", 2)))
    for kind, id_, each in told:
        store.inbox.receive(org, kind, id_, each.headers, body_of(each), 1, actor=TESTER).result()
    filled(store, org, "github", GITHUB)
    before = events(store, org)
    given = SourceSettings(service="all", releases=True, env="production")
    found = preview_common_settings(store, org, given)
    counts = [found.count(each) for each in ("new", "lost", "changed")]
    assert counts == [1, 0, 4], found.differences
    store.sources.change_common_settings(org, encode_settings(given), actor=TESTER).result()
    for counted in store.inbox.counts(org):
        store.inbox.replay(org, counted.kind, counted.source, actor=TESTER).result()
    worker.work_off()
    after = events(store, org)
    assert len({id_ for id_ in {**before, **after} if before.get(id_) != after.get(id_)}) == 5
    services = [each.service for each in store.deployments.everything(org)]
    assert sorted(services) == ["all", "all", "all", "all", "own"]
    [failure] = store.failures.everything(org)
    assert (failure.services, failure.env) == (("all",), "production")
    assert not preview_common_settings(store, org, given).differences


def test_a_source_follows_the_settings_of_all_where_it_has_none() -> None:
    own = SourceSettings(
        services={"acme/*": "mine"}, branches=("release/*",), releases=False, env="staging"
    )
    common = SourceSettings(
        services={"acme/shop": "theirs", "other/*": "theirs"},
        branches=("main",),
        releases=True,
        env="production",
        team="Web",
        severities=("P1",),
    )
    followed = followed_settings("github", own, common)
    assert followed == SourceSettings(
        services={"acme/*": "mine", "other/*": "theirs"},
        branches=("release/*",),
        releases=False,
        env="staging",
        team="Web",
    ), "GitHub has no severities"
    assert followed_settings("datadog-ci", DEFAULT_SETTINGS, common) == DEFAULT_SETTINGS


def test_webhooks_of_another_source_stay_as_they_are(store: Store, org: Organisation) -> None:
    """Both have told of the same incident."""
    first = filled(store, org, "pagerduty", PAGERDUTY)
    second = filled(store, org, "pagerduty", PAGERDUTY[2:])
    assert preview_settings(store, first, SourceSettings()).differences == []
    renamed = SourceSettings(services={"cart": "basket"})
    assert preview_settings(store, second, renamed).count("changed") == 1
