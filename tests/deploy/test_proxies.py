"""The samples of docs/proxies.md, in real proxies in front of a real server."""

import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from click.testing import CliRunner

import serving
from asking import SHOPIST
from ci_systems import blocks
from postgresql import free_port
from theodora.cli import main
from visiting import Element, read_page

pytestmark = pytest.mark.integrations

NAME = "dora.example.org"
PATIENCE_SECONDS = 30
FLAGS: Mapping[str, tuple[str, ...]] = {
    "root": (),
    "prefix": ("--path-prefix", "/dora"),
    "stripped": ("--path-prefix", "/dora", "--path-prefix-stripped", "yes"),
}
"""What the server is started with, beside `--trusted-proxies`."""


def nginx(sample: str, folder: Path, port: int) -> tuple[str, ...]:
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {folder}/body; "
        f"proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi; "
        f"uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;\n"
        f"{sample.replace('listen 443 ssl', f'listen 127.0.0.1:{port} ssl')}}}\n"
    )
    return ("nginx", "-c", f"{folder}/nginx.conf", "-e", "stderr")


def caddy(sample: str, folder: Path, port: int) -> tuple[str, ...]:
    site = sample.replace(f"{NAME} {{", f"https://{NAME}:{port} {{\n    bind 127.0.0.1")
    (folder / "Caddyfile").write_text(f"{{\n admin off\n auto_https off\n}}\n{site}")
    return ("caddy", "run", "--config", f"{folder}/Caddyfile", "--adapter", "caddyfile")


def traefik(sample: str, folder: Path, port: int) -> tuple[str, ...]:
    (folder / "sample.yml").write_text(sample)
    file = f"--providers.file.filename={folder}/sample.yml"
    return ("traefik", f"--entrypoints.websecure.address=127.0.0.1:{port}", file)


PROXIES: Mapping[str, Callable[[str, Path, int], tuple[str, ...]]] = {
    "nginx": nginx,
    "caddy": caddy,
    "traefik": traefik,
}
"""How each is started with a sample of the page at a port, instead of at 443."""


@dataclass
class Proxied:
    """A server behind a proxy, and a browser with its cookies."""

    url: str
    prefix: str
    server: serving.Server
    context: ssl.SSLContext
    client: httpx2.Client
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """A request as the proxy gets it from a client; its path is below the prefix."""
        headers = {"Host": urlsplit(self.url).netloc, **options.pop("headers", {})}
        port = urlsplit(self.url).port
        return self.client.request(
            method,
            f"https://127.0.0.1:{port}{self.prefix}{path}",
            headers=headers,
            extensions={"sni_hostname": NAME},
            **options,
        )

    def browse(self, method: str, path: str, **options: Any) -> httpx2.Response:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"Accept": "text/html", "Origin": self.url, "Cookie": cookie}
        answer = self.ask(method, path, headers=headers, **options)
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
            assert f"; Path={self.prefix or '/'};" in line
            assert "; Secure" in line
        return answer

    def page(self, path: str) -> Element:
        answer = self.browse("GET", path)
        assert answer.status_code == 200, answer.text
        return read_page(answer.text)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    made = CliRunner().invoke(main, ["tls", "init", "--out", str(folder), NAME])
    assert made.exit_code == 0, made.output
    return folder


@pytest.fixture(
    scope="module",
    params=[(name, mode) for name in PROXIES for mode in FLAGS],
    ids="-".join,
)
def proxied(
    request: pytest.FixtureRequest, tls: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxied]:
    name, mode = request.param
    if not shutil.which(name):
        pytest.skip(f"this machine has no {name}")
    folder = tmp_path_factory.mktemp(f"{name}-{mode}")
    flags = ("--trusted-proxies", "127.0.0.1", "--rate-limit-unauthenticated", "3/3600")
    with serving.serving(folder, *FLAGS[mode], *flags) as server:
        [sample] = blocks("proxies.md", f"{name}-{mode}")
        for old, new in (
            ("/etc/ssl/dora.pem", f"{tls}/server.pem"),
            ("/etc/ssl/dora-key.pem", f"{tls}/server-key.pem"),
            ("127.0.0.1:8080", urlsplit(server.url).netloc),
        ):
            assert old in sample
            sample = sample.replace(old, new)
        port = free_port()
        context = ssl.create_default_context(cafile=tls / "authority.pem")
        proxy = running(PROXIES[name](sample, folder, port), port, folder)
        with proxy, httpx2.Client(verify=context) as client:
            prefix = "" if mode == "root" else "/dora"
            yield Proxied(f"https://{NAME}:{port}", prefix, server, context, client)


