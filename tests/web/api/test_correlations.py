"""The requests of `datadog-ci deployment correlate`, `correlate-image` and `mark` over HTTP."""

from typing import Any

import pytest

from asking import Tenant
from databases import ON_SQLITE
from deliveries import at, correlated, correlated_image, datadog_ci, sha
from theodora.sources.webhooks.worker import InboxWorker
from theodora.storage import InboxQuery

pytestmark = ON_SQLITE

CORRELATE = "/api/v2/ci/deployments/correlate"
CORRELATE_IMAGE = "/api/v2/ci/deployments/correlate-image"
TAGS = "/api/v2/ci/pipeline/tags"
IMAGE = "r.example/acme/shop:1.4.0"


def synced(tenant: Tenant, revision: int, *images: str) -> None:
    """Sends Argo CD's notification of a sync with Datadog's recipe."""
    sync = {
        "phase": "Succeeded",
        "startedAt": at(1),
        "finishedAt": at(2),
        "syncResult": {"revision": sha(revision), "source": {"repoURL": "https://git.example/m"}},
    }
    status = {
        "health": {"status": "Healthy"},
        "operationState": sync,
        "summary": {"images": images},
    }
    payload = {"app": {"metadata": {"name": "shop"}, "status": status}}
    assert tenant.post("/api/v2/webhook", json=payload).status_code == 202


def commits(tenant: Tenant) -> list[str]:
    """The commits of the deployments, once everything is read."""
    store = tenant.built.store
    while InboxWorker(store, 30).work_off():
        pass
    org = store.keys.organisation(tenant.organisation)
    return [each.git.commit_sha for each in store.deployments.everything(org) if each.git]


def stored(tenant: Tenant) -> int:
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    return len(store.inbox.select(org, InboxQuery("datadog-ci", "")))


def test_a_commit_of_configuration_is_correlated(tenant: Tenant, other_tenant: Tenant) -> None:
    synced(tenant, 101)
    synced(other_tenant, 101)
    assert commits(tenant) == [sha(101)]
    for _ in range(2):
        answer = tenant.post(CORRELATE, json=correlated(101, 1).payload)
        assert (answer.status_code, answer.json()) == (202, {})
    assert stored(tenant) == 2, "durable before it is acknowledged"
    assert commits(tenant) == [sha(1)]
    assert commits(other_tenant) == [sha(101)]


def test_an_image_is_correlated_before_it_is_deployed(tenant: Tenant) -> None:
    answer = tenant.post(CORRELATE_IMAGE, json=correlated_image(IMAGE, 1).payload)
    assert (answer.status_code, answer.json()) == (202, {})
    synced(tenant, 101, IMAGE, "r.example/proxy:2")
    assert commits(tenant) == [sha(1)]


def test_a_job_is_marked_as_a_deployment(tenant: Tenant) -> None:
    tags = {"is_deployment": "true", "env": "production", "service": "shop", "revision": sha(3)}
    mark = datadog_ci(
        "ci_custom_tag",
        ci_env={"CI_PROJECT_URL": "https://git.example/acme/shop", "CI_JOB_ID": "7"},
        ci_level=1,
        provider="gitlab",
        tags={f"datadog_cd_visibility.{name}": value for name, value in tags.items()},
    )
    pipeline = datadog_ci(
        "ci_custom_tag",
        ci_env={"CI_PIPELINE_ID": "1"},
        ci_level=0,
        provider="gitlab",
        tags={"ci.pipeline.contains_deployment": "true"},
    )
    for each in (mark, pipeline, mark):
        assert tenant.post(TAGS, json=each.payload).status_code == 202
    assert commits(tenant) == [sha(3)]


@pytest.mark.parametrize(
    ("path", "payload", "pointer"),
    [
        (CORRELATE, {}, "/data"),
        (CORRELATE, correlated_image(IMAGE, 1).payload, "/data/type"),
        (CORRELATE_IMAGE, correlated(101, 1).payload, "/data/type"),
        (
            CORRELATE,
            datadog_ci("ci_app_deployment_correlate", config_commit_shas=[]).payload,
            "/data/attributes/config_commit_shas",
        ),
        (
            CORRELATE,
            datadog_ci("ci_app_deployment_correlate", config_commit_shas=["abc"]).payload,
            "/data/attributes/config_commit_shas",
        ),
        (
            CORRELATE,
            datadog_ci("ci_app_deployment_correlate", config_commit_shas=[sha(1)]).payload,
            "/data/attributes/ci_env/git.repository_url",
        ),
        (CORRELATE_IMAGE, correlated_image(":", 1).payload, "/data/attributes/image"),
        (
            CORRELATE_IMAGE,
            correlated_image(IMAGE, 1, "").payload,
            "/data/attributes/repository_url",
        ),
        (
            CORRELATE_IMAGE,
            correlated_image(IMAGE, 1, "x" * 3_000).payload,
            "/data/attributes/repository_url",
        ),
        (TAGS, datadog_ci("ci_custom_tag").payload, "/data/attributes/provider"),
    ],
)
def test_what_no_command_sends_is_refused_and_not_stored(
    tenant: Tenant, path: str, payload: Any, pointer: str
) -> None:
    answer = tenant.post(path, json=payload)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["source"] == {"pointer": pointer}
    assert stored(tenant) == 0


@pytest.mark.parametrize("path", [CORRELATE, CORRELATE_IMAGE, TAGS])
def test_an_api_key_is_needed(tenant: Tenant, path: str) -> None:
    assert tenant.client.post(path, json=correlated(101, 1).payload).status_code == 403
