"""GitOps: `datadog-ci` correlates what Argo CD and Flux deploy with commits of applications."""

from collections.abc import Iterable, Sequence
from itertools import permutations
from typing import Any

import pytest

from actors import TESTER
from databases import ON_SQLITE
from deliveries import (
    REPOSITORY_ID,
    Delivery,
    at,
    body_of,
    correlated,
    correlated_image,
    datadog_ci,
    ns,
    push,
    reading,
    sha,
)
from theodora.events import Deployment
from theodora.sources.webhooks.correlation import image_keys
from theodora.sources.webhooks.worker import InboxWorker
from theodora.storage import InboxQuery, Organisation, Store

Story = Sequence[tuple[str, Delivery]]

MANIFESTS = {"repoURL": "https://github.com/acme/manifests.git", "path": "shop"}
OLD, NEW = "r.example/acme/shop:1.3.0", "r.example/acme/shop:1.4.0"


def synced(hour: float, revision: int, *images: str, service: str = "shop") -> Delivery:
    """Argo CD's notification of a sync that began at an hour."""
    sync = {
        "phase": "Succeeded",
        "startedAt": at(hour),
        "finishedAt": at(hour + 0.25),
        "syncResult": {"revision": sha(revision), "source": MANIFESTS},
    }
    status = {
        "health": {"status": "Healthy"},
        "operationState": sync,
        "summary": {"images": images},
    }
    metadata = {"name": service, "uid": service, "annotations": {"dd_env": "production"}}
    return Delivery({}, {"app": {"metadata": metadata, "status": status}})


def reconciled(hour: float, revision: int, **metadata: str) -> Delivery:
    """Flux's alert of a Kustomization."""
    event = {
        "involvedObject": {
            "kind": "Kustomization",
            "namespace": "apps",
            "name": "shop",
            "uid": "u-1",
        },
        "reason": "ReconciliationSucceeded",
        "timestamp": at(hour),
        "metadata": {"revision": f"main@sha1:{sha(revision)}", "env": "production", **metadata},
    }
    return Delivery({}, event)


def deliver(store: Store, org: Organisation, story: Iterable[tuple[str, Delivery]]) -> None:
    """Each delivery is read before the next one comes in."""
    worker = InboxWorker(store, 30)
    for kind, each in story:
        store.inbox.receive(
            org, kind, "", each.headers, body_of(each), ns(50), actor=TESTER
        ).result()
        worker.work_off()
        [newest, *_] = store.inbox.select(org, InboxQuery(kind, "", limit=1))
        assert newest.state == "done", newest.reason


def organisation(store: Store, name: str) -> Organisation:
    return store.keys.ensure_organisation(name, 1, actor=TESTER).result()


def deployments(store: Store, org: Organisation) -> list[Deployment]:
    store.derivations.derive_all_queued(actor=TESTER)
    return sorted(store.deployments.everything(org), key=lambda each: each.finished_at_ns)


def commit_of(deployment: Deployment) -> tuple[str, str] | None:
    git = deployment.git
    return (git.repository_id, git.commit_sha) if git else None


COMMITS = ("github", push(0, (1, 1, "Begin"), (2, 5, "Add a cart"), (3, 7, "Its tests")))
"""Of the application: its commit 1 is deployed first, and then its commit 3."""
BY_CONFIGURATION: Story = [
    ("argocd", synced(2, 101)),
    ("argocd", synced(10, 102)),
    ("datadog-ci", correlated(101, 1)),
    ("datadog-ci", correlated(102, 3)),
]
BY_IMAGE: Story = [
    ("argocd", synced(2, 101, OLD, "r.example/proxy:2")),
    ("argocd", synced(10, 102, NEW, "r.example/proxy:2")),
    ("datadog-ci", correlated_image(OLD, 1)),
    ("datadog-ci", correlated_image(NEW, 3)),
]
BY_FLUX: Story = [
    ("flux", reconciled(2.25, 101)),
    ("flux", reconciled(10.25, 102, image=NEW)),
    ("datadog-ci", correlated(101, 1)),
    ("datadog-ci", correlated_image(NEW, 3)),
]


@pytest.mark.parametrize("story", [BY_CONFIGURATION, BY_IMAGE, BY_FLUX])
def test_a_deployment_gets_the_lead_time_of_the_applications_commit(
    store: Store, story: Story
) -> None:
    """In any order, and delivered twice."""
    for number, order in enumerate([*permutations(story)][::8]):
        org = organisation(store, f"order-{number}")
        deliver(store, org, [COMMITS, *order, *order[::2]])
        first, second = deployments(store, org)
        assert (commit_of(first), first.lead_time_status) == ((REPOSITORY_ID, sha(1)), "baseline")
        assert commit_of(second) == (REPOSITORY_ID, sha(3))
        assert second.number_of_commits == 2
        assert second.change_lead_time == (10.25 - 6) * 3_600


def test_what_is_correlated_with_nothing_keeps_its_own_commit(
    store: Store, org: Organisation
) -> None:
    deliver(store, org, [("datadog-ci", correlated(101, 1)), ("argocd", synced(2, 102, OLD))])
    [found] = deployments(store, org)
    assert commit_of(found) == ("github.com/acme/manifests", sha(102))


def test_organisations_correlate_apart(store: Store, org: Organisation) -> None:
    other = organisation(store, "other")
    deployed, correlation = ("argocd", synced(2, 101, OLD)), ("datadog-ci", correlated(101, 1))
    for each in (org, other):
        deliver(store, each, [deployed])
    deliver(store, other, [correlation])
    deliver(store, org, [deployed])
    assert [commit_of(each) for each in deployments(store, org)] == [
        ("github.com/acme/manifests", sha(101))
    ]
    assert [commit_of(each) for each in deployments(store, other)] == [(REPOSITORY_ID, sha(1))]


