"""Flux's alerts: Kustomizations and Helm releases."""

from typing import Any

import pytest

from deliveries import Delivery, at, ns, reading, sha
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS, SourceSettings
from theodora.sources.webhooks.facts import DeploymentFact, decode_fact
from webhook_stories import deployments

URL = "https://github.com/acme/manifests"


def alert(
    reason: str, hour: float, revision: str, kind: str = "Kustomization", **metadata: str
) -> Delivery:
    """An event of an object; its metadata may be annotated."""
    involved = {"kind": kind, "namespace": "apps", "name": "shop", "uid": "u-1"}
    known = {"revision": revision} if revision else {}
    event = {
        "involvedObject": involved,
        "reason": reason,
        "timestamp": at(hour),
        "metadata": {**known, **metadata},
    }
    return Delivery({}, event)


def applied(reason: str, hour: float, commit: int, **metadata: str) -> Delivery:
    return alert(reason, hour, f"main@sha1:{sha(commit)}", repository_url=URL, **metadata)


def released(reason: str, hour: float, chart: str) -> Delivery:
    return alert(reason, hour, chart, "HelmRelease", env="production")


def fact(delivery: Delivery, settings: SourceSettings = DEFAULT_SETTINGS) -> DeploymentFact:
    [found] = reading("flux", delivery, settings).facts
    decoded = decode_fact(found.document)
    assert isinstance(decoded, DeploymentFact)
    return decoded


STORY = [
    applied("Progressing", 1, 1),
    applied("ReconciliationSucceeded", 1.1, 1, env="production"),
    applied("ReconciliationSucceeded", 2, 1),
    # Something else changed the cluster, and it is as before again.
    applied("Progressing", 2.5, 1),
    applied("ReconciliationSucceeded", 2.6, 1),
    applied("Progressing", 3, 2),
    applied("HealthCheckFailed", 3.1, 2),
    applied("ReconciliationSucceeded", 3.2, 2),
    applied("Progressing", 4, 3),
    applied("ValidationFailed", 4.1, 3),
]


def test_a_revision_is_deployed_once_however_often_it_is_reconciled() -> None:
    first, second = deployments("flux", STORY)
    assert (first.started_at_ns, first.finished_at_ns) == (ns(1), ns(1.1))
    assert (first.service, first.env, first.version) == ("shop", "production", None)
    assert first.git
    assert (first.git.repository_id, first.git.commit_sha) == ("github.com/acme/manifests", sha(1))
    assert (second.started_at_ns, second.finished_at_ns) == (ns(3), ns(3.2))


def test_a_helm_release_may_go_back_to_an_earlier_chart() -> None:
    story = [
        released("InstallSucceeded", 1, "6.5.4"),
        released("UpgradeFailed", 2, "6.6.0"),
        released("RollbackSucceeded", 2, "6.5.4"),
        released("UpgradeSucceeded", 3, "6.6.1"),
        released("UpgradeSucceeded", 4, "6.5.4"),
    ]
    found = deployments("flux", story)
    versions = [(each.finished_at_ns, each.version) for each in found]
    assert versions == [(ns(1), "6.5.4"), (ns(2), "6.5.4"), (ns(3), "6.6.1"), (ns(4), "6.5.4")]


def test_clusters_deploy_objects_of_one_name_for_themselves() -> None:
    here = applied("ReconciliationSucceeded", 1, 1, cluster="blue")
    there = applied("ReconciliationSucceeded", 2, 1, cluster="green")
    there.payload["involvedObject"].update(uid="u-2")
    tags = [each.custom_tags for each in deployments("flux", [here, there])]
    assert tags == [("cluster:blue",), ("cluster:green",)]
    del here.payload["involvedObject"]["uid"]
    assert fact(here).number == f"apps/shop:main@sha1:{sha(1)}"


@pytest.mark.parametrize(
    ("revision", "metadata", "commit", "version"),
    [
        (f"main/{sha(1)}", {}, sha(1), None),
        (f"release/1.2@sha1:{sha(1)}", {}, sha(1), None),
        (f"v1.4.0@sha1:{sha(1)}", {}, sha(1), "v1.4.0"),
        (sha(1), {}, sha(1), None),
        (f"latest@sha256:{sha(1) + '0' * 24}", {}, None, None),
        (f"1.4@sha256:{'0' * 64}", {"originRevision": f"main@sha1:{sha(2)}"}, sha(2), "1.4"),
        (f"main@sha1:{sha(1)}", {"image": "r.example:5000/shop:1.5"}, sha(1), "1.5"),
        (f"main@sha1:{sha(1)}", {"image": "r.example/shop:1.5", "version": "2"}, sha(1), "2"),
        (f"main@sha1:{sha(1)}", {"commit_sha": sha(3)}, sha(3), None),
    ],
)
def test_a_revision_has_a_commit_or_a_version(
    revision: str, metadata: dict[str, str], commit: str | None, version: str | None
) -> None:
    found = fact(alert("ReconciliationSucceeded", 1, revision, **metadata))
    assert (found.commit_sha, found.version) == (commit, version)


def test_metadata_may_have_the_prefix_of_its_group() -> None:
    old = alert("ReconciliationSucceeded", 1, "")
    said: Any = {"kustomize.toolkit.fluxcd.io/revision": f"main/{sha(1)}", "acme.example/env": "e"}
    old.payload["metadata"].update(said)
    assert (fact(old).commit_sha, fact(old).env) == (sha(1), "e")


def test_annotations_and_settings_name_service_team_and_environment() -> None:
    sent = applied("ReconciliationSucceeded", 1, 1, service="web", team="Shop", env="production")
    assert (fact(sent).service, fact(sent).team, fact(sent).env) == ("web", "Shop", "production")
    for name in ("apps/shop", "shop", "web"):
        assert fact(sent, SourceSettings(services={name: "checkout"})).service == "checkout"
    assert fact(sent, SourceSettings(envs={"production": "live"})).env == "live"
    bare = applied("ReconciliationSucceeded", 1, 1)
    assert fact(bare, SourceSettings(env="test")).env == "test"


@pytest.mark.parametrize(
    ("delivery", "reason"),
    [
        (applied("DependencyNotReady", 1, 1), "DependencyNotReady says nothing"),
        (released("ReconciliationSucceeded", 1, "6.5.4"), "nothing about a deployment of a Helm"),
        (released("TestFailed", 1, "6.5.4"), "TestFailed says nothing"),
        (alert("NewArtifact", 1, "main@sha1:1", "GitRepository"), "a GitRepository deploys"),
        (alert("ReconciliationSucceeded", 1, ""), "it names no revision"),
    ],
)
def test_what_does_not_deploy_is_ignored_with_a_reason(delivery: Delivery, reason: str) -> None:
    found = reading("flux", delivery)
    assert (found.state, found.facts) == ("ignored", ())
    assert reason in found.reason


def test_what_is_no_event_of_flux_fails() -> None:
    assert reading("flux", Delivery({}, {"reason": "ReconciliationSucceeded"})).state == "failed"
