"""Signing in with an application key, signing out, and preferences."""

import re

from theodora.events.values import SECOND_NS
from theodora.storage import Key
from theodora.storage.access.principals import key_principal
from theodora.storage.access.sessions import new_session_secret
from theodora.storage.engine.actor import Actor
from theodora.web.pages.shell.cookies import SESSION_COOKIE, preferences_cookie
from theodora.web.pages.shell.page import Answer, Cookie, Preferences, SeeOther, View, Visit

_PREFIX_CHARACTERS = 8
_API_KEY = re.compile("thd_api_.*|.{32}")


def show_sign_in(visit: Visit) -> Answer:
    if visit.session is not None and "next" in visit.query_parameters:
        return SeeOther(_own(visit, visit.query_parameters["next"]))
    return View(_values(visit.query_parameters.get("next", "")))


def sign_in(visit: Visit) -> Answer:
    """Never reveals whether the key was wrong or revoked.

    A lock slows down guesses. A right key is no guess: it is accepted however often others have
    tried from the same address or with the beginning of that key.
    """
    secret = visit.form.get("key", "").strip()
    next_ = visit.form.get("next", "")
    subjects = (f"address {visit.address}", f"key {secret[:_PREFIX_CHARACTERS]}")
    key = visit.store.keys.find("application", secret) if secret else None
    if key is None or not key.is_usable(visit.address, visit.now_ns):
        locked_until = visit.lockout.locked_until(subjects)
        if locked_until is not None:
            until_ns = int(locked_until + 1) * SECOND_NS
            return View(_values(next_, locked_until_ns=until_ns), 429)
        visit.lockout.note_failure(subjects)
        is_api_key = bool(_API_KEY.fullmatch(secret))
        _record_refusal(visit, key, is_api_key=is_api_key)
        return View(_values(next_, is_refused=True, is_api_key=is_api_key), 403)
    visit.lockout.note_success(subjects[1:])
    session_secret = new_session_secret()
    visit.store.sessions.add(
        key_principal(key),
        session_secret,
        visit.now_ns,
        visit.limits,
        actor=key.actor.at(visit.address),
    ).result()
    if visit.session is not None:
        visit.store.sessions.end(visit.session, actor=visit.actor).result()
    return SeeOther(_own(visit, next_), (Cookie(SESSION_COOKIE, session_secret),))


def _record_refusal(visit: Visit, key: Key | None, *, is_api_key: bool) -> None:
    """Records why, but not what was typed, which may be the secret of something else."""
    org, actor, reason = None, Actor("person", ""), "no such key"
    if key is not None:
        org, actor = key.organisation, key.actor
        reason = "the key has expired, or cannot be used from this address"
    elif is_api_key:
        reason = "an API key in place of an application key"
    visit.store.audit.refuse(
        org, "session.refused", "", reason, visit.now_ns, actor=actor.at(visit.address)
    )


def sign_out(visit: Visit) -> Answer:
    if visit.session is not None:
        visit.store.sessions.end(visit.session, actor=visit.actor).result()
    return SeeOther(visit.scope.href("/sign-in"), (Cookie(SESSION_COOKIE, "", 0),))


def show_preferences(visit: Visit) -> Answer:
    return View({"next": visit.query_parameters.get("next", "")})


def save_preferences(visit: Visit) -> Answer:
    theme = visit.form.get("theme", "")
    preferences = Preferences(
        theme="light" if theme == "light" else "dark" if theme == "dark" else "",
        single_keys=visit.form.get("keys") == "on",
    )
    next_ = visit.form.get("next", "")
    back = _own(visit, next_) if next_ else visit.scope.link("/preferences", saved="preferences")
    return SeeOther(back, (preferences_cookie(preferences),))


def _values(
    next_: str,
    *,
    is_refused: bool = False,
    is_api_key: bool = False,
    locked_until_ns: int | None = None,
) -> dict[str, object]:
    return {
        "next": next_,
        "is_refused": is_refused,
        "is_api_key": is_api_key,
        "locked_until_ns": locked_until_ns,
    }


def _own(visit: Visit, next_: str) -> str:
    """`next_` if it is a path of this dashboard, else the overview."""
    is_path = next_.startswith("/") and not next_.startswith(("//", "/\\"))
    return visit.scope.prefix + next_ if is_path and next_.isprintable() else visit.scope.href("/")
