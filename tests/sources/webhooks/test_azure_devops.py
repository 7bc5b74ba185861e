"""Azure DevOps' service hooks: a story in any order, and why some are ignored."""

from typing import Any

import pytest

from deliveries import Delivery, Json, at, ns, orders, outcome, reading, sha
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS, SourceSettings

REPOSITORY: Json = {"remoteUrl": "https://acme@dev.example/acme/shop/_git/shop"}
PLACE = "dev.example/acme/shop/_git/shop"
REQUEST = f"pull_request:{PLACE}:7"
DEPLOYS = SourceSettings(workflows=("DeployProd", "shop-cd"), envs={"DeployProd": "production"})


def azure(event: str, hour: float, **resource: Any) -> Delivery:
    return Delivery({}, {"eventType": event, "createdDate": at(hour), "resource": resource})


def release(status: str, hour: float, id_: int = 5, attempt: int = 1, **more: Any) -> Delivery:
    kind = "started" if status == "queued" else "completed"
    stage = {"id": id_, "name": "Prod", "status": status, "release": {"name": "Release-1"}}
    return azure(
        f"ms.vss-release.deployment-{kind}-event",
        hour,
        environment=stage,
        project={"id": "P1", "name": "Shop"},
        attemptId=attempt,
        **more,
    )


def stage(hour: float, name: str = "DeployProd", **members: str) -> Delivery:
    said = {"name": name, "displayName": "Deploy", **members}
    pipeline = {"id": 2, "name": "shop"}
    return azure(
        "ms.vss-pipelines.stage-state-changed-event",
        hour,
        stage=said,
        run={"id": 7},
        pipeline=pipeline,
    )


def build(hour: float, result: str = "succeeded", **members: Any) -> Delivery:
    said = {
        "id": 9,
        "buildNumber": "20260301.1",
        "definition": {"name": "shop-cd"},
        "status": "completed",
        "result": result,
        "startTime": at(hour - 0.5),
        "finishTime": at(hour),
        "sourceBranch": "refs/heads/main",
        "sourceVersion": sha(3),
        "repository": {"url": "https://dev.example/acme/shop/_git/shop"},
        **members,
    }
    return azure("build.complete", hour, **said)


def request(event: str, hour: float, votes: tuple[int, ...] = (), **members: Any) -> Delivery:
    said = {
        "pullRequestId": 7,
        "repository": REPOSITORY,
        "status": "active",
        "title": "Add a cart",
        "labels": [{"name": "shop"}],
        "sourceRefName": "refs/heads/cart",
        "creationDate": at(1),
        "lastMergeSourceCommit": {"commitId": sha(2)},
        "lastMergeCommit": {"commitId": sha(99)},
        "reviewers": [{"id": f"reviewer-{n}", "vote": vote} for n, vote in enumerate(votes)],
        **members,
    }
    return azure(f"git.pullrequest.{event}", hour, **said)


def merged(hour: float) -> Json:
    return {
        "status": "completed",
        "closedDate": at(hour),
        "lastMergeCommit": {"commitId": sha(3)},
        "completionOptions": {"mergeStrategy": "squash"},
    }


def push(before: int, *commits: int, ref: str = "refs/heads/main") -> Delivery:
    """The newest commit comes first."""
    who = {"name": "Dev One", "email": "dev1@example.com"}
    pushed = [
        {
            "commitId": sha(each),
            "author": {**who, "date": at(each)},
            "committer": {**who, "date": at(each + 0.5)},
            "comment": f"Do {each}",
        }
        for each in commits[::-1]
    ]
    head = sha(commits[-1]) if commits else "0" * 40
    update = {"name": ref, "oldObjectId": sha(before), "newObjectId": head}
    return azure("git.push", 1, commits=pushed, refUpdates=[update], repository=REPOSITORY)


STORY = [
    push(0, 1),
    request("created", 1, (0, 0)),
    request("updated", 2, (10, 0)),
    request("updated", 2.5, (10, 5)),
    request("updated", 2.6, (10, -5)),
    request("merged", 2.7, (10, -5), mergeStatus="conflicts"),
    request("updated", 3, (10, 0), **merged(3)),
    request("merged", 3.001, (10, 0), **merged(3)),
    push(1, 2, 3),
    release("queued", 4),
    release("succeeded", 4.5),
    release("queued", 5, attempt=2),
    release("succeeded", 5.5, attempt=2),
    release("queued", 6, id_=6),
    release("rejected", 6.5, id_=6),
    stage(7, state="running"),
    stage(8, state="completed", result="succeeded"),
    build(9),
]


def test_the_order_of_a_story_makes_no_difference() -> None:
    expected = outcome("azuredevops", STORY, DEPLOYS)
    for story in orders(STORY):
        assert outcome("azuredevops", story, DEPLOYS) == expected


