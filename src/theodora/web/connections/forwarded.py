"""Client addresses from `X-Forwarded-For`, and who has really sent a request."""

from starlette.types import ASGIApp, Receive, Scope, Send

from theodora.web.http.asgi import with_peer

_FORWARDED_FOR = b"x-forwarded-for"


class PeerKept:
    """ASGI middleware: keeps who has sent a request, before proxies are believed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(with_peer(scope) if scope["type"] == "http" else scope, receive, send)


class NearestForwarded:
    """ASGI middleware: reduces `X-Forwarded-For` to the address that the nearest proxy wrote.

    Each proxy adds one at the end. The client may have written those before it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "headers": _nearest(scope["headers"])}
        await self._app(scope, receive, send)


def _nearest(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    values = [value for name, value in headers if name == _FORWARDED_FOR]
    others = [(name, value) for name, value in headers if name != _FORWARDED_FOR]
    if not values:
        return others
    return [*others, (_FORWARDED_FOR, values[-1].rpartition(b",")[2].strip())]
