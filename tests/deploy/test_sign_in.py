"""Sign-in in a real browser with a real provider: oidc-provider, which npm installs.

The browser knows the server by another name than the provider, so each is another site to it.
"""

import json
import os
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, Page

import browsing
import serving
from ci_systems import blocks
from commands import run
from npm import installed
from openid import key

pytestmark = [
    pytest.mark.integrations,
    pytest.mark.skipif(not shutil.which("npm"), reason="this machine has no npm"),
]

SOURCE = Path(__file__).parent / "openid"
CLIENT_ID, CLIENT_SECRET = "theodora", "a secret of the tests"
GROUPS: Mapping[str, Sequence[str]] = {
    "ada": ["platform-admins"],
    "bob": ["developers"],
    "eve": ["strangers"],
    "sue": ["team-search", "team-web"],
}
ROLES = "team-search=editor of search, team-web=editor of web"


@dataclass(frozen=True)
class Site:
    """A server and its provider, each at an address of its own."""

    url: str
    provider_port: int
    folder: Path

    def provider(self, number: int, groups: Mapping[str, Sequence[str]] = GROUPS) -> "_Provider":
        """The provider, with its key of this number."""
        return _Provider(self, number, groups)

    def run(self, *arguments: str) -> str:
        """The output of a command on the server's database."""
        done = run(*arguments, "--database", f"sqlite:///{self.folder / 'theodora.db'}")
        assert done.exit_code == 0, done.output
        return done.output


