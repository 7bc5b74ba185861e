"""The session of a request's cookie, which it renews when due; and a new one."""

from contextlib import suppress

from theodora.errors import ReadOnly
from theodora.storage import Session, SessionLimits, Store
from theodora.storage.access.principals import Principal
from theodora.storage.access.sessions import SignInPlace, new_session_secret
from theodora.web.pages.shell.cookies import SESSION_COOKIE
from theodora.web.pages.shell.page import Cookie, Visit


def resume_session(
    store: Store,
    secret: str,
    address: str,
    now_ns: int,
    limits: SessionLimits,
    *,
    takes_keys: bool,
) -> tuple[Session | None, tuple[Cookie, ...]]:
    """The session with this secret, if it is valid, and the cookies that the browser must keep.

    A session of a key is used from addresses alone that the key may be used from, and from none
    unless the dashboard takes keys.
    """
    if not secret:
        return None, ()
    session = store.sessions.find(secret, now_ns, limits)
    key = session.principal.key if session else None
    if session is None or (key is not None and not (takes_keys and key.limits.admits(address))):
        return None, (Cookie(SESSION_COOKIE, "", 0),)
    principal = session.principal
    if key is not None:
        store.keys.note_used(key, now_ns, address=address, actor=principal.actor)
    if session.is_due_to_renew(now_ns):
        return session, _renewed(store, session, now_ns)
    if session.is_due_to_be_seen(now_ns):
        store.sessions.note_seen(session, now_ns, actor=principal.actor)
    return session, ()


def _renewed(store: Store, session: Session, now_ns: int) -> tuple[Cookie, ...]:
    """Gives the browser another secret; where that cannot be stored, it keeps the one it has."""
    secret = new_session_secret()
    with suppress(ReadOnly):
        if store.sessions.renew(session, secret, now_ns, actor=session.principal.actor).result():
            return (Cookie(SESSION_COOKIE, secret),)
    return ()


def begin_session(visit: Visit, principal: Principal) -> Cookie:
    """Signs in with a new secret, and ends the session that the browser had before."""
    secret = new_session_secret()
    sessions, place = visit.store.sessions, SignInPlace(visit.address, visit.browser)
    sessions.add(
        *(principal, secret, visit.now_ns, visit.limits, place),
        actor=principal.actor.at(visit.address),
    ).result()
    if visit.session is not None:
        sessions.end(visit.session, actor=visit.actor).result()
    return Cookie(SESSION_COOKIE, secret)
