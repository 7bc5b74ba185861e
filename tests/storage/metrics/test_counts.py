"""What memory tells of the deployments of a period is what they tell themselves."""

from collections import Counter
from itertools import product
from typing import Any

import pytest

from actors import TESTER
from settling import in_every_state
from theodora.dora import Commit, Period
from theodora.events import Deployment, Git
from theodora.query import Field, Query, matches, parse, resolve
from theodora.storage import Organisation, OverrideValues, Store
from theodora.storage.metrics.counts import DeploymentSummary, VerdictCounts

DAY_NS = 86_400 * 10**9
PERIOD = Period(10 * DAY_NS, 40 * DAY_NS)
TENTHS = [Period(day * DAY_NS, (day + 10) * DAY_NS) for day in (10, 20, 30)]
QUERIES = ("*", "team:team-1", "-env:env-1 source:api", "change_failure:true", "version:v3", "a:1")


@pytest.fixture
def deployed(store: Store, org: Organisation) -> list[Deployment]:
    """Two a day, at one instant; rollbacks among them, some verdicts by hand, some pending."""
    for number in range(100):
        day = number // 2
        event = Deployment(
            id=f"{number * 37 % 100:02}",
            service=f"service-{number % 4}",
            env=None if number % 7 == 0 else f"env-{number % 3}",
            team=None if number % 7 == 0 else f"team-{number % 2}",
            version=f"v{number % 6}",
            custom_tags=(f"a:{number % 3}",),
            started_at_ns=day * DAY_NS,
            finished_at_ns=day * DAY_NS + 1,
            source="pipeline" if number % 5 else "api",
        )
        store.deployments.add(org, event, number + 1, actor=TESTER).result()
        if number == 80:
            store.derivations.derive_all_queued(actor=TESTER)
        if number % 9 == 0:
            store.deployments.update(
                org, event.id, OverrideValues(change_failure=True), now_ns=1, actor=TESTER
            ).result()
    return [*store.deployments.everything(org)]


def known(name: str) -> Field:
    field = resolve(name)
    assert isinstance(field, Field)
    return field


def within(deployed: list[Deployment], tree: Query) -> list[Deployment]:
    """Those of the period that match, newest first, and then in order of their ids."""
    found = [each for each in deployed if each.finished_at_ns in PERIOD and matches(tree, each)]
    return sorted(found, key=lambda each: (-each.finished_at_ns, each.id))


def test_the_newest_are_those_that_match_in_order(
    store: Store, org: Organisation, deployed: list[Deployment]
) -> None:
    for tree, limit in product(map(parse, QUERIES), (0, 1, 5, 100)):
        expected = within(deployed, tree)
        found, summaries = store.metrics.in_period(
            org,
            PERIOD,
            lambda those, tree=tree, limit=limit: (
                those.newest(tree, limit),
                those.summaries(tree, limit),
            ),
        )
        assert found == expected[:limit], (tree, limit)
        instants_ns = [each.finished_at_ns for each in expected[:limit]]
        assert [each.finished_at_ns for each in summaries] == instants_ns, (tree, limit)
        assert not Counter(summaries) - Counter(map(glimpse_of, expected)), (tree, limit)


def glimpse_of(deployment: Deployment) -> DeploymentSummary:
    recovery_sec = deployment.recovery_time_sec
    return DeploymentSummary(
        deployment.finished_at_ns,
        deployment.change_failure,
        deployment.deployment_type,
        deployment.lead_time_status,
        None if recovery_sec is None else recovery_sec * 10**9,
    )


HELD = (
    "*",
    "team:team-1",
    "-env:env-1 source:api",
    "change_failure:true",
    "service:(x OR service-1)",
)
NOT_HELD = ("version:v3", "a:1", "team:team-1 -v3", "env:env-1 OR version:v3")


