"""CircleCI's webhooks: which workflows and jobs deploy, and why others are ignored."""

from typing import Any

import pytest

from deliveries import Delivery, Json, at, ns, orders, outcome, reading, sha
from theodora.events import Deployment
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS, SourceSettings

DEPLOYS = SourceSettings(workflows=("deploy", "release-job"), env="production")
VCS = {"branch": "main", "revision": sha(3)}


def workflow(status: str = "success", id_: str = "w1", vcs: Any = VCS, **more: Any) -> Delivery:
    said = {
        "type": "workflow-completed",
        "workflow": {
            "id": id_,
            "name": "deploy",
            "status": status,
            "created_at": at(1),
            "stopped_at": at(2),
        },
        "pipeline": {"vcs": vcs} if vcs else {},
        "project": {"name": "shop", "slug": "gh/acme/shop"},
        **more,
    }
    return Delivery({}, said)


def job(name: str = "release-job") -> Delivery:
    said = {
        "id": "j1",
        "name": name,
        "status": "success",
        "started_at": at(3),
        "stopped_at": at(4),
    }
    return workflow(type="job-completed", job=said)


GITLAB: Json = {
    "trigger_parameters": {
        "gitlab": {"web_url": "https://gitlab.example/acme/shop"},
        "git": {"branch": "", "tag": "v1.2", "checkout_sha": sha(4)},
    }
}
STORY = [
    workflow(),
    workflow("failed", "w2"),
    job(),
    workflow(id_="w3", vcs=None, pipeline=GITLAB, project={"name": "shop", "slug": "circleci/a/b"}),
    Delivery({}, {"type": "ping"}),
]


def deployed(delivery: Delivery, settings: SourceSettings = DEPLOYS) -> Deployment:
    [found] = outcome("circleci", [delivery], settings).values()
    return found


def test_the_order_of_a_story_makes_no_difference() -> None:
    expected = outcome("circleci", STORY, DEPLOYS)
    assert [each.split(":")[-1] for each in expected if expected[each]] == ["w1", "j1", "w3"]
    for story in orders(STORY):
        assert outcome("circleci", story, DEPLOYS) == expected


def test_a_workflow_deploys_its_commit() -> None:
    found = deployed(workflow())
    assert (found.started_at_ns, found.finished_at_ns) == (ns(1), ns(2))
    assert (found.service, found.env) == ("shop", "production")
    assert found.git is not None
    assert (found.git.repository_id, found.git.commit_sha) == ("github.com/acme/shop", sha(3))
    renamed = SourceSettings(workflows=("deploy",), services={"gh/acme/shop": "web"})
    assert deployed(workflow(), renamed).service == "web"


def test_a_job_deploys_in_its_own_time() -> None:
    found = deployed(job())
    assert (found.started_at_ns, found.finished_at_ns) == (ns(3), ns(4))


def test_a_pipeline_of_gitlab_has_its_source_in_its_trigger() -> None:
    found = deployed(STORY[3])
    assert found.version == "v1.2"
    assert found.git is not None
    assert (found.git.repository_id, found.git.commit_sha) == (
        *("gitlab.example/acme/shop",),
        sha(4),
    )


def test_a_tag_has_no_branch_and_deploys() -> None:
    assert deployed(workflow(vcs={**VCS, "branch": None})).git is not None
    assert deployed(workflow(vcs=None)).git is None, "no commit is known"


@pytest.mark.parametrize(
    ("delivery", "settings", "reason"),
    [
        (Delivery({}, {"type": "ping"}), DEPLOYS, "ping says nothing"),
        (workflow(), DEFAULT_SETTINGS, 'do not name "deploy" as a workflow'),
        (job("test"), DEPLOYS, 'do not name "test" as a job'),
        (workflow(vcs={**VCS, "branch": "cart"}), DEPLOYS, 'on the branch "cart"'),
        (workflow("not_run"), DEPLOYS, "the workflow is not_run"),
    ],
)
def test_what_does_not_count_is_ignored_with_a_reason(
    delivery: Delivery, settings: SourceSettings, reason: str
) -> None:
    found = reading("circleci", delivery, settings)
    assert (found.state, found.facts) == ("ignored", ())
    assert reason in found.reason
