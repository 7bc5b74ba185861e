"""GitLab's webhooks: a story in any order, and why some are ignored."""

from typing import Any

import pytest

from deliveries import Delivery, Json, at, ns, orders, outcome, reading, sha
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS, SourceSettings

PROJECT: Json = {
    "web_url": "https://gitlab.example/acme/shop",
    "path_with_namespace": "acme/shop",
    "default_branch": "main",
}
DEPLOYS = SourceSettings(
    workflows=("acme/shop",), env="production", releases=True, services={"acme/shop": "web"}
)


def gitlab(kind: str, **payload: Any) -> Delivery:
    return Delivery({}, {"object_kind": kind, "project": PROJECT, **payload})


def deployment(status: str, hour: float, commit: int = 3, id_: int = 1, **members: Any) -> Delivery:
    said = {
        "deployment_id": id_,
        "status": status,
        "status_changed_at": at(hour).replace("T", " ").replace("Z", " +0000"),
        "environment": "production",
        "commit_url": f"https://gitlab.example/acme/shop/-/commit/{sha(commit)}",
        "ref": "main",
        **members,
    }
    return gitlab("deployment", **said)


def request(action: str, hour: float, head: int = 2, changes: Any = None, **said: Any) -> Delivery:
    attributes = {
        "iid": 7,
        "action": action,
        "title": "Add a cart",
        "source_branch": "cart",
        "created_at": at(1),
        "updated_at": at(hour).replace("T", " ").replace("Z", " UTC"),
        "last_commit": {"id": sha(head)},
        "merge_commit_sha": None,
        **said,
    }
    user = {"id": said.pop("user", 42)}
    return gitlab(
        "merge_request",
        object_attributes=attributes,
        user=user,
        labels=[{"title": "shop"}],
        changes=changes or {},
    )


def push(before: int, *commits: int, total: int | None = None, ref: str = "main") -> Delivery:
    pushed = [{"id": sha(each), "message": f"Do {each}", "timestamp": at(each)} for each in commits]
    return gitlab(
        "push",
        ref=f"refs/heads/{ref}",
        before=sha(before),
        after=sha(commits[-1]) if commits else "0" * 40,
        commits=pushed,
        total_commits_count=len(commits) if total is None else total,
    )


def pipeline(status: str, hour: float = 5, **members: Any) -> Delivery:
    run = {
        "id": 9,
        "ref": "main",
        "source": "push",
        "status": status,
        "sha": sha(3),
        "created_at": at(4),
        "finished_at": at(hour),
        **members,
    }
    return gitlab("pipeline", object_attributes=run)


def release(action: str = "create", hour: float = 6) -> Delivery:
    return gitlab(
        "release",
        id=8,
        action=action,
        tag="v1.2",
        created_at=at(6),
        released_at=at(hour),
        commit={"id": sha(3)},
    )


def issue(state: str, hour: float, kind: str = "Incident") -> Delivery:
    said = {
        "id": 5,
        "type": kind,
        "title": "Cart is down",
        "state": state,
        "severity": "high",
        "created_at": at(8),
        "updated_at": at(hour + 0.5),
        "closed_at": at(hour) if state == "closed" else None,
    }
    if state == "opened":
        said["updated_at"] = at(hour)
    return gitlab("issue", object_attributes=said)


READY = {"draft": {"previous": True, "current": False}}
STORY = [
    push(0, 1),
    push(1, 2, ref="cart"),
    request("open", 1),
    request("update", 2, changes=READY),
    request("approved", 2.5),
    request("unapproved", 2.6),
    request("approval", 2.7),
    request("merge", 3, merge_commit_sha=sha(3)),
    request("update", 4, merge_commit_sha=sha(3), title="Add a cart to the shop"),
    push(1, 2, 3),
    deployment("created", 3.1),
    deployment("running", 3.2),
    deployment("blocked", 3.25),
    deployment("success", 3.5),
    deployment("running", 6, id_=2),
    deployment("failed", 6.5, id_=2),
    pipeline("running"),
    pipeline("success"),
    release(),
    issue("opened", 8),
    issue("closed", 9),
    issue("opened", 10),
    issue("closed", 12),
]
REQUEST = "pull_request:gitlab.example/acme/shop:7"
FIRST = "deployment:gitlab.example/acme/shop:1"


def test_the_order_of_a_story_makes_no_difference() -> None:
    expected = outcome("gitlab", STORY, DEPLOYS)
    for story in orders(STORY):
        assert outcome("gitlab", story, DEPLOYS) == expected


