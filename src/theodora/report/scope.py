"""The scope of a page: its query, period and other shared parameters, read and linked in one place.

They have the metrics API's names. A default is not written into URLs, so that a bookmark stays
current; links within the dashboard keep the other values.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlencode

from theodora.dora.metrics.calendar import Calendar, Interval, Period, WeekStart
from theodora.dora.metrics.report import MetricsQuery
from theodora.dora.metrics.tally import Granularity
from theodora.errors import Invalid, Problem
from theodora.events import format_rfc3339
from theodora.events.values import HOUR_NS
from theodora.query import Everything, Kind, Production, Query, all_of, parse_cached, to_text
from theodora.report.clock import Clock
from theodora.report.links import PULL_REQUESTS_PATH
from theodora.report.parameters import (
    DEFAULT_WEEKS,
    Parameters,
    read_calendar,
    read_period,
    zone_named,
)
from theodora.storage import Organisation, Store

COMMON = ("query", "range", "from", "to", "interval", "timezone", "week_start")
COLUMNS = "columns"
"""Which columns a list shows; links from the list to itself keep it."""
_OLD_NAMES = {"tz": "timezone"}
"""Parameters in old bookmarks; links have the new names."""
INTERVALS: tuple[Interval, ...] = ("day", "week", "month", "quarter")
MAX_INTERVALS = 60
"""Most intervals of a chart; with more, the next larger interval is used."""


class Range(NamedTuple):
    """A period that ends now and begins where a calendar interval does."""

    label: str
    unit: Interval
    units: int
    """How many of the unit, the running one included; hours of `total`."""
    interval: Interval
    """The default interval."""


RANGES: Mapping[str, Range] = {
    "2h": Range("2 hours", "total", 2, "day"),
    "24h": Range("24 hours", "total", 24, "day"),
    "7d": Range("7 days", "day", 7, "day"),
    "4w": Range("4 weeks", "week", 4, "week"),
    "12w": Range("12 weeks", "week", 12, "week"),
    "26w": Range("26 weeks", "week", 26, "week"),
    "1y": Range("1 year", "month", 12, "month"),
}
DEFAULT_RANGE = f"{DEFAULT_WEEKS}w"

_READABLE = ":,()*@"
"""What a query string may hold as it is: searches stay readable, and pages short."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """Defaults for what a URL does not set."""

    query: str = ""
    zone: str = "UTC"
    week_start: WeekStart = "monday"


@dataclass(frozen=True, slots=True)
class Scope:
    """The events, the period and the calendar of a page."""

    query: str
    """The search, as typed; `tree` is what it means."""
    range: str | None
    """The name of a period that ends now; None where both ends are given."""
    period: Period
    interval: Interval
    wanted_interval: Interval
    """The interval asked for, which `interval` is larger than where it would cut too fine."""
    calendar: Calendar
    zone: str
    now_ns: int
    given: Mapping[str, str]
    """The shared parameters that differ from their defaults, by name."""
    defaults: Defaults
    prefix: str
    """The path prefix of the server."""
    kind: Kind = Kind.DEPLOYMENT
    """What the search is about: pull requests have fields of their own."""
    path: str = ""
    """Of the page, without the prefix."""
    columns: str | None = None
    """The names of its columns, with commas between; None where the address names none."""

    @property
    def tree(self) -> Query:
        """Raises `Invalid` with the position of an error in the query."""
        return parse_cached(self.query, self.kind)

    @property
    def clock(self) -> Clock:
        return Clock(self.calendar, self.now_ns)

    @property
    def is_widened(self) -> bool:
        return self.interval != self.wanted_interval

    @property
    def days(self) -> float:
        return self.period.days(self.now_ns)

    @property
    def ranges(self) -> Mapping[str, Range]:
        return RANGES

    @property
    def range_label(self) -> str:
        """`12 weeks`, `10 days`."""
        if self.range:
            return RANGES[self.range].label
        days = round(self.period.days(), 1)
        return "1 day" if days == 1 else f"{days:g} days"

    def metrics_query(
        self,
        *,
        group_by: tuple[str, ...] = (),
        interval: Interval | None = None,
        granularity: Granularity = "commit",
        stages: bool = False,
    ) -> MetricsQuery:
        """The question to the metrics engine; `interval` is the page's unless one is named."""
        return MetricsQuery(
            period=self.period,
            as_of_ns=self.now_ns,
            interval=interval or self.interval,
            calendar=self.calendar,
            group_by=group_by,
            granularity=granularity,
            stages=stages,
        )

    def link(self, path: str, **parameters: Any) -> str:
        """A URL of the dashboard that keeps what this page looks at.

        `parameters` are the target's own, or shared ones in place of this page's; None
        drops one. `from_` is `from`.
        """
        named = {name.rstrip("_"): value for name, value in parameters.items()}
        if named.keys() & {"range", "from", "to"}:
            named = {"range": None, "from": None, "to": None, **named}
        merged = {**self._given_to(path), **named}
        defaults = {
            "query": self.defaults.query,
            "timezone": self.defaults.zone,
            "week_start": self.defaults.week_start,
            "range": DEFAULT_RANGE,
        }
        kept = {
            name: str(value)
            for name, value in merged.items()
            if value is not None and str(value) != defaults.get(name)
        }
        encoded = urlencode(kept, safe=_READABLE)
        return self.href(path) + (f"?{encoded}" if encoded else "")

    def _given_to(self, path: str) -> Mapping[str, str]:
        """What a link to the path keeps.

        A search of pull requests means nothing elsewhere, and columns nothing on another page.
        """
        if self.columns is not None and path == self.path:
            return {**self.given, COLUMNS: self.columns}
        if self.kind is Kind.PULL_REQUEST and not path.startswith(PULL_REQUESTS_PATH):
            return {name: value for name, value in self.given.items() if name != "query"}
        return self.given

    def href(self, path: str) -> str:
        """The URL of a path, whose names the caller has quoted (`service_path`)."""
        return self.prefix + path

    def also(self, *clauses: str | Query) -> str:
        """The text of this page's query and `clauses`, each a query's text or tree."""
        trees = (
            parse_cached(each, self.kind) if isinstance(each, str) else each for each in clauses
        )
        narrowing = [tree for tree in (self.tree, *trees) if tree != Everything()]
        return to_text(all_of(dict.fromkeys(narrowing))) if narrowing else ""

    def within(self, period: Period) -> dict[str, str]:
        """Parameters of a link to only `period`."""
        return {"from_": self._iso(period.start_ns), "to": self._iso(period.end_ns)}

    def _iso(self, instant_ns: int) -> str:
        """`2026-11-09` where a day of the page begins, else `2026-11-09T14:00Z`."""
        if self.calendar.is_edge(instant_ns, "day"):
            return f"{self.calendar.local_date(instant_ns)}"
        return _iso(instant_ns)

    @property
    def earlier(self) -> Period:
        """The period of the same length before this one."""
        length = self.period.end_ns - self.period.start_ns
        return Period(self.period.start_ns - length, self.period.start_ns)

    @property
    def later(self) -> Period | None:
        """The period of the same length after this one; None if that is all to come."""
        length = self.period.end_ns - self.period.start_ns
        if self.period.end_ns >= self.now_ns:
            return None
        return Period(self.period.end_ns, self.period.end_ns + length)

    @property
    def field_dates(self) -> tuple[str, str]:
        """Both ends as date-time fields of a form have them, in the zone of the page."""
        ends = (self.period.start_ns, self.period.end_ns)
        start, end = (f"{self.clock.local(instant):%Y-%m-%dT%H:%M}" for instant in ends)
        return start, end

    @property
    def api_parameters(self) -> dict[str, str]:
        """The same question to `/api/v2/dora/metrics`."""
        return {
            "from": format_rfc3339(self.period.start_ns),
            "to": format_rfc3339(self.period.end_ns),
            "query": self.query,
            "interval": self.interval,
            "timezone": self.zone,
            "week_start": self.calendar.week_start,
        }


