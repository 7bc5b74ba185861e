"""ASGI scopes and messages: headers, client address, and how a reply is sent."""

from collections.abc import Iterable

import structlog
from starlette.types import Message, Scope, Send

from theodora.errors import TheodoraError, TooSlow, Unavailable, UnusableStore
from theodora.web.http.responses import Header, Reply

log = structlog.get_logger()


def headers_of(scope: Scope) -> dict[str, str]:
    """Headers by name in lower case, as the server passes them; of several the last."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


_PEER = "theodora.peer"
"""In a scope whose client address a proxy has named: the address of the proxy itself."""


def with_peer(scope: Scope) -> Scope:
    """The scope, which keeps who has sent the request before proxies are believed."""
    return {**scope, _PEER: address_of(scope)}


def peer_of(scope: Scope) -> str:
    """The IP address at the other end of the connection; empty if the server does not know it."""
    return scope.get(_PEER, address_of(scope))


def address_of(scope: Scope) -> str:
    """The client's IP address; empty if the server does not know it."""
    client = scope.get("client")
    return client[0] if client else ""


async def send_reply(
    send: Send,
    reply: Reply,
    more: Iterable[Header] = (),
    *,
    media_type: str | None = None,
    with_body: bool = True,
) -> None:
    """Sends a complete reply; `media_type` is that of a body whose reply does not name its own.

    Without the body, the headers are still those of the reply with it: the answer to HEAD.
    """
    body = reply.body
    kind = reply.media_type or (media_type if body else None)
    await send(reply_start(reply, (*more, (b"content-length", b"%d" % len(body))), kind))
    await send({"type": "http.response.body", "body": body if with_body else b""})


def reply_start(reply: Reply, more: Iterable[Header], media_type: str | None) -> Message:
    """The message with a reply's status and headers."""
    headers = [*more, *reply.headers]
    if media_type:
        headers.append((b"content-type", media_type.encode()))
    return {"type": "http.response.start", "status": reply.status, "headers": headers}


def log_failure(error: Exception) -> None:
    """Logs what an operator must see: a missing database, slow answers, unexpected errors."""
    if isinstance(error, Unavailable | UnusableStore):
        log.warning("store unavailable", error=str(error))
    elif isinstance(error, TooSlow):
        log.warning("answer took too long", seconds=error.seconds)
    elif not isinstance(error, TheodoraError):
        log_unexpected(error)


def log_unexpected(error: Exception) -> None:
    log.error("unexpected error", exc_info=error)
