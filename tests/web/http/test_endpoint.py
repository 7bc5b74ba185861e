"""On which threads requests are worked on."""

import asyncio
import gzip
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.routing import Route, Router
from starlette.testclient import TestClient
from starlette.types import Message, Scope

from asking import Tenant
from databases import ON_SQLITE
from theodora.git import PackStore
from theodora.web.http.body import JSON_MEDIA_TYPES, MULTIPART_MEDIA_TYPES, read_body
from theodora.web.http.endpoint import Endpoint, ServerContext
from theodora.web.http.operations import Operation, Pending, Request
from theodora.web.http.rate_limit import Limit, RateLimiter
from theodora.web.http.responses import Reply
from theodora.web.http.security import Access, Credential
from theodora.web.http.turns import FairThreads

BUCKETS = ("dora_ingest", "dora_read", "dora_write", "unauthenticated")


def thread_name(_: Request) -> Reply:
    return Reply(200, threading.current_thread().name.encode())


def operation(media_types: tuple[str, ...]) -> Operation:
    return Operation(
        name="Test",
        summary="",
        method="POST",
        paths=("/x",),
        handler=thread_name,
        access=Access(Credential.API_KEY),
        bucket="dora_ingest",
        statuses=(200,),
        media_types=media_types,
        is_brief=False,
    )


@pytest.fixture
def context(tenant: Tenant, tmp_path: Path) -> Iterator[ServerContext]:
    with ExitStack() as stack:
        handlers, uploads, computing = (
            FairThreads(1, name, keeps_some_free=False)
            for name in ("handler", "upload", "computing")
        )
        for threads in (handlers, uploads, computing):
            stack.callback(threads.shutdown)
        yield ServerContext(
            store=tenant.built.store,
            packs=PackStore(tmp_path),
            limiter=RateLimiter({bucket: Limit(bucket, 1000, 60) for bucket in BUCKETS}),
            threads=handlers,
            uploads=uploads,
            downloads=handlers,
            computing=computing,
            sign_ins=handlers,
            timestamps="auto",
            prometheus_groups=1,
            badges=(),
            max_json_bytes=1 << 20,
            max_multipart_bytes=1 << 20,
            read_seconds=10,
        )


@ON_SQLITE
@pytest.mark.parametrize(
    ("asked", "thread"),
    [
        (operation(JSON_MEDIA_TYPES), "handler"),
        (operation(MULTIPART_MEDIA_TYPES), "upload"),
        (replace(operation(JSON_MEDIA_TYPES), is_computing=True), "computing"),
    ],
)
def test_uploads_and_long_computations_have_threads_of_their_own(
    tenant: Tenant, context: ServerContext, asked: Operation, thread: str
) -> None:
    with TestClient(Router([Route("/x", Endpoint(context, [asked]))])) as client:
        headers = {
            **tenant.keys,
            "Content-Type": asked.media_types[0],
            "Content-Encoding": "gzip",
        }
        answer = client.post("/x", headers=headers, content=gzip.compress(b"x"))
    assert answer.text.startswith(thread)


@ON_SQLITE
def test_the_write_of_a_cancelled_request_goes_on(tenant: Tenant, context: ServerContext) -> None:
    written: Future[None] = Future()

    def write(_: Request) -> Pending:
        return Pending(written, lambda _: Reply(200))

    waiting = replace(operation(()), handler=write, is_brief=True)
    headers = [(name.lower().encode(), key.encode()) for name, key in tenant.keys.items()]
    scope: Scope = {"method": "POST", "path_params": {}, "query_string": b"", "headers": headers}

    async def ask_and_leave() -> None:
        asked = asyncio.ensure_future(Endpoint(context, [waiting])(scope, _nothing, _drop))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait([asked])
        assert asked.cancelled()

    with ThreadPoolExecutor(1) as other_thread:
        other_thread.submit(asyncio.run, ask_and_leave()).result()
    assert written.set_running_or_notify_cancel()


async def _nothing() -> Message:
    return {"type": "http.request"}


async def _drop(message: Message) -> None:
    pass


def test_bodies_are_decompressed_on_a_thread() -> None:
    """A short body can be a long one then, for which others would wait."""
    names: list[str] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": gzip.compress(b"x" * 1000)}

    with ThreadPoolExecutor(1, initializer=lambda: names.append("used")) as executor:

        async def read() -> bytes:
            return await read_body({"content-encoding": "gzip"}, receive, 1000, executor)

        # The thread of the tests may have a running event loop: that of the browser.
        with ThreadPoolExecutor(1) as other_thread:
            assert other_thread.submit(asyncio.run, read()).result() == b"x" * 1000
    assert names == ["used"]
