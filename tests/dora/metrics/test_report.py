"""The answer to a metrics query."""

from zoneinfo import ZoneInfo

import pytest

from golden.examples import instant_ns
from theodora.dora.derivation.stages import Stages
from theodora.dora.metrics.calendar import Calendar, Period
from theodora.dora.metrics.columns import select_deployments, select_incidents
from theodora.dora.metrics.report import MetricsQuery, Report, make_report
from theodora.dora.metrics.rows import DeploymentRow, IncidentRow
from theodora.dora.metrics.stage_means import StageMeans

FOREVER_NS = 2**63


def report(how: MetricsQuery, deployments=(), incidents=()) -> Report:
    return make_report(how, select_deployments(deployments), select_incidents(incidents))


def row(finished: str, service: str = "web", **fields) -> DeploymentRow:
    facts = {"id": finished, "service": service, "change_failure": False}
    return DeploymentRow(finished_at_ns=instant_ns(finished), **(facts | fields))


def incident(started: str, *services: str) -> IncidentRow:
    return IncidentRow(services=services, started_at_ns=instant_ns(started), is_open=True)


def query(start: str, end: str, **how) -> MetricsQuery:
    return MetricsQuery(
        period=Period(instant_ns(start), instant_ns(end)), **({"as_of_ns": FOREVER_NS} | how)
    )


MARCH = ("03-01T00:00", "04-01T00:00")
ROWS = [
    row("02-10T00:00"),
    row("03-01T00:00"),
    row("03-10T00:00", "pay"),
    row("03-31T23:59:59"),
    row("04-01T00:00"),
    row("01-01T00:00"),
]


def count(found) -> int:
    return found.deployment_frequency.count


def test_a_period_holds_its_start_and_not_its_end():
    assert count(report(query(*MARCH), ROWS).overall.total) == 3


def test_the_previous_period_is_measured_beside():
    found = report(query(*MARCH, interval="month"), ROWS)
    assert found.previous_period == Period(instant_ns("02-01T00:00"), instant_ns("03-01T00:00"))
    assert count(found.overall.previous) == 1
    assert found.overall.change["deployment_frequency"].delta == 3 / 31 - 1 / 28


def test_stages_of_an_interval_add_up_to_its_mean_lead_time():
    hour_ns = 3600 * 10**9
    rows = [
        row(
            "03-02T00:00",
            lead_times_ns=(2 * hour_ns, 4 * hour_ns),
            stages=(Stages(review_time=hour_ns, other=hour_ns), Stages(review_time=4 * hour_ns)),
        ),
        row(
            "03-03T00:00", "pay", lead_times_ns=(9 * hour_ns,), stages=(Stages(other=9 * hour_ns),)
        ),
        row("03-12T00:00"),
        row("03-30T00:00", lead_times_ns=(hour_ns,), stages=(Stages(deploy_time=hour_ns),)),
    ]
    how = query(*MARCH, interval="week", group_by=("service",))
    found = report(how, rows)
    nothing = StageMeans(0, {})
    pay, web = (group.stage_means for group in found.groups)
    assert pay == [nothing, StageMeans(1, {"other": 9 * 3600}), *[nothing] * 4]
    assert web[1] == StageMeans(2, {"review_time": 2.5 * 3600, "other": 1800})
    assert web[2:] == [*[nothing] * 3, StageMeans(1, {"deploy_time": 3600})]
    together = found.overall.stage_means[1]
    assert together == StageMeans(3, {"review_time": 5 / 3 * 3600, "other": 10 / 3 * 3600})
    means = [each.metrics.change_lead_time.mean or 0 for each in found.overall.series]
    assert means == pytest.approx([each.whole_sec for each in found.overall.stage_means])


def test_a_report_without_intervals_has_no_stages_of_them():
    assert report(query(*MARCH), ROWS).overall.stage_means == ()


def test_the_series_has_every_interval_empty_ones_too():
    found = report(query(*MARCH, interval="week"), ROWS).overall.series
    assert [count(each.metrics) for each in found] == [1, 0, 1, 0, 0, 1]
    empty = found[1].metrics
    assert (empty.deployment_frequency.per_day, empty.change_failure_rate.value) == (0, None)


def test_partial_intervals_go_by_the_part_that_has_passed():
    now_ns = instant_ns("03-10T12:00")
    found = report(query(*MARCH, interval="week", as_of_ns=now_ns), ROWS).overall
    assert found.series[2].metrics.deployment_frequency.per_day == 1 / 1.5
    assert found.series[3].metrics.deployment_frequency.per_day is None
    assert found.total.deployment_frequency.per_day == 3 / 9.5


def test_a_first_interval_counts_only_what_lies_in_the_period():
    found = report(query("03-10T06:00", "03-12T00:00", interval="week"), ROWS)
    assert [count(each.metrics) for each in found.overall.series] == [0]


def test_groups_come_sorted_and_the_overall_counts_each_event_once():
    tagged = row("03-05T00:00", custom_tags=("region:eu", "region:us"))
    found = report(query(*MARCH, group_by=("region",)), [tagged, row("03-06T00:00")])
    assert [(each.group, count(each.total)) for each in found.groups] == [
        (("(none)",), 1),
        (("eu",), 1),
        (("us",), 1),
    ]
    assert count(found.overall.total) == 2


def test_the_intervals_of_many_groups_are_their_own():
    days = [f"03-{1 + number % 31:02}T12:00" for number in range(100)]
    rows = [row(day, f"s{number:03}") for number, day in enumerate(days)]
    groups = report(query(*MARCH, interval="day", group_by=("service",)), rows).groups
    found = [[count(each.metrics) for each in group.series].index(1) for group in groups]
    assert found == [number % 31 for number in range(100)]


def test_a_group_of_the_previous_period_alone_is_shown_with_its_fall():
    found = report(query(*MARCH, group_by=("service",)), [row("02-10T00:00", "old")])
    (old,) = found.groups
    assert (count(old.total), count(old.previous)) == (0, 1)


def test_incidents_are_placed_by_their_start_and_in_each_of_their_services():
    reported = [incident("03-05T00:00", "web", "pay"), incident("04-01T00:00", "web")]
    found = report(query(*MARCH, group_by=("service",), interval="month"), (), reported)
    assert found.overall.total.incident_time_to_restore.open == 1
    assert [(each.group, each.total.incident_time_to_restore.open) for each in found.groups] == [
        (("pay",), 1),
        (("web",), 1),
    ]
    assert found.overall.series[0].metrics.incident_time_to_restore.open == 1


def test_without_group_by_the_one_group_is_everything():
    found = report(query(*MARCH), ROWS)
    assert [*found.groups] == [found.overall]


def test_without_events_there_are_no_groups():
    assert report(query(*MARCH)).groups == ()


def test_edges_are_local_midnights():
    calendar = Calendar(ZoneInfo("Europe/Berlin"))
    how = query("02-28T23:00", "03-31T22:00", interval="month", calendar=calendar)
    (march,) = report(how, ROWS).overall.series
    assert not march.bucket.is_partial
    assert march.metrics.deployment_frequency.count == 2
