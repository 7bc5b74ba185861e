"""Cookies of ours among those that other applications of the same host have set."""

from typing import Any

import pytest

from asking import Tenant, make_key
from databases import ON_SQLITE
from theodora.web.pages.shell.cookies import (
    SESSION_COOKIE,
    id_token_of,
    own_cookies,
    provider_cookie,
    provider_of,
    read_cookies,
    set_cookie,
)
from theodora.web.pages.shell.page import Cookie

pytestmark = ON_SQLITE

FOREIGN = [
    "_ga=GA1.1.1",
    'g_state={"i_l":0}',
    'consent={"v":[1,2],"at":"2026-11-29T00:00:00Z"}',
    "flag",
    "=nameless",
    "a/b=1",
    "na(me)=1",
    "caf\xe9=cr\xe8me",
    'quoted="a b"',
    'open="never closed',
    "spaces in a name=and in its value",
    "expires=Sun, 29 Nov 2026 00:00:00 GMT",
    "$Version=1",
    "",
    ";",
]


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_cookie_of_others_hides_none_of_ours(foreign: str) -> None:
    for header in (f"{foreign}; ours=value", f"ours=value; {foreign}", f"{foreign};ours=value"):
        assert read_cookies(header)["ours"] == "value"


def test_of_two_with_one_name_the_first_counts() -> None:
    """Browsers send the one whose path is longest first: it was set for this dashboard."""
    assert read_cookies("ours=of /dora; ours=of the host") == {"ours": "of /dora"}


def test_a_value_may_be_in_quotes_and_hold_equals_signs() -> None:
    assert read_cookies('a="b"; c=theme=dark&keys=off; d="') == {
        "a": "b",
        "c": "theme=dark&keys=off",
        "d": '"',
    }


@pytest.mark.parametrize("foreign", FOREIGN)
def test_who_has_a_cookie_of_another_application_can_sign_in_and_stays_so(
    tenant: Tenant, foreign: str
) -> None:
    key = make_key(tenant.built, tenant.organisation, "application")

    signed_in = _ask(tenant, "POST", "/sign-in", [foreign], data={"key": key})

    assert signed_in.status_code == 303
    session = f"{SESSION_COOKIE}={_value_set(signed_in, SESSION_COOKIE)}"
    assert _ask(tenant, "GET", "/", [foreign, session]).status_code == 200


def test_cookies_in_several_headers_are_read_together(tenant: Tenant) -> None:
    """As a proxy passes them on that has received them over HTTP/2."""
    key = make_key(tenant.built, tenant.organisation, "application")
    signed_in = _ask(tenant, "POST", "/sign-in", [], data={"key": key})
    headers = [
        ("cookie", f"{SESSION_COOKIE}={_value_set(signed_in, SESSION_COOKIE)}"),
        ("cookie", "flag"),
    ]

    assert tenant.client.get("/", headers=headers, follow_redirects=False).status_code == 200


@pytest.mark.parametrize(
    ("path", "is_secure", "name"),
    [
        ("", False, "ours"),
        ("/dora", False, "ours"),
        ("", True, "__Host-ours"),
        ("/dora", True, "__Secure-ours"),
    ],
)
def test_over_https_browsers_guard_our_cookies(path: str, name: str, *, is_secure: bool) -> None:
    written = set_cookie(Cookie("ours", "value"), path, is_secure=is_secure)
    first, *attributes = written.split("; ")
    assert first == f"{name}=value"
    assert f"Path={path or '/'}" in attributes
    assert ("Secure" in attributes) == is_secure
    assert own_cookies(first, path, is_secure=is_secure) == {"ours": "value"}


@pytest.mark.parametrize("planted", ["ours=x", "__Secure-ours=x", "__HOST-ours=x"])
def test_over_https_a_cookie_that_others_could_plant_is_not_ours(planted: str) -> None:
    header = f"{planted}; __Host-ours=value"
    assert own_cookies(header, "", is_secure=True) == {"ours": "value"}
    assert own_cookies(planted, "", is_secure=True) == {}


def test_a_session_over_https_is_kept_and_https_is_remembered(tenant: Tenant) -> None:
    key = make_key(tenant.built, tenant.organisation, "application")
    plain = _ask(tenant, "POST", "/sign-in", [], data={"key": key})
    assert "strict-transport-security" not in plain.headers
    at = "https://testserver"
    signed_in = _ask(tenant, "POST", f"{at}/sign-in", [], data={"key": key})
    assert signed_in.headers["strict-transport-security"] == "max-age=31536000"
    secret = _value_set(signed_in, f"__Host-{SESSION_COOKIE}")
    kept = _ask(tenant, "GET", f"{at}/", [f"__Host-{SESSION_COOKIE}={secret}"])
    assert kept.status_code == 200
    assert _ask(tenant, "GET", f"{at}/", [f"{SESSION_COOKIE}={secret}"]).status_code == 303


def _ask(tenant: Tenant, method: str, path: str, cookies: list[str], **options: Any) -> Any:
    tenant.client.cookies.clear()
    header = "; ".join(cookies).encode("latin-1")
    headers = {b"cookie": header, b"accept": b"text/html"}
    return tenant.client.request(method, path, headers=headers, follow_redirects=False, **options)


def _value_set(answer: Any, name: str) -> str:
    [cookie] = [
        each for each in answer.headers.get_list("set-cookie") if each.startswith(f"{name}=")
    ]
    return cookie.partition(";")[0].partition("=")[2]


def test_a_provider_is_remembered_with_an_id_token_that_is_not_too_long() -> None:
    for id_token, kept in (("a.b.c", "a.b.c"), ("a" * 4_000, "")):
        cookie = provider_cookie("okta", id_token)
        cookies = read_cookies(set_cookie(cookie, "", is_secure=False))
        assert provider_of(cookies) == "okta"
        assert id_token_of(cookies, "okta") == kept
        assert id_token_of(cookies, "google") == ""
