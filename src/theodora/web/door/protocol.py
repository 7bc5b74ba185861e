"""One HTTP connection: uvicorn's protocol within limits, and closed without loss.

A server that closes a socket with bytes in it that nobody has read sends a reset, and a reset
makes a client drop the answer that is already on its way (RFC 9112, 9.6). An early answer (403,
404, 413, …) leaves the request's body unread, so the client is heard out first.
"""

import asyncio
import re
from typing import Any, NamedTuple, cast

import httptools
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from theodora.web.door.limits import Alarm, LimitName, Limits
from theodora.web.responses import JSON_API, status_reply

_MAX_HEADERS = 256
_MAX_PIPELINED = 16
"""Requests that wait for the answers to those before them."""
_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*")


class _Refusal(NamedTuple):
    """Why a request gets no further than to its connection."""

    status: int
    detail: str
    limit: LimitName | None = None


class _RefusedError(Exception):
    """Raised by a callback, so that the parser stops."""


class Connection(HttpToolsProtocol):
    """A connection that ends only when the client has been heard out, or for too long."""

    def __init__(self, *args: Any, limits: Limits, alarm: Alarm, **named: Any) -> None:
        super().__init__(*args, **named)
        self._limits = limits
        self._alarm = alarm
        self._socket: asyncio.Transport
        self._is_in_head = False
        self._is_in_body = False
        self._bytes_around = 0
        """How much has come since the end of the headers, or the last piece of a body."""
        self._is_ending = False
        self._refusal: _Refusal | None = None
        """What the parser has been stopped for; what comes after it is dropped."""
        self._linger: asyncio.TimerHandle | None = None

    # Beginning and end

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = cast("asyncio.Transport", transport)
        super().connection_made(cast("asyncio.Transport", _Transport(self._socket, self)))

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_ending = True
        if self._linger is not None:
            self._linger.cancel()
        super().connection_lost(exc)

    @property
    def is_ending(self) -> bool:
        return self._is_ending or self._socket.is_closing()

    def end(self) -> None:
        """Closes the connection, at once if the client has nothing more to say."""
        if self._is_ending:
            return
        self._is_ending = True
        if not (self._is_in_head or self._is_in_body):
            self._socket.close()
            return
        # With TLS nothing can be half-closed; the end of the body is seen all the same.
        if self._socket.can_write_eof():
            self._socket.write_eof()
        self.flow.resume_reading()
        self._linger = self.loop.call_later(self._limits.linger_seconds, self._socket.abort)

    # What comes

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        while data and self._refusal is None:
            piece = data[: self._limits.head_bytes - self._bytes_around]
            data = data[len(piece) :]
            self._bytes_around += len(piece)
            self._parse(piece)
            if self._bytes_around >= self._limits.head_bytes:
                self._refuse(self._too_long())

    def _parse(self, data: bytes) -> None:
        assert self.parser is not None
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # There is nothing to upgrade to: the request is answered as it is.
        except httptools.HttpParserError:
            self._refuse(_Refusal(400, "invalid HTTP request"))

    def _too_long(self) -> _Refusal:
        most = self._limits.head_bytes
        detail = f"request line and headers must be at most {most} bytes together"
        is_mostly_url = self._is_in_head and len(self.url) > most // 2
        return _Refusal(414 if is_mostly_url else 431, detail, "head size")

    def on_message_begin(self) -> None:
        if self._is_ending:
            self._socket.close()
            return
        self._is_in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # Fields after a chunked body are no headers of the request (RFC 9110, 6.5.1).
        if not self._is_in_head:
            return
        if len(self.headers) >= _MAX_HEADERS:
            self._stop(_Refusal(431, f"at most {_MAX_HEADERS} headers are taken", "head size"))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._is_ending:
            return
        self._check_host()
        if len(self.pipeline) >= _MAX_PIPELINED:
            self._stop(_Refusal(400, "too many pipelined requests", "pipelined requests"))
        self._bytes_around = 0
        super().on_headers_complete()
        self._is_in_head, self._is_in_body = False, True
        # A client that waits for leave to send may or may not send after an early answer, and
        # nobody reads a body that is too long: both are told that the connection ends.
        if self.expect_100_continue or self._length > self._limits.unread_body_bytes:
            self.cycle.keep_alive = False

    def _check_host(self) -> None:
        assert self.parser is not None
        hosts = [value for name, value in self.headers if name == b"host"]
        is_old = self.parser.get_http_version() == "1.0" and not hosts
        if len(hosts) != 1 and not is_old:
            self._stop(_Refusal(400, "a request must have one Host header", "host"))
        if hosts and not _HOST.fullmatch(hosts[0]):
            self._stop(_Refusal(400, "the Host header must be a host", "host"))

    def on_body(self, body: bytes) -> None:
        self._bytes_around = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._bytes_around = 0
        self._is_in_body = False
        if self._is_ending:
            self._socket.close()
            return
        super().on_message_complete()
        if self.cycle.response_complete:
            self._wait_for_next_request()

    def _wait_for_next_request(self) -> None:
        """Sets the timer that uvicorn sets after an answer, and takes away when a body comes."""
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    @property
    def _length(self) -> int:
        """What the request says of its body's length; 0 where it says nothing."""
        return next((int(value) for name, value in self.headers if name == b"content-length"), 0)

    # Refusals

    def _stop(self, refusal: _Refusal) -> None:
        """Refuses from within the parser, which then stops."""
        self._refuse(refusal)
        raise _RefusedError

    def _refuse(self, refusal: _Refusal) -> None:
        """Answers a request that no application sees, and ends the connection."""
        if self._refusal is not None:
            return
        self._refusal = refusal
        if self._is_ending:
            return
        if refusal.limit is not None:
            self._alarm.ring(refusal.limit, self.client[0] if self.client else "")
        running = cast("RequestResponseCycle | None", self.cycle)
        is_answering = running is not None and not running.response_complete
        if is_answering and not self._is_in_body:
            # The answers to the requests before this one go out, and nothing after them.
            self.cycle.keep_alive = False
            return
        if is_answering:
            # The application is told that the rest of its request will never come.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not is_answering or not (self.cycle.response_started or self.pipeline):
            self._socket.write(_written(refusal))
        self.end()


def _written(refusal: _Refusal) -> bytes:
    reply = status_reply(refusal.status, refusal.detail)
    head = b"content-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return STATUS_LINE[refusal.status] + head % (JSON_API.encode(), len(reply.body)) + reply.body


class _Transport:
    """A transport that leaves closing to its connection; for the rest the one that it is given."""

    def __init__(self, transport: asyncio.Transport, connection: Connection) -> None:
        self._transport = transport
        self.write = transport.write
        self.is_closing = lambda: connection.is_ending
        self.close = connection.end

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
