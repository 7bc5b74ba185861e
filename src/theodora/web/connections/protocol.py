"""One HTTP connection: uvicorn's protocol within limits, and closed without loss.

A server that closes a socket with bytes in it that nobody has read sends a reset, and a reset
makes a client drop the answer that is already on its way (RFC 9112, 9.6). An early answer (403,
404, 413, …) leaves the request's body unread, so the client is heard out first.
"""

import asyncio
import fcntl
import re
import sys
import termios
from typing import Any, NamedTuple, cast

import httptools
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from theodora.web.connections.close_if_unread import CloseIfUnread
from theodora.web.connections.limits import Alarm, LimitName, Limits
from theodora.web.connections.places import Place
from theodora.web.connections.watch import Late, Moved, Phase, Watch
from theodora.web.http.responses import JSON_API, status_reply

_MAX_HEADERS = 256
_MAX_PIPELINED = 16
"""Requests that wait for the answers to those before them."""
_MOST_HELD_BYTES = 65_536
"""So that an answer in pieces is not gathered in memory, and a slow client is noticed."""
_MAX_SMALL_PIECES = 16_384
"""Chunks of a body, if they have fewer bytes than `_SMALL_PIECE_BYTES` on average."""
_SMALL_PIECE_BYTES = 16
_SECONDS_BETWEEN_LOOKS = 1.0
"""How often deadlines are checked; more often if a deadline is that short."""
_LINGER_SECONDS_AT_STOP = 2.0
_WITHOUT_BODY = (204, 304)
_CONTROLS = bytes([*range(9), *range(10, 32), 127])
"""All but the tabulator."""
_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*")


class _Refusal(NamedTuple):
    """The reason for rejecting a request before it reaches the application."""

    status: int
    detail: str
    limit: LimitName | None = None


class _RefusedError(Exception):
    """Raised by a callback, so that the parser stops."""


