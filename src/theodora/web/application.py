"""The ASGI application: routes to endpoints, beneath a prefix, seen by the observer."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from theodora.web.api.routes import OPERATIONS
from theodora.web.api.security_contact import SecurityContact, security_route
from theodora.web.api.status import PROBED, status_routes
from theodora.web.http.endpoint import Endpoint, ServerContext
from theodora.web.http.observe import FinishedRequest, LoggedRequests, Observer, ServerMetrics
from theodora.web.http.operations import Operation
from theodora.web.http.responses import JSON
from theodora.web.mcp.routes import mcp_operations
from theodora.web.pages.shell.endpoint import AssetEndpoint, PageEndpoint
from theodora.web.pages.shell.page import Page
from theodora.web.pages.shell.request import Dashboard


def make_application(
    services: ServerContext,
    dashboard: Dashboard,
    metrics: ServerMetrics,
    lifespan: Lifespan[Any],
    *,
    security: SecurityContact,
    log_requests: LoggedRequests,
    record: Callable[[FinishedRequest], None] | None,
    prefix_is_stripped: bool,
) -> ASGIApp:
    """The ASGI application with all routes.

    `record` gets each request that has been answered; `prefix_is_stripped` is whether a proxy has
    removed the prefix from the paths of requests.
    """
    path_prefix = dashboard.path_prefix
    nowhere = _Nowhere(Endpoint(services), PageEndpoint(dashboard))
    status = status_routes(services.store, metrics, path_prefix)
    contact = security_route(security, path_prefix)
    operations = (*OPERATIONS, *mcp_operations(security.public_url, path_prefix))
    routes = [
        *_operation_routes(services, operations),
        Route("/api/v1/{rest:path}", Endpoint(services, media_type=JSON)),
        *status,
        contact,
        *_page_routes(dashboard),
        Route("/static/{name}", AssetEndpoint()),
    ]
    # Probes and scrapers reach the server itself, not the proxy that adds the prefix; and whoever
    # looks for a contact asks at the root.
    at_root = [*(route for route in status if route.path in PROBED), contact]
    routed = _routed(path_prefix, routes, at_root, nowhere, lifespan)
    trimmed = _Trimmed(routed, path_prefix)
    served = _Restored(trimmed, path_prefix) if prefix_is_stripped else trimmed
    return Observer(served, metrics, log_requests=log_requests, record=record)


def _routed(
    path_prefix: str,
    routes: Sequence[Route],
    at_root: Sequence[Route],
    nowhere: ASGIApp,
    lifespan: Lifespan[Any],
) -> ASGIApp:
    """`routes` below the prefix, `at_root` without it; what is in neither is `nowhere`."""
    below = Router(routes, redirect_slashes=False, default=nowhere)
    mounted = [Mount(path_prefix, below), *at_root] if path_prefix else routes
    router = Router(mounted, redirect_slashes=False, default=nowhere, lifespan=lifespan)
    by_path = {path_prefix + route.path: route for route in routes}
    return _FoundByPath(router, by_path | {route.path: route for route in at_root})


def _operation_routes(services: ServerContext, operations: Sequence[Operation]) -> list[Route]:
    by_path: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        for path in operation.paths:
            by_path[path].append(operation)
    return [
        Route(path, Endpoint(services, those, those[0].reply_media_type))
        for path, those in by_path.items()
    ]


def _page_routes(dashboard: Dashboard) -> list[Route]:
    by_path: dict[str, list[Page]] = defaultdict(list)
    for page in dashboard.pages:
        by_path[page.path].append(page)
    return [Route(path, PageEndpoint(dashboard, those)) for path, those in by_path.items()]


class _FoundByPath:
    """Finds the routes without parameters by their path; the router tries one after another."""

    def __init__(self, router: ASGIApp, by_path: Mapping[str, Route]) -> None:
        self._router = router
        self._routes = {path: each for path, each in by_path.items() if "{" not in path}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get(scope["path"]) if scope["type"] == "http" else None
        if route is None:
            await self._router(scope, receive, send)
        else:
            scope["path_params"] = {}
            await route.handle(scope, receive, send)


class _Nowhere:
    """The 404 answer: a page for browsers, an error document for other clients."""

    def __init__(self, documents: ASGIApp, pages: ASGIApp) -> None:
        self._documents = documents
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        accept = next((value for name, value in scope["headers"] if name == b"accept"), b"")
        is_browser = b"text/html" in accept and "/api/" not in scope["path"]
        answer = self._pages if is_browser else self._documents
        await answer(scope, receive, send)


class _Restored:
    """Puts the prefix back that a proxy has removed from paths, so that all else sees one form."""

    def __init__(self, app: ASGIApp, path_prefix: str) -> None:
        self._app = app
        self._prefix = path_prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["path"] = self._prefix + scope["path"]
            scope["raw_path"] = self._prefix.encode() + scope["raw_path"]
        await self._app(scope, receive, send)


class _Trimmed:
    """Tolerates a slash at the end of a path, and none at the end of the prefix.

    In paths of the API and of badges names stay quoted, so that one may hold a slash; `Endpoint`
    unquotes them.
    """

    def __init__(self, app: ASGIApp, path_prefix: str) -> None:
        self._app = app
        self._root = f"{path_prefix}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path: str = scope["path"]
            # A name at the end of a path may itself end with a slash, which is quoted there.
            is_slashed = scope["raw_path"].partition(b"?")[0].endswith(b"/")
            if f"{path}/" == self._root:
                scope["path"] = self._root
            elif path.startswith((f"{self._root}api/", f"{self._root}badge/")):
                names = _quoted_names(scope["raw_path"], depth=self._root.count("/"))
                scope["path"] = self._root + names.rstrip("/")
            elif is_slashed and path != self._root:
                scope["path"] = path.rstrip("/")
        await self._app(scope, receive, send)


@lru_cache(maxsize=1024)
def _quoted_names(raw_path: bytes, depth: int) -> str:
    """The parts of a path below some first ones, each quoted in one and the same way."""
    parts = raw_path.partition(b"?")[0].decode("latin-1").split("/")[depth:]
    return "/".join(quote(unquote(part), safe="") for part in parts)
