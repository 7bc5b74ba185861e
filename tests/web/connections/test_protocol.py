"""What a connection takes, and how it ends: with the client heard out, but not for ever."""

import socket
import sys
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from connecting import LIMITS, connected, early, echo, headers_back, listening, read_answer
from theodora.web.connections import protocol

MIB = 1 << 20


def test_a_body_that_nobody_reads_is_read_on_and_the_connection_serves_the_next_request() -> None:
    with listening(early) as port, connected(port) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % MIB)
        client.sendall(b" " * MIB)
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        reader = client.makefile("rb")
        assert read_answer(reader)[0] == 403
        assert read_answer(reader)[0] == 403


def test_an_answer_whose_body_is_too_long_to_be_read_on_says_that_the_connection_ends() -> None:
    with listening(early) as port, connected(port) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (8 * MIB))
        client.sendall(b" " * 8 * MIB)
        reader = client.makefile("rb")
        status, headers, _ = read_answer(reader)
        assert (status, headers["connection"]) == (403, "close")
        assert reader.read() == b""


def test_an_answer_before_the_end_of_a_body_of_unknown_length_says_so_too() -> None:
    chunk = b"%x\r\n%b\r\n" % (MIB, b" " * MIB)
    with listening(early) as port, connected(port) as client:
        client.sendall(head(b"Transfer-Encoding: chunked") + chunk * 8 + b"0\r\n\r\n")
        reader = client.makefile("rb")
        status, headers, _ = read_answer(reader)
        assert (status, headers["connection"]) == (403, "close")
        assert reader.read() == b""


def test_a_connection_lives_on_if_a_body_of_unknown_length_was_read() -> None:
    with listening(echo) as port, connected(port) as client:
        client.sendall(head(b"Transfer-Encoding: chunked") + b"1\r\nx\r\n0\r\n\r\n" + head())
        reader = client.makefile("rb")
        assert read_answer(reader)[2] == b"1"
        assert read_answer(reader)[2] == b"0"


def test_a_body_that_is_being_read_may_be_longer() -> None:
    with listening(echo) as port, connected(port) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (8 * MIB))
        client.sendall(b" " * 8 * MIB)
        assert read_answer(client.makefile("rb"))[2] == str(8 * MIB).encode()


def test_who_waits_for_leave_to_send_is_told_that_the_connection_ends() -> None:
    """Whether the body follows after all, nobody could tell from the next request."""
    with listening(early) as port, connected(port) as client:
        client.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n"
        )
        reader = client.makefile("rb")
        status, headers, _ = read_answer(reader)
        assert (status, headers["connection"]) == (403, "close")
        assert reader.read() == b""


