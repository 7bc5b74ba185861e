"""Sentences about what changed and what needs you: found, worded, ordered, and linked."""

import re
from pathlib import Path
from typing import Any

import pytest

from theodora.dora import DeploymentRow, make_report, select_deployments, select_incidents
from theodora.events import Deployment, Failure
from theodora.events.values import DAY_NS, SECOND_NS
from theodora.report.deployment_sources import DeploymentSource
from theodora.report.insight import InsightFacts
from theodora.report.insight_needs import NEEDS
from theodora.report.insights import Insights, insights_of
from theodora.report.scope import read_scope
from theodora.storage.derivation.undeployed import UndeployedCommits

NOTHING = InsightFacts()
HOUR_NS = 3_600 * SECOND_NS
DAYS = 28
START_NS = 1_770_000_000 * SECOND_NS
END_NS = START_NS + DAYS * DAY_NS


def rows(service: str, count: int, *, failed: int = 0, before: bool = False, **how: Any):
    """Deployments spread evenly over the period, or over the one before; the first ones failed."""
    start_ns = START_NS - before * DAYS * DAY_NS
    lead_ns, recovery_ns = how.get("lead_ns", HOUR_NS), how.get("recovery_ns", HOUR_NS)
    for number in range(count):
        is_failed = number < failed
        yield DeploymentRow(
            id=f"{service}-{before}-{number}",
            service=service,
            team=how.get("team"),
            finished_at_ns=start_ns + (number * DAYS * DAY_NS) // count,
            lead_times_ns=tuple(lead_ns + (number + each) * SECOND_NS for each in range(3)),
            change_failure=None if number >= count - how.get("pending", 0) else is_failed,
            deployment_type="rollback" if number < how.get("rework", 0) else "standard",
            recovery_time_ns=recovery_ns + number * SECOND_NS if is_failed else None,
        )


