"""One HTTP connection: uvicorn's protocol, and what has to be done to close it without loss.

A server that closes a socket with bytes in it that nobody has read sends a reset, and a reset
makes a client drop the answer that is already on its way (RFC 9112, 9.6). An early answer (403,
404, 413, …) leaves the request's body unread, so the client is heard out first.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one connection may take."""

    unread_body_bytes: int
    """A body that nobody reads is read on so far; after a longer one the connection ends."""
    linger_seconds: float = 30.0
    """How long a client is heard out that goes on sending on a connection that ends."""


class Connection(HttpToolsProtocol):
    """A connection that ends only when the client has been heard out, or for too long."""

    def __init__(self, *args: Any, limits: Limits, **named: Any) -> None:
        super().__init__(*args, **named)
        self._limits = limits
        self._socket: asyncio.Transport
        self._is_heard_out = True
        """Whether every request that has begun is here to its end."""
        self._unread_bytes = 0
        """Of the running request's body, after its answer was complete."""
        self._is_ending = False
        self._is_deaf = False
        """Whether what comes can no longer be told apart into requests."""
        self._linger: asyncio.TimerHandle | None = None

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
        if self._is_heard_out:
            self._socket.close()
            return
        # With TLS nothing can be half-closed; the end of the body is seen all the same.
        if self._socket.can_write_eof():
            self._socket.write_eof()
        self.flow.resume_reading()
        self._linger = self.loop.call_later(self._limits.linger_seconds, self._socket.abort)

    def data_received(self, data: bytes) -> None:
        if not self._is_ending:
            super().data_received(data)
        elif not self._is_deaf and self.parser is not None:
            try:
                self.parser.feed_data(data)
            except (httptools.HttpParserError, httptools.HttpParserUpgrade):
                self._is_deaf = True

    # What the parser finds

    def on_message_begin(self) -> None:
        if self._is_ending:
            self._socket.close()
            return
        self._is_heard_out = False
        self._unread_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self._is_ending:
            return
        super().on_headers_complete()
        # A client that waits for leave to send may or may not send after an early answer, and
        # nobody reads a body that is too long: both are told that the connection ends.
        if self.expect_100_continue or self._length > self._limits.unread_body_bytes:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self.cycle.response_complete:
            self._unread_bytes += len(body)
            if self._unread_bytes > self._limits.unread_body_bytes:
                self.end()

    def on_message_complete(self) -> None:
        self._is_heard_out = True
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


class _Transport:
    """A transport that leaves closing to its connection; for the rest the one that it is given."""

    def __init__(self, transport: asyncio.Transport, connection: Connection) -> None:
        self._transport = transport
        self.write = transport.write
        self.is_closing = lambda: connection.is_ending
        self.close = connection.end

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
