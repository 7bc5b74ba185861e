"""Operations: rows of the route table, with the input and output of their handlers."""

from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec
from starlette.datastructures import QueryParams

from theodora.git import PackStore
from theodora.storage import Key, Organisation, Store, WebhookSource
from theodora.storage.access.key_limits import NO_LIMITS, KeyLimits, KeyOperation
from theodora.storage.access.key_usage import Received
from theodora.storage.engine.actor import Actor
from theodora.web.http.body import JSON_MEDIA_TYPES
from theodora.web.http.rate_limit import Bucket
from theodora.web.http.responses import JSON_API, Reply
from theodora.web.http.security import Access

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class Request(msgspec.Struct, frozen=True):
    """The input of a handler; everything except the document has been checked."""

    store: Store
    packs: PackStore
    organisation: Organisation
    api_key: Key | None
    application_key: Key | None
    source: WebhookSource | None
    """The source of a webhook, whose signature has been checked."""
    path_parameters: Mapping[str, str]
    query_parameters: QueryParams
    headers: Mapping[str, str]
    """Names are in lower case."""
    body: bytes
    now_ns: int
    address: str
    """The client's IP address."""
    timestamps: str
    """The server's own choice of form, or `auto`."""
    prometheus_groups: int
    """Most groups in one scrape."""

    @property
    def actor(self) -> Actor:
        """Who asks for what the operation writes."""
        if self.source is not None:
            return self.source.actor
        if self.application_key is not None:
            return self.application_key.actor.at(self.address)
        assert self.api_key is not None, "an operation without a key writes nothing"
        return self.api_key.actor

    @property
    def limits(self) -> KeyLimits:
        """Those of an API key that is the only key."""
        return self.api_key.limits if self.api_key and not self.application_key else NO_LIMITS


@dataclass(frozen=True, slots=True)
class Pending:
    """A reply that waits for a write to be durable."""

    written: Future[Any]
    reply: Callable[[Any], Reply]
    """Makes the reply from the write's result."""


@dataclass(frozen=True, slots=True)
class PendingRead:
    """A reply that waits for a read while the event loop goes on; of a handler on that alone."""

    read: Awaitable[Any]
    """May raise `TakesLong`: then the handler has to run on a thread."""
    reply: Callable[[Any], Reply]
    """Makes the reply from what was read."""


Outcome: TypeAlias = Reply | Pending | PendingRead
Handler = Callable[[Request], Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One row of the route table."""

    name: str
    """Datadog's name for it, as in its clients."""
    summary: str
    method: Method
    paths: tuple[str, ...]
    """The documented path first."""
    handler: Handler
    access: Access
    bucket: Bucket
    statuses: tuple[int, ...]
    """Its statuses, in addition to those of every operation."""
    media_types: tuple[str, ...] = JSON_MEDIA_TYPES
    """Of the body; none where there is no body to read."""
    is_brief: bool = True
    """Whether it may be answered on the event loop when its body is short."""
    is_computing: bool = False
    """Whether it adds up or derives many events, which takes the interpreter for long."""
    reply_media_type: str = JSON_API
    receives: Received | None = None
    """The kind that its requests are counted as, by key, including refused ones."""
    sends: KeyOperation | None = None
    """What an API key must be allowed to send; None where every one will do."""
    text_media_types: tuple[str, ...] = ()
    """Of texts that it answers with if it is asked to, or if it answers with nothing else."""