def test_the_newest_of_each_value_is_the_first_by_id_of_the_last_instant(
    store: Store, org: Organisation, deployed: list[Deployment]
) -> None:
    last = max(deployed, key=lambda each: each.finished_at_ns)
    equal = Deployment(
        **{name: getattr(last, name) for name in ("service", "env", "team", "source")},
        id="zz",
        started_at_ns=last.started_at_ns,
        finished_at_ns=last.finished_at_ns,
    )
    store.deployments.add(org, equal, 1, actor=TESTER).result()
    every = [*store.deployments.everything(org)]
    median_ns = sorted(each.finished_at_ns for each in every)[len(every) // 2]
    for query, name in product(HELD, ("service", "team", "env")):
        tree = parse(query)
        newest: dict[str | None, Deployment] = {}
        for each in sorted(every, key=lambda each: (-each.finished_at_ns, each.id)):
            if matches(tree, each):
                newest.setdefault(getattr(each, name), each)
        left_out, *asked = sorted(newest, key=str)
        for since_ns in (0, median_ns, last.finished_at_ns, last.finished_at_ns + 1):
            found = store.metrics.newest_by_value(
                org, tree, known(name), {*asked, "unknown"}, since_ns=since_ns
            )
            assert found == {value: newest[value] for value in asked}, (query, name, left_out)


@pytest.mark.usefixtures("deployed")
def test_memory_does_not_answer_about_what_it_lacks(
    database: str, store: Store, org: Organisation
) -> None:
    for query in NOT_HELD:
        assert (
            store.metrics.newest_by_value(org, parse(query), known("team"), {None}, since_ns=0)
            is None
        )
    with Store(database, metrics_memory_mib=0) as reader:
        every = parse("*")
        assert reader.metrics.newest_by_value(org, every, known("team"), {None}, since_ns=0) is None


@in_every_state
def test_verdicts_and_values_are_counted_part_by_part(
    store: Store, org: Organisation, deployed: list[Deployment]
) -> None:
    for query in QUERIES:
        tree = parse(query)
        matching = within(deployed, tree)
        parts = [[each for each in matching if each.finished_at_ns in p] for p in TENTHS]
        told = store.metrics.in_period(
            org, PERIOD, lambda those, tree=tree: those.verdicts(tree, TENTHS)
        )
        kinds = [Counter(each.change_failure for each in part) for part in parts]
        assert told == [VerdictCounts(each[None], each[False], each[True]) for each in kinds], query
        assert [each.total for each in told] == [*map(len, parts)], query
        nothing, total = store.metrics.in_period(
            org, PERIOD, lambda those, tree=tree: (those.verdicts(tree, []), those.count(tree))
        )
        assert nothing == []
        assert total == len(matching), query
        for name in ("team", "service", "change_failure"):
            series = store.metrics.in_period(
                org,
                PERIOD,
                lambda those, tree=tree, name=name: those.series(tree, known(name), TENTHS),
            )
            counts = [Counter(getattr(each, name) for each in part) for part in parts]
            named: set[Any] = set().union(*counts)
            assert {value: course for value, course in series.items() if any(course)} == {
                value: [each[value] for each in counts] for value in named
            }, (query, name)


def test_commits_are_counted_by_lead_time(store: Store, org: Organisation) -> None:
    """Of the first deployment none: its commits are not its own doing."""
    shas = [f"{number:040x}" for number in range(1, 6)]
    ages_days = (9, 3, 2, 1, 0)
    url = "https://git.example.org/web"
    commits = [
        Commit(
            sha=sha,
            parents=tuple(shas[at - 1 : at] if at else ()),
            author_time_ns=(20 - days) * DAY_NS,
            commit_time_ns=(20 - days) * DAY_NS,
        )
        for at, (sha, days) in enumerate(zip(shas, ages_days, strict=True))
    ]
    store.commits.add_commits(org, "git.example.org/web", commits, actor=TESTER).result()
    for name, sha, day in (("first", shas[0], 12), ("second", shas[4], 20)):
        store.deployments.add(
            org,
            Deployment(
                id=name,
                service="web",
                started_at_ns=day * DAY_NS,
                finished_at_ns=day * DAY_NS,
                git=Git(sha, url),
            ),
            1,
            actor=TESTER,
        ).result()
    store.derivations.derive_all_queued(actor=TESTER)
    edges_ns = [0, DAY_NS, 2 * DAY_NS, 30 * DAY_NS]
    found = store.metrics.in_period(
        org, PERIOD, lambda those: those.commits(parse("service:web"), edges_ns)
    )
    assert found == [1, 1, 2, 0]
    assert (
        store.metrics.in_period(
            org, PERIOD, lambda those: those.commits(parse("service:api"), edges_ns)
        )
        == [0] * 4
    )
