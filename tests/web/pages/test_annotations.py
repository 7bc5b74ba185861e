"""The page of annotations, and charts that have them."""

import time

from actors import TESTER
from asking import Tenant
from databases import ON_SQLITE
from theodora.events import Deployment
from theodora.events.annotations import Annotation
from theodora.events.values import DAY_NS
from theodora.storage.access.permissions import READ
from theodora.storage.annotations import StoredAnnotation
from visiting import sign_in
from web.pages.test_people import editor

pytestmark = ON_SQLITE

PATH = "/annotations"
TRAP = "<script>alert(1)</script>"


def stored(tenant: Tenant) -> list[StoredAnnotation]:
    store = tenant.built.store
    return [*store.annotations.newest(store.keys.organisation(tenant.organisation), 99)]


def add(tenant: Tenant, text: str, days_ago: float = 3, **about: str) -> str:
    store, now_ns = tenant.built.store, time.time_ns()
    content = Annotation(at_ns=now_ns - round(days_ago * DAY_NS), text=text, **about)
    org = store.keys.organisation(tenant.organisation)
    return store.annotations.add(org, content, now_ns, actor=TESTER).result().id


def deploy(tenant: Tenant, service: str, team: str = "") -> None:
    store, now_ns = tenant.built.store, time.time_ns()
    org = store.keys.organisation(tenant.organisation)
    event = Deployment(
        id="", service=service, team=team, env="production", started_at_ns=now_ns - DAY_NS,
        finished_at_ns=now_ns - DAY_NS + 1,
    )  # fmt: skip
    store.deployments.add(org, event, now_ns, actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)


def test_one_is_added_in_the_zone_of_the_page_and_removed(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    fields = {"at": "2026-06-01T12:00", "text": f" {TRAP} ", "service": "web", "env": ""}
    action = browser.page(f"{PATH}?timezone=Europe/Berlin").one("form", class_="form")["action"]
    saved = browser.post(action, fields)
    assert saved.status_code == 303
    assert saved.headers["location"].endswith("&saved=added")
    [made] = stored(tenant)
    assert made.content == Annotation(at_ns=1_780_308_000 * 10**9, text=TRAP, service="web"), (
        "10:00 in UTC"
    )
    page = browser.page(PATH)
    assert page.one("table").all("bdi")[0].text == TRAP
    assert page.one("input", name="id")["value"] == made.id
    assert browser.post(f"{PATH}/remove", {"id": made.id}).status_code == 303
    assert not stored(tenant)
    assert browser.post(f"{PATH}/remove", {"id": made.id}).status_code == 404


def test_what_is_wrong_is_beside_its_field_and_nothing_is_lost(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    answer = browser.post(PATH, {"at": "soon", "text": "", "service": "web"})
    assert answer.status_code == 400
    answer = browser.post(PATH, {"at": "", "text": "x" * 201, "service": "web"})
    assert 'id="text-problem"' in answer.text
    assert 'value="web"' in answer.text
    assert not stored(tenant)


def test_readers_see_them_and_change_nothing(tenant: Tenant) -> None:
    id_ = add(tenant, "moved")
    browser = sign_in(tenant, READ)
    assert "moved" in browser.page(PATH).one("main").text
    assert not browser.page(PATH).one("main").all("button")
    assert browser.post(PATH, {"text": "x"}).status_code == 403
    assert browser.post(f"{PATH}/remove", {"id": id_}).status_code == 403
    assert len(stored(tenant)) == 1


def test_an_editor_with_teams_annotates_those_alone(tenant: Tenant) -> None:
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    store.settings.put(org, {"team": "payments"}, "cart", actor=TESTER).result()
    browser = editor(tenant, "editor", "payments")
    for fields, status in (
        ({"team": "payments"}, 303),
        ({"service": "cart"}, 303),
        ({"team": "web", "service": "cart"}, 403),
        ({"service": "shop"}, 403),
        ({}, 403),
    ):
        assert browser.post(PATH, {"text": "x", **fields}).status_code == status, fields
    for_all = add(tenant, "for all")
    assert browser.post(f"{PATH}/remove", {"id": for_all}).status_code == 403
    assert len(browser.page(PATH).all("input", name="id")) == 2


def test_charts_have_those_that_concern_them(tenant: Tenant) -> None:
    deploy(tenant, "cart", "payments")
    deploy(tenant, "web")
    add(tenant, "for all")
    add(tenant, "of cart", service="cart")
    add(tenant, "of payments", team="payments")
    add(tenant, "in staging", env="staging")
    add(tenant, "long ago", days_ago=300)
    browser = sign_in(tenant)

    def listed(path: str) -> list[str]:
        page = browser.page(path)
        found = page.all("ol", class_="notes")
        lines = len(page.all("path", class_="an"))
        assert bool(lines) == bool(found), path
        return [bdi.text for each in found for bdi in each.all("bdi")]

    everything = ["for all", "of cart (cart)", "of payments (payments)"]
    assert sorted(listed("/?query=is:production")) == everything
    assert sorted(listed("/deployments?query=is:production")) == everything
    assert sorted(listed("/services/cart")) == everything
    assert listed("/services/web") == ["for all"]
    assert listed("/?query=service:web&range=24h") == []
