"""A client for providers' REST APIs: one origin for the token, JSON, rate limits and retries."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import msgspec

from theodora import __version__
from theodora.errors import NoAnswer, TheodoraError
from theodora.events.json_values import JsonObject, JsonValue, is_object
from theodora.sources.http_client import HttpAnswer, HttpClient

_TIMEOUT_SECONDS = 60.0
_TRIES = 6
"""Of one request that fails for another reason than a limit."""
_MAX_LIMITED = 30
"""Waits for one request, before giving up on a limit that never ends."""
_LIMITED = {403, 429}
_PASSING = {408, 500, 502, 503, 504}
_REDIRECTS = {301, 302, 303, 307, 308}
_MAX_REDIRECTS = 5
_SECONDARY_SECONDS = 60.0
"""The wait after a refusal without a time, as GitHub's documentation asks."""
_LONGEST_SECONDS = 3_900.0
"""A longer wait than the longest window of any provider, an hour, is a wrong clock."""
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_decode = msgspec.json.Decoder().decode


class ApiError(TheodoraError):
    """A provider's API cannot be used; the message names the address and the reason."""


class ApiLimit(NamedTuple):
    """How a provider announces its limit."""

    remaining: str
    """The header with the requests that are left, in lower case."""
    reset: str
    """The header with the end of the window, in lower case."""
    is_moment: bool
    """Whether that is a Unix time in seconds, not a number of seconds from now."""


class ApiPage(NamedTuple):
    """A successful answer of an API: one object, or one page of a list."""

    value: JsonValue
    next_url: str | None
    """The next page, by the header Link."""


class Client:
    """Sends GET requests to one server; waits as long as its limits ask."""

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        limit: ApiLimit,
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
        self._headers = {**headers, "User-Agent": f"theodora/{__version__}"}
        self._limit = limit
        self._on_wait = on_wait
        self._sleep = sleep
        self._now = now
        self._http = HttpClient(urljoin(self._base_url, "/"), _TIMEOUT_SECONDS)

    def close(self) -> None:
        self._http.close()

    def object(self, path: str) -> JsonObject:
        """The object at a path. Raises `ApiError` where there is something else."""
        value = self.get(path).value
        if not is_object(value):
            raise ApiError(f"{self.url(path)} answered something else than an object")
        return value

    def get(self, path: str) -> ApiPage:
        """The page at a path or URL. Raises `ApiError` where there is none."""
        url = self.url(path)
        failures = limited = 0
        while True:
            try:
                answer = self._ask(url)
                if 200 <= answer.status < 300:
                    return self._page(url, answer)
                wait = self._limit_seconds(answer, limited)
                if wait is not None and limited < _MAX_LIMITED:
                    limited += 1
                    self._wait(wait)
                    continue
                if answer.status not in _PASSING:
                    raise ApiError(_refusal(url, answer.status))
                reason = f"status {answer.status}"
            except (NoAnswer, msgspec.DecodeError, UnicodeDecodeError) as error:
                reason = str(error)
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

    def _ask(self, url: str) -> HttpAnswer:
        """Follows redirects, of a renamed repository for example, to the same server alone."""
        answer = self._ask_once(url)
        for _ in range(_MAX_REDIRECTS):
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not location:
                break
            target = urljoin(url, location)
            if _origin(target) != self._origin:
                raise ApiError(f"{_shown(url)} leads to another server: {_shown(target)}")
            url, answer = target, self._ask_once(target)
        return answer

    def _ask_once(self, url: str) -> HttpAnswer:
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return self._http.ask("GET", target, self._headers)

    def _page(self, url: str, answer: HttpAnswer) -> ApiPage:
        page = ApiPage(_decode(answer.body), _next_url(url, answer.headers.get("link", "")))
        if answer.headers.get(self._limit.remaining) == "0":
            self._wait(self._reset_seconds(answer) or 0.0)
        return page

    def _limit_seconds(self, answer: HttpAnswer, limited: int) -> float | None:
        """How long to wait, if the refusal is a limit; None if it is another one."""
        if answer.status not in _LIMITED:
            return None
        if (after := _number(answer.headers.get("retry-after"))) is not None:
            return after
        if answer.status == 429 or answer.headers.get(self._limit.remaining) == "0":
            seconds = self._reset_seconds(answer)
            return seconds if seconds is not None else _SECONDARY_SECONDS * 2.0**limited
        return None

    def _reset_seconds(self, answer: HttpAnswer) -> float | None:
        reset = _number(answer.headers.get(self._limit.reset))
        if reset is None:
            return None
        return max(0.0, reset - self._now() + 1.0) if self._limit.is_moment else reset

    def _wait(self, seconds: float) -> None:
        seconds = min(seconds, _LONGEST_SECONDS)
        self._on_wait(seconds)
        self._sleep(seconds)


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
