"""Requests to a server as inputs: of a page its target and cookies, of the API its body.

An answer of 500 or more is a failure; one of 400 or more is a refusal.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from anyio import sleep_forever

from asking import Tenant
from fuzz.parsers import Parser
from theodora.web.api.documents import DOCUMENTS
from theodora.web.api.routes import OPERATIONS
from theodora.web.mcp.prompts import REVIEW
from theodora.web.mcp.routes import PATH
from theodora.web.mcp.tools import TOOLS
from theodora.web.pages.routes import PAGES
from visiting import sign_in


class Refused(Exception):
    """An answer from 400 to 499."""


class ServerFault(Exception):
    """An answer of 500 or more."""


def request_parsers(tenant: Tenant) -> tuple[Parser, ...]:
    """What a server reads of requests with a session, and of those with both keys."""
    browser = sign_in(tenant)
    cookies = "; ".join(f"{name}={value}" for name, value in browser.client.cookies.items())

    def visit(data: bytes) -> None:
        target, _, others = data.partition(b"\n")
        cookie = cookies.encode() + b"; " + others.replace(b"\n", b"")
        _send(tenant, "GET", target, {b"cookie": cookie})

    def send(data: bytes) -> None:
        line, _, body = data.partition(b"\n")
        method, _, target = line.decode(errors="replace").partition(" ")
        if method in {"GET", "POST", "PUT", "PATCH", "DELETE"}:
            keys = {name.lower().encode(): value.encode() for name, value in tenant.keys.items()}
            headers = {b"content-type": b"application/json", **keys}
            _send(tenant, method, target.encode(), headers, body)

    def tell(data: bytes) -> None:
        keys = {name.lower().encode(): value.encode() for name, value in tenant.keys.items()}
        headers = {b"content-type": b"application/json", b"accept": _ACCEPTED, **keys}
        _send(tenant, "POST", PATH.encode(), headers, data)

    return (
        Parser("page", visit, _pages(), _PIECES, (Refused,)),
        Parser("operation", send, _operations(), _PIECES, (Refused,)),
        Parser("MCP message", tell, _messages(), _PIECES, (Refused,)),
    )


_PIECES = (
    *(
        b"?query=",
        b"&range=4w",
        b"&from=2023-08-01T00:00Z&to=",
        b"&sort=-duration",
        b"&tz=Asia/Kolkata",
    ),
    *(
        b"&group_by=team",
        b"&interval=week",
        b"&limit=",
        b"%F0%9F",
        b"%00",
        b"//",
        b"/..",
        b"&cursor=",
    ),
    *(b'"service"', b'"started_at"', b'"query"', b'"attributes"', b'"data"'),
)


_ACCEPTED = b"application/json, text/event-stream"
_SEARCHES = (
    b"GET /api/v2/audit?query=action:key.*&limit=10&cursor=5&outcome=done\n",
    b"GET /api/v2/dora/insights?group_by=team&range=4w&query=env:production&tz=Asia/Kolkata\n",
)


def _pages() -> list[bytes]:
    paths = [each.path.partition("{")[0] for each in PAGES if each.method == "GET"]
    queries = (
        b"",
        b"?query=service:web&range=4w&tz=Europe/Berlin",
        b"?sort=-started_at&group_by=team",
    )
    return [path.encode() + query + b"\na=b" for path in dict.fromkeys(paths) for query in queries]


def _operations() -> list[bytes]:
    found: list[bytes] = []
    for operation in OPERATIONS:
        example = DOCUMENTS[operation.name].example.request
        body = b"" if example is None else json.dumps(example).encode()
        path = operation.paths[0].replace("{id}", "0123456789abcdef")
        found.append(f"{operation.method} {path}\n".encode() + body)
    return [*found, *_SEARCHES]


def _messages() -> list[bytes]:
    """Messages of the Model Context Protocol: each tool and prompt is called."""
    asked: list[tuple[str, dict[str, Any]]] = [
        ("tools/list", {}),
        ("prompts/get", {"name": REVIEW, "arguments": {"month": "2026-08"}}),
        *(("tools/call", {"name": tool.name, "arguments": {"query": "web"}}) for tool in TOOLS),
    ]
    return [
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
        for method, parameters in asked
    ]


def _send(
    tenant: Tenant, method: str, target: bytes, headers: Mapping[bytes, bytes], body: bytes = b""
) -> None:
    """Passes it on as connections do, whatever a client's library thinks of it."""
    raw_path, _, query = target.partition(b"?")
    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(raw_path.decode("latin-1")),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": [(b"host", b"testserver"), *headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    statuses: list[int] = []
    bodies = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        # A client that left would be sent no answer.
        return bodies.pop() if bodies else await sleep_forever()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    portal = tenant.client.portal
    assert portal is not None
    portal.call(tenant.client.app, scope, receive, send)
    if statuses[0] >= 500:
        raise ServerFault(statuses[0])
    if statuses[0] >= 400:
        raise Refused
