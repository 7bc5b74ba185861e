"""Traces and metrics of requests, sent to an OpenTelemetry collector (the extra `otel`)."""

from importlib import import_module
from typing import Any

from theodora import __version__
from theodora.errors import UnusableSetting
from theodora.web.http.observe import FinishedRequest

_RESOURCE = {"service.name": "theodora", "service.version": __version__}
_SECOND_NS = 10**9
_NEEDS = (
    'otlp_endpoint needs opentelemetry-sdk, which is not installed: pip install "theodora[otel]"'
)


class Telemetry:
    """A span and a duration for each request, sent in the background to an OTLP receiver.

    The libraries' own variables, `OTEL_…`, set headers, sampling and intervals.
    """

    def __init__(self, endpoint: str) -> None:
        """`endpoint` is the URL of a receiver of OTLP over HTTP, without a path of its own.

        Raises `UnusableSetting` if the libraries are not installed.
        """
        try:
            exporters = "opentelemetry.exporter.otlp.proto.http"
            spans = import_module(f"{exporters}.trace_exporter").OTLPSpanExporter
            figures = import_module(f"{exporters}.metric_exporter").OTLPMetricExporter
            trace = import_module("opentelemetry.sdk.trace")
            export = import_module("opentelemetry.sdk.trace.export")
            metrics = import_module("opentelemetry.sdk.metrics")
            readers = import_module("opentelemetry.sdk.metrics.export")
            resources = import_module("opentelemetry.sdk.resources")
            propagation = import_module("opentelemetry.trace.propagation.tracecontext")
            self._trace: Any = import_module("opentelemetry.trace")
        except ImportError:
            raise UnusableSetting(_NEEDS) from None
        url = endpoint.rstrip("/")
        resource = resources.Resource.create(_RESOURCE)
        self._tracers: Any = trace.TracerProvider(resource=resource, shutdown_on_exit=False)
        self._tracers.add_span_processor(export.BatchSpanProcessor(spans(f"{url}/v1/traces")))
        reader = readers.PeriodicExportingMetricReader(figures(f"{url}/v1/metrics"))
        self._meters: Any = metrics.MeterProvider(
            [reader], resource=resource, shutdown_on_exit=False
        )
        self._tracer = self._tracers.get_tracer("theodora", __version__)
        self._durations = self._meters.get_meter("theodora", __version__).create_histogram(
            "http.server.request.duration", "s", "Time from a request's headers to its reply's end."
        )
        self._parent: Any = propagation.TraceContextTextMapPropagator()

    def record(self, request: FinishedRequest) -> None:
        """Records a request that has just ended, as a child of the span in its `traceparent`."""
        attributes = {
            "http.request.method": request.method,
            "http.route": request.operation,
            "http.response.status_code": request.status,
        }
        self._durations.record(request.seconds, attributes)
        carrier = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in request.headers
            if name in {b"traceparent", b"tracestate"}
        }
        span = self._tracer.start_span(
            f"{request.method} {request.operation}",
            context=self._parent.extract(carrier),
            kind=self._trace.SpanKind.SERVER,
            attributes={**attributes, "theodora.request_id": request.request_id.decode()},
            start_time=request.ended_at_ns - round(request.seconds * _SECOND_NS),
        )
        if request.status >= 500:
            span.set_status(self._trace.StatusCode.ERROR)
        span.end(request.ended_at_ns)

    def close(self) -> None:
        """Sends what is left."""
        self._tracers.shutdown()
        self._meters.shutdown()
