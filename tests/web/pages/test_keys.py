"""The page of keys: made and shown once, used, revoked, and never granting too much."""

import time
from typing import Any

import pytest

from actors import TESTER
from asking import DEPLOYMENT, SHOPIST, Tenant, make_key
from databases import ON_SQLITE
from theodora.events.values import DAY_NS
from theodora.storage import Key
from theodora.storage.access.key_addresses import KEPT_ADDRESSES
from theodora.storage.access.key_limits import OPERATION_NAMES, KeyLimits
from theodora.storage.access.key_secrets import has_checksum, new_secret
from theodora.storage.access.keys import PERMISSIONS_OF
from visiting import FROM_ELSEWHERE, Browser, Element, read_page, sign_in

pytestmark = ON_SQLITE

PATH = "/settings/keys"
HOSTILE = '"><script>alert(1)</script>\u202e'
MINUTE_NS = 60_000_000_000


def keys(tenant: Tenant) -> list[Key]:
    return tenant.built.store.keys.all_of(tenant.organisation)


def named(tenant: Tenant, name: str) -> Key:
    (found,) = [key for key in keys(tenant) if key.name == name]
    return found


def make(browser: Browser, name: str, kind: str = "api", *permissions: str, status: int = 200):
    fields = {"name": name, "kind": kind, "permission": list(permissions)}
    answer = browser.post(PATH, fields)
    assert answer.status_code == status, answer.text
    return read_page(answer.text)


def rows(page: Element) -> list[str]:
    return [row.text for row in page.one("table", class_="big").one("tbody").all("tr")]


