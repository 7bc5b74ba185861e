"""Attacks on a server: each sends something that costs it much, again and again.

`bench.attacks` runs them.
"""

import gzip
import itertools
import json
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, partial
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import serving
from asking import DEPLOYMENT, DEPLOYMENTS, LIST_TYPES
from bench.world import END_NS
from measuring import METRICS
from theodora.storage.access.key_secrets import new_secret

Keys = Mapping[str, str]
"""Headers with an API key and an application key."""

_MIB = 2**20
_BEGINNING = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: "


class Target(NamedTuple):
    """A server with keys that attackers have."""

    url: str
    read_keys: Keys
    """Of the organisation of many deployments; the application key may only read."""
    many_keys: tuple[Keys, ...] = ()
    """Of other organisations, a pair for each."""

    def connect(self) -> socket.socket:
        url = urlsplit(self.url)
        return socket.create_connection((url.hostname, url.port), timeout=60)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> int:
        """The status of the answer, on a connection of its own."""
        http = HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        json_keys = {**self.read_keys, "Content-Type": "application/json"}
        try:
            http.request(method, path, body, {**json_keys, **named})
            answer = http.getresponse()
            answer.read()
            return answer.status
        finally:
            http.close()


class Attack(NamedTuple):
    """Something that is sent again and again, by so many threads at once."""

    name: str
    send: Callable[[Target], object]
    threads: int


def long_line(target: Target) -> None:
    _send_head(target, b"x" * _MIB, 256)


