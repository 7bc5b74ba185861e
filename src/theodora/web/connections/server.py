"""The HTTP server: uvicorn's, behind a gate."""

import resource
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from theodora.web.connections.early import EarlyAnswers
from theodora.web.connections.forwarded import NearestForwarded, PeerKept
from theodora.web.connections.gate import Gate
from theodora.web.connections.limits import Alarm, Limits
from theodora.web.connections.places import Place, Places
from theodora.web.connections.protocol import Connection

log = structlog.get_logger()

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
    grace_seconds: int = 30
    lifespan: bool = True


class Server(uvicorn.Server):
    """Serves an application on one socket, and announces when it is ready."""

    def __init__(
        self,
        application: ASGIApp,
        options: Options,
        alarm: Alarm,
        announce: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                _behind_proxies(EarlyAnswers(application), options.trusted_proxies),
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
                timeout_graceful_shutdown=options.grace_seconds,
            )
        )
        self._options = options
        self._alarm = alarm
        self._announce = announce

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