@ON_SQLITE
def test_of_several_applications_the_one_with_the_name_of_the_service_counts(store: Store) -> None:
    cart = "https://github.com/acme/cart"
    story: Story = [
        ("datadog-ci", correlated(101, 1)),
        ("datadog-ci", correlated(101, 2, cart)),
        *(("argocd", synced(2, 101, service=name)) for name in ("shop", "cart", "search")),
    ]
    for name, order in (("forwards", story), ("backwards", story[::-1])):
        org = organisation(store, name)
        deliver(store, org, order)
        assert {each.service: commit_of(each) for each in deployments(store, org)} == {
            "shop": (REPOSITORY_ID, sha(1)),
            "cart": ("github.com/acme/cart", sha(2)),
            "search": ("github.com/acme/manifests", sha(101)),
        }


@ON_SQLITE
def test_an_image_counts_more_than_a_commit_of_configuration(
    store: Store, org: Organisation
) -> None:
    sidecar = "https://github.com/acme/proxy"
    deliver(
        store,
        org,
        [
            ("datadog-ci", correlated(101, 1)),
            ("argocd", synced(2, 101, NEW, "r.example/proxy:2")),
            ("datadog-ci", correlated_image("r.example/proxy:2", 7, sidecar)),
            ("datadog-ci", correlated_image(NEW, 3)),
        ],
    )
    assert [commit_of(each) for each in deployments(store, org)] == [(REPOSITORY_ID, sha(3))]


@ON_SQLITE
def test_a_corrected_correlation_replaces_the_former_one(store: Store, org: Organisation) -> None:
    deliver(store, org, [("argocd", synced(2, 101)), ("datadog-ci", correlated(101, 1))])
    deliver(store, org, [("datadog-ci", correlated(101, 3))])
    [former, _] = reversed(store.inbox.select(org, InboxQuery("datadog-ci", "")))
    store.inbox.replay(org, "datadog-ci", "", former.number, actor=TESTER).result()
    InboxWorker(store, 30).work_off()
    assert [commit_of(each) for each in deployments(store, org)] == [(REPOSITORY_ID, sha(3))]


@ON_SQLITE
def test_a_deleted_deployment_is_not_made_again_by_a_correlation(
    store: Store, org: Organisation
) -> None:
    deliver(store, org, [("argocd", synced(2, 101))])
    [made] = deployments(store, org)
    store.deployments.delete(org, made.id, actor=TESTER).result()
    deliver(store, org, [("datadog-ci", correlated(101, 1))])
    assert deployments(store, org) == []
    assert store._database.read(
        lambda cursor: cursor.execute("SELECT key FROM source_keys").fetchall() == []
    )


@pytest.mark.parametrize(
    ("image", "keys"),
    [
        ("shop", ["shop:latest"]),
        ("docker.io/library/shop:1", ["shop:1"]),
        ("index.docker.io/acme/shop:1", ["acme/shop:1"]),
        ("r.example:5000/acme/shop", ["r.example:5000/acme/shop:latest"]),
        ("r.example/shop@sha256:0b", ["r.example/shop@sha256:0b"]),
        ("r.example/shop:1@sha256:0b", ["r.example/shop:1", "r.example/shop@sha256:0b"]),
        ("", []),
        ("r.example/", []),
        (":1", []),
    ],
)
def test_an_image_is_found_by_its_tag_and_by_its_digest(image: str, keys: list[str]) -> None:
    assert image_keys(image) == [f"image:{key}" for key in keys]


JOB = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/shop",
    "GITHUB_RUN_ID": "77",
    "GITHUB_RUN_ATTEMPT": "1",
    "GITHUB_JOB": "deploy",
}


def marked(ci_env: dict[str, Any] = JOB, **tags: str) -> Delivery:
    """`datadog-ci deployment mark`: the first of its two requests."""
    named = {f"datadog_cd_visibility.{name}": value for name, value in tags.items()}
    return datadog_ci(
        "ci_custom_tag",
        ci_env=ci_env,
        ci_level=1,
        provider="github",
        tags={"datadog_cd_visibility.is_deployment": "true", **named},
    )


def test_a_marked_job_is_a_deployment(store: Store, org: Organisation) -> None:
    tags = {"env": "production", "revision": sha(3), "custom_tags": "team:shop,region:eu"}
    mark = ("datadog-ci", marked(**tags, is_rollback="true"))
    named = {**JOB, "DD_GITHUB_JOB_NAME": "Deploy"}
    again = ("datadog-ci", marked(named, **tags, is_rollback="true"))
    deliver(store, org, [mark, again, ("datadog-ci", marked(service="cart"))])
    shop, cart = sorted(
        deployments(store, org), key=lambda each: -len(each.service + str(each.env))
    )
    assert (shop.service, shop.env, shop.version) == ("shop", "production", sha(3))
    assert (shop.started_at_ns, shop.finished_at_ns) == (ns(50), ns(50))
    assert shop.custom_tags == ("deployment_type:rollback", "team:shop", "region:eu")
    assert commit_of(shop) == (REPOSITORY_ID, sha(3))
    assert (cart.service, cart.env, cart.git) == ("cart", None, None)


def test_other_tags_mark_no_deployment() -> None:
    pipeline = datadog_ci(
        "ci_custom_tag",
        ci_env=JOB,
        ci_level=0,
        provider="github",
        tags={"ci.pipeline.contains_deployment": "true"},
    )
    assert reading("datadog-ci", pipeline).reason == "the tags mark no deployment"
    assert reading("datadog-ci", marked({"CIRCLE_BUILD_NUM": "1"})).reason == "it names no service"
