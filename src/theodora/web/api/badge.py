"""Badges: a metric of a service as an image, for everyone who knows the organisation's token."""

from typing import Annotated

from msgspec import Meta, Struct

from theodora.dora.metrics.calendar import Period
from theodora.dora.metrics.groups import name_of
from theodora.dora.metrics.report import MetricsQuery
from theodora.dora.metrics.table import METRICS
from theodora.errors import NotFound
from theodora.events.values import DAY_NS
from theodora.query import And, Production
from theodora.report.badge import badge_svg
from theodora.report.metric_words import Described
from theodora.web.api.metrics.event_queries import clause_of
from theodora.web.http.operations import Request
from theodora.web.http.responses import SVG, Reply

DAYS = 28
"""The length of the window up to now."""

_HEADERS = (
    (b"cache-control", b"max-age=300"),
    # Opened by itself, an image is a document.
    (b"content-security-policy", b"default-src 'none'"),
    (b"x-content-type-options", b"nosniff"),
)


class BadgePath(Struct, frozen=True):
    """The names in the path of a badge."""

    service: Annotated[str, Meta(description="The service's name.", min_length=1)]
    metric: Annotated[str, Meta(description="The name of a metric.")]


class BadgeParameters(Struct, frozen=True):
    """The parameter of a badge."""

    token: Annotated[str, Meta(description="The organisation's token of the setting `badges`.")]


def get_badge(request: Request) -> Reply:
    """The metric over the last days in production; a service that is not known has no data."""
    name = request.path_parameters["metric"]
    metric = next((each for each in METRICS if each.name == name), None)
    if metric is None:
        raise NotFound("there is no such metric")
    now_ns = request.now_ns
    query = MetricsQuery(period=Period(now_ns - DAYS * DAY_NS, now_ns), as_of_ns=now_ns)
    service = clause_of("service", name_of(request.path_parameters["service"]))
    report = request.store.metrics.report(request.organisation, query, And((Production(), service)))
    described = Described(metric, report.overall.total)
    value = described.words if described.parts else "no data"
    return Reply(200, badge_svg(metric.title.lower(), value).encode(), SVG, _HEADERS)
