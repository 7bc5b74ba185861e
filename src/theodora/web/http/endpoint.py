"""The endpoint of API operations, with all checks in the order of the contract.

Route, key and permission, rate limit, media type, size; then the handler decodes the document
and asks the store.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

import structlog
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from theodora.errors import (
    Forbidden,
    KeyLimited,
    NotFound,
    NotSigned,
    TheodoraError,
    TooManyRequests,
)
from theodora.events.values import SECOND_NS
from theodora.git import PackStore
from theodora.storage import Key, Store, TakesLong, check_deadline
from theodora.storage.access.key_usage import Refused
from theodora.storage.access.keys import KeysNow
from theodora.web.http.asgi import address_of, headers_of, log_failure, send_reply
from theodora.web.http.body import (
    MULTIPART_MEDIA_TYPES,
    check_media_type,
    read_body,
)
from theodora.web.http.observe import note_operation
from theodora.web.http.operations import Handler, Operation, Outcome, Pending, PendingRead, Request
from theodora.web.http.rate_limit import Quota, RateLimiter
from theodora.web.http.rejections import rejection_of
from theodora.web.http.responses import JSON_API, Reply, error_reply
from theodora.web.http.security import (
    Caller,
    Credential,
    LacksPermission,
    UnusableKey,
    authenticate,
    check_signature,
    find_by_badge,
    find_source,
    read_credentials,
)
from theodora.web.http.threads import run_on_thread
from theodora.web.http.turns import FairThreads

log = structlog.get_logger()

_SERVER_FAILED = 500
_NO_PARAMETERS = QueryParams()
_INLINE_BYTES = 65_536
"""Longer bodies are decoded on a thread, so that other requests need not wait for it."""


@dataclass(frozen=True, slots=True)
class ServerContext:
    """The dependencies of request handling."""

    store: Store
    packs: PackStore
    limiter: RateLimiter
    threads: FairThreads
    uploads: FairThreads
    """Threads for uploads alone: however many come, pages and lists have threads left."""
    downloads: FairThreads
    """Threads for downloads alone: many take turns, piece by piece."""
    computing: FairThreads
    """Threads for what computes long alone: lists have theirs, and the interpreter more often."""
    sign_ins: FairThreads
    """Threads for questions to sign-in providers alone: one that hangs keeps no page waiting."""
    timestamps: str
    prometheus_groups: int
    badges: Sequence[tuple[str, str]]
    """Organisations that have badges, and their tokens."""
    max_json_bytes: int
    max_multipart_bytes: int
    read_seconds: int
    """How long an answer may take to be read from the store."""


class Endpoint:
    """The operations of one path, as an ASGI application; without any, 404 for every method."""

    def __init__(
        self,
        services: ServerContext,
        operations: Sequence[Operation] = (),
        media_type: str = JSON_API,
    ) -> None:
        """`media_type` is that of replies that do not name their own."""
        self._services = services
        self._media_type = media_type
        self._operations: Mapping[str, Operation] = {
            operation.method: operation for operation in operations
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        operation = self._operations.get(scope["method"])
        try:
            reply, quota = await self._answer(operation, scope, headers, receive)
        except ClientDisconnect:
            return
        await send_reply(send, reply, quota.headers, media_type=self._media_type)

    async def _answer(
        self,
        operation: Operation | None,
        scope: Scope,
        headers: Mapping[str, str],
        receive: Receive,
    ) -> tuple[Reply, Quota]:
        if operation is None:
            return self._turned_away(scope, NotFound())
        note_operation(scope, operation.name)
        try:
            caller = await self._authenticate(operation, scope, headers)
        except TheodoraError as error:
            return self._not_authenticated(operation, scope, error)
        # Only keys that are valid for the operation: a guess must not look like a use.
        self._note_keys(caller, address_of(scope))
        quota = self._services.limiter.take(operation.bucket, caller.organisation.key)
        try:
            if quota.exceeded:
                raise TooManyRequests
            reply = await self._serve(operation, caller, scope, headers, receive)
        except ClientDisconnect:
            raise
        except NotSigned as error:
            return self._turned_away(scope, error)
        except Exception as error:  # The last place that can answer.
            reply = _failed(error)
            if isinstance(error, KeyLimited) and caller.api_key is not None:
                self._record_refusal(operation, scope, caller.api_key, str(error))
            self._count(operation, caller, rejection_of(error, reply.status))
            return reply, quota
        self._count(operation, caller, None)
        return reply, quota

    def _not_authenticated(
        self, operation: Operation, scope: Scope, error: TheodoraError
    ) -> tuple[Reply, Quota]:
        if not isinstance(error, Forbidden | NotFound):
            # The store failed, not the caller: that costs none of its quota.
            return _failed(error), self._services.limiter.peek("unauthenticated", address_of(scope))
        if isinstance(error, LacksPermission | UnusableKey):
            self._record_refusal(operation, scope, error.key, error.refusal)
        if isinstance(error, Forbidden) and error.cause:
            log.warning("request forbidden", operation=operation.name, cause=error.cause)
        return self._turned_away(scope, error)

    def _record_refusal(self, operation: Operation, scope: Scope, key: Key, reason: str) -> None:
        self._services.store.audit.refuse(
            key.organisation,
            "permission.refused",
            operation.name,
            reason,
            time.time_ns(),
            actor=key.actor.at(address_of(scope)),
        )

    def _turned_away(self, scope: Scope, error: TheodoraError) -> tuple[Reply, Quota]:
        quota = self._services.limiter.take("unauthenticated", address_of(scope))
        return error_reply(TooManyRequests() if quota.exceeded else error), quota

    async def _authenticate(
        self, operation: Operation, scope: Scope, headers: Mapping[str, str]
    ) -> Caller:
        """Finds the keys or the source here if that is quick, else on a thread of its own."""
        if operation.access.credential is Credential.SIGNATURE:
            find = partial(find_source, self._services.store, _path_parameters(scope))
        elif operation.access.credential is Credential.BADGE:
            services = self._services
            find = partial(find_by_badge, services.store, services.badges, scope["query_string"])
        else:
            credentials = read_credentials(headers, scope["query_string"], operation.access)
            find = partial(
                authenticate,
                await self._keys_now(address_of(scope)),
                credentials,
                operation.access,
                address_of(scope),
                time.time_ns(),
            )
        try:
            return find()
        except TakesLong:
            executor = self._services.threads.of(address_of(scope))
            return await asyncio.get_running_loop().run_in_executor(executor, find)

    async def _keys_now(self, address: str) -> KeysNow:
        keys = self._services.store.keys
        with suppress(TakesLong):
            return keys.now()
        with suppress(TakesLong):
            if (soon := keys.now_soon()) is not None:
                return await soon
        executor = self._services.threads.of(address)
        return await asyncio.get_running_loop().run_in_executor(executor, keys.now)

    def _note_keys(self, caller: Caller, address: str) -> None:
        now_ns = time.time_ns()
        for key in (caller.api_key, caller.application_key):
            if key is not None:
                self._services.store.keys.note_used(key, now_ns, address=address, actor=key.actor)

    def _count(self, operation: Operation, caller: Caller, refused: Refused | None) -> None:
        """Counts what came in, or was refused; that the server failed is neither."""
        key = caller.application_key or caller.api_key
        if operation.receives is None or key is None:
            return
        reception, now_ns = self._services.store.reception, time.time_ns()
        if refused is None:
            reception.accept(key, operation.receives, now_ns)
        elif refused.status < _SERVER_FAILED:
            reception.refuse(key, operation.receives, refused, now_ns)

    async def _serve(
        self,
        operation: Operation,
        caller: Caller,
        scope: Scope,
        headers: Mapping[str, str],
        receive: Receive,
    ) -> Reply:
        if operation.sends is not None and caller.api_key is not None:
            caller.api_key.limits.require(operation.sends)
        body = await self._body(operation, caller, headers, receive)
        now_ns = time.time_ns()
        if caller.source is not None:
            check_signature(caller.source, headers, body, now_ns // SECOND_NS)
        request = Request(
            store=self._services.store,
            packs=self._services.packs,
            organisation=caller.organisation,
            api_key=caller.api_key,
            application_key=caller.application_key,
            source=caller.source,
            path_parameters=_path_parameters(scope),
            query_parameters=_query_parameters(scope),
            headers=headers,
            body=body,
            now_ns=now_ns,
            address=address_of(scope),
            timestamps=self._services.timestamps,
            prometheus_groups=self._services.prometheus_groups,
        )
        outcome = await self._handle(operation, request, receive)
        if isinstance(outcome, PendingRead):
            try:
                return outcome.reply(await outcome.read)
            except TakesLong:
                outcome = await self._handle_on_thread(operation, request, receive)
        assert not isinstance(outcome, PendingRead), "on a thread, what is read is read there"
        if isinstance(outcome, Pending):
            return outcome.reply(await _result_of(outcome.written))
        return outcome

    async def _body(
        self, operation: Operation, caller: Caller, headers: Mapping[str, str], receive: Receive
    ) -> bytes:
        if not operation.media_types:
            return b""
        check_media_type(headers, operation.media_types)
        is_multipart = operation.media_types == MULTIPART_MEDIA_TYPES
        services = self._services
        limit_bytes = services.max_multipart_bytes if is_multipart else services.max_json_bytes
        executor = self._threads(operation).of(caller.organisation.key)
        return await read_body(headers, receive, limit_bytes, executor)

    async def _handle(self, operation: Operation, request: Request, receive: Receive) -> Outcome:
        """Runs the handler here if it is quick, else on a thread of its own."""
        threads, org = self._threads(operation), request.organisation.key
        is_brief = operation.is_brief and len(request.body) <= _INLINE_BYTES
        # A flood of slow searches, each tried here first, would keep everybody waiting.
        if is_brief and not threads.has_waiting(org):
            with suppress(TakesLong):
                return operation.handler(request)
        return await self._handle_on_thread(operation, request, receive)

    async def _handle_on_thread(
        self, operation: Operation, request: Request, receive: Receive
    ) -> Outcome:
        threads, org = self._threads(operation), request.organisation.key
        executor, handler = threads.of(org), operation.handler
        if threads is self._services.uploads:
            # What was sent is not lost for having taken long; its size is limited.
            return await asyncio.get_running_loop().run_in_executor(executor, handler, request)
        seconds = self._services.read_seconds
        return await run_on_thread(executor, seconds, receive, _handled_in_time, handler, request)

    def _threads(self, operation: Operation) -> FairThreads:
        services = self._services
        if operation.is_computing:
            return services.computing
        is_upload = operation.media_types == MULTIPART_MEDIA_TYPES
        return services.uploads if is_upload else services.threads


def _handled_in_time(handler: Handler, request: Request) -> Outcome:
    check_deadline()  # The wait for a thread counts.
    return handler(request)


async def _result_of(written: Future[Any]) -> Any:
    """The result of a write, which goes on if the request that waits for it is cancelled.

    `asyncio.wrap_future` would cancel it, and takes three times as long.
    """
    loop = asyncio.get_running_loop()
    is_done = loop.create_future()
    written.add_done_callback(lambda _: loop.call_soon_threadsafe(_wake, is_done))
    await is_done
    return written.result()


def _wake(is_done: asyncio.Future[None]) -> None:
    if not is_done.done():
        is_done.set_result(None)


def _path_parameters(scope: Scope) -> dict[str, str]:
    return {name: unquote(value) for name, value in scope["path_params"].items()}


def _query_parameters(scope: Scope) -> QueryParams:
    query_string: bytes = scope["query_string"]
    return QueryParams(query_string) if query_string else _NO_PARAMETERS


def _failed(error: Exception) -> Reply:
    log_failure(error)
    return error_reply(error)
