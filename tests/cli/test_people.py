"""`theodora people` and `theodora sessions`: roles, switching off, and ending sessions."""

import time

from actors import TESTER
from commands import Run
from databases import ON_SQLITE
from theodora.storage import PersonIdentity, SessionLimits, Store
from theodora.storage.access.principals import person_principal
from theodora.storage.access.sessions import SignInPlace

pytestmark = ON_SQLITE
LIMITS = SessionLimits(10**18, 10**18)
ADA = PersonIdentity("proxy", "ada", "Ada", "ada@example.org")


def test_people_get_roles_and_are_switched_off_with_their_sessions(run: Run, url: str) -> None:
    now_ns = time.time_ns()
    with Store(url) as store:
        org = store.organisations.create("default", now_ns, actor=TESTER).result()
        person = store.people.sign_in(
            org.name, ADA, "viewer", now_ns, may_create=True, actor=TESTER
        ).result()
        for secret in ("one", "two"):
            place = SignInPlace("192.0.2.7", "Firefox on Linux\x1b[2J")
            store.sessions.add(
                person_principal(person), secret, now_ns, LIMITS, place, actor=TESTER
            ).result()
    listed = run("people", "list").stdout
    assert f"{person.id}  Ada   ada@example.org  viewer (groups)  all " in listed
    sessions = run("sessions", "list").stdout
    assert "192.0.2.7  Firefox on Linux" in sessions
    assert "\x1b" not in sessions
    first = sessions.splitlines()[1].split()[0]
    assert run("sessions", "end", first).exit_code == 0
    assert run("sessions", "end", first).exit_code == 1
    assert len(run("sessions", "list").stdout.splitlines()) == 2
    assert run("people", "role", person.id, "owner").stdout == "Ada is owner\n"
    assert run("people", "role", person.id, "king").exit_code == 2
    assert "owner  " in run("people", "list").stdout
    run("people", "role", person.id, "groups")
    assert "owner (groups)" in run("people", "list").stdout
    said = run("people", "teams", person.id, "web, payments").stdout
    assert said == "Ada changes what belongs to payments, web\n"
    assert "payments,web" in run("people", "list").stdout
    assert run("people", "teams", person.id, ",").exit_code == 1
    assert "payments,web" in run("people", "list").stdout
    assert "all teams" in run("people", "teams", person.id, "").stdout
    run("people", "disable", person.id)
    assert "switched off" in run("people", "list").stdout
    assert len(run("sessions", "list").stdout.splitlines()) == 1
    run("people", "enable", person.id)
    assert "active" in run("people", "list").stdout
    assert run("people", "disable", "nobody").exit_code == 1
