"""Pages take turns on the threads by the organisation of their session."""

from collections.abc import Hashable

import pytest

from asking import Tenant
from databases import ON_SQLITE
from theodora.web.http.turns import FairThreads
from theodora.web.pages.shell import recent_sessions
from theodora.web.pages.shell.recent_sessions import RecentSessions
from visiting import sign_in


@ON_SQLITE
def test_a_session_that_has_asked_before_takes_its_organisations_turn(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = sign_in(tenant)
    callers, share = list[Hashable](), FairThreads.of

    def noted(threads: FairThreads, caller: Hashable) -> object:
        callers.append(caller)
        return share(threads, caller)

    monkeypatch.setattr(FairThreads, "of", noted)
    browser.get("/deployments")
    browser.get("/deployments")
    organisation = tenant.built.store.keys.organisation(tenant.organisation)
    assert callers[-1] == organisation.key


def test_a_session_that_asked_longest_ago_is_forgotten_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recent_sessions, "_REMEMBERED", 2)
    sessions = RecentSessions()
    for number, secret in enumerate(("one", "two")):
        sessions.note(secret, number)
    assert sessions.organisation("one") == 0
    sessions.note("three", 2)
    found = [sessions.organisation(secret) for secret in ("one", "two", "three", "")]
    assert found == [0, None, 2, None]
