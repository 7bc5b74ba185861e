"""Forms of a page of another server: refused, while this server's own forms work everywhere."""

import http.client
import ssl
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

import serving
from browsing import NAME_OF_THIS_MACHINE
from forked_serving import forked
from loopback import answering
from theodora.cli.tls_certificates import make_authority, make_server

PREFIX = "/dora"
WAYS = ("127.0.0.1", "a name over plain http", "an http proxy", "a TLS proxy")
"""How a browser reaches the server. It sends `Sec-Fetch-Site` on the first and the last of these
alone, and the proxies send another Host than the browser did."""

_ATTACK = """<!doctype html><title>Win</title>
<form method="post" action="{url}/sign-out"><button>Win</button></form>
<script>
fetch("{url}/sign-out", {{method: "POST", mode: "no-cors", credentials: "include"}})
  .finally(() => {{ document.title = "asked" }})
</script>"""


@pytest.fixture(scope="module")
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the browser finds the server, behind a path prefix and what stands before it."""
    folder = tmp_path_factory.mktemp("server")
    flags = ("--path-prefix", PREFIX, "--trusted-proxies", "127.0.0.1")
    with forked(folder, *flags) as server:
        port = urlsplit(server.url).port
        match request.param:
            case "127.0.0.1":
                yield server.url
            case "a name over plain http":
                yield f"http://{NAME_OF_THIS_MACHINE}:{port}{PREFIX}"
            case "an http proxy":
                with answering(proxy_to(port, "http")) as proxy_port:
                    yield f"http://{NAME_OF_THIS_MACHINE}:{proxy_port}{PREFIX}"
            case _:
                with answering(proxy_to(port, "https"), certificate(folder)) as proxy_port:
                    yield f"https://{NAME_OF_THIS_MACHINE}:{proxy_port}{PREFIX}"


# Without its script the page has less to try, the same click: one way of each kind.
@pytest.mark.parametrize(
    ("url", "script"),
    [
        *((way, True) for way in WAYS),
        *(pytest.param(way, False, marks=pytest.mark.slow) for way in (WAYS[0], WAYS[2])),
    ],
    indirect=["url"],
    scope="module",
)
def test_another_server_cannot_sign_somebody_out(chromium: Browser, url: str, script: bool) -> None:
    """It has the same name and another port, so the browser sends the session's cookie along."""
    context = chromium.new_context(java_script_enabled=script, ignore_https_errors=True)
    page = context.new_page()
    sign_in(page, url)
    save_a_preference(page, url)
    with answering(page_with(_ATTACK.format(url=url))) as port:
        page.goto(f"http://{urlsplit(url).hostname}:{port}/")
        if script:
            expect(page).to_have_title("asked")
        with page.expect_response(f"{url}/sign-out") as refused:
            page.get_by_role("button", name="Win").click()
    assert refused.value.status == 403
    expect(page.locator("h1")).to_have_text("This form came from another server")
    page.goto(f"{url}/preferences")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.locator("details.menu summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{url}/sign-in")
    context.close()


def sign_in(page: Page, url: str) -> None:
    page.goto(f"{url}/sign-in")
    page.fill("#key", serving.APPLICATION_KEY)
    page.click("main button")
    page.wait_for_url(f"{url}/")


def save_a_preference(page: Page, url: str) -> None:
    page.goto(f"{url}/preferences")
    page.check("input[value=dark]")
    page.click("main button")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def page_with(html: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def proxy_to(port: int | None, scheme: str) -> type[BaseHTTPRequestHandler]:
    """A proxy that calls the server by an address of its own, as nginx does by default."""

    class Handler(BaseHTTPRequestHandler):
        def forward(self) -> None:
            headers = {name: value for name, value in self.headers.items() if name != "Host"}
            headers["X-Forwarded-Host"] = self.headers["Host"]
            headers["X-Forwarded-Proto"] = scheme
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            with closing(http.client.HTTPConnection("127.0.0.1", port)) as upstream:
                upstream.request(self.command, self.path, body, headers)
                answer = upstream.getresponse()
                content = answer.read()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            # The browser leaves when the page that asked for this is gone.
            with suppress(OSError):
                self.end_headers()
                self.wfile.write(content)

        def do_GET(self) -> None:
            self.forward()

        def do_POST(self) -> None:
            self.forward()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def certificate(folder: Path) -> ssl.SSLContext:
    now = datetime.now(UTC)
    certified = make_server(make_authority("Tests", now), [NAME_OF_THIS_MACHINE], now)
    file = folder / "proxy.pem"
    file.write_bytes(certified.certificate_pem + certified.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
