"""A server that stands open to the internet: what one client sends, others do not feel."""

import http.client
import resource
import socket
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
from connecting import read_answer

MIB = 1 << 20


@dataclass
class Target:
    """A server, asked for its health all the time."""

    server: serving.Server

    def connect(self) -> socket.socket:
        url = urlsplit(self.server.url)
        return socket.create_connection((url.hostname, url.port), timeout=20)

    def under(self, attack: Callable[[], None]) -> tuple[float, float]:
        """The longest answer of the health in seconds, and growth of memory in MiB meanwhile."""
        process = psutil.Process(self.server.process.pid)
        before = most = process.memory_info().rss
        longest = 0.0
        thread = threading.Thread(target=attack)
        asking = http.client.HTTPConnection(urlsplit(self.server.url).netloc, timeout=20)
        thread.start()
        is_over = False
        while not is_over:
            is_over = not thread.is_alive()
            started = time.perf_counter()
            asking.request("GET", "/healthz")
            assert asking.getresponse().read() == b"alive\n"
            longest = max(longest, time.perf_counter() - started)
            most = max(most, process.memory_info().rss)
        asking.close()
        return longest, (most - before) / MIB

    def reached(self, limit: str) -> float:
        text = httpx2.get(f"{self.server.url}/metrics").text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "theodora_limits_reached_total" and sample.labels["limit"] == limit
        )


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
