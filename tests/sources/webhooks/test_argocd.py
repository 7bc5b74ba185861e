"""Argo CD's notifications: syncs that deploy, and those that do not."""

from typing import Any

import pytest

from deliveries import Delivery, at, ns, reading, sha
from theodora.sources.webhooks.argocd import is_argocd
from theodora.sources.webhooks.artifacts import image_tag
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS, SourceSettings
from theodora.sources.webhooks.facts import DeploymentFact, decode_fact
from theodora.sources.webhooks.table import source_of_intake
from webhook_stories import deployments

GIT = {"repoURL": "https://github.com/acme/manifests.git", "path": "shop"}
CHART = {"repoURL": "https://charts.example.com", "chart": "shop"}
ANNOTATIONS = {"dd_service": "shop", "dd_env": "production"}


def notified(phase: str, hour: float, commit: int = 1, **members: Any) -> Delivery:
    """A notification about a sync that began at an hour and ended a quarter of an hour later."""
    revision = members.pop("revision", sha(commit))
    result = members.pop("result", {"revision": revision, "source": GIT})
    finished = {} if phase == "Running" else {"finishedAt": at(hour + 0.25)}
    status = {
        "health": {"status": members.pop("health", "Healthy")},
        "operationState": {
            "phase": phase,
            "operation": members.pop("operation", {"initiatedBy": {"automated": True}}),
            "startedAt": at(hour),
            "syncResult": result,
            **finished,
        },
        "history": members.pop("history", []),
        "summary": {"images": members.pop("images", [])},
    }
    metadata = {"name": "shop-production", "uid": "u-1", "annotations": ANNOTATIONS, **members}
    app = {"metadata": metadata, "spec": {"source": GIT, "destination": {"namespace": "shop"}}}
    return Delivery({}, {"app": {**app, "status": status}})


def synced(hour: float, **source: Any) -> dict[str, Any]:
    """An entry of an application's history."""
    return {"deployStartedAt": at(hour), "source": GIT, **source}


def last(delivery: Delivery, settings: SourceSettings = DEFAULT_SETTINGS) -> DeploymentFact:
    found = decode_fact(reading("argocd", delivery, settings).facts[-1].document)
    assert isinstance(found, DeploymentFact)
    return found


STORY = [
    notified("Running", 1),
    notified("Succeeded", 1, health="Progressing"),
    notified("Succeeded", 1),
    # Much later it is degraded for a while.
    notified("Succeeded", 1, health="Degraded"),
    notified("Succeeded", 2, 2, health="Degraded"),
    notified("Failed", 3, 3),
    notified("Error", 4, 3),
    notified("Succeeded", 5, 1, operation={"initiatedBy": {"username": "dev-one"}}),
]


def test_a_sync_is_a_deployment_once_what_it_deployed_is_healthy() -> None:
    first, back = deployments("argocd", STORY)
    assert (first.started_at_ns, first.finished_at_ns) == (ns(1), ns(1.25))
    assert (first.service, first.env) == ("shop", "production")
    assert first.git
    assert (first.git.repository_id, first.git.commit_sha) == ("github.com/acme/manifests", sha(1))
    assert (back.started_at_ns, back.git) == (ns(5), first.git)
    assert deployments("argocd", STORY[:2]) == []


def test_a_template_may_leave_out_most_of_an_application() -> None:
    sent = notified("Succeeded", 1)
    app: Any = sent.payload["app"]
    for name in ("history", "summary"):
        del app["status"][name]
    del app["metadata"]["uid"], app["spec"]
    [deployed] = deployments("argocd", [sent])
    assert (deployed.service, deployed.git is not None) == ("shop", True)


@pytest.mark.parametrize(
    ("members", "version", "has_commit"),
    [
        ({"images": ["r.example:5000/acme/shop:1.4"]}, "1.4", True),
        ({"images": ["r.example/acme/shop-web:1.4", "r.example/proxy:2"]}, "1.4", True),
        ({"images": ["r.example/a:1", "r.example/b:2"]}, None, True),
        ({"images": ["r.example/shop/a:1", "r.example/b:2"]}, None, True),
        ({"images": ["r.example/shop@sha256:0b31"]}, None, True),
        ({"result": {"revision": "6.5.4", "source": CHART}}, "6.5.4", False),
        (
            {
                "images": ["r.example/shop:1.4"],
                "result": {
                    "revision": "",
                    "revisions": ["2.7.3", sha(1)],
                    "sources": [CHART, GIT],
                    "source": {"repoURL": ""},
                },
            },
            "2.7.3",
            True,
        ),
    ],
)
def test_the_version_is_the_charts_or_the_images_tag(
    members: dict[str, Any], version: str | None, *, has_commit: bool
) -> None:
    found = last(notified("Succeeded", 1, **members))
    assert found.version == version
    assert found.commit_sha == (sha(1) if has_commit else None)


