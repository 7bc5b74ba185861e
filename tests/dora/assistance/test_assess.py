"""What of AI impact is shown, and what a small part of a deployment counts."""

from collections.abc import Iterable

import pytest

from theodora.dora import Period
from theodora.dora.assistance.report import MOST_GROUPS, ImpactQuery, ImpactReport, assess
from theodora.dora.assistance.shipped import ActiveDay, ShippedCommit, ShippedDeployment
from theodora.dora.assistance.weighted import (
    FEWEST_DEPLOYMENTS,
    WeightedDeployment,
    compare_rates,
)
from theodora.dora.derivation.authorship import Authorship
from theodora.errors import Invalid

WEEK_NS = 7 * 86_400 * 10**9
MONDAY_NS = 4 * 86_400 * 10**9
"""1970-01-05."""


def shipped(
    week: int,
    people: Iterable[int],
    number: str = "1",
    request: int | None = None,
    service: str = "web",
) -> ShippedDeployment:
    """A deployment in a week with an assisted commit of each person, and another of each."""
    commits = [
        ShippedCommit(Authorship(f"{one}@example.org", 0, tools), request=request)
        for one in people
        for tools in (("cursor",), ())
    ]
    return ShippedDeployment(
        id=f"{week}-{number}",
        finished_at_ns=MONDAY_NS + week * WEEK_NS,
        repository="acme/shop",
        service=service,
        commits=tuple(commits),
    )


def weekly(deployments: Iterable[ShippedDeployment], weeks: int) -> ImpactReport:
    period = Period(MONDAY_NS, MONDAY_NS + weeks * WEEK_NS)
    query = ImpactQuery(period=period, as_of_ns=period.end_ns, interval="week", level="commit")
    return assess(query, deployments, ())


def test_a_week_of_few_people_is_withheld_with_the_smallest_other_week() -> None:
    """The figures of four people are not the total less all others."""
    deployments = [shipped(0, range(4)), shipped(1, range(20)), shipped(2, range(6))]
    report = weekly(deployments, 3)
    withheld = [each.cell.withheld for each in report.series]
    assert withheld == ["too_few_people", None, "protects_others"]
    assert report.total.compared


def grouped(*keys: str, deployments: Iterable[ShippedDeployment]) -> ImpactReport:
    period = Period(MONDAY_NS, MONDAY_NS + WEEK_NS)
    query = ImpactQuery(period=period, as_of_ns=period.end_ns, level="commit", group_by=keys)
    return assess(query, deployments, ())


def test_a_group_of_few_people_is_withheld_with_the_smallest_other_group() -> None:
    """The figures of a service of four people are not the total less all other services."""
    of = {"few": range(4), "many": range(20), "some": range(6)}
    deployments = [shipped(0, people, name, service=name) for name, people in of.items()]
    report = grouped("service", deployments=deployments)
    withheld = {each.group: each.cell.withheld for each in report.groups}
    assert withheld == {("few",): "too_few_people", ("many",): None, ("some",): "protects_others"}
    assert report.total.compared
    assert [each.group for each in grouped("team", deployments=deployments).groups] == [("(none)",)]


def test_a_request_counts_in_every_group_that_shipped_it() -> None:
    deployments = [shipped(0, range(9), one, request=12, service=one) for one in ("a", "b")]
    counts = [
        each.cell.compared.assisted.request_throughput
        for each in grouped("service", deployments=deployments).groups
        if each.cell.compared
    ]
    assert [each and each.count for each in counts] == [1, 1]


def test_more_groups_than_may_be_are_refused() -> None:
    deployments = [shipped(0, (), str(one), service=str(one)) for one in range(MOST_GROUPS + 1)]
    assert len(grouped("service", deployments=deployments[1:]).groups) == MOST_GROUPS
    with pytest.raises(Invalid, match="group_by: must not make more than 200 groups"):
        grouped("service", deployments=deployments)


def test_a_request_counts_in_the_week_that_first_shipped_it() -> None:
    deployments = [shipped(week, range(9), request=12) for week in range(2)]
    counts = [
        each.cell.compared.assisted.request_throughput
        for each in weekly(deployments, 2).series
        if each.cell.compared
    ]
    assert [each and each.count for each in counts] == [1, 0]


def test_unknown_commits_are_a_part_of_a_deployment_on_neither_side() -> None:
    people = [f"{one}@example.org" for one in range(12)]
    known = [ShippedCommit(Authorship(one, day)) for one in people[:6] for day in (4, 5)]
    unknown = [ShippedCommit(Authorship(one, 4)) for one in people[6:]]
    deployment = ShippedDeployment(
        id="1",
        finished_at_ns=MONDAY_NS,
        repository="acme/shop",
        change_failure=False,
        commits=(*known, *unknown),
    )
    period = Period(MONDAY_NS, MONDAY_NS + WEEK_NS)
    query = ImpactQuery(period=period, as_of_ns=period.end_ns, level="user_day")
    activity = [ActiveDay(one, 4, "cursor") for one in people[:6]]
    compared = assess(query, [deployment], activity).total.compared
    assert compared
    sides = compared.assisted.change_failure_rate, compared.not_assisted.change_failure_rate
    assert [side.n for side in sides] == [6 / 18, 6 / 18]


def test_rates_of_fewer_than_ten_deployments_do_not_differ() -> None:
    for fewest, is_noise in ((FEWEST_DEPLOYMENTS - 1, True), (FEWEST_DEPLOYMENTS, False)):
        failed = [WeightedDeployment(1.0, 0.0, is_hit=True)] * fewest
        others = [WeightedDeployment(0.0, 1.0, is_hit=False)] * 50
        change = compare_rates([*failed, *others]).change
        assert (change.delta, change.within_noise) == (100, is_noise)
    assert FEWEST_DEPLOYMENTS == 10
