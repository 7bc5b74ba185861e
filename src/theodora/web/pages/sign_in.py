"""Signing in with an application key, signing out, and preferences."""

import re
from urllib.parse import urlencode

from theodora.events.values import SECOND_NS
from theodora.storage import Key
from theodora.storage.access.principals import key_principal
from theodora.storage.engine.actor import Actor
from theodora.web.pages.parts.sign_in_ways import sign_in_values
from theodora.web.pages.saved_views import after_sign_in
from theodora.web.pages.shell.cookies import (
    SESSION_COOKIE,
    preferences_cookie,
    provider_cookie,
    provider_of,
)
from theodora.web.pages.shell.page import Answer, Cookie, Preferences, SeeOther, View, Visit
from theodora.web.pages.shell.session import begin_session

_PREFIX_CHARACTERS = 8
_API_KEY = re.compile("thd_api_.*|.{32}")
_NO_KEYS = "Application keys do not sign in here: whoever runs this server has switched that off."


def show_sign_in(visit: Visit) -> Answer:
    if visit.session is not None and "next" in visit.query_parameters:
        return SeeOther(visit.back_to(visit.query_parameters["next"]))
    return View(sign_in_values(visit, visit.query_parameters.get("next", "")))


def sign_in(visit: Visit) -> Answer:
    """Never reveals whether the key was wrong or revoked.

    A lock slows down guesses. A right key is no guess: it is accepted however often others have
    tried from the same address or with the beginning of that key.
    """
    next_ = visit.form.get("next", "")
    if not visit.providers.takes_keys:
        return View(sign_in_values(visit, next_, problem=_NO_KEYS), 403)
    secret = visit.form.get("key", "").strip()
    subjects = (f"address {visit.address}", f"key {secret[:_PREFIX_CHARACTERS]}")
    key = visit.store.keys.find("application", secret) if secret else None
    if key is None or not key.is_usable(visit.address, visit.now_ns):
        locked_until = visit.lockout.locked_until(subjects)
        if locked_until is not None:
            until_ns = int(locked_until + 1) * SECOND_NS
            return View(sign_in_values(visit, next_, locked_until_ns=until_ns), 429)
        visit.lockout.note_failure(subjects)
        is_api_key = bool(_API_KEY.fullmatch(secret))
        _record_refusal(visit, key, is_api_key=is_api_key)
        values = sign_in_values(visit, next_, is_refused=True, is_api_key=is_api_key)
        return View(values, 403)
    visit.lockout.note_success(subjects[1:])
    cookie = begin_session(visit, key_principal(key))
    forgets = (provider_cookie("", ""),) if provider_of(visit.cookies) else ()
    return SeeOther(after_sign_in(visit, key_principal(key), next_), (cookie, *forgets))


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
    provider = provider_of(visit.cookies)
    query = f"?{urlencode({'signed-out': provider})}" if provider else ""
    return SeeOther(visit.scope.href("/sign-in") + query, (Cookie(SESSION_COOKIE, "", 0),))


def show_preferences(visit: Visit) -> Answer:
    return View({"next": visit.query_parameters.get("next", "")})


def save_preferences(visit: Visit) -> Answer:
    theme = visit.form.get("theme", "")
    preferences = Preferences(
        theme="light" if theme == "light" else "dark" if theme == "dark" else "",
        single_keys=visit.form.get("keys") == "on",
    )
    next_ = visit.form.get("next", "")
    back = visit.back_to(next_) if next_ else visit.scope.link("/preferences", saved="preferences")
    return SeeOther(back, (preferences_cookie(preferences),))
