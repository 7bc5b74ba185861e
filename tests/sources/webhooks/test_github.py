"""GitHub's webhooks: which count, with which settings, and why others are ignored."""

from typing import Any

import pytest

from deliveries import Delivery, at, deployment, github, ns, push, reading, review, sha, status
from theodora.sources.webhooks.delivery import SourceSettings
from theodora.sources.webhooks.facts import DeploymentFact, decode_fact

PRODUCTION = deployment(7, 1, 10)
DEPLOYS = SourceSettings(workflows=("Deploy",), env="production")
RELEASES = SourceSettings(releases=True, env="production")


def run(**members: Any) -> Delivery:
    return github(
        "workflow_run",
        workflow_run={
            "id": 5,
            "name": "Deploy",
            "head_branch": "main",
            "event": "push",
            "conclusion": "success",
            "head_sha": sha(1),
            "run_started_at": at(1),
            "updated_at": at(2),
            **members,
        },
    )


def release(action: str = "published", **members: Any) -> Delivery:
    said = {"id": 6, "tag_name": "v1.2", "prerelease": False, "published_at": at(3), **members}
    return github("release", action=action, release=said)


def deployed(delivery: Delivery, settings: SourceSettings) -> list[DeploymentFact]:
    facts = [decode_fact(each.document) for each in reading("github", delivery, settings).facts]
    assert all(isinstance(each, DeploymentFact) for each in facts)
    return facts  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize(
    ("delivery", "settings", "reason"),
    [
        (Delivery({}, {}), DEPLOYS, "no header X-GitHub-Event"),
        (github("ping"), DEPLOYS, "ping says nothing"),
        (status(PRODUCTION, "inactive", 11), DEPLOYS, "the status inactive does not change"),
        (review(1, "pending", 2), DEPLOYS, "pending has not been submitted"),
        (push(1, ref="refs/heads/main"), DEPLOYS, "brings no commits"),
        (push(1, (2, 1, "x"), ref="refs/tags/v1"), DEPLOYS, "a tag brings no commits"),
        (
            push(1, (2, 1, "x"), ref="refs/heads/gh-readonly-queue/main/pr-1-abc"),
            DEPLOYS,
            "the merge queue only tries",
        ),
        (run(), SourceSettings(), 'do not name "Deploy"'),
        (run(name="Test"), DEPLOYS, 'do not name "Test"'),
        (run(head_branch="change-1"), DEPLOYS, 'on the branch "change-1"'),
        (run(event="pull_request"), DEPLOYS, "for a pull request"),
        (run(conclusion="cancelled"), DEPLOYS, "or is cancelled"),
        (run(conclusion=None), DEPLOYS, "no result yet"),
        (release(), DEPLOYS, "do not count a release"),
        (release("edited"), RELEASES, "a release that is edited"),
        (github("release", action=[]), RELEASES, "a release that is not published"),
        (release(prerelease=True), RELEASES, "a pre-release"),
    ],
)
def test_what_does_not_count_is_ignored_with_a_reason(
    delivery: Delivery, settings: SourceSettings, reason: str
) -> None:
    found = reading("github", delivery, settings)
    assert (found.state, found.facts, found.commits) == ("ignored", (), ())
    assert reason in found.reason


def test_a_workflow_that_settings_name_deploys() -> None:
    started, succeeded = deployed(run(), DEPLOYS)
    assert (started.status, started.at_ns) == ("started", ns(1))
    assert (succeeded.status, succeeded.at_ns) == ("succeeded", ns(2))
    assert (succeeded.service, succeeded.env) == ("shop", "production")
    assert (succeeded.commit_sha, succeeded.number) == (sha(1), "run-5")
    assert deployed(run(conclusion="failure"), DEPLOYS)[1].status == "failed"
    elsewhere = SourceSettings(workflows=("Deploy",), branches=("release",))
    assert deployed(run(head_branch="release"), elsewhere)


def test_a_release_deploys_its_tag() -> None:
    [published] = deployed(release(), RELEASES)
    assert (published.version, published.at_ns) == ("v1.2", ns(3))
    assert (published.env, published.commit_sha) == ("production", None)


@pytest.mark.parametrize(
    ("ref", "version"), [("v1.4.0", "v1.4.0"), ("2026.03", "2026.03"), ("main", None), ("", None)]
)
def test_a_ref_that_is_a_version_is_one(ref: str, version: str | None) -> None:
    made = {**PRODUCTION, "ref": ref}
    assert deployed(status(made, "success", 11), SourceSettings())[0].version == version


def test_settings_give_services_and_environments_other_names() -> None:
    renamed = SourceSettings(services={"acme/shop": "checkout"}, envs={"production": "prod"})
    found = deployed(status(PRODUCTION, "success", 11), renamed)[0]
    assert (found.service, found.env) == ("checkout", "prod")
    one = deployed(status(PRODUCTION, "success", 11), SourceSettings(service="web", env="test"))[0]
    assert (one.service, one.env) == ("web", "production")
    unnamed = status({**PRODUCTION, "environment": ""}, "success", 11)
    assert deployed(unnamed, SourceSettings(env="test"))[0].env == "test"


@pytest.mark.parametrize("members", [{"forced": True}, {"before": "0" * 40}])
def test_nobody_knows_what_a_new_or_forced_branch_is_based_on(members: Any) -> None:
    headers, payload, *_ = push(1, (2, 1, "One"), (3, 2, "Two"))
    [pushed] = reading("github", Delivery(headers, {**payload, **members})).commits
    assert [each.parents for each in pushed.commits] == [(), (sha(2),)]


def test_a_commit_has_what_the_push_says_of_it() -> None:
    [pushed] = reading("github", push(1, (2, 3, "Add a cart\n\nWith\0 wheels."))).commits
    [commit] = pushed.commits
    assert (commit.subject, commit.message) == ("Add a cart", "Add a cart\n\nWith wheels.")
    assert (commit.author_name, commit.author_time_ns) == ("Dev One", ns(3))
    assert pushed.repository_id == "github.com/acme/shop"
