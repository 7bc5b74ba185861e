"""What others feel of hostile clients: health, another organisation's list, memory.

Each attack runs in a process of its own, from 127.0.0.1, on a new server. Meanwhile a client at
127.0.0.2 asks for the health and a list of another organisation, one after another. In the end the
server is asked to stop while the attack goes on.

    python -m bench.hostile --seconds 8
"""

import argparse
import gzip
import itertools
import json
import multiprocessing
import resource
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cache
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import serving
from actors import TESTER
from asking import DEPLOYMENT, DEPLOYMENTS, LIST_TYPES
from bench.soak import quantile
from measuring import METRICS
from theodora.events import Deployment
from theodora.storage import Store
from theodora.storage.access.keys import PERMISSIONS_OF, KeyKind, new_secret
from theodora.storage.access.permissions import READ

_MIB = 2**20
_OTHER = "127.0.0.2"
"""Where the client comes from that does no harm."""
_PAUSE_SEC = 0.01
_DEPLOYMENTS = 3_000
_SERVICES = 50
_BEGINNING = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: "


class Target(NamedTuple):
    """A server, and a key of its own organisation that may only read."""

    url: str
    read_key: str

    def connect(self) -> socket.socket:
        url = urlsplit(self.url)
        return socket.create_connection((url.hostname, url.port), timeout=60)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> int:
        """The status of the answer, on a connection of its own."""
        http = HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        keys = {**serving.KEYS, "DD-APPLICATION-KEY": self.read_key}
        try:
            http.request(method, path, body, {**keys, "Content-Type": "application/json", **named})
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
        data = {"type": LIST_TYPES[DEPLOYMENTS], "attributes": {"limit": 1000, "query": query}}
        target.ask("POST", DEPLOYMENTS, json.dumps({"data": data}).encode())


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


_PATTERNS = ("(.{0,20}){0,9}!", "(a+)+$", "((a*)*)*b", r"(\w*\s?)*!", "(.*)*!")
_QUERIES = (
    "(" * 60 + "service:web" + ")" * 60,
    "NOT " * 60 + "version:v1",
    " OR ".join(f"version:*a*{number}*a*" for number in range(200)),
    "version:" + "*a" * 100 + "*",
    " AND ".join(f"-version:*{number}*" for number in range(200)),
)

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
)


class Seen(NamedTuple):
    """What was seen of one attack."""

    grown: int
    """Most bytes of memory beyond those before."""
    health: Sequence[float]
    """Seconds of each answer."""
    list: Sequence[float]
    refused: int
    """Requests of the other client that broke, or whose answer was not 200."""
    stopped_sec: float
    status: int
    """The server's exit status."""