class _Provider:
    """A provider that runs for the length of a `with`."""

    def __init__(self, site: Site, number: int, groups: Mapping[str, Sequence[str]]) -> None:
        back, port = f"{site.url}/sign-in/oidc", urlsplit(site.url).port
        client = {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "redirect_uris": [f"{back}/callback"],
            "post_logout_redirect_uris": [f"{site.url}/sign-in"],
            # The browser alone knows the other name of this machine.
            "backchannel_logout_uri": f"http://127.0.0.1:{port}/sign-in/oidc/signed-out",
        }
        private: Any = key("RSA", number).as_dict(private=True)
        self._settings = {
            "port": site.provider_port,
            "client": client,
            "jwks": {"keys": [{**private, "use": "sig", "alg": "RS256"}]},
            "groups": groups,
        }
        self._folder = site.folder

    def __enter__(self) -> None:
        folder = installed("openid", SOURCE / "package.json")
        shutil.copy(SOURCE / "provider.mjs", folder)
        with (self._folder / "provider.log").open("a") as log:
            self._process = subprocess.Popen(
                ["node", "provider.mjs"],
                cwd=folder,
                env={**os.environ, "PROVIDER": json.dumps(self._settings)},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        while (line := self._process.stdout.readline()) != "listening\n":
            assert line, (self._folder / "provider.log").read_text()

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    port, provider_port = _free_port(), _free_port()
    url = f"http://{browsing.NAME_OF_THIS_MACHINE}:{port}"
    (block,) = blocks("sign-in.md", "generic")
    words = shlex.split(block)
    secret = folder / "secret"
    secret.write_text(CLIENT_SECRET)
    documented = dict(word.split("=", 1) for word in words if word != "export")
    environment = {
        **documented,
        "THEODORA_OIDC_ROLES": f"{documented['THEODORA_OIDC_ROLES']}, {ROLES}",
        "THEODORA_PORT": str(port),
        "THEODORA_PUBLIC_URL": url,
        "THEODORA_OIDC_ISSUER": f"http://127.0.0.1:{provider_port}",
        "THEODORA_OIDC_CLIENT_SECRET_FILE": str(secret),
        "THEODORA_OIDC_HTTP_ON_LOOPBACK": "yes",
    }
    with serving.serving(folder, "--port", str(port), environment=environment):
        yield Site(url, provider_port, folder)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing.chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(20_000)
    # The provider's pages name a font of another server, which no test may ask.
    context.route(lambda url: "fonts." in url, lambda route: route.abort())
    yield context.new_page()
    context.close()


def sign_in(site: Site, page: Page, name: str, path: str = "/failures?range=4w") -> None:
    """Clicks through our page and the provider's, as a person does."""
    page.goto(site.url + path)
    page.click("text=Sign in with Keycloak")
    log_in(page, name)


def log_in(page: Page, name: str) -> None:
    page.fill("input[name=login]", name)
    page.fill("input[name=password]", "any")
    page.click("button[type=submit]")
    page.click("button[type=submit]:has-text('Continue')")


def alert(page: Page) -> str:
    return page.inner_text("p.alert")


def test_groups_decide_what_a_person_may_do(site: Site, page: Page, browser: Browser) -> None:
    with site.provider(1):
        sign_in(site, page, "ada")
        assert page.url == f"{site.url}/failures?range=4w"
        page.click("summary[aria-label=Account]")
        assert "Ada" in page.inner_text("details.menu")
        page.goto(site.url + "/settings/keys")
        assert page.query_selector("main form[method=post]")
        other = browser.new_context().new_page()
        sign_in(site, other, "bob")
        other.goto(site.url + "/settings/keys")
        assert not other.query_selector("main form[method=post]")
        other.context.close()


def test_a_person_without_a_mapped_group_is_refused(site: Site, page: Page) -> None:
    with site.provider(1):
        sign_in(site, page, "eve")
        assert "you have no access here" in alert(page)
        page.goto(site.url + "/failures")
        assert urlsplit(page.url).path == "/sign-in"


def test_groups_give_teams_and_groups_that_are_left_end_sessions(
    site: Site, page: Page, browser: Browser
) -> None:
    with site.provider(1):
        sign_in(site, page, "sue")
        assert page.url == f"{site.url}/failures?range=4w"
        (sue,) = _lines(site.run("people", "list"), "Sue")
        assert "  editor (groups)  search,web  " in sue
    with site.provider(1, GROUPS | {"sue": ["team-web"]}):
        _sign_in_elsewhere(site, browser, "sue")
        (sue,) = _lines(site.run("people", "list"), "Sue")
        assert "  editor (groups)  web  " in sue
        assert page.goto(site.url + "/failures")
        assert urlsplit(page.url).path == "/failures"
    with site.provider(1, GROUPS | {"sue": ["strangers"]}):
        assert "you have no access here" in _sign_in_elsewhere(site, browser, "sue")
        page.goto(site.url + "/failures")
        assert urlsplit(page.url).path == "/sign-in"
        assert not _lines(site.run("sessions", "list"), "Sue")
        (sue,) = _lines(site.run("people", "list"), "Sue")
        assert "  viewer (groups)  all  " in sue
        (left,) = _lines(site.run("audit", "--action", "person.left"), "Sue")
        assert '"sessions":2' in left


def _sign_in_elsewhere(site: Site, browser: Browser, name: str) -> str:
    """The text of the page that a sign-in with cookies of its own leads to."""
    context = browser.new_context()
    try:
        page = context.new_page()
        sign_in(site, page, name)
        return page.inner_text("body")
    finally:
        context.close()


def _lines(text: str, word: str) -> list[str]:
    return [line for line in text.splitlines() if word in line]


def test_a_provider_with_a_new_key(site: Site, page: Page, browser: Browser) -> None:
    with site.provider(1):
        sign_in(site, page, "ada")
    with site.provider(2):
        other = browser.new_context().new_page()
        sign_in(site, other, "bob")
        assert other.url == f"{site.url}/failures?range=4w"
        other.context.close()


def test_a_replayed_code_and_an_answer_to_another_browser(
    site: Site, page: Page, browser: Browser
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with site.provider(2):
        page.goto(site.url)
        page.click("text=Sign in with Keycloak")
        cookies: Any = page.context.cookies(site.url)
        log_in(page, "ada")
        assert page.url == f"{site.url}/"
        (back,) = [url for url in asked if "/callback?" in url]
        stranger = browser.new_context().new_page()
        stranger.goto(back)
        assert "another tab or browser" in alert(stranger)
        # Even with the cookie of the sign-in, which the browser has forgotten by now.
        stranger.context.add_cookies(cookies)
        stranger.goto(back)
        assert "could not be verified" in alert(stranger)
        stranger.context.close()
        assert "invalid_grant" in (site.folder / "server.log").read_text()


def test_a_nonce_of_another_sign_in(site: Site, page: Page) -> None:
    with site.provider(2):
        begun = httpx2.get(f"http://127.0.0.1:{urlsplit(site.url).port}/sign-in/oidc")
        (cookie,) = begun.cookies.jar
        kept: Any = {"name": cookie.name, "value": cookie.value, "url": site.url}
        page.context.add_cookies([kept])
        parts = urlsplit(begun.headers["location"])
        asked = dict(parse_qsl(parts.query)) | {"nonce": "of-another-sign-in"}
        page.goto(parts._replace(query=urlencode(asked)).geturl())
        log_in(page, "ada")
        assert "could not be verified" in alert(page)
        log = (site.folder / "server.log").read_text()
        assert "nonce of another sign-in" in log
        assert "eyJ" not in log


def test_signing_out_here_and_at_the_provider(site: Site, page: Page, browser: Browser) -> None:
    with site.provider(2):
        sign_in(site, page, "ada")
        page.click("summary[aria-label=Account]")
        page.click("details.menu button:has-text('Sign out')")
        assert "You are signed out of Theodora" in page.inner_text("p.saved")
        # The provider still knows the person.
        page.click("text=Sign in with Keycloak")
        assert page.url == f"{site.url}/"
        page.click("summary[aria-label=Account]")
        page.click("details.menu button:has-text('Sign out')")
        page.click("a:has-text('Sign out of Keycloak')")
        page.click("button:has-text('Yes, sign me out')")
        assert urlsplit(page.url).path == "/sign-in"
        page.click("text=Sign in with Keycloak")
        assert page.query_selector("input[name=password]")


def test_who_signs_out_at_the_provider_is_signed_out_here(
    site: Site, page: Page, browser: Browser
) -> None:
    with site.provider(2):
        sign_in(site, page, "bob")
        page.goto(f"http://127.0.0.1:{site.provider_port}/session/end")
        page.click("button:has-text('Yes, sign me out')")
        page.goto(site.url + "/failures")
        assert urlsplit(page.url).path == "/sign-in"
