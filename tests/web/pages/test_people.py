"""The page of people and sessions: roles, switching off, ending sessions; who may."""

import time

from actors import TESTER
from asking import Tenant, make_key
from databases import ON_SQLITE
from theodora.storage import PersonIdentity, SessionLimits
from visiting import Browser, sign_in

pytestmark = ON_SQLITE
PATH = "/settings/people"


def test_roles_are_set_and_people_switched_off(tenant: Tenant) -> None:
    people = tenant.built.store.people
    ada = PersonIdentity("proxy", "ada", "Ada <b>", "ada@example.org")
    person = people.sign_in(
        tenant.organisation, ada, "viewer", time.time_ns(), may_create=True, actor=TESTER
    ).result()
    browser = sign_in(tenant)
    assert "Ada <b>" in browser.page(PATH).one("main").text
    for fields, expected in (
        ({"role": "owner"}, ("owner", True, True)),
        ({"role": "groups"}, ("owner", False, True)),
        ({"act": "disable"}, ("owner", False, False)),
        ({"act": "enable"}, ("owner", False, True)),
    ):
        assert browser.post(PATH, {"id": person.id, **fields}).status_code == 303
        now = people.get(person.organisation, person.id)
        assert (now.role.name, now.is_role_set, now.disabled_at_ns is None) == expected
    assert browser.post(PATH, {"id": person.id, "role": "king"}).status_code == 400
    assert browser.post(PATH, {"id": "x", "role": "owner"}).status_code == 404
    settings = sign_in(tenant, "dora_metrics_read", "dora_settings_write")
    assert settings.post(PATH, {"id": person.id, "role": "viewer"}).status_code == 403
    assert "Ada" not in settings.page(PATH).one("main").text


def test_a_key_gives_nobody_a_role_that_allows_more_than_it_may_do(tenant: Tenant) -> None:
    people = tenant.built.store.people
    identity = PersonIdentity("proxy", "ada", "Ada")
    person = people.sign_in(
        tenant.organisation, identity, "owner", time.time_ns(), may_create=True, actor=TESTER
    ).result()
    browser = sign_in(tenant, "dora_metrics_read", "dora_organisation_write")
    for fields, status in (
        ({"role": "admin"}, 403),
        ({"role": "editor"}, 403),
        ({"act": "disable"}, 303),
        ({"act": "enable"}, 403),
        ({"role": "viewer"}, 303),
        ({"act": "enable"}, 303),
    ):
        assert browser.post(PATH, {"id": person.id, **fields}).status_code == status, fields
    now = people.get(person.organisation, person.id)
    assert (now.role.name, now.disabled_at_ns) == ("viewer", None)


def test_nobody_changes_herself(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    store = tenant.built.store
    [session] = store.sessions.all_of(
        store.keys.organisation(tenant.organisation), 0, SessionLimits(10**30, 10**30)
    )
    own = {"id": session.principal.actor.id, "act": "disable"}
    assert browser.post(PATH, own).status_code == 400


def test_a_session_is_ended_by_its_own_or_by_an_owner(tenant: Tenant) -> None:
    reader = make_key(tenant.built, tenant.organisation, "application", "dora_metrics_read")
    first, second = Browser(tenant.client), Browser(tenant.client)
    for browser in (first, second):
        browser.post("/sign-in", {"key": reader})
    owner = sign_in(tenant)
    ids = [each["value"] for each in owner.page(PATH).all("input", name="id")]
    own = {each["value"] for each in first.page(PATH).all("input", name="id")}
    assert len(own) == 2
    [of_owner] = set(ids) - own
    sessions = f"{PATH}/sessions"
    assert first.post(sessions, {"id": of_owner}).status_code == 404
    assert owner.get("/").status_code == 200
    for id_ in own:
        assert owner.post(sessions, {"id": id_}).status_code == 303
    assert first.get("/").status_code == 303
