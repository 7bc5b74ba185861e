"""A provider's REST API on loopback: lists in pages, single objects, limits and faults."""

import json
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from loopback import answering

Json = dict[str, Any]

TOKEN = "a-token-that-nobody-may-see"


@dataclass
class Refusal:
    """An answer in place of the next one."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b'{"message": "no"}'
    missing: int = 0
    """The bytes of the body that never come."""


@dataclass
class ProviderApi:
    """What is served, by path: a list in pages of `per_page`, or an object."""

    answers: dict[str, Any]
    per_page: int = 2
    member: Mapping[str, str] = field(default_factory=dict[str, str])
    """The member that has the list of a path, for answers that are objects."""
    refusals: list[Refusal] = field(default_factory=list[Refusal])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Headers of every answer."""
    requests: list[str] = field(default_factory=list[str])
    """The paths and queries that came, in order."""
    stop_after: int | None = None
    """After so many requests, everything is refused."""
    connections: int = 0
    """How many were opened."""
    url: str = ""
    kill_at: str = ""
    """The path at which `kill` is called, once."""
    kill: Callable[[], None] = lambda: None

    def answer(self, target: str) -> tuple[bytes, dict[str, str]] | Refusal:
        self.requests.append(target)
        if self.stop_after is not None and len(self.requests) > self.stop_after:
            return Refusal(404)
        if self.refusals:
            return self.refusals.pop(0)
        parts = urlsplit(target)
        if parts.path == self.kill_at:
            self.kill_at = ""
            self.kill()
        if parts.path not in self.answers:
            return Refusal(404)
        found = self.answers[parts.path]
        if not isinstance(found, list):
            return json.dumps(found).encode(), {}
        return self._page(found, target, parts.path, parse_qs(parts.query))

    def _page(
        self, found: list[Json], target: str, path: str, query: Mapping[str, list[str]]
    ) -> tuple[bytes, dict[str, str]]:
        page = int(query.get("page", ["1"])[0])
        # PagerDuty's lists go by the offset, and its pages are as long as the client asks.
        size = int(query["limit"][0]) if "offset" in query else self.per_page
        start = int(query["offset"][0]) if "offset" in query else (page - 1) * size
        part, more = found[start : start + size], start + size < len(found)
        headers: dict[str, str] = {}
        if more and "offset" not in query:
            rest = re.sub(r"[?&]page=\d+", "", target)
            glue = "&" if "?" in rest else "?"
            last = -(-len(found) // size)
            headers["Link"] = (
                f'<{self.url}{rest}{glue}page={page + 1}>; rel="next", '
                f'<{self.url}{rest}{glue}page={last}>; rel="last"'
            )
        name = self.member.get(path)
        return json.dumps({name: part, "more": more} if name else part).encode(), headers


@contextmanager
def serve_api(api: ProviderApi, tls: ssl.SSLContext | None = None) -> Iterator[ProviderApi]:
    """Serves it until the end of the `with`; requests without the token are refused."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Answers in one packet: a second one would wait for the acknowledgement of the first.
        wbufsize = -1

        def setup(self) -> None:
            super().setup()
            api.connections += 1

        def do_GET(self) -> None:
            said = [self.headers.get("Authorization", ""), self.headers.get("PRIVATE-TOKEN", "")]
            is_known = any(TOKEN in each for each in said)
            found = api.answer(self.path) if is_known else Refusal(401)
            status, headers, body = (
                (found.status, found.headers, found.body)
                if isinstance(found, Refusal)
                else (200, found[1], found[0])
            )
            self.send_response(status)
            for name, value in {**api.headers, **headers}.items():
                self.send_header(name, value)
            missing = found.missing if isinstance(found, Refusal) else 0
            self.send_header("Content-Length", str(len(body) + missing))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = self.close_connection or missing > 0

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing."""

    with answering(Handler, tls) as port:
        api.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        yield api
