"""A server that plays a site of Datadog: what is known of the live service, and faults to order."""

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

from loopback import answering
from theodora.events.timestamps import nanoseconds_from_rfc3339

KEYS = {"DD_API_KEY": "api-key-of-the-test", "DD_APP_KEY": "app-key-of-the-test"}


class Asked(NamedTuple):
    """A request that came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    document: Any


class Fault(NamedTuple):
    """An answer in place of the real one."""

    status: int
    headers: Mapping[str, str] = {}
    body: str = '{"errors":["a fault of the test"]}'


class Site:
    """Its lists hold `resources`, each with RFC 3339 instants; what is sent to it is only noted."""

    def __init__(self) -> None:
        self.resources: dict[str, Sequence[Any]] = {"deployments": (), "failures": ()}
        self.most = 1_000
        """Events in one answer, whatever the limit asks for."""
        self.faults: deque[Fault | None] = deque()
        """Given one by one before real answers; None is a real one."""
        self.fault: Fault | None = None
        """Given to every request."""
        self.asked: list[Asked] = []
        self.url = ""

    def answer(self, asked: Asked) -> Fault:
        self.asked.append(asked)
        fault = self.faults.popleft() if self.faults else self.fault
        if fault is not None:
            return fault
        kind = asked.path.rpartition("/")[2]
        if asked.method == "POST" and kind in self.resources:
            return Fault(200, {}, json.dumps({"data": self._listed(kind, asked.document)}))
        if asked.method == "POST":
            return Fault(200, {}, json.dumps({"data": {"id": "x", "type": kind}}))
        return Fault(202, {}, '{"data":null}' if asked.method == "PATCH" else "")

    def _listed(self, kind: str, document: Any) -> list[Any]:
        wanted = document["data"]["attributes"]
        assert wanted["sort"] == "-started_at"

        def milliseconds(text: Any) -> int:
            instant_ns = nanoseconds_from_rfc3339(text[0] if isinstance(text, list) else text)
            assert instant_ns is not None
            return instant_ns // 1_000_000

        first, last = milliseconds(wanted["from"]), milliseconds(wanted["to"])
        found = [
            (milliseconds(each["attributes"]["started_at"]), each) for each in self.resources[kind]
        ]
        inside = [pair for pair in found if first <= pair[0] <= last]
        inside.sort(key=lambda pair: (-pair[0], pair[1]["id"]))
        return [each for _, each in inside[: min(wanted["limit"], self.most)]]


@contextmanager
def playing() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            document = json.loads(body) if body else None
            status, extra, text = site.answer(Asked(self.command, self.path, headers, document))
            self.send_response(status)
            for name, value in {**extra, "Content-Length": str(len(text.encode()))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    with answering(Handler) as port:
        site.url = f"http://127.0.0.1:{port}"
        yield site
