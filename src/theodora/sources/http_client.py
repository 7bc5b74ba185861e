"""An HTTP client of one server, which keeps its connection open between requests."""

import base64
import contextlib
import socket
import ssl
from collections.abc import Mapping
from http.client import (
    HTTPConnection,
    HTTPException,
    HTTPResponse,
    HTTPSConnection,
    IncompleteRead,
)
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from theodora.errors import NoAnswer

_MAX_ANSWER_BYTES = 64 * 1024 * 1024


class HttpAnswer(NamedTuple):
    """A response whose body has been read."""

    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes


class HttpClient:
    """Used by one thread. Certificates are verified; redirects are answers like any other, so
    that no key goes to a server that the caller did not name.

    `HTTPS_PROXY` and `NO_PROXY` are honoured, and `SSL_CERT_FILE` by the TLS library.
    """

    def __init__(
        self, base_url: str, timeout_seconds: float, max_answer_bytes: int = _MAX_ANSWER_BYTES
    ) -> None:
        """`base_url` has a scheme and a host, and may have a port and a path.

        The timeout applies to each part of an answer; see `abort` for a limit of all of it.
        """
        self._base = urlsplit(base_url)
        self._timeout_seconds = timeout_seconds
        self._max_answer_bytes = max_answer_bytes
        self._connection: HTTPConnection | None = None
        self._socket: socket.socket | None = None

    def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> HttpAnswer:
        """Raises `NoAnswer` where there is no complete answer: the request may have arrived."""
        target = self._base.path.rstrip("/") + path
        was_used = self._connection is not None
        try:
            return self._exchange(method, target, headers, body)
        except (ConnectionError, HTTPException) as error:
            self.close()
            # Servers close connections that were idle; that says nothing about this request.
            if not was_used:
                raise NoAnswer(_reason(error)) from error
        except (OSError, ValueError) as error:
            self.close()
            raise NoAnswer(_reason(error)) from error
        try:
            return self._exchange(method, target, headers, body)
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            raise NoAnswer(_reason(error)) from error

    def abort(self) -> None:
        """Ends an exchange that runs on another thread, which raises `NoAnswer` there."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
            self._connection = None

    def _exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None
    ) -> HttpAnswer:
        if self._connection is None:
            self._connection = _connection(self._base, self._timeout_seconds)
            self._connection.connect()
            self._socket = self._connection.sock
        self._connection.request(method, target, body, dict(headers))
        response = self._connection.getresponse()
        answer = _read(response, self._max_answer_bytes)
        if response.will_close:
            self.close()
        return answer


def _read(response: HTTPResponse, max_bytes: int) -> HttpAnswer:
    body = response.read(max_bytes + 1)
    if len(body) > max_bytes:
        raise HTTPException(f"the answer is longer than {max_bytes} bytes")
    if response.length:
        # A read up to a size does not say so itself.
        raise IncompleteRead(body, response.length)
    headers = {name.lower(): value for name, value in response.getheaders()}
    return HttpAnswer(response.status, headers, body)


def _connection(base: SplitResult, timeout_seconds: float) -> HTTPConnection:
    host = base.hostname or ""
    if base.scheme == "http":
        return HTTPConnection(host, base.port, timeout=timeout_seconds)
    context = ssl.create_default_context()
    proxy = None if proxy_bypass(base.netloc) else getproxies().get("https")
    if not proxy:
        return HTTPSConnection(host, base.port, timeout=timeout_seconds, context=context)
    through = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    connection = HTTPSConnection(
        through.hostname or "", through.port, timeout=timeout_seconds, context=context
    )
    connection.set_tunnel(host, base.port or 443, _proxy_headers(through))
    return connection


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
