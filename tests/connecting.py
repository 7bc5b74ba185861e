"""Connections for tests: raw sockets, and a server of nothing but connections in this process."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from theodora.web.connections.limits import Alarm, Limits
from theodora.web.connections.server import Options, Server

LIMITS = Limits(
    head_bytes=65_536,
    head_seconds=10,
    idle_seconds=10,
    stall_seconds=10,
    least_bytes_per_second=500,
    unread_body_bytes=1 << 20,
)


async def early(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers everything before it reads anything."""
    del scope, receive
    await send({"type": "http.response.start", "status": 403, "headers": [_length(b"no")]})
    await send({"type": "http.response.body", "body": b"no"})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with how many bytes the body has."""
    del scope
    received, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        received += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = str(received).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [_length(body)]})
    await send({"type": "http.response.body", "body": body})


async def long(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with more than the system keeps for a client that does not read."""
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(1000):
        await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
    await send({"type": "http.response.body"})


async def headers_back(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the headers, as they are when the body is there."""
    while (await receive()).get("more_body"):
        pass
    body = b"\n".join(b"%b: %b" % header for header in scope["headers"])
    await send({"type": "http.response.start", "status": 200, "headers": [_length(body)]})
    await send({"type": "http.response.body", "body": body})


def _length(body: bytes) -> tuple[bytes, bytes]:
    return b"content-length", str(len(body)).encode()


@contextmanager
def listening(
    app: ASGIApp, limits: Limits = LIMITS, rung: list[str] | None = None, **options: Any
) -> Iterator[int]:
    """A server on a thread of its own; its port. Names of limits reached are added to `rung`."""
    alarm = Alarm(rung.append if rung is not None else lambda _: None)
    places = {"max_connections": 100, "max_connections_per_address": 100}
    server = Server(app, Options(limits=limits, lifespan=False, **{**places, **options}), alarm)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        yield client
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


def read_answer(reader: Any) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the next answer; the body is whole."""
    status = int(reader.readline().split()[1])
    headers: dict[str, str] = {}
    while line := reader.readline().strip():
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers["content-length"])
    body = reader.read(length)
    assert len(body) == length
    return status, headers, body