def many_lines(target: Target) -> None:
    _send_head(target, b"a: b\r\n" * (_MIB // 6), 64)


def _send_head(target: Target, piece: bytes, count: int) -> None:
    with target.connect() as client:
        client.sendall(_BEGINNING)
        for _ in range(count):
            client.sendall(piece)
        client.recv(65_536)


def slow_heads(target: Target) -> None:
    with _many(target, 100) as clients:
        for each in clients:
            each.sendall(_BEGINNING)
        for _ in range(60):
            time.sleep(1)
            for each in clients:
                each.sendall(b"x")


def silence(target: Target) -> None:
    with _many(target, 300):
        time.sleep(60)


def unread_csv(target: Target) -> None:
    query = urlencode({"format": "csv", "group_by": "service,version", "interval": "month"})
    keys = "".join(f"{name}: {value}\r\n" for name, value in serving.KEYS.items())
    request = f"GET {METRICS}?{query} HTTP/1.1\r\nHost: x\r\n{keys}\r\n".encode()
    with _many(target, 25) as clients:
        for each in clients:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            each.sendall(4 * request)
        time.sleep(60)


def pipelined(target: Target) -> None:
    with target.connect() as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 20_000)
        time.sleep(0.1)


def empty_parts(target: Target) -> None:
    part = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n"
    form = "multipart/form-data; boundary=x"
    path = "/api/v2/git/repository/packfile"
    target.ask("POST", path, part * 150_000 + b"--x--\r\n", Content_Type=form)


def bombs(target: Target) -> None:
    target.ask("POST", DEPLOYMENT, _bomb(), Content_Encoding="gzip")


def nesting(target: Target) -> None:
    target.ask("POST", DEPLOYMENT, b'{"a":' * 1_000_000)


def small_chunks(target: Target) -> None:
    head = f"POST {DEPLOYMENT} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    keys = "".join(f"{name}: {value}\r\n" for name, value in serving.KEYS.items())
    with target.connect() as client:
        client.sendall(f"{head}Content-Type: application/json\r\n{keys}\r\n".encode())
        for _ in range(100):
            client.sendall(b"1\r\n \r\n" * 10_000)


def deep_queries(target: Target) -> None:
    for query in _QUERIES:
        search(query, target)


def search(query: str, target: Target) -> None:
    attributes = {"limit": 1000, "query": query, "from": "2024-10-01T00:00:00Z"}
    data = {"type": LIST_TYPES[DEPLOYMENTS], "attributes": attributes}
    target.ask("POST", DEPLOYMENTS, json.dumps({"data": data}).encode())


def searches_of_many(target: Target) -> None:
    # First all of one organisation: it takes half of the threads, the next one half of the rest.
    keys = target.many_keys[next(_turns) // 8 % len(target.many_keys)]
    search(_SLOWER_WORDS, target._replace(read_keys=keys))


def metrics(query: str, target: Target) -> None:
    period = {"from": END_NS - 700 * 86_400 * 10**9, "to": END_NS}
    asked = urlencode({**period, "interval": "week", "group_by": "service", "query": query})
    target.ask("GET", f"{METRICS}?{asked}")


def page(path: str, target: Target) -> None:
    cookie = sign_in(target.url, target.read_keys["DD-APPLICATION-KEY"])
    target.ask("GET", path, Cookie=cookie, Accept="text/html")


def hostile_previews(target: Target) -> None:
    for pattern in _PATTERNS:
        rule = {"id": "rule", "fields": ["version"], "pattern": pattern}
        data = {"type": "dora_settings", "attributes": {"static_rules": [rule]}}
        body = json.dumps({"data": data}).encode()
        target.ask("POST", "/api/v2/dora/settings/preview", body)


def guesses(target: Target) -> None:
    body = urlencode({"key": new_secret("application")}).encode()
    form = "application/x-www-form-urlencoded"
    target.ask("POST", "/sign-in", body, Content_Type=form, Sec_Fetch_Site="same-origin")


def nothing(_: Target) -> None:
    time.sleep(1)


@cache
def _bomb() -> bytes:
    return gzip.compress(bytes(256 * _MIB), 9)


@cache
def sign_in(url: str, key: str) -> str:
    """The cookie of a session of this application key."""
    http = HTTPConnection(urlsplit(url).netloc, timeout=60)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    http.request("POST", "/sign-in", urlencode({"key": key}), form)
    cookie = http.getresponse().headers["Set-Cookie"].partition(";")[0]
    http.close()
    return cookie


_turns = itertools.count()
_PATTERNS = ("(.{0,20}){0,9}!", "(a+)+$", "((a*)*)*b", r"(\w*\s?)*!", "(.*)*!")
_QUERIES = (
    "(" * 60 + "service:web" + ")" * 60,
    "NOT " * 60 + "version:v1",
    " OR ".join(f"version:*a*{number}*a*" for number in range(200)),
    "version:" + "*a" * 100 + "*",
    " AND ".join(f"-version:*{number}*" for number in range(200)),
)

_SLOW = " OR ".join(f"*a*z*{number}q" for number in range(50))
_SLOW_WORDS = " OR ".join(f"*serv*{letter}*" for letter in "0123456789abdfghklmnopstuw")
"""The texts fit, but no single word of them: each event is compared word by word."""
_SLOWER_WORDS = " OR ".join(f"*a*k*{'*'.join(f'{number:03}')}*" for number in range(100))
"""The same for events of many long tags."""

ATTACKS = (
    Attack("nothing", nothing, 1),
    Attack("one line of 256 MiB in a head", long_line, 2),
    Attack("heads of 64 MiB", many_lines, 4),
    Attack("800 heads that come byte by byte", slow_heads, 8),
    Attack("2,400 silent connections", silence, 8),
    Attack("20,000 requests at once, unread", pipelined, 8),
    Attack("200 clients that never read a CSV", unread_csv, 8),
    Attack("150,000 empty parts", empty_parts, 8),
    Attack("bodies of 256 MiB, compressed", bombs, 8),
    Attack("a million nested objects", nesting, 4),
    Attack("chunks of one byte", small_chunks, 4),
    Attack("deep and wide queries", deep_queries, 4),
    Attack("previews of hostile rules", hostile_previews, 2),
    Attack("guesses at the sign-in", guesses, 4),
    Attack("slow searches", partial(search, _SLOW), 64),
    Attack("slow words", partial(search, _SLOW_WORDS), 64),
    Attack("slow words of 12 organisations", searches_of_many, 96),
    Attack("slow metrics", partial(metrics, _SLOW), 64),
    Attack("metrics by service, weekly", partial(metrics, ""), 64),
    Attack("pages", partial(page, "/?from=2024-10-01&to=2026-09-01"), 64),
    Attack("downloads", partial(page, "/deployments.csv?from=2024-10-01"), 64),
)


@contextmanager
def _many(target: Target, count: int) -> Iterator[list[socket.socket]]:
    """Connections, as many of these as can be had, for the length of a `with`."""
    clients: list[socket.socket] = []
    try:
        for _ in range(count):
            with suppress(OSError):
                clients.append(target.connect())
        yield clients
    finally:
        for each in clients:
            each.close()