class Connection(HttpToolsProtocol):
    """A connection that ends only when the client has been heard out, or for too long."""

    def __init__(self, *args: Any, limits: Limits, alarm: Alarm, place: Place) -> None:
        super().__init__(*args)
        self._app = self.app
        self._app_of_chunked = cast("Any", CloseIfUnread(cast("Any", self.app)))
        self._place = place
        self._limits = limits
        self._alarm = alarm
        self._socket: asyncio.Transport
        self._answers: _Transport
        self._is_in_head = False
        self._is_in_body = False
        self._is_head_known = False
        """Whether a head is parsed a second time, for the sake of its body."""
        self._is_body_skipped = False
        self._is_body_short = True
        """Whether it is short enough to be read and dropped if the application does not read it."""
        self._bytes_around = 0
        """How much has come since the end of the headers, or the last piece of a body."""
        self._body: list[bytes] = []
        """Pieces that the parser has found and the application has not been given."""
        self._pieces = self._piece_bytes = 0
        """How many pieces of a body have come, and their bytes."""
        self._is_ending = False
        self._refusal: _Refusal | None = None
        """What the parser has been stopped for; what comes after it is dropped."""
        self._received = 0
        self.written = 0
        self._watch = Watch(limits, self.loop.time())
        shortest = min(limits.head_seconds, limits.idle_seconds, limits.stall_seconds)
        self._seconds_between_looks = min(_SECONDS_BETWEEN_LOOKS, shortest / 4)
        self._next_look: asyncio.TimerHandle | None = None

    # Beginning and end

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = cast("asyncio.Transport", transport)
        self._answers = _Transport(self._socket, self)
        super().connection_made(cast("asyncio.Transport", self._answers))
        self._look_again()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_ending = True
        self._place.leave()
        if self._next_look is not None:
            self._next_look.cancel()
        super().connection_lost(exc)

    @property
    def is_ending(self) -> bool:
        return self._is_ending or self._socket.is_closing()

    def end(self) -> None:
        """Closes the connection, at once if the client is not sending a request."""
        if self._is_ending:
            return
        self._answers.flush()
        self._is_ending = True
        # The rest of a body that is short enough is awaited like that of any other.
        if self._refusal or self._is_in_head or not self._is_body_short:
            self._enter(Phase.END)
        if not (self._is_in_head or self._is_in_body or self._refusal):
            self._socket.close()
            return
        # With TLS nothing can be half-closed; the end of the body is seen all the same.
        if self._socket.can_write_eof():
            self._socket.write_eof()
        self.flow.resume_reading()

    def shutdown(self) -> None:
        """The server stops: what is being answered is answered, nobody else is waited for long."""
        running = cast("RequestResponseCycle | None", self.cycle)
        if running is not None and not running.response_complete:
            running.keep_alive = False
        elif self._is_in_body or self._refusal:
            self.end()
            # A client in the middle of a body would hold up the stop of the server.
            self.loop.call_later(_LINGER_SECONDS_AT_STOP, self._socket.abort)
        else:
            self._socket.close()

    def cut(self) -> None:
        """Ends the connection at once, also in the middle of an answer."""
        self._socket.abort()

    # What comes

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        while data and self._refusal is None:
            # Fed in pieces so that the parser never holds more of a head than the limit, whatever
            # arrives at once.
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
        except httptools.HttpParserUpgrade as upgrade:
            # There is nothing to upgrade to: the request is answered as it is.
            rest = data[upgrade.args[0] :]
            if self._is_body_skipped:
                self._parse_skipped_body(rest)
            elif rest:
                self._parse(rest)
        except httptools.HttpParserError:
            self._refuse(_Refusal(400, "invalid HTTP request"))
        else:
            self._pass_body_on()

    def _parse_skipped_body(self, rest: bytes) -> None:
        """Begins the same request again, without the wish to speak another protocol.

        httptools takes what follows that wish for the other protocol; Java's own client sends
        it with every first request, and the body behind it.
        """
        framing = [
            b"%b: %b\r\n" % header
            for header in self.scope["headers"]
            if header[0] in {b"content-length", b"transfer-encoding"}
        ]
        self.parser = httptools.HttpRequestParser(self)
        self._is_head_known = True
        self.parser.feed_data(b"".join([b"POST / HTTP/1.1\r\n", *framing, b"\r\n"]))
        self._is_head_known = self._is_body_skipped = False
        self._parse(rest)

    def _too_long(self) -> _Refusal:
        most = self._limits.head_bytes
        detail = f"request line and headers must be at most {most} bytes together"
        is_mostly_url = self._is_in_head and len(self.url) > most // 2
        return _Refusal(414 if is_mostly_url else 431, detail, "head size")

    def on_message_begin(self) -> None:
        # Begun again by `_parse_skipped_body`, for a request that is already known.
        if self._is_head_known:
            return
        # The client has sent another request although this connection was to end after the last.
        if self._is_ending:
            self._socket.close()
            return
        self._is_in_head = True
        if self._watch.phase is Phase.NEXT:
            self._watch.enter(Phase.HEAD, self.loop.time())
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self._is_ending or self._is_head_known:
            return
        length, longest = self._checked_length(), self._limits.unread_body_bytes
        if len(self.pipeline) >= _MAX_PIPELINED:
            self._stop(_Refusal(400, "too many pipelined requests", "pipelined requests"))
        self._bytes_around = self._pieces = self._piece_bytes = 0
        self.app = self._app_of_chunked if length < 0 else self._app
        super().on_headers_complete()
        # Before its task begins.
        self.cycle.send = _Answer(self.cycle).send
        # Fields after a chunked body are no headers of the request (RFC 9110, 6.5.1).
        self.headers = []
        self._is_in_head, self._is_in_body = False, True
        self._enter(Phase.BODY)
        self._is_body_skipped = length != 0 and self.parser.should_upgrade()
        self._is_body_short = 0 <= length <= longest
        # A client that waits for leave to send may or may not send after an early answer, and
        # nobody reads a body that is too long: both learn that the connection ends.
        if self.expect_100_continue or length > longest:
            self.cycle.keep_alive = False

    def _checked_length(self) -> int:
        """The length of the body by the request's headers: 0 without one, -1 if it is chunked.

        Refuses a request with too many headers, or without one host.
        """
        assert self.parser is not None
        if len(self.headers) > _MAX_HEADERS:
            self._stop(_Refusal(431, f"at most {_MAX_HEADERS} headers are taken", "head size"))
        hosts: list[bytes] = []
        length = 0
        for name, value in self.headers:
            if name == b"host":
                hosts.append(value)
            elif name == b"content-length":
                length = int(value)
            elif name == b"transfer-encoding":
                length = -1
        if len(hosts) != 1 and (hosts or self.parser.get_http_version() != "1.0"):
            self._stop(_Refusal(400, "a request must have one Host header", "host"))
        if hosts and not _HOST.fullmatch(hosts[0]):
            self._stop(_Refusal(400, "the Host header must be a host", "host"))
        return length

    def on_body(self, body: bytes) -> None:
        self._bytes_around = 0
        self._body.append(body)
        self._pieces += 1
        self._piece_bytes += len(body)
        # Each is a call or two, however small: a megabyte of such chunks kept the loop busy.
        are_small = self._piece_bytes < self._pieces * _SMALL_PIECE_BYTES
        if are_small and self._pieces > _MAX_SMALL_PIECES:
            self._stop(_Refusal(400, "the body comes in too many small pieces", "small pieces"))

    def _pass_body_on(self) -> None:
        """Joins pieces first: uvicorn copies all that waits for the application for each of them.

        With chunks of a byte that took a second of the event loop for a few hundred kilobytes.
        """
        if self._body:
            pieces, self._body = self._body, []
            super().on_body(b"".join(pieces))

    def on_message_complete(self) -> None:
        if self._is_body_skipped:
            return
        self._bytes_around = 0
        self._is_in_body = False
        if self._is_ending:
            self._socket.close()
            return
        self._pass_body_on()
        super().on_message_complete()
        if self.cycle.response_complete:
            self._enter(Phase.NEXT)
        else:
            self._watch.enter(Phase.ANSWER, self.loop.time())

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self._answers.flush()
        if self._is_ending:
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._is_in_head:
            self._enter(Phase.HEAD)
        elif not self._is_in_body:
            self._enter(Phase.NEXT)

    # Deadlines

    def _enter(self, phase: Phase) -> None:
        """Enters a phase in which the connection may make room and could not before, or reverse."""
        self._watch.enter(phase, self.loop.time())
        if phase is Phase.BODY:
            self._place.serve()
        else:
            self._place.wait()

    def _look_again(self) -> None:
        self._next_look = self.loop.call_later(self._seconds_between_looks, self._look)

    def _look(self) -> None:
        now = self.loop.time()
        late = self._watch.late(self._moved(), now)
        self._look_again()
        match late:
            case None:
                pass
            case Late.NEXT:
                self.end()
            case Late.END:
                self._socket.abort()
            case Late.READING:
                self._ring("unread answer")
                self._socket.abort()
            case Late.HEAD if not self._is_in_head:
                self._ring("head time")
                self.end()
            case Late.HEAD:
                self._refuse(_Refusal(408, "the headers took too long", "head time"))
            case Late.BODY if self._is_ending or self.cycle.response_started:
                self._ring("slow body")
                self._socket.abort()
            case Late.BODY:
                self._refuse(_Refusal(408, "the body took too long", "slow body"))

    def _moved(self) -> Moved:
        unsent = self._socket.get_write_buffer_size()
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return Moved(
            self._received,
            self.written - unsent - (_unacknowledged(self._socket) if unsent else 0),
            has_client_to_send=not self.flow.read_paused
            and not (cycle and cycle.waiting_for_100_continue),
            has_client_to_take=unsent > 0,
        )

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
            self._ring(refusal.limit)
        running = cast("RequestResponseCycle | None", self.cycle)
        is_answering = running is not None and not running.response_complete
        if is_answering and not self._is_in_body:
            # The answers to the requests before this one go out, and nothing after them.
            self.cycle.keep_alive = False
            return
        if is_answering:
            # The application learns that the rest of its request will never come.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not is_answering or not (self.cycle.response_started or self.pipeline):
            self._answers.write(_written(refusal))
        self.end()

    def _ring(self, limit: LimitName) -> None:
        self._alarm.ring(limit, self.client[0] if self.client else "")


