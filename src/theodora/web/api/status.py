"""Routes about the server itself: health, metrics, the API's description."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from theodora.errors import TheodoraError
from theodora.storage import Store
from theodora.web.api.openapi import openapi_document
from theodora.web.http.exposition import VARY
from theodora.web.http.observe import ServerMetrics, note_operation
from theodora.web.http.responses import JSON

PROBED = ("/healthz", "/readyz", "/metrics")
"""Paths that answer without the prefix as well."""


def status_routes(store: Store, metrics: ServerMetrics, path_prefix: str) -> list[Route]:
    """Routes that need no key and count towards no rate limit."""

    async def healthz(request: Request) -> Response:
        # On the event loop, since the server is alive even if all threads are taken.
        note_operation(request.scope, "/healthz")
        return PlainTextResponse("alive\n")

    def readyz(_: Request) -> Response:
        try:
            store.check()
        except TheodoraError as error:
            return PlainTextResponse(f"not ready: {error}\n", status_code=503)
        problems = store.replica.problems if store.replica else ()
        return PlainTextResponse("".join(f"{line}\n" for line in ("ready", *problems)))

    def prometheus(request: Request) -> Response:
        body, media_type = metrics.exposition(request.headers.get("accept", ""))
        headers = {name.decode(): value.decode() for name, value in VARY}
        return Response(body, headers=headers, media_type=media_type)

    def openapi(_: Request) -> Response:
        return Response(openapi_document(path_prefix), media_type=JSON)

    return [
        Route("/healthz", healthz),
        _route("/readyz", readyz),
        _route("/metrics", prometheus),
        _route("/openapi.json", openapi),
    ]


def _route(path: str, answer: Callable[[Request], Response]) -> Route:
    def noted(request: Request) -> Response:
        note_operation(request.scope, path)
        return answer(request)

    return Route(path, noted)
