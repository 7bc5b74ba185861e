"""The HTTP server: uvicorn's, behind a gate."""

import asyncio
import resource
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any, cast

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from theodora.web.connections.forwarded import NearestForwarded, PeerKept
from theodora.web.connections.gate import Gate
from theodora.web.connections.last_resort import LastResort
from theodora.web.connections.limits import Alarm, Limits
from theodora.web.connections.places import Place, Places
from theodora.web.connections.protocol import Connection

log = structlog.get_logger()

_ANSWERS_SHARE = 2 / 3
"""Of the grace, for answers under way; the rest is for closing."""
_END_SHARE = 0.9
"""Of the grace, after which the process is ended."""
_CUT_SECONDS = 1.0
_SECONDS_BETWEEN_LOOKS = 0.05
_OTHER_FILES = 256
"""Descriptors for everything but connections: databases, packs, pipes to git, logs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The address, certificate and connection limits of a server."""

    limits: Limits
    max_connections: int
    max_connections_per_address: int
    trusted_proxies: tuple[str, ...] = ()
    tls_cert: str = ""
    tls_key: str = ""
    grace_seconds: float = 30
    """From the signal to stop to the end of the process."""
    lifespan: bool = True


class Server(uvicorn.Server):
    """Serves an application on one socket, and announces when it is ready."""

    def __init__(
        self,
        application: ASGIApp,
        options: Options,
        alarm: Alarm,
        announce: Callable[[], None] = lambda: None,
        end_streams: Callable[[], None] = lambda: None,
    ) -> None:
        """`end_streams` is called once the server stops: no answer may go on by itself."""
        super().__init__(
            uvicorn.Config(
                _behind_proxies(application, options.trusted_proxies),
                loop="uvloop",
                http="httptools",
                ws="none",
                lifespan="on" if options.lifespan else "off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ssl_certfile=options.tls_cert or None,
                ssl_keyfile=options.tls_key or None,
            )
        )
        self._options = options
        self._alarm = alarm
        self._announce = announce
        self._end_streams = end_streams
        self._signalled_sec: float | None = None
        """When the signal to stop came, in the time of `time.monotonic`."""
        self._last_resort = LastResort()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(1)
        places = Places(
            most_connections(self._options.max_connections),
            self._options.max_connections_per_address,
            self._alarm,
            self._options.trusted_proxies,
        )
        self.servers = cast("Any", [self._gate(each, places) for each in sockets or []])
        self.started = True
        self._announce()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._signalled_sec is None:
            self._signalled_sec = time.monotonic()
            # Now, as the event loop may be too busy to notice.
            self._last_resort.end_at(self._signalled_sec + _END_SHARE * self._options.grace_seconds)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finishes answers for a share of the grace, cuts off the rest, closes the application."""
        grace, told_sec = self._options.grace_seconds, self._signalled_sec or time.monotonic()
        if self._signalled_sec is None:
            # This process is not the server's own.
            self._last_resort.dismiss()
        for gate in self.servers:
            gate.close()
        for each in sockets or []:
            each.close()
        for connection in self._connections():
            connection.shutdown()
        self._end_streams()
        await self._finish_answers(told_sec + _ANSWERS_SHARE * grace)
        await self._cut_off()
        if not self.force_exit:
            await self.lifespan.shutdown()
        self._last_resort.note_closed()

    def _connections(self) -> list[Connection]:
        return cast("list[Connection]", list(self.server_state.connections))

    async def _finish_answers(self, until_sec: float) -> None:
        while self.server_state.connections and not self.force_exit:
            if time.monotonic() >= until_sec:
                break
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)

    async def _cut_off(self) -> None:
        """Ends connections in the middle of answers, so that nobody takes one for complete."""
        if connections := self._connections():
            log.warning("answers are cut off, as the server stops", connections=len(connections))
        for connection in connections:
            connection.cut()
        # Each learns that its client has gone, and stops the reads that it waits for. Nobody waits
        # for the rest, such as a sign-in whose provider does not answer.
        if tasks := set(self.server_state.tasks):
            _, late = await asyncio.wait(tasks, timeout=_CUT_SECONDS)
            for task in late:
                task.cancel()

    def _gate(self, listener: socket.socket, places: Places) -> Gate:
        return Gate(
            listener,
            places,
            self._alarm,
            self._connection,
            self.config.ssl,
            self._options.limits.head_seconds,
        )

    def _connection(self, place: Place) -> Connection:
        return Connection(
            self.config,
            self.server_state,
            self.lifespan.state,
            limits=self._options.limits,
            alarm=self._alarm,
            place=place,
        )


def _behind_proxies(application: ASGIApp, proxies: tuple[str, ...]) -> ASGIApp:
    """The application, with the client addresses that these proxies report."""
    if not proxies:
        return application
    believing = cast("ASGIApp", ProxyHeadersMiddleware(cast("Any", application), list(proxies)))
    return PeerKept(NearestForwarded(believing) if proxies == ("*",) else believing)


def most_connections(wanted: int) -> int:
    """Raises the limit of open files to its maximum; returns the connections that it leaves."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard == resource.RLIM_INFINITY or wanted + _OTHER_FILES <= hard:
        return wanted
    most = max(1, hard - _OTHER_FILES)
    log.warning("the limit of open files allows fewer connections", files=hard, connections=most)
    return most
