"""The handler of insights: what changed and what needs attention, as sentences."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from theodora.dora.metrics.calendar import Period
from theodora.events import format_rfc3339
from theodora.query import Everything
from theodora.query.parser import MAX_CHARACTERS
from theodora.report.insight import Comparison, Insight
from theodora.report.insight_facts import read_insights
from theodora.report.insights import FALSE_DISCOVERIES
from theodora.report.parameters import known_parameters
from theodora.report.scope import (
    COMMON,
    DEFAULT_RANGE,
    RANGES,
    Scope,
    dashboard_defaults,
    read_scope,
)
from theodora.report.wording import Tone
from theodora.storage import Organisation, Store
from theodora.web.api.metrics.parameters import ENDS, FirstDay, Zone, named_problems
from theodora.web.api.metrics.question import read_tree
from theodora.web.api.metrics.question_meta import Bounds, QuestionMeta, bounds_of
from theodora.web.api.wire import Resource
from theodora.web.http.operations import Request
from theodora.web.http.responses import Reply

TYPE = "dora_insights"

Grouping = Literal["service", "team"]
_Range = Literal["2h", "24h", "7d", "4w", "12w", "26w", "1y"]

_encode = msgspec.json.Encoder().encode


class InsightsParameters(Struct, frozen=True, rename={"from_": "from"}):
    """The parameters of a request for insights, for schemas: those of the overview."""

    range: Annotated[
        _Range, Meta(description="A period that ends now, unless `from` or `to` is given.")
    ] = "12w"
    from_: Annotated[str, Meta(description=f"The start, included: {ENDS}.")] | UnsetType = UNSET
    to: Annotated[str, Meta(description=f"The end, not included: {ENDS}.")] | UnsetType = UNSET
    query: (
        Annotated[
            str,
            Meta(
                description="Which events count, see the search language. Default: all.",
                max_length=MAX_CHARACTERS,
            ),
        ]
        | UnsetType
    ) = UNSET
    group_by: Annotated[Grouping, Meta(description="What sentences are about.")] = "service"
    interval: (
        Annotated[
            Literal["day", "week", "month", "quarter"],
            Meta(
                description="A period of such intervals is compared with as many before it. "
                "Default: by the length of the period."
            ),
        ]
        | UnsetType
    ) = UNSET
    timezone: Zone = "UTC"
    week_start: FirstDay = "monday"


_PARAMETERS = InsightsParameters.__struct_encode_fields__


class ComparedAttributes(Struct, frozen=True):
    """A metric against the same of the period before."""

    metric: str
    now: Mapping[str, Any]
    """Its figures, as `GetDORAMetrics` has them."""
    before: Mapping[str, Any]
    p_value: float
    """How likely chance alone makes such a difference, before regard to the other comparisons."""


class InsightAttributes(Struct, frozen=True):
    """A sentence about a change, or about what needs attention."""

    kind: str
    """A metric, or `open_failures`, `unfixed`, `not_derived`, `silent_sources`, `pending`."""
    is_change: bool
    """Whether it is about a change; the others are facts."""
    group: str | None
    """The service or team; null for everything."""
    sentence: str
    tone: Tone
    """Whether that is better or worse; empty for neither."""
    path: str
    """The page of the dashboard that shows it, with its search."""
    comparison: ComparedAttributes | None
    """Of a change."""


class InsightsMeta(QuestionMeta, frozen=True):
    """The question, with all defaults."""

    group_by: Grouping
    query: str
    compared: int
    """How many metrics of groups were compared."""
    false_discovery_rate: float
    """The share of false ones among all changes that are found."""


def list_insights(request: Request) -> Reply:
    given = request.query_parameters.multi_items()
    scope, key = read_question(request.store, request.organisation, given, request.now_ns)
    report, found = read_insights(request.store, request.organisation, key, scope)
    changes = [_resource(each, is_change=True) for each in found.changes]
    needs = [_resource(each, is_change=False) for each in found.needs]
    meta = _meta(scope, key, report.previous_period, found.compared)
    return Reply(200, _encode({"data": [*changes, *needs], "meta": meta}))


def read_question(
    store: Store, organisation: Organisation, given: Iterable[tuple[str, str]], now_ns: int
) -> tuple[Scope, Grouping]:
    """The period, search and calendar, as the overview has them; raises `Invalid`."""
    with named_problems():
        return _read(store, organisation, given, now_ns)


def _read(
    store: Store, organisation: Organisation, given: Iterable[tuple[str, str]], now_ns: int
) -> tuple[Scope, Grouping]:
    parameters = known_parameters(given, _PARAMETERS)
    key: Grouping = parameters.choice("group_by", get_args(Grouping), "service")
    parameters.choice("range", tuple(RANGES), DEFAULT_RANGE)
    parameters.read("query", read_tree, Everything())
    parameters.check()
    common = {name: parameters.given(name) for name in COMMON}
    # Links say so where the dashboard would look at production only.
    defaults = dashboard_defaults(store, organisation)
    return read_scope(common, now_ns, defaults=defaults), key


def _resource(found: Insight, *, is_change: bool) -> Resource:
    name = found.kind if found.group is None else f"{found.kind}:{found.group}"
    compared = None if found.comparison is None else _compared(found.comparison)
    attributes = InsightAttributes(
        found.kind, is_change, found.group, found.text, found.tone, found.link, compared
    )
    return Resource(name, TYPE, attributes)


def _compared(found: Comparison) -> ComparedAttributes:
    metric = found.metric
    now, before = (msgspec.to_builtins(each[metric]) for each in (found.now, found.before))
    return ComparedAttributes(metric.name, now, before, found.p_value)


def _meta(scope: Scope, key: Grouping, previous: Period, compared: int) -> InsightsMeta:
    from_, to = bounds_of(scope.period)
    return InsightsMeta(
        from_=from_,
        to=to,
        previous=Bounds(*bounds_of(previous)),
        as_of=format_rfc3339(scope.now_ns),
        timezone=scope.zone,
        week_start=scope.calendar.week_start,
        interval=scope.interval,
        group_by=key,
        query=scope.query,
        compared=compared,
        false_discovery_rate=FALSE_DISCOVERIES,
    )
