"""The metrics of a set of events."""

from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.shop import HOUR, HOUR_NS, shop
from golden.examples import instant_ns
from pooling import pooled
from theodora.dora.derivation.stages import Stages
from theodora.dora.metrics.calendar import DAY_NS, Calendar, Period
from theodora.dora.metrics.columns import select_deployments, select_incidents
from theodora.dora.metrics.metrics import Metrics
from theodora.dora.metrics.report import MetricsQuery, make_report
from theodora.dora.metrics.rows import DeploymentRow, IncidentRow, deployment_row


def row(id_: str = "d", **fields) -> DeploymentRow:
    facts = {"service": "web", "finished_at_ns": instant_ns("10:00"), "change_failure": False}
    return DeploymentRow(id=id_, **(facts | fields))


def incident(hours: float | None) -> IncidentRow:
    span_ns = None if hours is None else int(hours * HOUR_NS)
    return IncidentRow(started_at_ns=0, is_open=hours is None, time_to_restore_ns=span_ns)


def measured(*rows: DeploymentRow, incidents=(), **how):
    return pooled(rows, incidents, **how)


def test_frequency_is_exact_and_never_rounded():
    found = measured(row("d1"), row("d2"), days=3).deployment_frequency
    assert found.per_day == 2 / 3
    assert found.per_week == pytest.approx(14 / 3)
    assert found.per_month == pytest.approx(2 / 3 * 30.436875)


def test_an_empty_period_has_frequency_0():
    assert measured(days=7).deployment_frequency.per_day == 0


def test_a_period_yet_to_come_has_no_frequency():
    assert measured(row(), days=0).deployment_frequency.per_day is None


def test_active_days_are_local_dates():
    rows = [row(finished_at_ns=instant_ns(time)) for time in ("10:00", "22:30", "23:30")]
    assert measured(*rows).deployment_frequency.active_days == 1
    berlin = Calendar(ZoneInfo("Europe/Berlin"))
    assert measured(*rows, calendar=berlin).deployment_frequency.active_days == 2


ROWS = [
    row("d1", lead_times_ns=(HOUR_NS, 2 * HOUR_NS, 6 * HOUR_NS)),
    row("d2", lead_times_ns=(9 * HOUR_NS,)),
    row("d3"),
]


def test_lead_time_pools_the_commits_of_all_deployments():
    found = measured(*ROWS).change_lead_time
    assert (found.n, found.p50, found.mean) == (4, 4 * HOUR, 4.5 * HOUR)


def test_lead_time_by_deployment_takes_the_mean_of_each():
    found = measured(*ROWS, granularity="deployment").change_lead_time
    assert (found.n, found.mean, found.p50) == (2, 6 * HOUR, 6 * HOUR)


def test_pending_deployments_are_in_neither_part_of_a_rate():
    found = measured(row(change_failure=True), row(), row(change_failure=None))
    rate = found.change_failure_rate
    assert (rate.hits, rate.n, rate.pending, rate.value) == (1, 2, 1, 0.5)
    assert 0 < rate.low < 0.5 < rate.high < 1


def test_a_rate_without_verdicts_has_no_value():
    rate = measured(row(change_failure=None)).change_failure_rate
    assert (rate.value, rate.low, rate.high) == (None, None, None)


def test_rework_counts_remediations_and_tags_once():
    found = measured(
        row(deployment_type="rollback"),
        row(deployment_type="rollforward", custom_tags=("rework:true",)),
        row(custom_tags=("rework:true",)),
        row(custom_tags=("rework:false",)),
    ).deployment_rework_rate
    assert (found.hits, found.n, found.value) == (3, 4, 0.75)


def test_rework_that_is_pending_is_not_counted_so_that_the_rate_stays_a_rate():
    found = measured(row(deployment_type="rollback", change_failure=None))
    assert found.deployment_rework_rate.value is None
    assert found.deployment_rework_rate.hits == 0


FAILURES = [
    row("d1", change_failure=True, recovery_time_ns=HOUR_NS),
    row("d2", change_failure=True, recovery_time_ns=0),
    row("d3", change_failure=True),
]


def test_recovery_is_of_the_remedied_and_counts_the_others():
    found = measured(*FAILURES).failed_deployment_recovery_time
    assert (found.n, found.p50, found.open) == (2, HOUR / 2, 1)


def test_restoring_is_of_the_ended_and_counts_the_open():
    found = measured(incidents=[incident(2), incident(4), incident(None)]).incident_time_to_restore
    assert (found.n, found.mean, found.open) == (2, 3 * HOUR, 1)


def test_an_incident_that_ends_before_it_starts_is_neither_ended_nor_open():
    backwards = IncidentRow(started_at_ns=0, is_open=False)
    found = measured(incidents=[backwards]).incident_time_to_restore
    assert (found.n, found.open) == (0, 0)


