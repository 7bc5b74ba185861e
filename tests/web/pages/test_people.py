"""The page of people and sessions: roles, switching off, ending sessions; who may."""

import time

import pytest

from actors import TESTER
from asking import FAILURE, Tenant, make_key
from databases import ON_SQLITE
from theodora.storage import PersonIdentity, SessionLimits
from theodora.storage.access.audit import AuditQuery
from theodora.storage.access.principals import person_principal
from theodora.storage.access.sessions import new_session_secret
from theodora.web.pages.shell.cookies import SESSION_COOKIE
from visiting import Browser, Element, sign_in

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
        ({"act": "teams"}, 403),
        ({"act": "disable"}, 303),
        ({"act": "enable"}, 403),
        ({"role": "viewer"}, 303),
        ({"act": "enable"}, 303),
    ):
        assert browser.post(PATH, {"id": person.id, **fields}).status_code == status, fields
    now = people.get(person.organisation, person.id)
    assert (now.role.name, now.disabled_at_ns) == ("viewer", None)


def test_teams_are_set_shown_and_taken_away(tenant: Tenant) -> None:
    people, browser = tenant.built.store.people, sign_in(tenant)
    identity = PersonIdentity("proxy", "teams", "Teams")
    person = people.sign_in(
        tenant.organisation, identity, "editor", time.time_ns(), may_create=True, actor=TESTER
    ).result()

    def set_to(text: str) -> int:
        fields = {"id": person.id, "act": "teams", "teams": text}
        return browser.post(PATH, fields).status_code

    assert set_to(" web,payments ,web") == 303
    assert people.get(person.organisation, person.id).teams == ("payments", "web")
    assert browser.page(PATH).one("input", name="teams")["value"] == "payments, web"
    for wrong in (",", "x" * 201, "web\x07", ",".join(map(str, range(101)))):
        assert set_to(wrong) == 400
    assert people.get(person.organisation, person.id).teams == ("payments", "web")
    assert set_to(" ") == 303
    assert people.get(person.organisation, person.id).teams == ()
    people.set_role(person.organisation, person.id, "admin", actor=TESTER).result()
    assert not browser.page(PATH).all("input", name="teams"), "no limit of an admin"


EVENTS = {"finished_at": 1_693_440_060, "started_at": 1_693_440_000}
OURS, THEIRS = "payments", "web"


def editor(tenant: Tenant, role: str, *teams: str) -> Browser:
    """The browser of a person with this role and these teams."""
    store, now_ns = tenant.built.store, time.time_ns()
    identity = PersonIdentity("proxy", f"{role} of {teams}")
    person = store.people.sign_in(
        tenant.organisation, identity, role, now_ns, may_create=True, actor=TESTER
    ).result()
    store.people.set_teams(person.organisation, person.id, teams, actor=TESTER).result()
    secret = new_session_secret()
    store.sessions.add(
        person_principal(person), secret, now_ns, SessionLimits(10**18, 10**18), actor=TESTER
    ).result()
    browser = Browser(tenant.client)
    browser.client.cookies.set(SESSION_COOKIE, secret)
    return browser


def deployment(tenant: Tenant, team: str) -> str:
    owned = {"team": team} if team else {}
    return tenant.create({"service": f"of {team}", **EVENTS, **owned})


def failure(tenant: Tenant, team: str) -> str:
    owned = {"team": team} if team else {}
    document = {"services": [f"of {team}"], "name": "down", **EVENTS, **owned}
    return tenant.create(document, FAILURE)


@pytest.mark.parametrize(
    ("role", "teams", "allowed"),
    [
        ("editor", (OURS,), {OURS}),
        ("editor", (OURS, "another"), {OURS}),
        ("editor", (), {OURS, THEIRS, ""}),
        ("admin", (OURS,), {OURS, THEIRS, ""}),
        ("owner", (OURS,), {OURS, THEIRS, ""}),
        ("viewer", (OURS,), set()),
    ],
)
def test_an_editor_changes_what_belongs_to_her_teams(
    tenant: Tenant, role: str, teams: tuple[str, ...], allowed: set[str]
) -> None:
    browser = editor(tenant, role, *teams)
    for team in (OURS, THEIRS, ""):
        down, deployed = failure(tenant, team), deployment(tenant, team)
        asked: tuple[tuple[str, str, dict[str, str]], ...] = (
            (f"/deployments/{deployed}", "verdict", {"verdict": "failed"}),
            (f"/failures/{down}", "close", {"finished_at": "2023-08-31T01:30"}),
            (f"/failures/{down}", "link", {"deployment": deployed}),
            (f"/failures/{down}", "link", {"deployment": deployed, "undo": "yes"}),
        )
        before = tenant.everything()
        for path, form, fields in asked:
            forms = browser.page(path).one("main").all("form")
            assert bool(forms) == (team in allowed), (team, path)
            answer = browser.post(f"{path}/{form}", fields)
            assert answer.status_code == (303 if team in allowed else 403), (team, form, fields)
            if role == "editor" and team not in allowed:
                assert f"belongs to {'the team web' if team else 'no team'}" in answer.text
                assert OURS in answer.text
        assert (tenant.everything() == before) == (team not in allowed)


