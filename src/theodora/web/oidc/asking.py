"""Requests to a provider: bounded in time and size, and to the named server only."""

import json
import threading
from collections.abc import Mapping
from contextlib import closing
from typing import Any
from urllib.parse import urlencode, urlsplit

from theodora.errors import NoAnswer
from theodora.sources.http_client import HttpAnswer, HttpClient
from theodora.web.oidc.provider import SignInFailed

PART_SECONDS = 5.0
TOTAL_SECONDS = 10.0
MAX_ANSWER_BYTES = 1024 * 1024
_FORM = "application/x-www-form-urlencoded"


def get_json(url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The JSON object at `url`. Raises `SignInFailed`; a redirect is a failure, too."""
    answer = _ask("GET", url, {"Accept": "application/json", **(headers or {})})
    if answer.status != 200:
        raise SignInFailed("no_answer", f"{_place(url)} answered {answer.status}")
    return _object(url, answer)


def post_form(
    url: str, fields: Mapping[str, str], headers: Mapping[str, str]
) -> tuple[int, dict[str, Any]]:
    """The status and the JSON object that a form is answered with. Raises `SignInFailed`."""
    sent = {"Accept": "application/json", "Content-Type": _FORM, **headers}
    answer = _ask("POST", url, sent, urlencode(fields).encode())
    if answer.status >= 500 or 300 <= answer.status < 400:
        raise SignInFailed("no_answer", f"{_place(url)} answered {answer.status}")
    return answer.status, _object(url, answer)


def _ask(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
) -> HttpAnswer:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    base = f"{parts.scheme}://{parts.netloc}"
    with closing(HttpClient(base, PART_SECONDS, MAX_ANSWER_BYTES)) as client:
        # A provider that sends byte by byte would otherwise keep the thread for hours.
        alarm = threading.Timer(TOTAL_SECONDS, client.abort)
        alarm.daemon = True
        alarm.start()
        try:
            return client.ask(method, target, headers, body)
        except NoAnswer as error:
            raise SignInFailed("no_answer", f"{_place(url)}: {error}") from error
        finally:
            alarm.cancel()


def _object(url: str, answer: HttpAnswer) -> dict[str, Any]:
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise SignInFailed("no_answer", f"{_place(url)} did not answer with a JSON object")
    return found


def _place(url: str) -> str:
    """An address in a message, without what may be secret in it."""
    return url.partition("?")[0]
