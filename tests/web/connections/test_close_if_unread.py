"""Answers that are given before the request's body is read: whoever sends on must see them."""

import itertools
import socket
import ssl
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import requests
from click.testing import CliRunner

from connecting import read_answer
from forked_serving import forked
from serving import KEYS
from theodora.cli import main

BODY = b" " * (8 << 20)
"""More than the kernel keeps for both ends: who sends it has to be heard out."""
CHUNK = 65_536
SPENT = "192.0.2.255"
JSON = {"Content-Type": "application/json"}
PARTS = {"Content-Type": "multipart/form-data; boundary=x"}

_addresses = (f"10.{a}.{b}.{c}" for a, b, c in itertools.product(range(256), repeat=3))


@dataclass(frozen=True)
class Kind:
    """A request that is answered before its body is read."""

    name: str
    method: str
    path: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)


BROTLI = {"Content-Encoding": "brotli"}
API_KEY = {"DD-API-KEY": KEYS["DD-API-KEY"]}
KINDS = [
    Kind("no key", "POST", "/api/v2/dora/deployment", 403, JSON),
    Kind("wrong key", "POST", "/api/v2/dora/deployment", 403, JSON | {"DD-API-KEY": "f" * 32}),
    Kind("no application key", "POST", "/api/v2/dora/deployments", 403, JSON | API_KEY),
    Kind("upload without a key", "POST", "/api/v2/git/repository/packfile", 403, PARTS),
    Kind("unknown path", "POST", "/api/v2/dora/nothing", 404, JSON | KEYS),
    Kind("unknown path of v1", "POST", "/api/v1/nothing", 404, JSON | KEYS),
    Kind("unknown method", "PUT", "/api/v2/dora/deployment", 404, JSON | KEYS),
    Kind("no such page", "POST", "/nothing", 404, {"Accept": "text/html"}),
    Kind("media type", "POST", "/api/v2/dora/deployment", 415, {"Content-Type": "text/a"} | KEYS),
    Kind("upload as JSON", "POST", "/api/v2/git/repository/packfile", 415, JSON | KEYS),
    Kind("too long", "POST", "/api/v2/dora/deployment", 413, JSON | KEYS),
    Kind("form too long", "POST", "/sign-in", 413, {"Accept": "text/html"}),
    Kind("encoding", "POST", "/api/v2/dora/deployment", 400, JSON | BROTLI | KEYS),
    Kind("rate limit", "PATCH", "/api/v2/dora/deployment", 429, JSON | KEYS),
    Kind("rate limit of an address", "POST", "/no", 429, {"X-Forwarded-For": SPENT}),
    Kind("GET with a body", "GET", "/api/v2/validate", 200, KEYS),
    Kind("GET of the health with a body", "GET", "/healthz", 200),
]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    CliRunner().invoke(main, ["tls", "init", "--out", str(folder), "localhost", "127.0.0.1"])
    return folder


@dataclass(frozen=True)
class At:
    """A server, and whether the body is longer than it reads on."""

    url: str
    is_bounded: bool

    @property
    def is_https(self) -> bool:
        return self.url.startswith("https")


SETTINGS = {
    "THEODORA_TRUSTED_PROXIES": "127.0.0.1",
    "THEODORA_RATE_LIMIT_UNAUTHENTICATED": "3/86400",
    "THEODORA_RATE_LIMIT_DORA_WRITE": "1/86400",
    "THEODORA_MAX_JSON_BYTES": "1048576",
    "THEODORA_LOG_REQUESTS": "none",
}


@pytest.fixture(scope="module", params=["body is read on", "body is too long", "https"])
def at(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Path
) -> Iterator[At]:
    flags: list[str] = []
    if request.param == "body is too long":
        flags = ["--max-multipart-bytes", "1048576"]
    if request.param == "https":
        flags = [
            *("--tls-cert", str(authority / "server.pem")),
            *("--tls-key", str(authority / "server-key.pem")),
        ]
    folder = tmp_path_factory.mktemp("early")
    with forked(folder, *flags, environment=SETTINGS) as server:
        with httpx2.Client(verify=_context(authority)) as client:
            for _ in range(3):
                client.get(f"{server.url}/no", headers={"X-Forwarded-For": SPENT})
            client.patch(f"{server.url}/api/v2/dora/deployment", headers=KEYS)
        yield At(server.url, is_bounded=request.param == "body is too long")


