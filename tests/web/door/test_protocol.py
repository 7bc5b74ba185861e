"""How a connection ends: after the client has been heard out, or for too long."""

import socket
import time
from contextlib import suppress
from dataclasses import replace

from connecting import LIMITS, connected, early, echo, listening, read_answer

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


def test_a_body_of_unknown_length_is_read_on_as_far() -> None:
    with listening(early) as port, connected(port) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.sendall(b"100000\r\n%b\r\n" % (b" " * MIB))
        reader = client.makefile("rb")
        assert read_answer(reader)[0] == 403
        client.sendall(b"1\r\nx\r\n")
        assert reader.read() == b""


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


def test_nobody_is_heard_out_for_ever() -> None:
    with (
        listening(early, replace(LIMITS, linger_seconds=0.2)) as port,
        connected(port) as client,
    ):
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n")
        client.sendall(b"Connection: close\r\n\r\n")
        started = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() < started + 5:
                client.sendall(b"1\r\nx\r\n" * 1000)
        assert time.monotonic() - started < 2


def test_what_is_no_request_is_told_so_whatever_follows() -> None:
    with listening(early) as port, connected(port) as client:
        client.sendall(b"no request at all\r\n" * 500_000)
        client.shutdown(socket.SHUT_WR)
        reader = client.makefile("rb")
        assert read_answer(reader)[0] == 400
        assert reader.read() == b""


def test_a_connection_whose_body_was_read_on_does_not_stay_idle_for_ever() -> None:
    with listening(early, timeout_keep_alive=0.1) as port, connected(port) as client:
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
