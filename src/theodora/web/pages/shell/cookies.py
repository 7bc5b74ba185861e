"""Cookies: how they are read and set, and the preferences in one of them."""

from collections.abc import Mapping
from urllib.parse import parse_qs, urlencode

from theodora.web.pages.shell.page import Cookie, Preferences, Theme

SESSION_COOKIE = "theodora_session"
PREFERENCES_COOKIE = "theodora_preferences"
PROVIDER_COOKIE = "theodora_provider"
"""The provider that a person signed in with, and its ID token, for signing out of it."""

_MAX_ID_TOKEN = 3_000
"""Browsers keep cookies of up to 4,096 bytes; without a hint, providers ask before signing out."""
_YEAR_SEC = 365 * 86_400
_THEMES: Mapping[str, Theme] = {"light": "light", "dark": "dark"}


def read_cookies(header: str) -> Mapping[str, str]:
    """Cookies by name.

    Other applications of the same host set cookies too, in whatever form. Each pair is read by
    itself, so that one that cannot be understood hides no other. Of several with one name the
    first counts: browsers send the one with the longest path first (RFC 6265, 5.4).
    """
    cookies: dict[str, str] = {}
    for pair in header.split(";"):
        name, is_pair, value = pair.partition("=")
        if is_pair:
            cookies.setdefault(name.strip(), _unquoted(value.strip()))
    return cookies


def own_cookies(header: str, path: str, *, is_secure: bool) -> Mapping[str, str]:
    """Our cookies in a header by the names that this server gives them here."""
    prefix = _prefix(path, is_secure=is_secure)
    return {
        name.removeprefix(prefix): value
        for name, value in read_cookies(header).items()
        if name.startswith(prefix)
    }


def _prefix(path: str, *, is_secure: bool) -> str:
    """A prefix that browsers accept only over https, and without a path only from this host.

    A neighbour's domain, or whoever answers in our place over http, can then plant no cookie.
    """
    if not is_secure:
        return ""
    return "__Secure-" if path else "__Host-"


def _unquoted(value: str) -> str:
    is_quoted = len(value) > 1 and value[0] == value[-1] == '"'
    return value[1:-1] if is_quoted else value


def set_cookie(cookie: Cookie, path: str, *, is_secure: bool) -> str:
    """The value of a Set-Cookie header."""
    name = _prefix(path, is_secure=is_secure) + cookie.name
    parts = [f"{name}={cookie.value}", f"Path={path or '/'}", "HttpOnly", "SameSite=Lax"]
    if cookie.max_age_sec is not None:
        parts.append(f"Max-Age={cookie.max_age_sec}")
    if is_secure:
        parts.append("Secure")
    return "; ".join(parts)


def read_preferences(cookies: Mapping[str, str]) -> Preferences:
    said = parse_qs(cookies.get(PREFERENCES_COOKIE, ""))
    theme = _THEMES.get(said.get("theme", [""])[0], "")
    return Preferences(theme=theme, single_keys=said.get("keys", [""])[0] != "off")


def preferences_cookie(preferences: Preferences) -> Cookie:
    said = {"theme": preferences.theme, "keys": "" if preferences.single_keys else "off"}
    return Cookie(PREFERENCES_COOKIE, urlencode(said), _YEAR_SEC)


def provider_cookie(name: str, id_token: str) -> Cookie:
    """Remembers a provider; without a name, forgets it."""
    hint = id_token if len(id_token) <= _MAX_ID_TOKEN else ""
    return Cookie(PROVIDER_COOKIE, f"{name}:{hint}") if name else Cookie(PROVIDER_COOKIE, "", 0)


def provider_of(cookies: Mapping[str, str]) -> str:
    """The name of the provider that the browser signed in with; empty for an application key."""
    return cookies.get(PROVIDER_COOKIE, "").partition(":")[0]


def id_token_of(cookies: Mapping[str, str], name: str) -> str:
    """The ID token of this provider; empty if it is not known."""
    known, _, id_token = cookies.get(PROVIDER_COOKIE, "").partition(":")
    return id_token if known == name else ""
