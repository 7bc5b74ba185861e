"""Quotas over HTTP: 403 with a reason, for their own organisation only."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors import TESTER
from asking import (
    BARE,
    FAILURE,
    FAILURES,
    SHOPIST,
    Tenant,
    make_tenant,
    server_in_process,
)
from databases import ON_SQLITE
from theodora.storage.events.usage import read_usage
from visiting import sign_in
from web.api.test_git_metadata import PACK, PACKED, PACKFILE, pushed

pytestmark = ON_SQLITE

FILES = {"pushedSha": ("blob", pushed(PACKED), "application/json"), "packfile": ("p.pack", PACK)}
ID = "first-deployment"
BYTES = 1_000
MESSAGE = (
    'organisation "{}" would pass a quota: it has 2 of 2 events, and this adds 1. Delete events, '
    "shorten the retention, or ask whoever runs this server to raise quota_events"
)


@pytest.fixture
def tenants(tmp_path: Path) -> Iterator[tuple[Tenant, Tenant]]:
    """Two organisations of a server with quotas."""
    settings = {"quota_events": "2", "quota_bytes": str(BYTES), "quota_repositories": "1"}
    with server_in_process(tmp_path, **settings) as (built, client):
        yield make_tenant(built, client), make_tenant(built, client)


def refused(answer: Any) -> str:
    assert answer.status_code == 403, answer.text
    forbidden, reason = answer.json()["errors"]
    assert forbidden == "Forbidden"
    return reason


def upload(tenant: Tenant, repository: str = "https://github.com/acme/app.git") -> Any:
    files = {**FILES, "pushedSha": ("blob", pushed(PACKED, repository), "application/json")}
    return tenant.post(PACKFILE, files=files)


def test_an_event_too_many_is_refused_with_the_quota_and_what_to_do(
    tenants: tuple[Tenant, Tenant],
) -> None:
    ours, theirs = tenants
    ours.create({**SHOPIST, "id": ID})
    ours.create({"services": ["web"], "started_at": 1, "name": "down"}, FAILURE)
    before = ours.everything()
    message = MESSAGE.format(ours.organisation)
    assert refused(ours.send(BARE)) == message
    assert refused(ours.send({"services": ["a"], "started_at": 2}, FAILURE)) == message
    assert ours.everything() == before
    [refusal, *_] = _refusals(ours)
    assert (refusal.status, refusal.message) == (403, message)
    theirs.create(BARE)
    assert ours.create({**SHOPIST, "id": ID, "version": "v2"}) == ID
    assert ours.patch(ID, {"change_failure": True}).status_code in (200, 202, 204)
    assert ours.delete(ID).status_code < 300
    ours.create(BARE)


def _refusals(tenant: Tenant) -> Any:
    store = tenant.built.store
    store.reception.write(actor=TESTER).result()
    return store.health.look(store.keys.organisation(tenant.organisation)).refusals


def test_a_pack_of_a_repository_too_many_is_refused_and_not_kept(
    tenants: tuple[Tenant, Tenant], tmp_path: Path
) -> None:
    ours, theirs = tenants
    assert upload(ours).status_code == 204
    before = sorted((tmp_path / "git").rglob("*"))
    reason = refused(upload(ours, "https://github.com/acme/other.git"))
    assert "it has 1 of 1 repositories, and this adds 1." in reason
    assert sorted((tmp_path / "git").rglob("*")) == before
    assert upload(ours).status_code == 204
    assert upload(theirs, "https://github.com/acme/other.git").status_code == 204


def test_data_health_shows_a_quota_that_is_nearly_used(tenants: tuple[Tenant, Tenant]) -> None:
    ours, theirs = tenants
    ours.create(BARE)
    ours.create({**BARE, "version": "v2"})
    page = sign_in(ours).page("/data-health")
    assert page.one("h2").text == "Quotas"
    [row] = page.one("tbody").all("tr")
    assert [cell.text for cell in row.all("td")] == ["2", "2", "100 %"]
    assert row.one("th").text == "Events"
    assert page.one("nav", aria_label="Main").one("span", class_="badge").text == "1 to look at"
    theirs.create(BARE)
    text = sign_in(theirs).page("/data-health?check=quotas").one("section", class_="panel").text
    assert "No quota of this organisation is used to 80 % or more" in text


def test_a_page_says_why_a_failure_cannot_be_closed(tenants: tuple[Tenant, Tenant]) -> None:
    ours, _ = tenants
    failure = {
        "id": "a-failure-of-ours",
        "services": ["web"],
        "started_at": 1693491974,
        "name": "n",
    }
    ours.create(failure, FAILURE)
    org = ours.built.store.keys.organisation(ours.organisation)
    used = ours.built.store._database.read(lambda cursor: read_usage(cursor, org)).bytes
    # The name takes all of the room that is left.
    id_ = ours.create({**failure, "name": "n" * (BYTES - used + 1)}, FAILURE)
    answer = sign_in(ours).post(f"/failures/{id_}/close", {"finished_at": "2023-08-31T15:30"})
    assert answer.status_code == 403
    assert "A quota is used up" in answer.text
    assert "of 1,000 bytes of events" in answer.text
    assert "finished_at" not in ours.get(id_, FAILURES)