def _unacknowledged(transport: asyncio.Transport) -> int:
    """Bytes that the system holds for a client that has not taken them yet."""
    try:
        held = fcntl.ioctl(transport.get_extra_info("socket"), termios.TIOCOUTQ, bytes(4))
    except OSError:  # Not every system has this option.
        return 0
    return int.from_bytes(held, sys.byteorder)


def _written(refusal: _Refusal) -> bytes:
    reply = status_reply(refusal.status, refusal.detail)
    head = b"content-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return STATUS_LINE[refusal.status] + head % (JSON_API.encode(), len(reply.body)) + reply.body


class _Answer:
    """The answer of a request, which writes its head faster than uvicorn.

    That looks at each header by two regular expressions, which takes 10 µs of each answer.
    """

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._send = cycle.send

    async def send(self, message: Any) -> None:
        cycle = self._cycle
        if message["type"] == "http.response.start" and not (
            cycle.response_started or cycle.flow.write_paused or cycle.disconnected
        ):
            self._begin(message["status"], [*cycle.default_headers, *message["headers"]])
        else:
            await self._send(message)

    def _begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Writes the head and notes what follows from it, as uvicorn does."""
        cycle, named = self._cycle, dict(headers)
        if named.get(b"connection") == b"close":
            cycle.keep_alive = False
        elif not cycle.keep_alive:
            headers.append((b"connection", b"close"))
        if b"content-length" in named:
            cycle.expected_content_length = int(named[b"content-length"])
            cycle.chunked_encoding = False
        elif cycle.scope["method"] != "HEAD" and status not in _WITHOUT_BODY:
            cycle.chunked_encoding = True
            headers.append((b"transfer-encoding", b"chunked"))
        head = _head(status, headers)
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(head)


def _head(status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
    """The head of an answer; raises `ValueError` if a header would end a line or hide one."""
    lines = b"".join([STATUS_LINE[status], *[b"%b: %b\r\n" % each for each in headers], b"\r\n"])
    if len(lines.translate(None, _CONTROLS)) != len(lines) - 2 * (len(headers) + 2):
        raise ValueError("a header has a control character")
    return lines


class _Transport:
    """A transport that leaves closing to its connection; for the rest the one that it is given.

    What is written in one turn of the event loop leaves together: uvicorn writes head and body of
    an answer apart, and two messages would cost two system calls and wake the client twice.
    """

    def __init__(self, transport: asyncio.Transport, connection: Connection) -> None:
        self._transport = transport
        self._connection = connection
        self._held: list[bytes] = []
        self._held_bytes = 0
        self.is_closing = lambda: connection.is_ending
        self.close = connection.end

    def write(self, data: bytes) -> None:
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes >= _MOST_HELD_BYTES:
            self.flush()
        elif len(self._held) == 1:
            self._connection.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Writes what is held; nothing if the connection is gone."""
        if not self._held:
            return
        held, self._held = self._held, []
        self._connection.written += self._held_bytes
        self._held_bytes = 0
        if not self._transport.is_closing():
            self._transport.writelines(held)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
