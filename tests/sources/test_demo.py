"""The made-up history: believable, and always the same."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from theodora.dora import DeploymentSequence, Repository, ServiceSettings, derive
from theodora.dora.derivation.settings_input import read_settings
from theodora.events import Deployment, Failure
from theodora.sources.demo import DAYS, DemoHistory, demo_history
from theodora.sources.demo_company import SERVICES
from theodora.storage.facts.settings import resolved

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 10**9
DAY_NS = 86_400 * 10**9


@pytest.fixture(scope="module")
def history() -> DemoHistory:
    return demo_history(NOW)


@pytest.fixture(scope="module")
def deployments(history: DemoHistory) -> list[Deployment]:
    return [event for event in history.events if isinstance(event, Deployment)]


def sequence(history: DemoHistory, service: str, env: str) -> DeploymentSequence:
    """The deployments of a service with their commits, without verdicts by hand."""
    return DeploymentSequence(
        deployments=tuple(
            event
            for event in history.events
            if isinstance(event, Deployment) and (event.service, event.env) == (service, env)
        ),
        repositories={
            id_: Repository(
                commits={commit.sha: commit for commit in commits},
                pull_requests=tuple(history.pull_requests[id_]),
            )
            for id_, commits in history.commits.items()
        },
        settings=settings_of(history, service),
    )


def settings_of(history: DemoHistory, service: str) -> ServiceSettings:
    return resolved({}, dict(history.settings.get(service, {})))


def test_the_same_seed_makes_the_same_history() -> None:
    assert demo_history(NOW, seed=3) == demo_history(NOW, seed=3)
    assert demo_history(NOW, seed=3) != demo_history(NOW, seed=4)


def test_the_demo_is_half_a_year_of_every_service_up_to_now(
    history: DemoHistory, deployments: list[Deployment]
) -> None:
    assert {each.service for each in deployments} == {each.name for each in SERVICES}
    assert NOW_NS - DAY_NS < max(each.finished_at_ns for each in deployments) <= NOW_NS
    assert min(each.started_at_ns for each in deployments) >= NOW_NS - (DAYS + 1) * DAY_NS
    assert all(event.source == "demo" for event in history.events)
    assert len({event.id for event in history.events}) == len(history.events)


def test_what_is_committed_comes_before_what_is_deployed_and_after_its_parents(
    history: DemoHistory,
) -> None:
    for commits in history.commits.values():
        by_sha = {commit.sha: commit for commit in commits}
        assert len(by_sha) == len(commits)
        assert all(parent in by_sha for commit in commits for parent in commit.parents)
        assert all(commit.author_time_ns <= NOW_NS for commit in commits)


def test_every_rule_finds_something_and_every_status_occurs(history: DemoHistory) -> None:
    derived = [
        each
        for service in SERVICES
        for each in derive(sequence(history, service.name, service.production))
    ]
    rules = Counter(each.verdict.rule for each in derived)
    assert min(rules[rule] for rule in ("rollback", "revert", "hotfix")) >= 5
    assert rules["pending"] == 1
    statuses = {each.changes.status for each in derived}
    assert statuses >= {"ok", "baseline", "no_git", "unknown_commits", "no_new_commits"}
    stages = [commit.stages for each in derived for commit in each.changes.commits if commit.stages]
    assert sum(each.review_time is not None for each in stages) > len(stages) / 2
    assert not [each for each in derived if "paths_missing" in each.flags]


def test_one_service_gets_better_and_one_is_flaky(history: DemoHistory) -> None:
    checkout = derive(sequence(history, "checkout", "production"))
    half = len(checkout) // 2
    spans = [
        [c.lead_time_ns for each in part for c in each.changes.commits if c.lead_time_ns]
        for part in (checkout[:half], checkout[half:])
    ]
    before, after = (sum(each) / len(each) for each in spans)
    assert after < before / 2
    search = derive(sequence(history, "search", "production"))
    failed = sum(each.verdict.change_failure is True for each in search)
    assert failed > len(search) / 10


def test_settings_are_such_as_may_be_given(history: DemoHistory) -> None:
    for given in history.settings.values():
        assert read_settings(dict(given)) == given


def test_verdicts_are_about_deployments_and_have_reasons(
    history: DemoHistory, deployments: list[Deployment]
) -> None:
    finished = {each.id: each.finished_at_ns for each in deployments}
    assert {act.values.change_failure for act in history.verdicts if act.values} == {True, False}
    for act in history.verdicts:
        assert finished[act.deployment_id] < act.author.at_ns <= NOW_NS
        assert act.author.reason or act.values is None


def test_incidents_are_few_and_one_is_open(
    history: DemoHistory, deployments: list[Deployment]
) -> None:
    failures = [event for event in history.events if isinstance(event, Failure)]
    assert 20 < len(failures) < len(deployments) / 20
    assert [each.services for each in failures if each.finished_at_ns is None] == [("search",)]
    assert ("checkout", "payment-gateway") in {each.services for each in failures}
