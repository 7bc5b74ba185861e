"""An HTTP client for providers' REST APIs: one origin, JSON, rate limits and retries."""

import time
from collections.abc import Callable, Mapping
from email.message import Message
from http.client import HTTPException, HTTPMessage
from typing import IO, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import msgspec

from theodora.errors import TheodoraError
from theodora.events.json_values import JsonObject, JsonValue, is_object

_TIMEOUT_SECONDS = 60.0
_MAX_BYTES = 64 * 2**20
_TRIES = 6
"""Of one request that fails for another reason than a limit."""
_MAX_LIMITED = 30
"""Waits for one request, before giving up on a limit that never ends."""
_LIMITED = {403, 429}
_PASSING = {408, 500, 502, 503, 504}
_SECONDARY_SECONDS = 60.0
"""The wait after a refusal without a time, as GitHub's documentation asks."""
_LONGEST_SECONDS = 3_900.0
"""A longer wait than the longest window of any provider, an hour, is a wrong clock."""
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_decode = msgspec.json.Decoder().decode


class ApiError(TheodoraError):
    """A provider's API cannot be used; the message names the address and the reason."""


class RateLimit(NamedTuple):
    """How a provider announces its limit."""

    remaining: str
    """The header with the requests that are left."""
    reset: str
    """The header with the end of the window."""
    is_moment: bool
    """Whether that is a Unix time in seconds, not a number of seconds from now."""


class Answer(NamedTuple):
    """A page of an API."""

    value: JsonValue
    next_url: str | None
    """The next page, by the header Link."""


class Client:
    """Sends GET requests to one server; waits as long as its limits ask."""

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        limit: RateLimit,
        on_wait: Callable[[float], None] = lambda _: None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`headers` have the token; `on_wait` receives the seconds of each wait for a limit.

        Raises `ApiError` for a URL to which a token would travel unencrypted.
        """
        self._base_url = base_url.rstrip("/") + "/"
        self._origin = _origin(base_url)
        if self._origin[0] != "https" and self._origin[1] not in _LOOPBACK:
            raise ApiError(f"{base_url} is not https, so the token would travel unencrypted")
        self._headers = headers
        self._limit = limit
        self._on_wait = on_wait
        self._sleep = sleep
        self._now = now
        self._opener = build_opener(_SameOrigin(self._origin))

    def object(self, path: str) -> JsonObject:
        """The object at a path. Raises `ApiError` where there is something else."""
        value = self.get(path).value
        if not is_object(value):
            raise ApiError(f"{self.url(path)} answered something else than an object")
        return value

    def get(self, path: str) -> Answer:
        """The page at a path or URL. Raises `ApiError` where there is none."""
        url = self.url(path)
        failures = limited = 0
        while True:
            try:
                return self._once(url)
            except HTTPError as error:
                with error:
                    wait = self._limit_seconds(error.code, error.headers, limited)
                    if wait is not None and limited < _MAX_LIMITED:
                        limited += 1
                        self._wait(wait)
                        continue
                    if error.code not in _PASSING:
                        raise ApiError(_refusal(url, error.code)) from None
                    reason = f"status {error.code}"
            except (URLError, HTTPException, OSError, msgspec.DecodeError) as error:
                reason = str(error) or type(error).__name__
            failures += 1
            if failures == _TRIES:
                raise ApiError(f"{_shown(url)} could not be read: {reason}")
            self._sleep(2.0 ** (failures - 1))

    def url(self, path: str) -> str:
        """The URL of a path. Raises `ApiError` for one of another server."""
        url = urljoin(self._base_url, path)
        if _origin(url) != self._origin:
            raise ApiError(f"{_shown(url)} is not of {self._base_url}, which the token is for")
        return url

    def _once(self, url: str) -> Answer:
        request = Request(url, headers={**self._headers, "User-Agent": "theodora"})  # noqa: S310 - the scheme was checked
        with self._opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
            body = response.read(_MAX_BYTES + 1)
            headers: Message = response.headers
        if len(body) > _MAX_BYTES:
            raise ApiError(f"{_shown(url)} answered more than {_MAX_BYTES} bytes")
        answer = Answer(_decode(body), _next_url(url, headers.get("Link", "")))
        if headers.get(self._limit.remaining) == "0":
            self._wait(self._reset_seconds(headers) or 0.0)
        return answer

    def _limit_seconds(self, status: int, headers: Message, limited: int) -> float | None:
        """How long to wait, if the refusal is a limit; None if it is another one."""
        if status not in _LIMITED:
            return None
        if (after := _number(headers.get("Retry-After"))) is not None:
            return after
        if status == 429 or headers.get(self._limit.remaining) == "0":
            seconds = self._reset_seconds(headers)
            return seconds if seconds is not None else _SECONDARY_SECONDS * 2.0**limited
        return None

    def _reset_seconds(self, headers: Message) -> float | None:
        reset = _number(headers.get(self._limit.reset))
        if reset is None:
            return None
        return max(0.0, reset - self._now() + 1.0) if self._limit.is_moment else reset

    def _wait(self, seconds: float) -> None:
        seconds = min(seconds, _LONGEST_SECONDS)
        self._on_wait(seconds)
        self._sleep(seconds)


class _SameOrigin(HTTPRedirectHandler):
    """Follows redirects, of a renamed repository for example, to the same server alone."""

    def __init__(self, origin: tuple[str, str | None, int | None]) -> None:
        self._origin = origin

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if _origin(newurl) != self._origin:
            raise ApiError(f"{_shown(req.full_url)} leads to another server: {_shown(newurl)}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise ApiError("the URL has a port that is no number") from None
    return parts.scheme, parts.hostname, port or {"https": 443, "http": 80}.get(parts.scheme)


def _next_url(url: str, link: str) -> str | None:
    """The URL of relation `next` in a header Link (RFC 8288)."""
    for part in link.split(","):
        target, *parameters = part.split(";")
        if any(each.strip() in {'rel="next"', "rel=next"} for each in parameters):
            return urljoin(url, target.strip().strip("<>"))
    return None


def _number(text: str | None) -> float | None:
    return float(text) if text and text.strip().isdecimal() else None


def _shown(url: str) -> str:
    """The URL without its query, which may be long."""
    return url.partition("?")[0]


def _refusal(url: str, status: int) -> str:
    reasons = {
        401: "the token is not valid",
        403: "the token may not read this",
        404: "it does not exist, or the token may not read it",
    }
    return f"{_shown(url)} answered {status}" + (
        f": {reasons[status]}" if status in reasons else ""
    )