def test_an_editor_sets_the_goals_of_her_teams_and_their_services(tenant: Tenant) -> None:
    browser, admin = editor(tenant, "editor", OURS), editor(tenant, "admin")
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    for team in (OURS, THEIRS):
        store.settings.put(org, {"team": team}, f"of {team}", actor=TESTER).result()
    metric = {"metric": "change_lead_time"}
    subjects = [
        ({"team": OURS}, 303),
        ({"service": f"of {OURS}"}, 303),
        ({"team": THEIRS}, 403),
        ({"service": f"of {THEIRS}"}, 403),
        ({"service": "unknown"}, 403),
        ({}, 403),
    ]
    for subject, status in subjects:
        set_ = {**metric, **subject, "value": "2d"}
        assert browser.post("/goals", set_).status_code == status, subject
        assert admin.post("/goals", set_).status_code == 303
    assert len(browser.page("/goals").one("tbody").all("form")) == 2
    assert len(admin.page("/goals").one("tbody").all("form")) == len(subjects)
    for subject, status in subjects:
        removed = {"service": "", "team": "", **metric, **subject}
        assert browser.post("/goals/remove", removed).status_code == status, subject


def test_a_link_and_a_verdict_reach_into_no_other_team(tenant: Tenant) -> None:
    """A link needs both of its ends, and a verdict what it names anew."""
    browser, admin = editor(tenant, "editor", OURS), editor(tenant, "admin")
    down, deployed = failure(tenant, OURS), deployment(tenant, OURS)
    their_failure, their_deployment = failure(tenant, THEIRS), deployment(tenant, THEIRS)
    for link in ((down, their_deployment), (their_failure, deployed)):
        for undo in ("", "yes"):
            fields = {"deployment": link[1], "undo": undo}
            assert browser.post(f"/failures/{link[0]}/link", fields).status_code == 403
    verdict, failed = f"/deployments/{deployed}/verdict", {"verdict": "failed"}
    named: tuple[dict[str, str], ...] = ({"failures": their_failure}, {"remedy": their_deployment})
    for fields in named:
        assert browser.post(verdict, {**failed, **fields}).status_code == 403
        assert admin.post(verdict, {**failed, **fields}).status_code == 303
        assert browser.post(verdict, {**failed, **fields, "reason": "known"}).status_code == 303
    own = {"failures": down, "remedy": deployment(tenant, OURS)}
    assert browser.post(verdict, {**failed, **own}).status_code == 303


def test_no_link_is_offered_to_another_teams_deployment(tenant: Tenant) -> None:
    times = {"service": "shared", "started_at": 1_693_440_000, "finished_at": 1_693_440_060}
    ours, theirs = (
        tenant.create({**times, "team": team, "version": team}) for team in (OURS, THEIRS)
    )
    down = {"services": ["shared"], "name": "down", "team": OURS, "started_at": 1_693_440_100}
    path = f"/failures/{tenant.create(down, FAILURE)}"
    browser = editor(tenant, "editor", OURS)

    def offered(page: Element) -> set[str]:
        return {each["value"] for each in page.one("main").all("input", name="deployment")}

    assert offered(browser.page(path)) == {ours}
    linked = editor(tenant, "admin").post(f"{path}/link", {"deployment": theirs})
    assert linked.status_code == 303
    assert offered(browser.page(path)) == {ours}
    assert offered(editor(tenant, "admin").page(path)) == {ours, theirs}


def test_a_refusal_for_the_team_is_in_the_audit_log(tenant: Tenant) -> None:
    id_, store = deployment(tenant, THEIRS), tenant.built.store
    editor(tenant, "editor", OURS).post(f"/deployments/{id_}/verdict", {"verdict": "failed"})
    org, asked = store.keys.organisation(tenant.organisation), AuditQuery(action="permission")
    until = time.monotonic() + 5
    while not (found := store.audit.entries(org, asked)) and time.monotonic() < until:
        time.sleep(0.01)
    assert found[0].reason == f'it may not change events of the team "{THEIRS}"'


def test_the_account_menu_leads_to_your_sessions(tenant: Tenant) -> None:
    browser = editor(tenant, "viewer")
    [link] = [each for each in browser.page("/").all("a") if each.text == "Your sessions"]
    path, _, anchor = link["href"].partition("#")
    assert browser.page(path).one("h2", id=anchor).text == "Your sessions"


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