def insights(
    *those: Any, key: str = "service", facts: InsightFacts = NOTHING, **given: str
) -> Insights:
    ends = {"from": str(START_NS // SECOND_NS), "to": str(END_NS // SECOND_NS)}
    scope = read_scope({**ends, **given}, END_NS)
    query = scope.metrics_query(group_by=(key,))
    deployments = select_deployments([row for each in those for row in each])
    return insights_of(make_report(query, deployments, select_incidents(())), key, scope, facts)


def texts(found: Insights) -> list[str]:
    return [spaced(each.text) for each in found.changes]


def needs(found: Insights) -> list[tuple[str, str]]:
    return [(each.kind, spaced(each.text)) for each in found.needs]


def spaced(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u00a0", " ")


STEADY = [*rows("steady", 60, failed=3), *rows("steady", 60, failed=3, before=True)]


STEADY_FIRST = [*rows("a", 60), *rows("a", 60, before=True)]


def test_a_service_that_fails_more_often_is_named() -> None:
    found = insights(
        STEADY, rows("search", 80, failed=20), rows("search", 80, failed=2, before=True)
    )
    assert texts(found)[0] == "search: 25.0 % of 80 deployments failed, 2.5 % before"
    (change, *_) = found.changes
    assert (change.kind, change.group, change.tone) == ("change_failure_rate", "search", "worse")
    assert change.link.startswith("/?from=")
    assert change.link.endswith("&query=service:search")
    assert change.comparison
    assert change.comparison.p_value < 0.001


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        (
            {"count": 80, "lead_ns": 9 * HOUR_NS},
            {"count": 80},
            "search: median lead time 9 h 1 min of 240 commits, 1 h 1 min before",
        ),
        (
            {"count": 80, "failed": 12, "recovery_ns": 9 * HOUR_NS},
            {"count": 80, "failed": 12},
            "search: median recovery 9 h of 12 failures, 1 h before",
        ),
        (
            {"count": 80, "rework": 20},
            {"count": 80, "rework": 2},
            "search: 25.0 % of 80 deployments were rework, 2.5 % before",
        ),
        ({"count": 80}, {"count": 20}, "search: 80 deployments, 2.9 a day, 0.7 before"),
        ({"count": 0}, {"count": 30}, "search: no deployments, 30 in the period before"),
        ({"count": 30}, {"count": 0}, "search: 30 deployments, none in the period before"),
    ],
)
def test_each_metric_has_words(now: Any, before: Any, text: str) -> None:
    found = insights(STEADY, rows("search", **now), rows("search", **before, before=True))
    assert texts(found) == [text]


def test_numbers_of_deployments_are_not_compared_before_the_record_begins() -> None:
    now, before = list(rows("web", 80)), list(rows("web", 9, before=True))
    assert texts(insights(now, before, facts=InsightFacts(begins_ns=START_NS - DAYS * DAY_NS)))
    late = InsightFacts(begins_ns=START_NS - DAYS * DAY_NS + 1)
    assert texts(insights(now, before, facts=late)) == []


def test_what_is_better_has_that_tone() -> None:
    found = insights(rows("web", 80, failed=2), rows("web", 80, failed=20, before=True))
    assert [each.tone for each in found.changes] == ["better"]


def test_a_difference_too_small_to_care_about_is_no_sentence() -> None:
    many = 4_000
    found = insights(rows("web", many, failed=120), rows("web", many, failed=40, before=True))
    assert texts(found) == []
    found = insights(rows("web", many), rows("web", many * 4 // 5, before=True))
    assert texts(found) == []
    seconds = insights(
        rows("web", 80, lead_ns=9 * 60 * SECOND_NS), rows("web", 80, lead_ns=0, before=True)
    )
    assert texts(seconds) == []


def test_everything_is_compared_besides_groups_unless_there_is_only_one() -> None:
    one = insights(rows("web", 80), rows("web", 80, before=True))
    two = insights(STEADY_FIRST, rows("web", 80), rows("web", 80, before=True))
    assert (one.compared, two.compared) == (4, 12)


def test_few_evaluated_deployments_never_have_a_rate() -> None:
    found = insights(rows("web", 9, failed=9), rows("web", 200, before=True, failed=0))
    assert {each.kind for each in found.changes} == {"deployment_frequency"}


def test_recoveries_are_not_compared_while_many_failures_are_without_a_fix() -> None:
    before = list(rows("web", 80, failed=12, before=True))
    now = list(rows("web", 80, failed=12, recovery_ns=9 * HOUR_NS))
    assert insights(before, now).changes
    unfixed = (
        DeploymentRow(
            id=f"open-{n}", service="web", finished_at_ns=START_NS + n, change_failure=True
        )
        for n in range(4)
    )
    assert "failed_deployment_recovery_time" not in {
        each.kind for each in insights(before, now, unfixed).changes
    }


def test_what_one_of_many_comparisons_finds_by_chance_is_not_reported() -> None:
    now, before = {"count": 60, "failed": 13}, {"count": 60, "failed": 2, "before": True}
    assert texts(insights(rows("search", **now), rows("search", **before)))
    others = [
        list(rows(f"other-{n}", 60, failed=3, before=when))
        for n in range(40)
        for when in (False, True)
    ]
    found = insights(*others, rows("search", **now), rows("search", **before))
    assert texts(found) == []
    assert found.compared > 120


def test_deployments_in_bursts_are_no_change() -> None:
    """Of the same number, all in one week or in every week."""

    def in_week(week: int, count: int, before: bool) -> list[DeploymentRow]:
        start_ns = START_NS - before * DAYS * DAY_NS + week * 7 * DAY_NS
        return [
            DeploymentRow(
                id=f"{before}{week}{n}", service="web", finished_at_ns=start_ns + n * HOUR_NS
            )
            for n in range(count)
        ]

    burst = [*in_week(1, 30, before=False), *in_week(2, 1, before=False)]
    assert texts(insights(burst, in_week(0, 5, before=True), in_week(2, 6, before=True))) == []
    assert texts(insights(rows("web", 31), rows("web", 11, before=True)))
    # The bursts are those of the group itself, not of another one.
    few = [*in_week(0, 5, before=True), *in_week(2, 6, before=True)]
    assert texts(insights(STEADY_FIRST, in_week(1, 60, before=False), few)) == []


def test_lead_times_of_one_large_deployment_are_no_change() -> None:
    def with_commits(at_ns: int, lead_ns: int, commits: int) -> DeploymentRow:
        return DeploymentRow(
            id=str(at_ns),
            service="web",
            finished_at_ns=at_ns,
            lead_times_ns=tuple(lead_ns + n for n in range(commits)),
        )

    usual = [
        with_commits(START_NS + (n - 14) * DAY_NS, HOUR_NS + n % 7 * SECOND_NS, 3)
        for n in range(28)
    ]
    large = [with_commits(START_NS + n, 90 * HOUR_NS, 200) for n in range(1)]
    found = insights(usual, large)
    assert texts(found) == []


def test_what_most_services_share_is_reported_once() -> None:
    names = [f"s{number}" for number in range(6)]
    now = [list(rows(name, 80, failed=24)) for name in names]
    before = [list(rows(name, 80, failed=2, before=True)) for name in names]
    found = insights(*now, *before)
    assert texts(found) == ["All services: 30.0 % of 480 deployments failed, 2.5 % before"]
    assert found.changes[0].group is None


def test_the_most_important_is_first_and_five_are_most() -> None:
    steady = [
        list(rows(f"steady-{n}", 60, failed=3, before=when))
        for n in range(20)
        for when in (False, True)
    ]
    now = [list(rows(f"s{n}", 80 + n * 20, failed=40 + n * 10)) for n in range(7)]
    before = [list(rows(f"s{n}", 80 + n * 20, failed=2, before=True)) for n in range(7)]
    found = insights(*steady, *now, *before)
    assert [each.group for each in found.changes] == ["s6", "s5", "s4", "s3", "s2"]


def test_rework_that_goes_with_failures_is_not_a_second_sentence() -> None:
    found = insights(
        STEADY, rows("web", 80, failed=20, rework=20), rows("web", 80, failed=1, before=True)
    )
    assert [each.kind for each in found.changes] == ["change_failure_rate"]


def test_teams_are_named_so_and_lead_to_their_own_page() -> None:
    now = rows("web", 80, failed=20, team="payments")
    before = rows("web", 80, failed=1, team="payments", before=True)
    found = insights(now, before, STEADY, key="team")
    (change,) = found.changes
    assert change.subject == "Team payments"
    assert "query=team:payments" in change.link
    assert "group_by=team" in change.link
    unnamed = insights(rows("web", 80, failed=20), rows("web", 80, before=True), key="team")
    assert unnamed.changes[0].subject == "No team"
    assert "_missing_:team" in unnamed.changes[0].link


@pytest.mark.parametrize("those", [[], rows("web", 1), rows("web", 1, before=True)])
def test_nothing_and_one_deployment_have_no_sentence(those: Any) -> None:
    assert insights(those) == Insights((), (), 0)


def test_a_name_cannot_break_a_line() -> None:
    name = "we\nb\u202e" + "x" * 200
    found = insights(rows(name, 80, failed=30), rows(name, 80, before=True))
    assert "\n" not in found.changes[0].text
    assert "\u202e" not in found.changes[0].text
    assert len(found.changes[0].text) < 200


def failure(hours: int, **how: Any) -> Failure:
    return Failure(services=("web",), started_at_ns=END_NS - hours * HOUR_NS, **how)


def test_open_failures_have_their_age_and_page() -> None:
    one = insights(facts=InsightFacts(open_failures=[failure(3, id="f/1", name="Checkout down")]))
    assert needs(one) == [("open_failures", "Checkout down: open for 3 h")]
    assert one.needs[0].link == "/failures/f%2F1"
    two = insights(facts=InsightFacts(open_failures=[failure(50), failure(3)]))
    assert needs(two) == [("open_failures", "Failures: 2 are open, the oldest for 2 d 2 h: web")]
    assert "_missing_:finished_at" in two.needs[0].link
    many = InsightFacts(open_failures=[failure(9), failure(3)], has_more_open=True)
    assert "more than 2 are open" in needs(insights(facts=many))[0][1]


def test_failed_deployments_without_a_fix_have_their_age() -> None:
    unfixed = DeploymentRow(
        id="x", service="web", finished_at_ns=END_NS - 5 * HOUR_NS, change_failure=True
    )
    event = Deployment(
        id="x", service="web", version="v2", started_at_ns=0, finished_at_ns=END_NS - 5 * HOUR_NS
    )
    found = insights([unfixed], facts=InsightFacts(unfixed=event))
    assert needs(found) == [("unfixed", "web v2: failed 5 h ago, without a fix yet")]
    assert found.needs[0].link == "/deployments/x"
    other = DeploymentRow(
        id="y", service="web", finished_at_ns=END_NS - 1 * HOUR_NS, change_failure=True
    )
    found = insights([unfixed, other], facts=InsightFacts(unfixed=event))
    expected = "Failed deployments: 2 have no fix yet, the oldest for 5 h: web v2"
    assert needs(found) == [("unfixed", expected)]
    assert "change_failure:true" in found.needs[0].link
    assert needs(insights([unfixed, other])) == [
        ("unfixed", "Failed deployments: 2 have no fix yet")
    ]


def test_pending_verdicts_are_counted_and_the_group_with_most_named() -> None:
    found = insights(rows("web", 9, pending=4), rows("search", 9, pending=1))
    assert needs(found) == [("pending", "Verdicts: 5 deployments pending, 4 of web")]
    found = insights(rows("web", 9, pending=4), rows("search", 9))
    assert needs(found) == [("pending", "Verdicts: 4 deployments pending, of web")]
    assert "_missing_:change_failure" in found.needs[0].link


def test_what_waits_for_a_deployment_is_reported_after_a_day() -> None:
    def waiting(service: str, days: float, commits: int = 14) -> UndeployedCommits:
        return UndeployedCommits(service, "production", commits, END_NS - int(days * DAY_NS))

    assert not needs(insights(facts=InsightFacts(undeployed=[waiting("web", 0.9)])))
    found = insights(facts=InsightFacts(undeployed=[waiting("web", 3), waiting("api", 0.5)]))
    words = "web: 14 commits merged but not deployed, the oldest for 3 d"
    assert needs(found) == [("undeployed", words)]
    assert found.needs[0].link.startswith("/services/web?")
    several = [waiting("web", 3, 1), waiting("web", 2), waiting("api", 2), waiting("pay", 1)]
    found = insights(facts=InsightFacts(undeployed=several))
    words = "web: 1 commit merged but not deployed, for 3 d; 2 other services with older than a day"
    assert needs(found) == [("undeployed", words)]


def test_silent_sources_and_what_is_not_derived_lead_to_data_health() -> None:
    silent = [
        DeploymentSource("gitlab", 9, END_NS - 3 * DAY_NS, 7_200.0, 12.0, is_stale=True),
        DeploymentSource("git", 9, END_NS - 2 * DAY_NS, 7_200.0, 12.0, is_stale=True),
    ]
    found = insights(facts=InsightFacts(silent=silent, not_derived=2))
    assert needs(found) == [
        ("not_derived", "Derivation: failed for 2 services and environments"),
        (
            "silent_sources",
            "Source gitlab: no deployment for 3 d, usually one every 2 h; 1 other silent too",
        ),
    ]
    assert [each.link.split("&")[-1] for each in found.needs] == [
        "check=derivation",
        "check=sources",
    ]


def test_the_page_lists_every_kind_of_what_needs_attention() -> None:
    text = (Path(__file__).parents[2] / "docs" / "insights.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == list(NEEDS)