def _context(authority: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority / "authority.pem")


def _headers(kind: Kind, *, close: bool) -> dict[str, str]:
    """Each request comes from an address of its own, unless it says from which."""
    own = {"X-Forwarded-For": next(_addresses)}
    return own | {"Connection": "close" if close else "keep-alive"} | dict(kind.headers)


def _chunks() -> Iterator[bytes]:
    yield from (BODY[at : at + CHUNK] for at in range(0, len(BODY), CHUNK))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_an_early_answer_is_read_in_full(
    at: At, authority: Path, kind: Kind, is_chunked: bool
) -> None:
    assert _by_urllib(at, authority, kind, is_chunked) == kind.status
    for close in (True, False):
        if not at.is_https:  # To save time: urllib and sockets show what TLS makes different.
            assert _by_requests(at, kind, is_chunked, close) == kind.status
        assert _by_socket(at, authority, kind, is_chunked, close) == kind.status


def _by_urllib(at: At, authority: Path, kind: Kind, is_chunked: bool) -> int:
    """urllib says `Connection: close`, sends everything, and only then looks for an answer."""
    asked = urllib.request.Request(
        at.url + kind.path,
        _chunks() if is_chunked else BODY,
        _headers(kind, close=True),
        method=kind.method,
    )
    opener = urllib.request.build_opener(
        _AnyStatus, urllib.request.HTTPSHandler(context=_context(authority))
    )
    with opener.open(asked, timeout=20) as answer:
        assert len(answer.read()) == int(answer.headers["Content-Length"])
        return answer.status


class _AnyStatus(urllib.request.HTTPErrorProcessor):
    """Hands out answers whatever their status."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response

    https_response = http_response


def _tls(at: At, authority: Path) -> ssl.SSLContext | None:
    return _context(authority) if at.is_https else None


def _by_requests(at: At, kind: Kind, is_chunked: bool, close: bool) -> int:
    with requests.Session() as session:
        answer = session.request(
            kind.method,
            at.url + kind.path,
            data=_chunks() if is_chunked else BODY,
            headers=_headers(kind, close=close),
            timeout=20,
        )
        assert session.get(f"{at.url}/healthz", timeout=20).status_code == 200
        return answer.status_code


def _by_socket(at: At, authority: Path, kind: Kind, is_chunked: bool, close: bool) -> int:
    """Sends everything before it reads anything; then asks again, if the connection lives."""
    with closing(_connected(at, authority)) as client:
        client.sendall(_head(kind, is_chunked, close))
        for chunk in _chunks():
            client.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk) if is_chunked else chunk)
        client.sendall(b"0\r\n\r\n" if is_chunked else b"")
        reader = client.makefile("rb")
        status, headers, _ = read_answer(reader)
        if close or is_chunked or at.is_bounded:
            assert headers["connection"] == "close"
            assert reader.read() == b""
        else:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_answer(reader)[0] == 200
        return status


def _connected(at: At, authority: Path) -> socket.socket:
    url = urlsplit(at.url)
    client = socket.create_connection((url.hostname, url.port), timeout=20)
    context = _tls(at, authority)
    return context.wrap_socket(client, server_hostname="127.0.0.1") if context else client


def _head(kind: Kind, is_chunked: bool, close: bool) -> bytes:
    length = {"Transfer-Encoding": "chunked"} if is_chunked else {"Content-Length": str(len(BODY))}
    headers = {"Host": "x", **length, **_headers(kind, close=close)}
    lines = [f"{kind.method} {kind.path} HTTP/1.1", *(f"{n}: {v}" for n, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()
