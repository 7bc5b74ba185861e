"""Clients that take too long: to send a request, to read its answer, to ask again."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from starlette.types import Receive, Scope, Send

from connecting import LIMITS, connected, early, echo, listening, long, read_answer

SOON = 0.4
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"


async def quiet(scope: Scope, receive: Receive, send: Send) -> None:
    """Waits for the client to leave."""
    del scope, send
    while (await receive())["type"] != "http.disconnect":
        pass


@contextmanager
def ends_soon(rung: list[str], *expected: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert SOON / 2 < time.monotonic() - started < 8
    assert rung == list(expected)


def test_a_connection_without_a_request_ends() -> None:
    rung: list[str] = []
    limits = replace(LIMITS, head_seconds=SOON)
    with (
        listening(echo, limits, rung) as port,
        connected(port) as client,
        ends_soon(rung, "head time"),
    ):
        assert client.recv(1) == b""


def test_headers_that_come_byte_by_byte_are_refused() -> None:
    rung: list[str] = []
    limits = replace(LIMITS, head_seconds=SOON)
    with listening(echo, limits, rung) as port, connected(port) as client:
        reader = client.makefile("rb")
        with ends_soon(rung, "head time"):
            client.settimeout(0.05)
            for byte in HEAD * 100:
                client.sendall(bytes([byte]))
                if _has_something(client):
                    break
            client.settimeout(10)
            assert read_answer(reader)[0] == 408


def _has_something(client: Any) -> bool:
    try:
        return bool(client.recv(1, 2))  # MSG_PEEK
    except TimeoutError:
        return False


def test_a_connection_that_asks_nothing_more_ends_without_alarm() -> None:
    rung: list[str] = []
    limits = replace(LIMITS, idle_seconds=SOON)
    with listening(early, limits, rung) as port, connected(port) as client:
        reader = client.makefile("rb")
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(reader)[0] == 403
        with ends_soon(rung):
            assert reader.read() == b""


def test_the_next_request_has_its_own_time_for_headers() -> None:
    limits = replace(LIMITS, head_seconds=SOON)
    with listening(early, limits) as port, connected(port) as client:
        reader = client.makefile("rb")
        for _ in range(2):
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_answer(reader)[0] == 403
            time.sleep(SOON * 1.5)


def test_a_body_that_stands_still_is_refused_and_the_application_told() -> None:
    rung: list[str] = []
    limits = replace(LIMITS, stall_seconds=SOON)
    with listening(echo, limits, rung) as port, connected(port) as client:
        client.sendall(HEAD + b"\r\n")
        with ends_soon(rung, "slow body"):
            assert read_answer(client.makefile("rb"))[0] == 408


def test_a_body_that_nobody_reads_may_not_stand_still_either() -> None:
    rung: list[str] = []
    limits = replace(LIMITS, stall_seconds=SOON)
    for header in (b"\r\n", b"Connection: close\r\n\r\n"):
        rung.clear()
        with listening(early, limits, rung) as port, connected(port) as client:
            client.sendall(HEAD + header)
            with ends_soon(rung, "slow body"):
                assert read_answer(client.makefile("rb"))[0] == 403
                while not rung:
                    time.sleep(0.05)


def test_a_client_that_has_no_leave_to_send_is_not_late() -> None:
    """It waits for the application, which has not looked at the body yet."""
    limits = replace(LIMITS, stall_seconds=0.1)

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.5)
        await echo(scope, receive, send)

    with listening(slow, limits) as port, connected(port) as client:
        client.sendall(HEAD + b"Expect: 100-continue\r\n\r\n")
        reader = client.makefile("rb")
        assert reader.readline() == b"HTTP/1.1 100 Continue\r\n"
        reader.readline()
        client.sendall(b"x" * 1000)
        assert read_answer(reader)[2] == b"1000"


def test_an_application_may_take_longer_than_a_client() -> None:
    limits = replace(LIMITS, stall_seconds=0.1, head_seconds=0.1, idle_seconds=0.1)
    with listening(quiet, limits) as port, connected(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        client.settimeout(1)
        assert not _has_something(client)


def test_a_client_that_reads_no_answer_is_left() -> None:
    rung: list[str] = []
    limits = replace(LIMITS, stall_seconds=SOON)
    with listening(long, limits, rung) as port, connected(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with ends_soon(rung, "unread answer"):
            while not rung:
                time.sleep(0.05)


def test_a_client_that_reads_slowly_gets_all() -> None:
    rung: list[str] = []
    limits = replace(LIMITS, stall_seconds=SOON)
    with listening(long, limits, rung) as port, connected(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(12):
            client.recv(65_536)
            time.sleep(0.1)
        assert rung == []