def main() -> None:
    """Prints a table in Markdown, a row for each attack."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=8)
    arguments.add_argument("--only", default="", help="what the names of attacks have in them")
    asked = arguments.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print("| attack | memory, MiB | health p50 / p99, ms | list p50 / p99, ms | refused | stops |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        store = Prepared(Path(name))
        for attack in ATTACKS:
            if asked.only in attack.name:
                print(_row(attack, run(attack, store, asked.seconds)), flush=True)


def _row(attack: Attack, seen: Seen) -> str:
    def times(seconds: Sequence[float]) -> str:
        return " / ".join(f"{1_000 * quantile(seconds, share):.0f}" for share in (0.5, 0.99))

    stopped = f"{seen.stopped_sec:.1f} s" + (f", status {seen.status}" if seen.status else "")
    return (
        f"| {attack.name} | {seen.grown / _MIB:.0f} | {times(seen.health)} | {times(seen.list)} "
        f"| {seen.refused} | {stopped} |"
    )


class Prepared:
    """A store with two organisations, which is copied for each attack."""

    def __init__(self, folder: Path, deployments: int = _DEPLOYMENTS) -> None:
        """`deployments` is how many each organisation has."""
        self._folder = folder
        self._numbers = itertools.count()
        self._file = folder / "prepared.db"
        with Store(f"sqlite:///{self._file}") as store:
            self.read_key = _add_key(store, "default", "application", READ)
            self.other_keys = {
                "DD-API-KEY": _add_key(store, "other", "api", *PERMISSIONS_OF["api"]),
                "DD-APPLICATION-KEY": _add_key(store, "other", "application", READ),
            }
            for name in ("default", "other"):
                _add_deployments(store, name, deployments)

    @contextmanager
    def serving(self) -> Iterator[serving.Server]:
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        shutil.copy(self._file, folder / "theodora.db")
        with serving.serving(folder) as server:
            yield server


def _add_key(store: Store, organisation: str, kind: KeyKind, *permissions: str) -> str:
    secret = new_secret(kind)
    store.keys.add(
        organisation,
        kind,
        secret,
        name="",
        permissions=frozenset(permissions),
        now_ns=time.time_ns(),
        actor=TESTER,
    ).result()
    return secret


def _add_deployments(store: Store, name: str, count: int) -> None:
    organisation = store.keys.organisation(name)
    now_ns = time.time_ns()
    added = [
        store.deployments.add(
            organisation,
            Deployment(
                service=f"service-{number % _SERVICES}",
                env="production",
                version=f"{'a' * 200}{number}",
                started_at_ns=now_ns - number * 10**12,
                finished_at_ns=now_ns - number * 10**12 + 60 * 10**9,
            ),
            now_ns,
            actor=TESTER,
        )
        for number in range(count)
    ]
    for each in added:
        each.result()


def run(attack: Attack, store: Prepared, seconds: float) -> Seen:
    """Attacks a new server for so long."""
    with store.serving() as server, closing(OtherClient(server.url, store.other_keys)) as client:
        process = psutil.Process(server.process.pid)
        client.ask_for(0.5)
        client.forget()
        before = process.memory_info().rss
        attacking = multiprocessing.get_context("fork").Process(
            target=_attack, args=(attack, Target(server.url, store.read_key)), daemon=True
        )
        attacking.start()
        try:
            most = client.ask_for(seconds, lambda: process.memory_info().rss)
            began_sec = time.monotonic()
            status = server.stop()
            stopped_sec = time.monotonic() - began_sec
        finally:
            attacking.kill()
            attacking.join()
    return Seen(
        max(0, most - before), client.health, client.list, client.refused, stopped_sec, status
    )


def _attack(attack: Attack, target: Target) -> None:
    """Sends again and again, until this process is killed."""

    def send() -> None:
        while True:
            try:
                attack.send(target)
            except (OSError, HTTPException):
                time.sleep(0.05)

    threads = [threading.Thread(target=send) for _ in range(attack.threads)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


class OtherClient:
    """A client of another organisation, at another address."""

    def __init__(self, url: str, keys: dict[str, str]) -> None:
        netloc = urlsplit(url).netloc
        self._http = HTTPConnection(netloc, timeout=30, source_address=(_OTHER, 0))
        self._keys = keys
        self.forget()

    def close(self) -> None:
        self._http.close()

    def forget(self) -> None:
        self.health: list[float] = []
        self.list: list[float] = []
        self.refused = 0

    def ask_for(self, seconds: float, size: Callable[[], int] = lambda: 0) -> int:
        """Asks for so long; the largest `size` meanwhile."""
        headers = {**self._keys, "Content-Type": "application/json"}
        attributes = {"limit": 20, "query": "service:service-7"}
        data = {"type": LIST_TYPES[DEPLOYMENTS], "attributes": attributes}
        body = json.dumps({"data": data}).encode()
        most = size()
        until_sec = time.monotonic() + seconds
        while time.monotonic() < until_sec:
            self._ask(self.health, "GET", "/healthz", None, {})
            self._ask(self.list, "POST", DEPLOYMENTS, body, headers)
            most = max(most, size())
            time.sleep(_PAUSE_SEC)
        return most

    def _ask(
        self,
        taken: list[float],
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
    ) -> None:
        began_sec = time.monotonic()
        try:
            self._http.request(method, path, body, headers)
            answer = self._http.getresponse()
            answer.read()
        except (OSError, HTTPException):
            self._http.close()
            self.refused += 1
        else:
            self.refused += answer.status != 200
        taken.append(time.monotonic() - began_sec)


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


if __name__ == "__main__":
    main()
