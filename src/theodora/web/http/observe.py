"""Observation of requests: ids, log lines and Prometheus metrics."""

import itertools
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from functools import cache, partial
from typing import Literal, NamedTuple

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from theodora.storage import ForwardingTotals, ReplicaUse
from theodora.web.http.exposition import Exposition, expose

log = structlog.get_logger()

request_id_of_task: ContextVar[bytes] = ContextVar("request_id")
"""The id of the request that the code at hand serves."""

_OPERATION = "theodora.operation"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

_LATENCY_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_GROUP_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


LoggedRequests = Literal["all", "failed", "none"]


_PROCESS = secrets.token_hex(6).encode()
_NUMBERS = itertools.count(1)
"""Ids are random by process and then counted: asking the system for randomness a request at a
time would let other threads in between."""


class ServerMetrics:
    """The server's own metrics; one of these a process, each with its own registry."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        counter = partial(Counter, registry=self._registry)
        gauge = partial(Gauge, registry=self._registry)
        histogram = partial(Histogram, registry=self._registry)
        self._requests = counter("theodora_requests", "Requests answered.", ["operation", "status"])
        self._latency = histogram(
            "theodora_request_seconds",
            "Time from a request's headers to the end of its reply.",
            ["operation"],
            buckets=_LATENCY_SECONDS,
        )
        self.group_size = histogram(
            "theodora_commit_writes",
            "Writes that one commit made durable together.",
            buckets=_GROUP_SIZES,
        )
        self._waiting = gauge(
            "theodora_waiting_writes", "Writes accepted that no commit has taken up yet."
        )
        self._parked = gauge(
            "theodora_parked_sequences",
            "Services and environments that could not be derived and are tried again later.",
        )
        self._refused_deletions = gauge(
            "theodora_refused_retentions",
            "Organisations whose old events the last round of retention did not delete.",
        )
        self._stored = gauge("theodora_stored_events", "Events in the store.", ["kind"])
        self._limits_reached = counter(
            "theodora_limits_reached",
            "Connections, requests and uploads that a limit has ended.",
            ["limit"],
        )

        # Looking a series up by its labels costs more than counting does.
        self._requests_of = cache(self._requests.labels)
        self._latency_of = cache(self._latency.labels)

    def count_request(self, operation: str, status: int, seconds: float) -> None:
        self._requests_of(operation, status).inc()
        self._latency_of(operation).observe(seconds)

    def count_limit(self, limit: str) -> None:
        self._limits_reached.labels(limit).inc()

    def register_callbacks(
        self,
        waiting_writes: Callable[[], int],
        parked_sequences: Callable[[], int],
        refused_deletions: Callable[[], int],
        stored: dict[str, Callable[[], int]],
        replica: Callable[[], ReplicaUse | None],
        forwarding: Callable[[], ForwardingTotals],
    ) -> None:
        """Asks these functions whenever the metrics are read."""
        self._registry.register(_Reads(replica))
        self._registry.register(_Forwarding(forwarding))
        self._waiting.set_function(waiting_writes)
        self._parked.set_function(parked_sequences)
        self._refused_deletions.set_function(refused_deletions)
        for kind, count in stored.items():
            self._stored.labels(kind).set_function(count)

    def exposition(self, accept: str) -> Exposition:
        """All metrics in the form that the header `Accept` prefers."""
        return expose(self._registry, accept)


class _Reads(Collector):
    """The database that answers reads, if there are two."""

    def __init__(self, replica: Callable[[], ReplicaUse | None]) -> None:
        self._replica = replica

    def collect(self) -> Iterator[CounterMetricFamily]:
        use = self._replica()
        if use is None:
            return
        reads = CounterMetricFamily("theodora_reads", "Reads of the store.", labels=["answered_by"])
        reads.add_metric(["replica"], use.answered)
        reads.add_metric(["primary"], use.left_to_primary)
        yield reads


class _Forwarding(Collector):
    """The changes that go on to Datadog, of all organisations together."""

    def __init__(self, totals: Callable[[], ForwardingTotals]) -> None:
        self._totals = totals

    def collect(self) -> Iterator[Metric]:
        totals = self._totals()
        queued = GaugeMetricFamily(
            "theodora_forwarding_queued",
            "Changes that are not at Datadog yet.",
            labels=["state"],
        )
        queued.add_metric(["waiting"], totals.waiting)
        queued.add_metric(["parked"], totals.parked)
        yield queued
        lag_ns = 0 if totals.oldest_at_ns is None else time.time_ns() - totals.oldest_at_ns
        yield GaugeMetricFamily(
            "theodora_forwarding_lag_seconds",
            "Age of the oldest change that waits to be sent.",
            value=max(0, lag_ns) / 1e9,
        )
        yield GaugeMetricFamily(
            "theodora_forwarding_paused",
            "Organisations whose forwarding is paused, by a person or because keys are refused.",
            value=totals.paused,
        )
        yield GaugeMetricFamily(
            "theodora_forwarding_left_out",
            "Changes that a full outbox had no room for.",
            value=totals.omitted,
        )


def note_operation(scope: Scope, name: str) -> None:
    """Names the operation of a request for the observer."""
    scope[_OPERATION] = name


class FinishedRequest(NamedTuple):
    """A request that has been answered."""

    method: str
    operation: str
    status: int
    seconds: float
    ended_at_ns: int
    headers: Iterable[tuple[bytes, bytes]]
    request_id: bytes


class Observer:
    """ASGI middleware: gives each request an id, logs and counts its outcome."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: ServerMetrics,
        *,
        log_requests: LoggedRequests,
        record: Callable[[FinishedRequest], None] | None = None,
    ) -> None:
        """`record` gets each request that has been answered."""
        self._app = app
        self._record = record
        self._metrics = metrics
        self._log_requests = log_requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(scope)
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        request_id_of_task.set(request_id)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            self._note(scope, status, time.perf_counter() - started, request_id)

    def _note(self, scope: Scope, status: int, seconds: float, request_id: bytes) -> None:
        operation: str = scope.get(_OPERATION, "none")
        self._metrics.count_request(operation, status, seconds)
        if self._record is not None:
            headers, method = scope["headers"], scope["method"]
            ended_at_ns = time.time_ns()
            self._record(
                FinishedRequest(
                    method, operation, status, seconds, ended_at_ns, headers, request_id
                )
            )
        if self._log_requests == "all" or (self._log_requests == "failed" and status >= 400):
            log.info(
                "request",
                method=scope["method"],
                path=_logged_path(scope["path"]),
                operation=operation,
                status=status,
                ms=round(seconds * 1000, 2),
            )


def _logged_path(path: str) -> str:
    """Without the secret of a share link: whoever reads the log is not to open the page."""
    before, shared, _ = path.partition("/shared/")
    return f"{before}{shared}…" if shared else path


def _request_id(scope: Scope) -> bytes:
    """The id that a proxy or the client has given, if it is harmless, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value
    return b"%s%08x" % (_PROCESS, next(_NUMBERS))