def test_the_story_has_its_releases() -> None:
    found = outcome("azuredevops", STORY, DEPLOYS)
    first, again = found["deployment:P1:release-5"], found["deployment:P1:release-5-2"]
    assert (first.started_at_ns, first.finished_at_ns) == (ns(4), ns(4.5))
    assert (first.service, first.env, first.version) == ("Shop", "Prod", "Release-1")
    assert (again.started_at_ns, again.finished_at_ns) == (ns(5), ns(5.5))
    assert found["deployment:P1:release-6"] is None, "it was rejected"


def test_the_story_has_its_stage_and_its_build() -> None:
    found = outcome("azuredevops", STORY, DEPLOYS)
    by_stage = found["deployment:run-7-DeployProd"]
    assert (by_stage.started_at_ns, by_stage.finished_at_ns) == (ns(7), ns(8))
    assert (by_stage.service, by_stage.env) == ("shop", "production")
    by_build = found[f"deployment:{PLACE}:build-9"]
    assert (by_build.started_at_ns, by_build.finished_at_ns) == (ns(8.5), ns(9))
    assert (by_build.git.commit_sha, by_build.version) == (sha(3), "20260301.1")


def test_the_story_has_its_pull_request() -> None:
    found = outcome("azuredevops", STORY, DEPLOYS)[REQUEST].pull_request
    assert (found.title, found.labels, found.branch) == ("Add a cart", ("shop",), "cart")
    assert (found.created_at_ns, found.merged_at_ns) == (ns(1), ns(3))
    assert found.last_approved_at_ns == ns(2), "the first that shows it; the other is withdrawn"
    assert (found.merge_commit_sha, found.merge_method) == (sha(3), "squash")


def test_an_attempt_to_merge_is_no_merge() -> None:
    [only] = outcome("azuredevops", [request("merged", 2, mergeStatus="conflicts")]).values()
    assert (only.pull_request.merged_at_ns, only.pull_request.merge_commit_sha) == (None, None)


def test_commits_follow_one_another_from_the_oldest_on() -> None:
    found = outcome("azuredevops", STORY)
    assert (found[sha(2)].parents, found[sha(3)].parents) == ((sha(1),), (sha(2),))
    assert (found[sha(3)].author_time_ns, found[sha(3)].commit_time_ns) == (ns(3), ns(3.5))


def test_a_release_has_the_service_of_its_definition() -> None:
    named = release("succeeded", 1, release={"releaseDefinition": {"name": "shop-cd"}})
    assert outcome("azuredevops", [named])["deployment:P1:release-5"].service == "shop-cd"
    settings = SourceSettings(services={"Shop": "web"}, envs={"Prod": "production"})
    found = outcome("azuredevops", [named], settings)["deployment:P1:release-5"]
    assert (found.service, found.env) == ("web", "production")


OLD = {"sourceBranch": None, "sourceGetVersion": f"LG:refs/heads/main:{sha(4)}"}


def test_an_old_build_names_its_commit_elsewhere() -> None:
    [found] = outcome("azuredevops", [build(9, **OLD, sourceVersion=None)], DEPLOYS).values()
    assert found.git.commit_sha == sha(4)


@pytest.mark.parametrize(
    ("delivery", "settings", "reason"),
    [
        (azure("workitem.created", 1), DEPLOYS, "workitem.created says nothing"),
        (azure("ms.vss-pipelines.run-state-changed-event", 1), DEPLOYS, "says the same"),
        (azure("ms.vss-pipelines.job-state-changed-event", 1), DEPLOYS, "its stage counts"),
        (release("scheduled", 1), DEPLOYS, "the deployment is scheduled"),
        (stage(1, state="running"), DEFAULT_SETTINGS, 'do not name "DeployProd"'),
        (stage(1, state="waiting"), DEPLOYS, "the stage is waiting"),
        (stage(1, state="completed", result="skipped"), DEPLOYS, "the stage is skipped"),
        (build(1), DEFAULT_SETTINGS, 'do not name "shop-cd"'),
        (build(1, reason="pullRequest"), DEPLOYS, "for a pull request"),
        (build(1, sourceBranch="refs/heads/cart"), DEPLOYS, 'on the branch "cart"'),
        (build(1, result=None, status="inProgress"), DEPLOYS, "or is inProgress"),
        (push(1), DEPLOYS, "brings no commits"),
        (push(1, 2, ref="refs/tags/v1"), DEPLOYS, "a tag brings no commits"),
    ],
)
def test_what_does_not_count_is_ignored_with_a_reason(
    delivery: Delivery, settings: SourceSettings, reason: str
) -> None:
    found = reading("azuredevops", delivery, settings)
    assert (found.state, found.facts, found.commits) == ("ignored", (), ())
    assert reason in found.reason