def test_the_head_and_the_body_of_an_answer_leave_together() -> None:
    with listening(echo) as port, connected(port) as client:
        reader = client.makefile("rb")
        for answers in (1, 2, 3):
            client.sendall(head(b"Content-Length: 1") + b"x")
            assert read_answer(reader)[2] == b"1"
            assert segments_in(client) == answers


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1", b"GET / HTTP/1.0", b"HEAD / HTTP/1.1"])
@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, [(b"content-length", b"2"), (b"x-several", b"a"), (b"x-several", b"b\tc\xe9")]),
        (200, []),
        (200, [(b"content-length", b"2"), (b"connection", b"close")]),
        (204, []),
        (304, [(b"etag", b'"1"')]),
    ],
)
def test_the_head_of_an_answer_is_the_one_that_uvicorn_writes(
    start: bytes, status: int, headers: list[tuple[bytes, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b"" if status in {204, 304} else b"ok"

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def written() -> list[bytes]:
        with listening(answer) as port, connected(port) as client:
            client.sendall(start + b"\r\nHost: x\r\n\r\n")
            client.shutdown(socket.SHUT_WR)
            lines = client.makefile("rb").read().splitlines()
        return [line for line in lines if not line.startswith(b"date: ")]

    ours = written()
    monkeypatch.setattr(protocol, "_Answer", lambda cycle: cycle)
    assert ours == written()
    assert len(ours) >= 2 + len(headers)


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\0b", b"\x7f"])
def test_a_header_that_would_end_a_line_is_not_written(value: bytes) -> None:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        headers = [(b"content-length", b"0"), (b"x-echo", value)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    with listening(answer) as port, connected(port) as client:
        client.sendall(head())
        status, headers, _ = read_answer(client.makefile("rb"))
        assert (status, "x-echo" in headers) == (500, False)


def test_nobody_is_heard_out_for_ever() -> None:
    with (
        listening(early, replace(LIMITS, linger_seconds=0.2)) as port,
        connected(port) as client,
    ):
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n")
        client.sendall(b"Connection: close\r\n\r\n")
        started = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() < started + 10:
                client.sendall(b"1\r\nx\r\n" * 1000)
        assert time.monotonic() - started < 8


def test_what_is_no_request_is_told_so_whatever_follows() -> None:
    with listening(early) as port, connected(port) as client:
        client.sendall(b"no request at all\r\n" * 500_000)
        client.shutdown(socket.SHUT_WR)
        reader = client.makefile("rb")
        assert read_answer(reader)[0] == 400
        assert reader.read() == b""


def test_a_connection_whose_body_was_read_on_does_not_stay_idle_for_ever() -> None:
    with listening(early, replace(LIMITS, idle_seconds=0.1)) as port, connected(port) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
        reader = client.makefile("rb")
        assert read_answer(reader)[0] == 403
        client.sendall(b" " * 10)
        assert reader.read() == b""


def test_a_request_after_the_last_one_gets_no_answer_of_its_own() -> None:
    """The client has said itself that the connection ends."""
    with listening(early) as port, connected(port) as client:
        client.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n"
        )
        reader = client.makefile("rb")
        assert read_answer(reader)[0] == 403
        client.sendall(b"  GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert reader.read() == b""


# The head of a request


def head(*lines: bytes) -> bytes:
    return b"\r\n".join([b"GET / HTTP/1.1", b"Host: x", *lines, b"", b""])


def answer_to(request: bytes, **options: Any) -> tuple[int, str]:
    """Status and body of the answer to what is sent in full, and only then."""
    with listening(echo, **options) as port, connected(port) as client:
        client.sendall(request)
        status, headers, body = read_answer(client.makefile("rb"))
        assert (headers.get("connection") == "close") == (status != 200)
        return status, body.decode()


def test_a_head_may_have_so_many_bytes_and_no_more() -> None:
    longest = LIMITS.head_bytes - len(head(b"X: "))
    assert answer_to(head(b"X: " + b"x" * (longest - 1)))[0] == 200
    assert answer_to(head(b"X: " + b"x" * (longest + 1)))[0] == 431


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"x" * (2 << 20), 414),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * (2 << 20), 431),
        (b"GET / HTTP/1.1\r\n" + b"x" * (2 << 20), 431),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 500_000, 431),
        (b"\r\n" * (8 << 20), 431),
        (b"x" * (2 << 20), 400),
    ],
    ids=["URL", "value", "name", "lines", "empty lines", "method"],
)
def test_a_head_without_end_is_refused_and_the_answer_can_be_read(
    request_: bytes, status: int
) -> None:
    rung: list[str] = []
    refused, body = answer_to(request_, rung=rung)
    assert refused == status
    assert f'"status":"{status}"' in body
    assert rung == (["head size"] if status != 400 else [])


def test_a_head_may_have_so_many_lines_and_no_more() -> None:
    assert answer_to(head(*[b"a: b"] * 255))[0] == 200
    assert answer_to(head(*[b"a: b"] * 256))[0] == 431


@pytest.mark.parametrize(
    "rest",
    [b"1" + b"0" * (2 << 20), b"1;" + b"x" * (2 << 20), b"0\r\n" + b"a: b\r\n" * 500_000],
    ids=["size", "extension", "trailers"],
)
def test_what_comes_around_a_body_has_a_limit_too(rest: bytes) -> None:
    status, _ = answer_to(head(b"Transfer-Encoding: chunked") + rest)
    assert status in {400, 431}


def test_a_body_in_many_chunks_is_no_head() -> None:
    chunks = b"1\r\nx\r\n" * 16_000 + b"0\r\n\r\n"
    assert answer_to(head(b"Transfer-Encoding: chunked") + chunks) == (200, "16000")


