"""A server that stands open to the internet: what one client sends, others do not feel."""

import http.client
import resource
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

import serving
from actors import TESTER
from connecting import read_answer
from theodora.events import Deployment
from theodora.storage import Store
from theodora.storage.access.key_secrets import new_secret
from theodora.storage.access.permissions import READ

MIB = 1 << 20


@dataclass
class Target:
    """A server, asked for its health all the time."""

    server: serving.Server

    def connect(self) -> socket.socket:
        url = urlsplit(self.server.url)
        return socket.create_connection((url.hostname, url.port), timeout=20)

    def under(self, attack: Callable[[], None]) -> tuple[float, float]:
        """The longest answer of the health in seconds, and growth of memory in MiB meanwhile.

        Of an answer counts the processor time that the server has used until it came, if that is
        less: on a machine that is busy otherwise, an answer takes long without any attack too.
        """
        process = psutil.Process(self.server.process.pid)
        before = most = process.memory_info().rss
        longest = 0.0
        thread = threading.Thread(target=attack)
        asking = http.client.HTTPConnection(urlsplit(self.server.url).netloc, timeout=20)
        thread.start()
        is_over = False
        while not is_over:
            is_over = not thread.is_alive()
            used, started = _processor_sec(process), time.perf_counter()
            asking.request("GET", "/healthz")
            assert asking.getresponse().read() == b"alive\n"
            took = time.perf_counter() - started
            longest = max(longest, min(took, _processor_sec(process) - used))
            most = max(most, process.memory_info().rss)
        asking.close()
        return longest, (most - before) / MIB

    def health_sec(self, samples: int) -> list[float]:
        """How long answers of the health take, one after another."""
        asking = http.client.HTTPConnection(urlsplit(self.server.url).netloc, timeout=20)
        found: list[float] = []
        with closing(asking):
            for _ in range(samples):
                started = time.perf_counter()
                asking.request("GET", "/healthz")
                assert asking.getresponse().read() == b"alive\n"
                found.append(time.perf_counter() - started)
        return found

    def reached(self, limit: str) -> float:
        text = httpx2.get(f"{self.server.url}/metrics").text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "theodora_limits_reached_total" and sample.labels["limit"] == limit
        )


def _processor_sec(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with serving.serving(tmp_path_factory.mktemp("attacked")) as server:
        httpx2.get(f"{server.url}/healthz")
        yield Target(server)


@pytest.mark.parametrize(
    ("piece", "status"),
    [(b"x" * MIB, 431), (b"a: b\r\n" * (MIB // 6), 431)],
    ids=["one line of 256 MiB", "256 MiB of short lines"],
)
def test_headers_without_end(target: Target, piece: bytes, status: int) -> None:
    before = target.reached("head size")

    def send() -> None:
        with closing(target.connect()) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
            for _ in range(256):
                client.sendall(piece)
            assert read_answer(client.makefile("rb"))[0] == status

    longest, grown = target.under(send)
    assert target.reached("head size") == before + 1
    assert longest < 1
    assert grown < 32


def test_uploads_of_many_empty_parts(target: Target) -> None:
    body = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n" * 150_000 + b"--x--\r\n"
    headers = {**serving.KEYS, "Content-Type": "multipart/form-data; boundary=x"}

    def upload() -> None:
        url = f"{target.server.url}/api/v2/git/repository/packfile"
        with ThreadPoolExecutor(8) as threads:
            for answer in threads.map(
                lambda _: httpx2.post(url, headers=headers, content=body, timeout=20), range(8)
            ):
                assert answer.status_code == 400
                assert "more than 100 parts" in answer.text

    longest, grown = target.under(upload)
    assert longest < 1
    assert grown < 300


def test_more_silent_connections_than_there_are_places(tmp_path: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with (
        serving.serving(tmp_path, "--max-connections", "1000") as server,
        ExitStack() as sockets,
    ):
        target = Target(server)

        def connect() -> None:
            for _ in range(1_100):
                sockets.enter_context(closing(target.connect()))

        longest, grown = target.under(connect)
        assert target.reached("connections") >= 100
        assert longest < 1
        assert grown < 100
    assert "a limit was reached" in (tmp_path / "server.log").read_text()


PATTERNS = ("(.{0,20}){0,9}!", "(.{0,20}){0,20}!", "(a+)+$", "((a*)*)*b", r"(\w*\s?)*!", "(.*)*!")
"""Patterns that take for ever where an engine tries one way after another."""


def deploy_for_patterns(server: serving.Server, count: int) -> str:
    """Deployments that patterns try hard to match, and the secret of a key that may only read."""
    secret = new_secret("application")
    with Store(server.database_url) as store:
        organisation = store.keys.organisation("default")
        store.keys.add(
            "default",
            "application",
            secret,
            name="",
            permissions=frozenset({READ}),
            now_ns=1,
            actor=TESTER,
        ).result()
        added = [
            store.deployments.add(
                organisation,
                Deployment(
                    service="web",
                    version="a" * 250 + f"{number}",
                    started_at_ns=number + 1,
                    finished_at_ns=number + 1,
                ),
                1,
                actor=TESTER,
            )
            for number in range(count)
        ]
        for each in added:
            each.result()
    return secret


def test_previews_of_hostile_rules_by_a_key_that_may_only_read(target: Target) -> None:
    read_key = deploy_for_patterns(target.server, 200)
    keys = {**serving.KEYS, "DD-APPLICATION-KEY": read_key}
    rules = [
        {"id": f"rule-{at}", "fields": ["version"], "pattern": pattern}
        for at, pattern in enumerate(PATTERNS)
    ]
    url = f"{target.server.url}/api/v2/dora/settings"
    is_over = threading.Event()
    answers: list[int] = []

    def preview() -> None:
        with httpx2.Client(headers=keys, timeout=60) as client:
            while not is_over.is_set():
                for rule in rules:
                    attributes = {"static_rules": [rule]}
                    document = {"data": {"type": "dora_settings", "attributes": attributes}}
                    answers.append(client.post(f"{url}/preview", json=document).status_code)

    idle_sec = statistics.median(target.health_sec(50))
    with ThreadPoolExecutor(2) as threads:
        previews = [threads.submit(preview) for _ in range(2)]
        while len(answers) < len(rules) and not any(each.done() for each in previews):
            time.sleep(0.01)
        busy_sec = statistics.median(target.health_sec(100))
        is_over.set()
        for each in previews:
            each.result()
    assert set(answers) == {200, 400}
    # On a machine that is busy otherwise, an answer takes long without any preview too.
    assert busy_sec < max(0.05, 10 * idle_sec)
    refused = httpx2.put(url, headers=keys, json={"data": {"attributes": {}}})
    assert refused.status_code == 403
