"""The ASGI application: routes to endpoints, beneath a prefix, seen by the observer."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from theodora.web.endpoint import Endpoint, Services
from theodora.web.observe import LoggedRequests, Metrics, Observer
from theodora.web.operations import Operation
from theodora.web.responses import JSON
from theodora.web.routes import OPERATIONS
from theodora.web.status import status_routes


def make_application(
    services: Services,
    metrics: Metrics,
    lifespan: Lifespan[Any],
    *,
    path_prefix: str,
    log_requests: LoggedRequests,
) -> ASGIApp:
    """The whole of what is served over HTTP."""
    nowhere = Endpoint(services)
    routes = [
        *_operation_routes(services, OPERATIONS),
        Route("/api/v1/{rest:path}", Endpoint(services, media_type=JSON)),
        *status_routes(services.store, metrics, path_prefix),
    ]
    router = Router(
        [Mount(path_prefix, Router(routes, redirect_slashes=False, default=nowhere))]
        if path_prefix
        else routes,
        redirect_slashes=False,
        default=nowhere,
        lifespan=lifespan,
    )
    return Observer(_Trimmed(router), metrics, log_requests=log_requests)


def _operation_routes(services: Services, operations: Sequence[Operation]) -> list[Route]:
    by_path: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        for path in operation.paths:
            by_path[path].append(operation)
    return [
        Route(path, Endpoint(services, those, those[0].reply_media_type))
        for path, those in by_path.items()
    ]


class _Trimmed:
    """Tolerates a slash at the end of a path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].endswith("/") and scope["path"] != "/":
            scope["path"] = scope["path"].rstrip("/")
        await self._app(scope, receive, send)