def test_small_chunks_that_come_together_are_passed_on_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For each piece that it is given, uvicorn copies all that waits for the application."""
    pieces: list[int] = []
    pass_on = HttpToolsProtocol.on_body

    def count(connection: HttpToolsProtocol, body: bytes) -> None:
        pieces.append(len(body))
        pass_on(connection, body)

    monkeypatch.setattr(HttpToolsProtocol, "on_body", count)
    chunks = b"1\r\nx\r\n" * 16_000 + b"0\r\n\r\n"
    assert answer_to(head(b"Transfer-Encoding: chunked") + chunks) == (200, "16000")
    assert sum(pieces) == 16_000
    assert len(pieces) < 200


def test_a_body_may_have_many_chunks_but_not_many_small_ones() -> None:
    for chunk, status in ((b"14\r\n%b\r\n" % (b"x" * 20), 200), (b"1\r\nx\r\n", 400)):
        chunks = chunk * 16_385 + b"0\r\n\r\n"
        assert answer_to(head(b"Transfer-Encoding: chunked") + chunks)[0] == status


def test_fields_after_a_body_are_no_headers() -> None:
    """A key that comes when the request has been let in already would be one for nobody."""
    trailers = b"DD-API-KEY: x\r\nHost: y\r\n"
    request = head(b"Transfer-Encoding: chunked") + b"0\r\n" + trailers + b"\r\n"
    with listening(headers_back) as port, connected(port) as client:
        client.sendall(request)
        assert b"x" not in read_answer(client.makefile("rb"))[2].removeprefix(b"host: x")


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([b"GET / HTTP/1.1"], 400),
        ([b"GET / HTTP/1.1", b"Host: a", b"Host: b"], 400),
        ([b"GET / HTTP/1.1", b"Host: a", b"hOST: a"], 400),
        ([b"GET / HTTP/1.1", b"Host: a b"], 400),
        ([b"GET / HTTP/1.1", b"Host: a@b"], 400),
        ([b"GET / HTTP/1.1", b"Host: a/b"], 400),
        ([b"GET / HTTP/1.1", b"Host: a"], 200),
        ([b"GET / HTTP/1.1", b"Host: [::1]:8080"], 200),
        ([b"GET / HTTP/1.1", b"Host:"], 200),
        ([b"GET / HTTP/1.0"], 200),
        ([b"GET / HTTP/1.0", b"Host: a", b"Host: b"], 400),
    ],
)
def test_a_request_has_one_host(lines: list[bytes], status: int) -> None:
    rung: list[str] = []
    with listening(echo, rung=rung) as port, connected(port) as client:
        client.sendall(b"\r\n".join([*lines, b"", b""]))
        assert read_answer(client.makefile("rb"))[0] == status
    assert rung == (["host"] if status == 400 else [])


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 5\r\n\r\nhello",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ],
)
def test_a_wish_for_another_protocol_costs_no_body(body: bytes) -> None:
    """Java's own client has that wish with its first request over http."""
    wish = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"
    with listening(echo) as port, connected(port) as client:
        reader = client.makefile("rb")
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n" + wish + body + head())
        assert [read_answer(reader)[2] for _ in range(2)] == [b"5", b"0"]
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n" + wish + body[:-7])
        time.sleep(0.1)
        client.sendall(body[-7:])
        assert read_answer(reader)[2] == b"5"
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + wish + b"\r\n" + head())
        assert [read_answer(reader)[2] for _ in range(2)] == [b"0", b"0"]


# Several requests at once


def test_requests_may_be_sent_before_earlier_ones_are_answered() -> None:
    with listening(echo) as port, connected(port) as client:
        client.sendall(head() * 10)
        reader = client.makefile("rb")
        assert [read_answer(reader)[0] for _ in range(10)] == [200] * 10


def test_of_too_many_the_first_are_answered_and_the_connection_ends() -> None:
    rung: list[str] = []
    with listening(echo, rung=rung) as port, connected(port) as client:
        client.sendall(head() * 10_000)
        answered = client.makefile("rb").read().count(b"HTTP/1.1 200 OK")
    assert 16 <= answered <= 18
    assert rung == ["pipelined requests"]


def test_what_is_no_request_leaves_the_answer_before_it_alone() -> None:
    with listening(echo) as port, connected(port) as client:
        client.sendall(head() + b"no request at all\r\n" * 100_000)
        reader = client.makefile("rb")
        assert read_answer(reader)[0] == 200
        assert reader.read() == b""


def test_what_is_no_request_is_told_so_after_a_request_too() -> None:
    with listening(echo) as port, connected(port) as client:
        reader = client.makefile("rb")
        client.sendall(head())
        assert read_answer(reader)[0] == 200
        client.sendall(b"no request at all\r\n" * 500_000)
        assert read_answer(reader)[0] == 400


def test_an_application_is_told_that_a_broken_body_has_no_end() -> None:
    told = threading.Event()

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, send
        while (await receive())["type"] == "http.request":
            pass
        told.set()

    with listening(waiting) as port, connected(port) as client:
        client.sendall(head(b"Transfer-Encoding: chunked") + b"1\r\nx\r\nno size\r\n")
        assert read_answer(client.makefile("rb"))[0] == 400
        assert told.wait(timeout=5)


# The server stops


def test_a_server_that_stops_waits_for_no_head_and_not_long_for_a_body() -> None:
    started = time.monotonic()
    with ExitStack() as clients, listening(early) as port:
        half, unread, refused = (clients.enter_context(connected(port)) for _ in range(3))
        half.sendall(head()[:-2])
        unread.sendall(head(b"Content-Length: 9"))
        refused.sendall(b"no request\r\n")
        assert read_answer(unread.makefile("rb"))[0] == 403
        assert read_answer(refused.makefile("rb"))[0] == 400
    assert time.monotonic() - started < 15


def segments_in(client: socket.socket) -> int:
    """How many segments with data have come: `tcpi_data_segs_in` of Linux's `tcp_info`."""
    info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
    return int.from_bytes(info[152:156], sys.byteorder)
