"""A client of Datadog's API: keys, documents, and what its answers ask a caller to do."""

import random
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from theodora import __version__
from theodora.errors import NoAnswer
from theodora.sources.http_client import HttpAnswer, HttpClient

TIMEOUT_SECONDS = 30.0

_MAX_PAUSE_SECONDS = 600.0
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_BACK_OFF_SECONDS = 60.0
_SHOWN_CHARACTERS = 300


class DatadogKeys(NamedTuple):
    """Printed without the keys, so that no log line and no trace shows them."""

    api_key: str
    app_key: str

    def __repr__(self) -> str:
        return "DatadogKeys(…)"

    def headers(self) -> Mapping[str, str]:
        named = {"DD-API-KEY": self.api_key, "DD-APPLICATION-KEY": self.app_key}
        return {name: key for name, key in named.items() if key}


class DatadogClient:
    """Used by one thread."""

    def __init__(
        self, url: str, keys: DatadogKeys, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._http = HttpClient(url, timeout_seconds)
        self._headers = {
            **keys.headers(),
            "Accept": "application/json",
            "User-Agent": f"theodora/{__version__}",
        }

    def ask(self, method: str, path: str, document: object = None) -> HttpAnswer | NoAnswer:
        """The answer, or why there is none: that is an outcome like a limit or a fault."""
        headers, body = self._headers, None
        if document is not None:
            headers = {**headers, "Content-Type": "application/json"}
            body = msgspec.json.encode(document)
        try:
            return self._http.ask(method, path, headers, body)
        except NoAnswer as error:
            return error

    def close(self) -> None:
        self._http.close()


def is_passing(outcome: HttpAnswer | NoAnswer) -> bool:
    """Whether the same request may be answered later: a limit, a timeout or a server's fault."""
    return isinstance(outcome, NoAnswer) or outcome.status in {408, 429} or outcome.status >= 500


def pause_seconds(outcome: HttpAnswer | NoAnswer, tries: int) -> float:
    """How long to wait before the next try: as the answer says, else longer with every try."""
    if isinstance(outcome, HttpAnswer):
        for header in ("x-ratelimit-reset", "retry-after"):
            said = outcome.headers.get(header, "").strip()
            # Every answer has the reset of its limit; it matters where the limit was reached.
            matters = header == "retry-after" or outcome.status == 429
            if matters and said.isascii() and said.isdigit():
                return min(max(float(said), _FIRST_PAUSE_SECONDS), _MAX_PAUSE_SECONDS)
    longest = min(_FIRST_PAUSE_SECONDS * 2 ** min(tries, 16), _LONGEST_BACK_OFF_SECONDS)
    # Clients that failed together shall not come back together.
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret


def rest_seconds(answer: HttpAnswer) -> float:
    """How long to wait after an answer that used up the rate limit; 0 after any other."""
    remaining = answer.headers.get("x-ratelimit-remaining", "").strip()
    reset = answer.headers.get("x-ratelimit-reset", "").strip()
    if remaining != "0" or not (reset.isascii() and reset.isdigit()):
        return 0.0
    return min(float(reset), _MAX_PAUSE_SECONDS)


def complaint(outcome: HttpAnswer | NoAnswer) -> str:
    """What a refusal says, in one line: `400: attribute "service" is required`."""
    if isinstance(outcome, NoAnswer):
        return str(outcome)
    return f"{outcome.status}: {_details(outcome.body)}"[:_SHOWN_CHARACTERS]


def _details(body: bytes) -> str:
    """The errors of a document, which are objects or texts; else the beginning of the body."""
    try:
        errors: Any = msgspec.json.decode(body)["errors"]
        found = [each if isinstance(each, str) else _detail(each) for each in errors]
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError, KeyError, AttributeError):
        return " ".join(body[:_SHOWN_CHARACTERS].decode(errors="replace").split()) or "no details"
    return "; ".join(found) or "no details"


def _detail(error: Mapping[str, Any]) -> str:
    return str(error.get("detail") or error.get("title") or "no details")
