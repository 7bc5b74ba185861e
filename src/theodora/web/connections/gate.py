"""The gate that accepts connections and gives each a place."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from theodora.web.connections.limits import Alarm
from theodora.web.connections.places import Place, Places
from theodora.web.connections.protocol import Connection

_BACKLOG = 2_048
_ACCEPTED_AT_ONCE = 64
_PAUSE_SECONDS = 0.1
"""Until it tries again after the system had no file descriptor left."""


class Gate:
    """A listening socket: what `asyncio.Server` is for uvicorn, with limits on who comes in.

    asyncio accepts every client, and does not report those whose TLS handshake never ends.
    """

    def __init__(
        self,
        listener: socket.socket,
        places: Places,
        alarm: Alarm,
        make_connection: Callable[[Place], Connection],
        tls: ssl.SSLContext | None,
        handshake_seconds: float,
    ) -> None:
        self._listener = listener
        self._places = places
        self._alarm = alarm
        self._make_connection = make_connection
        self._tls = tls
        self._handshake_seconds = handshake_seconds if tls else None
        self._loop = asyncio.get_running_loop()
        self._coming: set[asyncio.Task[None]] = set()
        self._is_open = True
        listener.settimeout(0)
        listener.listen(_BACKLOG)
        self._watch()

    def close(self) -> None:
        self._is_open = False
        self._loop.remove_reader(self._listener)

    async def wait_closed(self) -> None:
        """Returns at once: uvicorn waits for the connections itself."""

    def _watch(self) -> None:
        if self._is_open:
            self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                accepted, peer = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError:  # There is no file descriptor left, or no memory.
                self._alarm.ring("file descriptors", "")
                self._places.make_room()
                self._loop.remove_reader(self._listener)
                self._loop.call_later(_PAUSE_SECONDS, self._watch)
                return
            self._let_in(accepted, peer[0])

    def _let_in(self, accepted: socket.socket, address: str) -> None:
        place = self._places.take(address, lambda: _shut(accepted))
        if place is None:
            accepted.close()
            return
        accepted.settimeout(0)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._connect(accepted, place))
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)

    async def _connect(self, accepted: socket.socket, place: Place) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._make_connection(place),
                accepted,
                ssl=self._tls,
                ssl_handshake_timeout=self._handshake_seconds,
            )
        except (OSError, asyncio.CancelledError):  # A handshake that failed, or never ended.
            place.leave()


def _shut(accepted: socket.socket) -> None:
    """Ends a connection in whatever state it is; its transport closes the socket."""
    with suppress(OSError):
        accepted.shutdown(socket.SHUT_RDWR)