def test_the_story_has_its_deployments() -> None:
    found = outcome("gitlab", STORY, DEPLOYS)
    deployed = found[FIRST]
    assert (deployed.started_at_ns, deployed.finished_at_ns) == (ns(3.2), ns(3.5))
    assert (deployed.service, deployed.env) == ("web", "production")
    assert deployed.git.commit_sha == sha(3)
    assert found["deployment:gitlab.example/acme/shop:2"] is None, "it failed"
    run = found["deployment:gitlab.example/acme/shop:pipeline-9"]
    assert (run.started_at_ns, run.finished_at_ns) == (ns(4), ns(5))
    assert found["deployment:gitlab.example/acme/shop:release-v1.2"].version == "v1.2"


def test_the_story_has_its_merge_request() -> None:
    found = outcome("gitlab", STORY, DEPLOYS)[REQUEST].pull_request
    assert (found.title, found.labels, found.branch) == (
        *("Add a cart to the shop", ("shop",)),
        "cart",
    )
    assert (found.created_at_ns, found.ready_at_ns) == (ns(1), ns(2))
    assert (found.last_approved_at_ns, found.merged_at_ns) == (ns(2.7), ns(3))
    assert (found.head_sha, found.merge_commit_sha) == (sha(2), sha(3))


def test_the_story_has_its_incident() -> None:
    found = outcome("gitlab", STORY, DEPLOYS)["incident:5"]
    assert (found.name, found.severity, found.services) == ("Cart is down", "high", ("web",))
    assert [(each.started_at_ns, each.finished_at_ns) for each in found.periods] == [
        (ns(8), ns(9)),
        (ns(10), ns(12)),
    ]


def test_a_fast_forward_merges_as_the_last_commit_of_the_branch() -> None:
    found = outcome("gitlab", [request("open", 1), request("merge", 3)])[REQUEST].pull_request
    assert found.merge_commit_sha == sha(2)


def approved_at(*story: Delivery) -> int | None:
    return outcome("gitlab", story)[REQUEST].pull_request.last_approved_at_ns


def test_an_approval_counts_while_it_stands() -> None:
    mine, yours = request("approved", 2, user=1), request("approved", 3, user=2)
    assert approved_at(mine, yours) == ns(3)
    assert approved_at(mine, yours, request("unapproved", 4, user=2)) == ns(2)
    reset = request("unapproved", 4, user=9, system=True)
    assert approved_at(mine, yours, reset) is None, "a push ended all of them"
    assert approved_at(mine, yours, reset, request("approved", 5, user=1)) == ns(5)


def parents(delivery: Delivery) -> list[tuple[str, ...]]:
    [pushed] = reading("gitlab", delivery).commits
    return [each.parents for each in pushed.commits]


def test_a_long_push_names_its_last_commits_only() -> None:
    assert parents(push(1, 2, 3)) == [(sha(1),), (sha(2),)]
    assert parents(push(1, 2, 3, total=22)) == [(), (sha(2),)]


@pytest.mark.parametrize(
    ("delivery", "settings", "reason"),
    [
        (gitlab("build"), DEPLOYS, "build says nothing"),
        (deployment("blocked", 1), DEPLOYS, "the status blocked does not"),
        (push(1), DEPLOYS, "brings no commits"),
        (pipeline("success"), DEFAULT_SETTINGS, 'do not name "acme/shop"'),
        (pipeline("success", name="Deploy"), DEFAULT_SETTINGS, 'do not name "Deploy"'),
        (pipeline("success", ref="cart"), DEPLOYS, 'ran on "cart"'),
        (pipeline("success", source="merge_request_event"), DEPLOYS, "for a merge request"),
        (pipeline("success", source="parent_pipeline"), DEPLOYS, "its parent counts"),
        (pipeline("canceled"), DEPLOYS, "or is canceled"),
        (pipeline("manual", finished_at=None), DEPLOYS, "or is manual"),
        (request("open", 1, iid=None), DEPLOYS, "does not name the merge request"),
        (release(), DEFAULT_SETTINGS, "do not count a release"),
        (release("update"), DEPLOYS, "the action update"),
        (release(hour=30), DEPLOYS, "an upcoming release"),
        (issue("opened", 1, "Issue"), DEPLOYS, "is no incident"),
    ],
)
def test_what_does_not_count_is_ignored_with_a_reason(
    delivery: Delivery, settings: SourceSettings, reason: str
) -> None:
    found = reading("gitlab", delivery, settings)
    assert (found.state, found.facts, found.commits) == ("ignored", (), ())
    assert reason in found.reason


def test_a_tag_or_a_branch_of_the_settings_deploys_too() -> None:
    tagged = SourceSettings(workflows=("Deploy",), branches=("v2.0",), env="production")
    story = [pipeline("success", name="Deploy", ref="v2.0", tag=True)]
    assert outcome("gitlab", story, tagged).popitem()[1].version == "v2.0"