@contextmanager
def running(command: tuple[str, ...], port: int, folder: Path) -> Iterator[None]:
    """A proxy, from when it listens."""
    log = folder / "proxy.log"
    home = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=folder, env=home, stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _listens(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def _listens(port: int) -> bool:
    try:
        httpx2.get(f"http://127.0.0.1:{port}/")
    except httpx2.ConnectError:
        return False
    except httpx2.HTTPError:
        return True
    return True


def test_an_event_goes_in_and_a_csv_comes_out(proxied: Proxied) -> None:
    document = {"data": {"attributes": SHOPIST}}
    created = proxied.ask(
        "POST", "/api/v2/dora/deployment", json=document, headers={"DD-API-KEY": serving.API_KEY}
    )
    assert created.status_code == 200, created.text
    id_ = created.json()["data"]["id"]
    found = proxied.ask("GET", f"/api/v2/dora/deployments/{id_}", headers=serving.KEYS)
    assert found.json()["data"]["attributes"]["service"] == "shopist"
    table = proxied.ask(
        "GET",
        "/api/v2/dora/metrics",
        params={"from": "2023-08-01T00:00:00Z", "to": "2023-09-01T00:00:00Z", "format": "csv"},
        headers=serving.KEYS,
    )
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert table.text.splitlines()[1].startswith("total,")
    assert proxied.ask("GET", "/openapi.json").json()["servers"] == [{"url": proxied.prefix or "/"}]


def test_a_user_signs_in_sends_a_form_and_downloads_a_csv(proxied: Proxied) -> None:
    begun = proxied.browse("GET", "/")
    assert begun.status_code == 303
    assert urlsplit(begun.headers["location"]).path == f"{proxied.prefix}/sign-in"
    signed_in = proxied.browse(
        "POST", "/sign-in", data={"key": serving.APPLICATION_KEY, "next": "/preferences"}
    )
    assert signed_in.headers["location"] == f"{proxied.prefix}/preferences"
    page = proxied.page("/preferences")
    addresses = [
        each.attributes[name]
        for each in page.everything()
        for name in ("href", "action", "src")
        if name in each.attributes
    ]
    assert len(addresses) > 10
    assert all(each.startswith((f"{proxied.prefix}/", "#")) for each in addresses), addresses
    [style] = [each for each in addresses if each.endswith(".css")]
    assert proxied.ask("GET", style.removeprefix(proxied.prefix)).status_code == 200
    saved = proxied.browse("POST", "/preferences", data={"theme": "dark"})
    assert saved.status_code == 303, saved.text
    assert proxied.page("/preferences").one("html")["data-theme"] == "dark"
    key = proxied.browse("POST", "/settings/keys", data={"kind": "api", "name": "made"})
    assert key.status_code in {200, 303}, key.text
    table = proxied.browse("GET", "/deployments.csv?from=2023-08-01&to=2023-09-01")
    assert table.headers["content-type"].startswith("text/csv"), table.text
    refused = proxied.ask(
        "POST",
        "/preferences",
        data={"theme": "light"},
        headers={"Origin": "https://elsewhere.example", "Accept": "text/html"},
    )
    assert refused.status_code == 403


def test_pages_show_the_address_of_the_proxy(proxied: Proxied) -> None:
    """What they show is to be pasted at CI systems and providers."""
    proxied.browse("POST", "/sign-in", data={"key": serving.APPLICATION_KEY})
    shown = proxied.browse("GET", "/settings/sources").text
    assert "http://" not in shown.replace("http://www.w3.org", "")


def test_limits_count_each_client_and_not_what_it_writes(proxied: Proxied) -> None:
    remaining: list[int] = []
    for address, written in (("127.0.0.3", 1), ("127.0.0.3", 2), ("127.0.0.4", 3)):
        transport = httpx2.HTTPTransport(verify=proxied.context, local_address=address)
        with httpx2.Client(transport=transport) as client:
            forwarded = {"X-Forwarded-For": f"192.0.2.{written}"}
            other = replace(proxied, client=client)
            answer = other.ask("GET", "/api/v1/validate", headers=forwarded)
        assert answer.status_code == 403
        remaining.append(int(answer.headers["x-ratelimit-remaining"]))
    assert remaining == [2, 1, 2]