def service_path(service: str) -> str:
    """`/services/web`; whatever the name holds is quoted."""
    return f"/services/{quote(service, safe='')}"


def service_of(path: str) -> str:
    """The service whose path that is: quoted, it may hold any character."""
    return unquote(path.removeprefix("/services/"))


def dashboard_defaults(store: Store, org: Organisation) -> Defaults:
    """Those of pages: the search is for production, if the organisation has any."""
    return Defaults(query=to_text(Production()) if store.settings.has_production(org) else "")


def column_names(given: Iterable[str]) -> list[str]:
    """The names of columns in parameters, each once: a form sends one for each of its boxes."""
    names = (name.strip() for text in given for name in text.split(","))
    return list(dict.fromkeys(name for name in names if name))


def read_scope(
    parameters: Mapping[str, str],
    now_ns: int,
    *,
    prefix: str = "",
    defaults: Defaults = Defaults(),
    kind: Kind = Kind.DEPLOYMENT,
    path: str = "",
    columns: str | None = None,
) -> Scope:
    """The scope of a URL's parameters; `Invalid` names the wrong parameter."""
    given = _given(parameters)
    asked = Parameters(given)
    fallback = Calendar(zone_named(defaults.zone), defaults.week_start)
    calendar = read_calendar(asked, fallback)
    range_, period = _period(asked, calendar, now_ns)
    wanted: Interval = asked.choice("interval", INTERVALS, _usual_interval(range_, period))
    asked.check()
    return Scope(
        query=given.get("query", defaults.query),
        range=range_,
        period=period,
        interval=_wide_enough(period, wanted, calendar),
        wanted_interval=wanted,
        calendar=calendar,
        zone=given.get("timezone", defaults.zone),
        now_ns=now_ns,
        given=given,
        defaults=defaults,
        prefix=prefix,
        kind=kind,
        path=path,
        columns=columns,
    )


