"""What a page looks at: parameters read, defaults left out, links that keep the rest."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from theodora.errors import Invalid
from theodora.query import parse
from theodora.report.scope import RANGES, Defaults, Scope, read_scope, service_path
from theodora.web.api.metrics.question import read_question

NOW = datetime(2026, 11, 19, 14, 5, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 10**9
DEFAULTS = Defaults(query="env:production")


def scope_of(query_string: str = "", prefix: str = "") -> Scope:
    return read_scope(QueryParams(query_string), NOW_NS, prefix=prefix, defaults=DEFAULTS)


def begins(scope: Scope) -> str:
    return scope.clock.local(scope.period.start_ns).isoformat()


@pytest.mark.parametrize(
    ("name", "start", "interval"),
    [
        ("24h", "2026-11-18T14:05:00+00:00", "day"),
        ("7d", "2026-11-13T00:00:00+00:00", "day"),
        ("4w", "2026-10-26T00:00:00+00:00", "week"),
        ("12w", "2026-08-31T00:00:00+00:00", "week"),
        ("26w", "2026-05-25T00:00:00+00:00", "week"),
        ("1y", "2025-12-01T00:00:00+00:00", "month"),
    ],
)
def test_a_range_begins_where_an_interval_does_and_ends_now(
    name: str, start: str, interval: str
) -> None:
    scope = scope_of(f"range={name}")
    assert begins(scope) == start
    assert scope.period.end_ns == NOW_NS
    assert scope.interval == interval


def test_weeks_begin_where_the_zone_and_the_week_start_say() -> None:
    scope = scope_of("timezone=Europe/Berlin&week_start=sunday")
    assert begins(scope) == "2026-08-30T00:00:00+02:00"


def test_the_former_name_of_the_zone_is_read_and_not_written() -> None:
    scope = scope_of("tz=Europe/Berlin")
    assert scope == scope_of("timezone=Europe/Berlin")
    assert scope.link("/") == "/?timezone=Europe%2FBerlin"


def test_dates_without_a_zone_are_in_that_of_the_page() -> None:
    scope = scope_of("from=2026-11-01&to=2026-11-08T12:30&timezone=America/New_York")
    assert begins(scope) == "2026-11-01T00:00:00-04:00"
    assert scope.range is None
    assert scope.field_dates == ("2026-11-01T00:00", "2026-11-08T12:30")


def test_what_is_default_stands_in_no_address() -> None:
    assert scope_of().link("/") == "/"
    assert scope_of("range=12w&query=env:production&timezone=UTC").link("/") == "/"
    assert scope_of("range=&from=&to=&timezone=").link("/") == "/"


def test_an_empty_query_is_every_event_and_not_the_default() -> None:
    scope = scope_of("query=")
    assert scope.query == ""
    assert scope.link("/deployments") == "/deployments?query="
    assert scope_of().query == "env:production"


def test_a_link_keeps_what_the_page_looks_at() -> None:
    scope = scope_of("range=26w&interval=month&timezone=Europe/Berlin&sort=-x")
    assert scope.link("/deployments", limit=5) == (
        "/deployments?range=26w&interval=month&timezone=Europe%2FBerlin&limit=5"
    )
    assert scope.link("/", range=None) == "/?interval=month&timezone=Europe%2FBerlin"


def test_a_link_to_dates_drops_the_range_and_the_other_way_round() -> None:
    scope = scope_of("range=26w")
    link = scope.link("/", **scope.within(scope.earlier))
    assert dict(parse_qsl(urlsplit(link).query)).keys() == {"from", "to"}
    assert scope_of(urlsplit(link).query).link("/", range="4w") == "/?range=4w"


def test_links_are_beneath_the_prefix() -> None:
    assert scope_of(prefix="/dora").link("/", range="4w") == "/dora/?range=4w"


@given(st.text(min_size=1, max_size=30))
def test_any_service_has_a_path_of_its_own(name: str) -> None:
    path = service_path(name.encode("utf-8", "replace").decode())
    assert path.startswith("/services/")
    assert path.count("/") == 2
    assert path.isascii()


@given(
    st.sampled_from([*RANGES, ""]),
    st.sampled_from(["", "day", "week", "month", "quarter"]),
    st.sampled_from(["", "Europe/Berlin", "Pacific/Auckland"]),
    st.sampled_from(["", "sunday"]),
)
def test_a_link_leads_to_the_same_scope(
    range_: str, interval: str, zone: str, week_start: str
) -> None:
    scope = scope_of(f"range={range_}&interval={interval}&timezone={zone}&week_start={week_start}")
    again = scope_of(urlsplit(scope.link("/")).query)
    assert again.period == scope.period
    assert again.calendar == scope.calendar
    assert again.interval == scope.interval


def test_fixed_dates_lead_to_the_same_period() -> None:
    scope = scope_of()
    again = scope_of(urlsplit(scope.link("/", **scope.within(scope.period))).query)
    assert again.period == scope.period
    assert again.later is None
    assert again.earlier.end_ns == scope.period.start_ns


def test_there_is_no_period_after_now() -> None:
    assert scope_of().later is None
    assert scope_of("from=2026-11-18&to=2026-11-20").later is None
    past = scope_of("from=2026-11-01&to=2026-11-08").later
    assert past is not None
    assert past.days() == 7


@pytest.mark.parametrize(
    ("asked", "taken"),
    [("range=1y&interval=day", "week"), ("from=2016-01-01&interval=day", "quarter")],
)
def test_too_many_intervals_are_put_together(asked: str, taken: str) -> None:
    scope = scope_of(asked)
    assert scope.interval == taken
    assert scope.wanted_interval == "day"
    assert scope.is_widened


def test_a_clause_is_added_by_meaning_and_not_by_text() -> None:
    scope = scope_of("query=service:a OR service:b".replace(" ", "%20"))
    assert scope.also("change_failure:true") == "service:(a OR b) change_failure:true"
    assert scope_of("query=").also("team:x") == "team:x"
    assert scope_of().also("env:production") == "env:production"
    assert parse(scope.also("a OR b")) == parse("(service:a OR service:b) (a OR b)")


@given(
    st.sampled_from(["", "2026-11-01", "2026-11-01T10:30", "2026-11-01T10:30:00.5Z", "1793500000"]),
    st.sampled_from(["", "2026-11-08", "2026-11-08T10:30+01:00", "2026-11-08 12:00", "1794000000"]),
    st.sampled_from(["", "Europe/Berlin", "Pacific/Auckland"]),
    st.sampled_from(["", "sunday"]),
)
def test_a_page_and_the_api_read_the_same_period(
    from_: str, to: str, timezone: str, week_start: str
) -> None:
    given = {"from": from_, "to": to, "timezone": timezone, "week_start": week_start}
    query = read_question(given.items(), NOW_NS).query
    scope = read_scope(given, NOW_NS)
    assert (scope.period, scope.calendar) == (query.period, query.calendar)


@pytest.mark.parametrize(
    "asked", ["from=2026-11-19&to=2026-11-19", "from=2027-01-01", "to=1900-01-01T00:00&from=1900"]
)
def test_a_period_that_is_none_is_refused(asked: str) -> None:
    with pytest.raises(Invalid):
        scope_of(asked)
