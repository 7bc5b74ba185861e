"""When a session is due for what, and which ones are forgotten."""

import time

import pytest

from actors import TESTER
from removing import made_remover
from theodora.storage import Organisation, Principal, Session, SessionLimits, Store
from theodora.storage.access.principals import key_principal
from theodora.storage.access.sessions import RENEWED_AFTER_NS, SECOND_NS

LIMITS = SessionLimits(idle_ns=1_000 * SECOND_NS, absolute_ns=5_000 * SECOND_NS)
NOW_NS = 10**18


@pytest.fixture
def somebody(store: Store, org: Organisation) -> Principal:
    key = store.keys.add(
        org.name, "application", "secret", name="", permissions=frozenset(), now_ns=1, actor=TESTER
    ).result()
    return key_principal(key)


def found(store: Store, secret: str, now_ns: int = NOW_NS) -> Session | None:
    return store.sessions.find(secret, now_ns, LIMITS)


def test_a_session_is_seen_once_a_minute_and_renewed_after_half_an_hour(
    store: Store, somebody: Principal
) -> None:
    store.sessions.add(somebody, "one", NOW_NS, LIMITS, actor=TESTER).result()
    session = found(store, "one")
    assert session
    assert not session.is_due_to_be_seen(NOW_NS + 60 * SECOND_NS)
    assert session.is_due_to_be_seen(NOW_NS + 60 * SECOND_NS + 1)
    assert RENEWED_AFTER_NS == 1_800 * SECOND_NS
    assert not session.is_due_to_renew(NOW_NS + RENEWED_AFTER_NS)
    assert session.is_due_to_renew(NOW_NS + RENEWED_AFTER_NS + 1)


def test_signing_in_forgets_the_sessions_that_have_ended(store: Store, somebody: Principal) -> None:
    def rows() -> int:
        statement = "SELECT count(*) FROM sessions"
        [(count,)] = store._database.read(lambda cursor: cursor.execute(statement).fetchall())
        return count

    store.sessions.add(somebody, "idle", NOW_NS, LIMITS, actor=TESTER).result()
    store.sessions.add(somebody, "used", NOW_NS + 1, LIMITS, actor=TESTER).result()
    used = found(store, "used", NOW_NS + 1)
    assert used
    store.sessions.note_seen(used, NOW_NS + 900 * SECOND_NS, actor=TESTER).result()
    store.sessions.add(somebody, "next", NOW_NS + LIMITS.idle_ns - 1, LIMITS, actor=TESTER).result()
    assert rows() == 3
    store.sessions.add(somebody, "later", NOW_NS + LIMITS.idle_ns, LIMITS, actor=TESTER).result()
    assert rows() == 3
    assert found(store, "used", NOW_NS + LIMITS.idle_ns)
    for number in range(1, 6):
        seen_ns = NOW_NS + 1_000 * number * SECOND_NS - number
        store.sessions.note_seen(used, seen_ns, actor=TESTER).result()
        store.sessions.add(somebody, f"at {number}", seen_ns, LIMITS, actor=TESTER).result()
    # `used` was never idle, but signed in too long ago; of the rest the last two are left.
    end_ns = NOW_NS + 1 + LIMITS.absolute_ns
    store.sessions.add(somebody, "last", end_ns, LIMITS, actor=TESTER).result()
    assert found(store, "used", end_ns) is None
    assert rows() == 2
    # Nobody signs in to that organisation again.
    store.sessions.remove_ended(end_ns, LIMITS, actor=TESTER)
    assert rows() == 2
    store.sessions.remove_ended(end_ns + LIMITS.idle_ns, LIMITS, actor=TESTER)
    assert rows() == 0


def test_a_server_forgets_sessions_that_have_ended_by_itself(
    store: Store, somebody: Principal
) -> None:
    generous = SessionLimits(idle_ns=10**19, absolute_ns=10**19)
    store.sessions.add(somebody, "one", NOW_NS, generous, actor=TESTER).result()
    remover = made_remover(store)
    remover.start()
    until_sec = time.monotonic() + 30
    while store.sessions.find("one", NOW_NS, generous) and time.monotonic() < until_sec:
        time.sleep(0.02)
    remover.stop()
    assert store.sessions.find("one", NOW_NS, generous) is None