def _given(parameters: Mapping[str, str]) -> Mapping[str, str]:
    """The parameters without empty fields of forms, except an empty query: that is every event."""
    named = {_OLD_NAMES.get(name, name): text.strip() for name, text in parameters.items()}
    texts = {name: named[name] for name in COMMON if name in named}
    return {name: text for name, text in texts.items() if text or name == "query"}


def _period(asked: Parameters, calendar: Calendar, now_ns: int) -> tuple[str | None, Period]:
    if asked.given("from") or asked.given("to"):
        return None, read_period(asked, calendar, now_ns)
    name = asked.choice("range", tuple(RANGES), DEFAULT_RANGE)
    return name, Period(_start_ns(RANGES[name], calendar, now_ns), now_ns)


def _start_ns(range_: Range, calendar: Calendar, now_ns: int) -> int:
    if range_.unit == "total":
        return now_ns - range_.units * HOUR_NS
    return calendar.start_of_last(range_.units, range_.unit, now_ns)


def _iso(instant_ns: int) -> str:
    """`2026-11-09T14:00Z`: as short as is exact."""
    text = format_rfc3339(instant_ns)
    return text.replace(":00Z", "Z") if text.count(":") == 2 else text


def _usual_interval(range_: str | None, period: Period) -> Interval:
    if range_ is not None:
        return RANGES[range_].interval
    days = period.days()
    return "day" if days <= 14 else "week" if days <= 200 else "month"


def _wide_enough(period: Period, wanted: Interval, calendar: Calendar) -> Interval:
    for interval in INTERVALS[INTERVALS.index(wanted) :]:
        count = sum(1 for _ in islice(calendar.intervals(period, interval), MAX_INTERVALS + 1))
        if count <= MAX_INTERVALS:
            return interval
    detail = f"must not be more than {MAX_INTERVALS} quarters before the end of the period"
    raise Invalid(Problem(detail, parameter="from"))
