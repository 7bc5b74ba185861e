"""Listeners for changes: server-sent events, from one poll for all listeners of an organisation."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from starlette.types import Receive, Send

from theodora.errors import TheodoraError
from theodora.storage import Organisation
from theodora.web.http.asgi import log_failure, reply_start, send_reply
from theodora.web.http.responses import Reply
from theodora.web.http.threads import disconnected

EVENT_STREAM = "text/event-stream"
_RETRY_MS = (2_000, 6_000)
"""When a browser opens the stream again: not all at one time after a restart."""
_CHANGED = b"data: changed\n\n"
_HEARTBEAT = b":\n\n"


class Listener(NamedTuple):
    """Whoever opens a stream."""

    org: Organisation
    who: Hashable
    """The key, person or share link."""
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerLimits:
    """How many streams a process keeps open, and for how long."""

    most: int = 512
    most_of_one: int = 64
    """Of a key, person or share link."""
    most_of_address: int = 128
    poll_seconds: float = 1.0
    heartbeat_seconds: float = 25.0
    """Proxies close a connection on which nothing comes for a minute."""
    seconds: float = 300.0
    """Then a browser opens the stream again, which checks its session or link again."""


class _Seat:
    """One open stream."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.rung = asyncio.Event()
        self.is_over = False

    def end(self) -> None:
        self.is_over = True
        self.rung.set()


class _Channel:
    """The streams of an organisation, the newest last, and the poll that they share."""

    def __init__(
        self, org: Organisation, newest: Callable[[Organisation], Awaitable[int]], seconds: float
    ) -> None:
        self.seats: dict[_Seat, None] = {}
        self.has_begun = asyncio.Event()
        """Set once there is a number to compare with: listeners hear of what changes later."""
        self.polling = asyncio.create_task(self._poll(org, newest, seconds))

    async def _poll(
        self, org: Organisation, newest: Callable[[Organisation], Awaitable[int]], seconds: float
    ) -> None:
        last = -1
        while True:
            try:
                number = await newest(org)
            except TheodoraError as error:
                log_failure(error)
            else:
                if number != last and self.has_begun.is_set():
                    for seat in self.seats:
                        seat.rung.set()
                last = number
            self.has_begun.set()
            await asyncio.sleep(seconds)


class Listeners:
    """The open streams of this process; used by the event loop alone."""

    def __init__(
        self,
        newest: Callable[[Organisation], Awaitable[int]],
        limits: ListenerLimits | None = None,
    ) -> None:
        """`newest` returns the number of an organisation's newest change."""
        self._newest = newest
        self._limits = limits or ListenerLimits()
        self._channels: dict[int, _Channel] = {}
        self._counts: Counter[Hashable] = Counter()
        """Streams by who opened them, and by address."""
        self._total = 0
        self._is_closed = False

    async def listen(self, listener: Listener, reply: Reply, receive: Receive, send: Send) -> None:
        """Sends an event for each change, until the client leaves, its time is up or `close`.

        Answers 429 if too many listen, without which a browser would ask again.
        """
        seat = self._take(listener)
        if seat is None:
            full = Reply(429, b"too many listeners\n", "text/plain; charset=utf-8", reply.headers)
            await send_reply(send, full)
            return
        gone = asyncio.ensure_future(disconnected(receive))
        gone.add_done_callback(lambda _: seat.end())
        try:
            await self._channels[listener.org.key].has_begun.wait()
            await send(reply_start(reply, (), EVENT_STREAM))
            await self._tell(seat, send)
        finally:
            gone.cancel()
            self._leave(seat)

    def close(self) -> None:
        """Ends all streams; there are no further ones."""
        self._is_closed = True
        for channel in self._channels.values():
            channel.has_begun.set()
            for seat in channel.seats:
                seat.end()

    async def _tell(self, seat: _Seat, send: Send) -> None:
        until_sec = asyncio.get_running_loop().time() + self._limits.seconds
        line = b"retry: %d\n\n" % random.randint(*_RETRY_MS)  # noqa: S311
        while True:
            await send({"type": "http.response.body", "body": line, "more_body": True})
            left_sec = until_sec - asyncio.get_running_loop().time()
            line = _HEARTBEAT
            with suppress(TimeoutError):
                seconds = min(self._limits.heartbeat_seconds, left_sec)
                await asyncio.wait_for(seat.rung.wait(), seconds)
                line = _CHANGED
            seat.rung.clear()
            if seat.is_over or asyncio.get_running_loop().time() >= until_sec:
                break
        await send({"type": "http.response.body"})

    def _take(self, listener: Listener) -> _Seat | None:
        """A place for one more, which the organisation with the most may have to give."""
        limits, counts = self._limits, self._counts
        is_full = (
            self._is_closed
            or counts[listener.who] >= limits.most_of_one
            or counts[listener.address] >= limits.most_of_address
        )
        if is_full or (self._total >= limits.most and not self._make_room(listener.org)):
            return None
        org = listener.org
        channel = self._channels.get(org.key)
        if channel is None:
            channel = _Channel(org, self._newest, limits.poll_seconds)
            self._channels[org.key] = channel
        seat = _Seat(listener)
        channel.seats[seat] = None
        counts.update((listener.who, listener.address))
        self._total += 1
        return seat

    def _make_room(self, org: Organisation) -> bool:
        """Ends the newest stream of the organisation with the most, if that is fair."""
        own = self._channels.get(org.key)
        largest = max(self._channels.values(), key=lambda channel: len(channel.seats))
        if len(largest.seats) <= (len(own.seats) if own else 0) + 1:
            return False
        seat = next(reversed(largest.seats))
        self._leave(seat)
        seat.end()
        return True

    def _leave(self, seat: _Seat) -> None:
        org = seat.listener.org
        channel = self._channels.get(org.key)
        if channel is None or seat not in channel.seats:
            return
        del channel.seats[seat]
        self._total -= 1
        for name in (seat.listener.who, seat.listener.address):
            self._counts[name] -= 1
            if not self._counts[name]:
                del self._counts[name]
        if not channel.seats:
            channel.polling.cancel()
            del self._channels[org.key]