def test_a_new_key_is_shown_once_and_works(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    secret = make(browser, "deploy job").one("pre", class_="copy").text
    assert has_checksum(secret)
    sent = tenant.client.post(
        DEPLOYMENT, json={"data": {"attributes": SHOPIST}}, headers={"DD-API-KEY": secret}
    )
    assert sent.status_code == 200
    page = browser.page(PATH)
    assert secret not in browser.get(PATH).text
    assert any("deploy job" in row for row in rows(page))


def test_an_application_key_may_do_what_was_ticked(tenant: Tenant) -> None:
    secret = make(sign_in(tenant), "reader", "application", "dora_metrics_read")
    assert named(tenant, "reader").permissions == {"dora_metrics_read"}
    browser = Browser(tenant.client)
    shown = secret.one("pre", class_="copy").text
    assert browser.post("/sign-in", {"key": shown}).status_code == 303
    assert not browser.page(PATH).one("main").all("form")


def test_no_key_grants_more_than_it_may_do_itself(tenant: Tenant) -> None:
    browser = sign_in(tenant, "dora_metrics_read", "dora_settings_write")
    offered = {each["value"] for each in browser.page(PATH).all("input", name="permission")}
    assert offered == {"dora_metrics_read", "dora_settings_write"}
    before = keys(tenant)
    page = make(browser, "too much", "application", "dora_metrics_write", status=403)
    assert "dora_metrics_write" in page.one("main").text
    assert len(keys(tenant)) == len(before)


@pytest.mark.parametrize(
    ("name", "kind", "field"),
    [("", "api", "name"), ("x" * 201, "api", "name"), ("reader", "application", "permission")],
)
def test_what_is_wrong_is_said_at_the_field(
    tenant: Tenant, name: str, kind: str, field: str
) -> None:
    before = keys(tenant)
    page = make(sign_in(tenant), name, kind, status=400)
    wrong = page.one(aria_invalid="true")
    assert page.one(id=wrong["aria-describedby"]).text
    assert wrong["aria-describedby"] == f"{field}-problem"
    assert len(keys(tenant)) == len(before) + 1


def test_a_key_is_revoked_after_a_question(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    secret = make(browser, "old job").one("pre", class_="copy").text
    key = named(tenant, "old job")
    asked = browser.page(f"{PATH}?revoke={key.id}")
    assert asked.one("h2", id="end").text == "Revoke old job?"
    assert named(tenant, "old job").revoked_at_ns is None
    answer = browser.post(f"{PATH}/revoke", {"id": key.id})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}?saved=revoked")
    assert "Key revoked" in browser.page(f"{PATH}?saved=revoked").one(role="status").text
    refused = tenant.client.post(
        DEPLOYMENT, json={"data": {"attributes": SHOPIST}}, headers={"DD-API-KEY": secret}
    )
    assert refused.status_code == 403


def test_whoever_revokes_the_own_key_is_told_and_signed_out(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    own = max(keys(tenant), key=lambda key: key.created_at_ns)
    assert "signed out" in browser.page(f"{PATH}?revoke={own.id}").one("main").text
    browser.post(f"{PATH}/revoke", {"id": own.id})
    assert browser.get(PATH).headers["location"].startswith("/sign-in")


def test_a_key_of_another_organisation_is_neither_shown_nor_revoked(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    make(sign_in(other_tenant), "their job")
    key = named(other_tenant, "their job")
    browser = sign_in(tenant)
    assert "their job" not in browser.get(f"{PATH}?revoke={key.id}").text
    assert browser.post(f"{PATH}/revoke", {"id": key.id}).status_code == 404
    assert named(other_tenant, "their job").revoked_at_ns is None


def test_a_hostile_name_is_only_a_name(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    make(browser, HOSTILE)
    answer = browser.get(f"{PATH}?revoke={named(tenant, HOSTILE).id}")
    assert "<script>alert" not in answer.text
    assert "\u202e" not in read_page(answer.text).text


def test_no_key_is_made_for_a_form_of_another_server(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    before = keys(tenant)
    assert (
        browser.post(PATH, {"name": "x", "kind": "api"}, headers=FROM_ELSEWHERE).status_code == 403
    )
    assert (
        browser.post(f"{PATH}/revoke", {"id": before[0].id}, headers=FROM_ELSEWHERE).status_code
        == 403
    )
    assert [(key.id, key.revoked_at_ns) for key in keys(tenant)] == [
        (key.id, None) for key in before
    ]


def test_the_page_tells_when_a_key_was_last_used(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    make_key(tenant.built, tenant.organisation, "api")
    assert rows(browser.page(PATH))[0].endswith("never Rotate Revoke")
    tenant.create(SHOPIST)
    assert "just now" in rows(browser.page(PATH))[-1]


def test_uses_within_a_minute_are_written_down_once(tenant: Tenant) -> None:
    """However often a key is used, that costs a write a minute."""
    store = tenant.built.store
    make_key(tenant.built, tenant.organisation, "api")
    key = keys(tenant)[-1]
    for now_ns in (5 * MINUTE_NS, 6 * MINUTE_NS - 1):
        store.keys.note_used(key, now_ns, actor=TESTER)
        store.keys.ensure_organisation(tenant.organisation, now_ns, actor=TESTER).result()
        assert keys(tenant)[-1].last_used_at_ns == 5 * MINUTE_NS
    store.keys.note_used(key, 6 * MINUTE_NS, actor=TESTER)
    store.keys.ensure_organisation(tenant.organisation, 0, actor=TESTER).result()
    assert keys(tenant)[-1].last_used_at_ns == 6 * MINUTE_NS


def test_a_key_is_made_with_limits_and_shown_with_them(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    fields = {
        "name": "CI",
        "kind": "api",
        "services": "checkout-*, cart",
        "networks": "192.0.2.0/24 2001:db8::/32",
        "operation": ["deployments", "failures"],
        "lifetime": "90",
    }
    secret = read_page(browser.post(PATH, fields).text).one("pre", class_="copy").text
    key = named(tenant, "CI")
    assert key.limits == KeyLimits(
        services=("checkout-*", "cart"),
        operations=("deployments", "failures"),
        networks=("192.0.2.0/24", "2001:db8::/32"),
    )
    assert key.expires_at_ns == key.created_at_ns + 90 * DAY_NS
    [row, *_] = rows(browser.page(PATH))
    assert secret[:14] in row
    assert secret not in row
    for shown in ("services checkout-*, cart", "only deployments, failures", "expires"):
        assert shown in row


def test_everything_ticked_is_no_limit(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    ticked = [each["value"] for each in browser.page(PATH).all("input", name="operation")]
    assert ticked == list(OPERATION_NAMES)
    browser.post(PATH, {"name": "all", "kind": "api", "operation": ticked, "lifetime": "7"})
    key = named(tenant, "all")
    assert (key.limits, key.expires_at_ns) == (KeyLimits(), None)


def test_a_network_that_is_none_is_said_at_the_field(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    answer = browser.post(PATH, {"name": "CI", "kind": "api", "networks": "office"})
    assert answer.status_code == 400
    wrong = read_page(answer.text).one(aria_invalid="true")
    assert (wrong["name"], wrong["value"]) == ("networks", "office")


def test_a_key_is_rotated_after_a_question(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    make(browser, "CI")
    old = named(tenant, "CI")
    assert browser.page(f"{PATH}?rotate={old.id}").one("h2", id="turn").text == "Rotate CI?"
    answer = browser.post(f"{PATH}/rotate", {"id": old.id, "overlap": "30"})
    assert has_checksum(read_page(answer.text).one("pre", class_="copy").text)
    first, second = (key for key in keys(tenant) if key.name == "CI")
    assert (first.id, second.expires_at_ns) == (old.id, None)
    assert first.expires_at_ns == second.created_at_ns + 30 * DAY_NS
    assert browser.post(f"{PATH}/rotate", {"id": "nothing"}).status_code == 404


def test_no_key_is_rotated_that_may_do_more(tenant: Tenant) -> None:
    """The new key would be shown to one who may not have it."""
    make(sign_in(tenant), "all", "application", "dora_metrics_read", "dora_metrics_write")
    browser = sign_in(tenant, "dora_metrics_read", "dora_settings_write")
    assert browser.post(f"{PATH}/rotate", {"id": named(tenant, "all").id}).status_code == 403
    assert named(tenant, "all").expires_at_ns is None


def test_the_page_shows_addresses_and_keys_that_nobody_uses(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    make_key(tenant.built, tenant.organisation, "api")
    key, now_ns = keys(tenant)[-1], time.time_ns()
    store = tenant.built.store
    for days, address in ((100, "192.0.2.7"), (95, "2001:db8::1")):
        at_ns = now_ns - days * DAY_NS
        store.keys.note_used(key, at_ns, address=address, actor=TESTER)
    store.keys.ensure_organisation(tenant.organisation, 0, actor=TESTER).result()
    [row, *_] = rows(browser.page(PATH))
    assert "from 2001:db8::/64unused for 90 days" in row
    for days, address in ((10, "192.0.2.8"), (0, "192.0.2.9")):
        at_ns = now_ns - days * DAY_NS
        store.keys.note_used(key, at_ns, address=address, actor=TESTER)
    store.keys.ensure_organisation(tenant.organisation, 0, actor=TESTER).result()
    [row, *_] = rows(browser.page(PATH))
    assert "from 192.0.2.9, a new address" in row
    assert "unused" not in row


def test_the_last_addresses_of_a_key_are_kept(tenant: Tenant) -> None:
    make_key(tenant.built, tenant.organisation, "api")
    store, key = tenant.built.store, keys(tenant)[-1]

    def noted(at_ns: int, address: str) -> list[str]:
        store.keys.note_used(key, at_ns, address=address, actor=TESTER)
        store.keys.ensure_organisation(tenant.organisation, 0, actor=TESTER).result()
        return [each.address for each in store.keys.addresses(key.organisation)[key.id]]

    for number in range(KEPT_ADDRESSES + 1):
        store.keys.note_used(key, MINUTE_NS + number, address=f"192.0.2.{number}", actor=TESTER)
    kept = noted(2 * MINUTE_NS, "192.0.2.200")
    assert (len(kept), kept[0], kept[-1]) == (KEPT_ADDRESSES, "192.0.2.200", "192.0.2.2")
    assert noted(91 * DAY_NS, "::ffff:192.0.2.201") == ["192.0.2.201"]


def test_a_session_is_used_from_the_addresses_of_its_key(tenant: Tenant) -> None:
    store, secret = tenant.built.store, new_secret("application")
    store.keys.add(
        tenant.organisation,
        "application",
        secret,
        name="",
        permissions=frozenset({"dora_metrics_read"}),
        limits=KeyLimits(networks=("192.0.2.7",)),
        now_ns=time.time_ns(),
        actor=TESTER,
    ).result()
    browser = Browser(tenant.client)
    transport: Any = browser.client._transport  # pyright: ignore[reportPrivateUsage]
    assert browser.post("/sign-in", {"key": secret}).status_code == 403
    transport.client = ("192.0.2.7", 9)
    assert browser.post("/sign-in", {"key": secret}).status_code == 303
    assert browser.get(PATH).status_code == 200
    transport.client = ("192.0.2.8", 9)
    assert browser.get(PATH).headers["location"].startswith("/sign-in")


@pytest.mark.parametrize(
    "limited",
    [{"expires_at_ns": time.time_ns() + DAY_NS}, {"limits": KeyLimits(networks=("192.0.2.7",))}],
    ids=["expires", "addresses"],
)
def test_a_limited_key_makes_no_key_and_rotates_itself_alone(
    tenant: Tenant, limited: dict[str, Any]
) -> None:
    secret = new_secret("application")
    key = tenant.built.store.keys.add(
        tenant.organisation,
        "application",
        secret,
        name="contractor",
        permissions=frozenset(PERMISSIONS_OF["application"]),
        now_ns=time.time_ns(),
        actor=TESTER,
        **limited,
    ).result()
    browser = Browser(tenant.client)
    transport: Any = browser.client._transport  # pyright: ignore[reportPrivateUsage]
    transport.client = ("192.0.2.7", 9)
    assert browser.post("/sign-in", {"key": secret}).status_code == 303
    before = len(keys(tenant))
    make(browser, "lasting", "api", status=403)
    assert "Create an API key" not in browser.page("/").text
    assert browser.post("/first-run/key").status_code == 403
    other = keys(tenant)[0]
    assert browser.post(f"{PATH}/rotate", {"id": other.id}).status_code == 403
    assert len(keys(tenant)) == before
    assert browser.post(f"{PATH}/rotate", {"id": key.id}).status_code == 200