def test_the_images_of_a_running_sync_are_those_of_the_former_one() -> None:
    story = [
        notified("Succeeded", 1, images=["r.example/shop:1.5"]),
        notified("Running", 1, images=["r.example/shop:1.4"]),
    ]
    assert [each.version for each in deployments("argocd", story)] == ["1.5"]
    story[0] = notified("Succeeded", 1, images=["r.example/shop@sha256:0b31"])
    assert [each.version for each in deployments("argocd", story)] == [None]


def test_annotations_give_service_environment_and_tags() -> None:
    annotations = {**ANNOTATIONS, "dd_customtags": "region:eu-1, team:shop,, none:, alone"}
    found = last(notified("Succeeded", 1, annotations=annotations))
    assert (found.service, found.env) == ("shop", "production")
    assert found.custom_tags == ("region:eu-1", "team:shop")


def test_settings_name_what_has_no_annotations() -> None:
    bare = notified("Succeeded", 1, annotations=None)
    assert (last(bare).service, last(bare).env) == ("shop-production", None)
    assert last(bare, SourceSettings(services={"shop-production": "web"})).service == "web"
    for name in ("shop-production", "shop"):
        assert last(bare, SourceSettings(envs={name: "live"}, env="test")).env == "live"
    assert last(bare, SourceSettings(env="test")).env == "test"
    assert last(notified("Succeeded", 1), SourceSettings(envs={"production": "p"})).env == "p"


def test_an_automated_sync_of_what_was_there_repairs_the_cluster_alone() -> None:
    before = synced(0, revision=sha(1))
    healed = notified("Succeeded", 1, history=[before, synced(1, revision=sha(1))])
    found = reading("argocd", healed)
    assert (found.state, found.facts) == ("ignored", ())
    assert "repeated what had been deployed" in found.reason
    assert reading("argocd", notified("Running", 1, history=[before])).state == "ignored"
    for counts in (
        notified("Succeeded", 1, 2, history=[before]),
        notified("Succeeded", 1, 2, history=[before, synced(1, revision=sha(2))]),
        notified("Succeeded", 1, history=[synced(0, revision=sha(1), source={**GIT, "path": "x"})]),
        notified("Succeeded", 1, history=[before], operation={"initiatedBy": {"username": "a"}}),
        notified("Succeeded", 1, history=[before, synced(0.5, revision=sha(2))]),
    ):
        assert reading("argocd", counts).state == "done"


@pytest.mark.parametrize(
    ("delivery", "reason"),
    [
        (notified("Terminating", 1), "the phase Terminating is none of a sync"),
        (Delivery({}, {"app": {"metadata": {"name": "shop"}}}), "the phase None is none"),
        (notified("Succeeded", 1, operation={"sync": {"dryRun": True}}), "a dry run"),
    ],
)
def test_what_does_not_deploy_is_ignored_with_a_reason(delivery: Delivery, reason: str) -> None:
    found = reading("argocd", delivery)
    assert (found.state, found.facts) == ("ignored", ())
    assert reason in found.reason


def test_datadogs_intake_recognises_a_notification() -> None:
    sent = notified("Succeeded", 1).payload
    found = source_of_intake(sent)
    assert found
    assert found.name == "argocd"
    assert not is_argocd({"app": "shop"})
    assert reading("argocd", Delivery({}, {"app": "shop"})).state == "failed"


@pytest.mark.parametrize(
    ("image", "tag"),
    [("shop", None), ("r:5000/shop", None), ("r:5000/shop:1@sha256:0b", "1"), ("", None)],
)
def test_an_image_may_have_a_tag(image: str, tag: str | None) -> None:
    assert image_tag(image) == tag
