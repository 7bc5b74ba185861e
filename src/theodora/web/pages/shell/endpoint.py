"""ASGI applications of pages and static files."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from theodora.errors import TheodoraError
from theodora.web.http.asgi import log_failure, reply_start, send_reply
from theodora.web.http.body import read_body
from theodora.web.http.observe import note_operation, request_id_of_task
from theodora.web.http.responses import Reply
from theodora.web.http.threads import disconnected, run_on_thread, run_while_awaited
from theodora.web.http.turns import FairThreads
from theodora.web.pages.shell.assets import assets_by_name
from theodora.web.pages.shell.page import Page
from theodora.web.pages.shell.rendering import SECURITY_HEADERS, Replied, Streamed, reply_to
from theodora.web.pages.shell.request import Dashboard, PageRequest

MAX_FORM_BYTES = 65_536
PROVIDER_SECONDS = 40
"""Four questions: the metadata, the tokens, the keys, the userinfo."""


class PageEndpoint:
    """The pages of one path, as an ASGI application; without any, 404."""

    def __init__(self, dashboard: Dashboard, pages: Sequence[Page] = ()) -> None:
        self._dashboard = dashboard
        self._pages: Mapping[str, Page] = {page.method: page for page in pages}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        page = self._pages.get(method)
        note_operation(scope, f"page {page.name}" if page else "none")
        request = PageRequest(self._dashboard, scope, page)
        executor = self._threads(request).of(request.caller)
        try:
            reply = await self._reply(request, receive, executor)
        except ClientDisconnect:
            return
        if isinstance(reply, Streamed):
            await self._stream(send, receive, reply, executor)
        elif isinstance(reply, Reply):
            await send_reply(send, reply, with_body=not request.is_head)
        elif request.is_head:
            await send_reply(send, reply.reply)
        else:
            await self._dashboard.listeners.listen(reply.listener, reply.reply, receive, send)

    def _threads(self, request: PageRequest) -> FairThreads:
        services = self._dashboard.services
        if request.asks_provider:
            return services.sign_ins
        return services.downloads if request.is_download else services.threads

    async def _reply(self, request: PageRequest, receive: Receive, executor: Executor) -> Replied:
        try:
            body = await _form_body(request, receive, executor)
        except TheodoraError as error:
            body = error
        # A page takes some milliseconds, which other requests need not wait for.
        seconds: float = self._dashboard.services.read_seconds
        if request.asks_provider:
            seconds += PROVIDER_SECONDS
        request_id = request_id_of_task.get()
        return await run_on_thread(executor, seconds, receive, reply_to, request, body, request_id)

    async def _stream(
        self, send: Send, receive: Receive, streamed: Streamed, executor: Executor
    ) -> None:
        """Sends chunk by chunk, until there are no more or the client has gone.

        Each chunk has the time of an answer. Without the next one, the connection is closed before
        the end of the body, so that nobody takes what has come for everything.
        """
        seconds = self._dashboard.services.read_seconds
        gone = asyncio.ensure_future(disconnected(receive))
        try:
            await send(reply_start(streamed.reply, (), streamed.reply.media_type))
            chunk: bytes | None = streamed.reply.body
            while chunk and not gone.done():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                chunk = await run_while_awaited(
                    gone, executor, seconds, next, streamed.chunks, None
                )
            await send({"type": "http.response.body"})
        except ClientDisconnect:
            pass
        except TheodoraError as error:
            log_failure(error)
        finally:
            gone.cancel()


class AssetEndpoint:
    """Static files by the names that have their fingerprints, as an ASGI application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        note_operation(scope, "static")
        asset = assets_by_name().get(scope["path_params"]["name"])
        if asset is None or scope["method"] not in {"GET", "HEAD"}:
            reply = Reply(404, b"not found\n", "text/plain; charset=utf-8", SECURITY_HEADERS)
        else:
            kept = (b"cache-control", b"public, max-age=31536000, immutable")
            reply = Reply(200, asset.body, asset.media_type, (*SECURITY_HEADERS, kept))
        await send_reply(send, reply, with_body=scope["method"] != "HEAD")


async def _form_body(request: PageRequest, receive: Receive, executor: Executor) -> bytes:
    if not request.is_form:
        return b""
    return await read_body(request.headers, receive, MAX_FORM_BYTES, executor)