def test_stages_have_numbers_of_their_own():
    rows = [
        row(
            lead_times_ns=(HOUR_NS, HOUR_NS),
            stages=(Stages(review_time=HOUR_NS, other=0), Stages(other=HOUR_NS)),
        ),
        row(lead_times_ns=(3 * HOUR_NS,), stages=(Stages(review_time=3 * HOUR_NS),)),
    ]
    found = measured(*rows, stages=True).change_lead_time.stages
    assert (found["review_time"].n, found["review_time"].mean) == (2, 2 * HOUR)
    assert (found["other"].n, found["merge_time"].n) == (2, 0)
    assert found["merge_time"].p50 is None


def test_stages_are_told_only_where_they_are_asked_for():
    assert "stages" not in msgspec.to_builtins(measured(*ROWS).change_lead_time)


def test_a_row_carries_what_was_derived():
    found = shop(
        "d0 09:30 sha=a\nd1 11:00 sha=b tags=region:eu\nd2 12:00 sha=a",
        commits="a 09:00\nb 10:00 <a",
    )
    assert deployment_row(found["d1"]) == DeploymentRow(
        id="d1",
        service="shop",
        env="production",
        repository_id="github.com/acme/shop",
        custom_tags=("region:eu",),
        finished_at_ns=instant_ns("11:00"),
        lead_times_ns=(HOUR_NS,),
        stages=(Stages(time_to_deploy=HOUR_NS, other=0),),
        change_failure=True,
        recovery_time_ns=HOUR_NS,
    )


def change(now: list[DeploymentRow], before: list[DeploymentRow]):
    """Between a week and the one before."""
    start_ns = instant_ns("10:00")
    week = Period(start_ns, start_ns + 7 * DAY_NS)
    rows = [msgspec.structs.replace(each, finished_at_ns=start_ns) for each in now] + [
        msgspec.structs.replace(each, finished_at_ns=start_ns - 1) for each in before
    ]
    query = MetricsQuery(period=week, as_of_ns=week.end_ns)
    report = make_report(query, select_deployments(rows), select_incidents(()))
    return dict(report.overall.change)


def rows_of(count: int, lead_times: range, recovery_times: list[int], rework: int):
    second_ns = 10**9
    return [
        row(
            change_failure=number < len(recovery_times),
            recovery_time_ns=dict(enumerate(recovery_times)).get(number, 0) * second_ns,
            lead_times_ns=tuple(each * second_ns for each in lead_times) if not number else (),
            deployment_type="rollback" if number < rework else "standard",
        )
        for number in range(count)
    ]


NOW = rows_of(20, range(10, 20), [10, 20], rework=10)
BEFORE = rows_of(10, range(10), [5, 15], rework=0)


def test_changes_are_differences_and_shares_of_the_figure_before():
    found = change(NOW, BEFORE)
    assert found["deployment_frequency"].delta == pytest.approx(10 / 7)
    assert found["deployment_frequency"].relative == pytest.approx(1)
    assert (found["change_lead_time"].delta, found["change_lead_time"].relative) == (10, 10 / 4.5)


def test_changes_of_rates_are_in_points():
    found = change(NOW, BEFORE)["change_failure_rate"]
    assert found.delta == pytest.approx(-10)
    assert found.relative == pytest.approx(-0.5)


def test_a_change_from_nothing_has_no_share():
    found = change(NOW, BEFORE)["deployment_rework_rate"]
    assert (found.delta, found.relative) == (50, None)


def test_changes_tell_what_is_more_than_chance():
    within_noise = {name: each.within_noise for name, each in change(NOW, BEFORE).items()}
    assert (
        within_noise.items()
        >= {
            "deployment_frequency": True,
            "change_lead_time": False,
            "change_failure_rate": True,
            "failed_deployment_recovery_time": True,
            "deployment_rework_rate": False,
            "incident_time_to_restore": True,
        }.items()
    )


def test_without_a_figure_before_there_is_no_change():
    found = change(NOW, [])
    count = found.pop("deployment_frequency")
    assert (count.delta, count.relative, count.within_noise) == (20 / 7, None, False)
    assert all((each.delta, each.relative) == (None, None) for each in found.values())
    assert all(each.within_noise for each in found.values())


def test_changes_are_named_as_the_metrics():
    assert list(change(NOW, BEFORE)) == list(Metrics.__struct_fields__)


spans = st.lists(st.integers(0, 10**15), max_size=4).map(tuple)
rows = st.builds(
    DeploymentRow,
    id=st.just("d"),
    service=st.sampled_from(["web", "pay"]),
    finished_at_ns=st.just(0),
    lead_times_ns=spans,
    change_failure=st.sampled_from([True, False, None]),
)


@given(st.lists(rows), st.lists(rows))
def test_totals_pool_the_events_of_their_parts(some, others):
    parts = [pooled(each) for each in (some, others)]
    whole = pooled(some + others)
    assert whole.change_failure_rate.hits == sum(part.change_failure_rate.hits for part in parts)
    assert whole.change_lead_time.n == sum(part.change_lead_time.n for part in parts)
    total_sec = sum((part.change_lead_time.mean or 0) * part.change_lead_time.n for part in parts)
    assert (whole.change_lead_time.mean or 0) * whole.change_lead_time.n == pytest.approx(total_sec)
