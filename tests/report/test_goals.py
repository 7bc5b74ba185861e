"""Goals: how they are written, put into words, chosen and drawn."""

import pytest

from theodora.dora.metrics.table import metric_named
from theodora.errors import Invalid
from theodora.query import parse
from theodora.report.charts.goal import GoalLine, goal_drawn, highest_with
from theodora.report.goals import (
    EXAMPLES,
    GOAL_METRICS,
    goal_words,
    goals_for,
    read_goal,
    read_goal_metric,
    read_goal_subject,
    subject_of,
)
from theodora.storage.goals import Goal, GoalSubject

LEAD, RATE, FREQUENCY = map(
    metric_named, ("change_lead_time", "change_failure_rate", "deployment_frequency")
)
DAY = 86_400.0


@pytest.mark.parametrize(
    ("metric", "text", "value", "words"),
    [
        (LEAD, "2d", 2 * DAY, "2 d"),
        (LEAD, " 1 D 12 h ", 1.5 * DAY, "1 d 12 h"),
        (LEAD, "90 min", 5_400, "1 h 30 min"),
        (RATE, "5 %", 0.05, "5.0 %"),
        (RATE, "0.5%", 0.005, "0.5 %"),
        (FREQUENCY, "3 a week", 3 / 7, "3.0 a week"),
        (FREQUENCY, "2 per day", 2, "2.0 a day"),
        (FREQUENCY, "1/month", 12 / 365.25, "1.0 a month"),
        (FREQUENCY, "0.5 a month", 6 / 365.25, "0.5 a month"),
    ],
)
def test_a_goal_is_read_and_said(metric: object, text: str, value: float, words: str) -> None:
    assert read_goal(metric, text) == pytest.approx(value)
    said = goal_words(metric, value).replace("\u202f", " ").replace("\u00a0", " ")
    assert said == words


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        *((LEAD, text) for text in ("", "2", "soon", "5 %", "-2d", "0d", "11000d", "1e9d")),
        *((RATE, text) for text in ("", "0 %", "5", "101 %", "%", "5 percent")),
        *((FREQUENCY, text) for text in ("", "3", "3 a year", "0 a day", "99999 a day")),
    ],
)
def test_what_is_no_goal_is_refused_with_an_example(metric: object, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_goal(metric, text)
    (problem,) = refused.value.problems
    assert problem.parameter == "value"
    assert problem.detail.endswith(EXAMPLES[metric.shape.unit])


def test_a_goal_is_for_a_service_or_a_team_of_a_metric_that_is_known() -> None:
    assert read_goal_metric("lead_time") is read_goal_metric("change_lead_time") is LEAD
    for metric, service, team in (("incident_time_to_restore", "", ""), ("lead_time", "a", "b")):
        with pytest.raises(Invalid):
            read_goal_subject(read_goal_metric(metric), service, team)


def test_the_most_specific_goal_is_shown() -> None:
    def goal(value: float, service: str = "", team: str = "", metric: str = LEAD.name) -> Goal:
        return Goal(GoalSubject(metric, service, team), value, 1, "ada")

    goals = [goal(1), goal(2, team="pay"), goal(3, service="web"), goal(4, metric=RATE.name)]
    for order in (goals, goals[::-1]):
        shown = {
            subject: goals_for(order, *subject)[LEAD.name]
            for subject in (("web", "pay"), ("api", "pay"), ("", "pay"), ("api", ""), ("", ""))
        }
        assert list(shown.values()) == [3, 2, 2, 1, 1]
        assert goals_for(order, "web", "pay")[RATE.name] == 4
    assert goals_for([goal(2, team="pay")], "web", "other") == {}


@pytest.mark.parametrize(
    ("query", "subject"),
    [
        ("*", ("", "")),
        ("team:pay", ("", "pay")),
        ("is:production team:pay service:web", ("web", "pay")),
        ("team:pay OR team:web", ("", "")),
        ("-team:pay", ("", "")),
    ],
)
def test_a_search_is_about_one_service_or_team(query: str, subject: tuple[str, str]) -> None:
    assert subject_of(parse(query)) == subject


def test_a_goal_far_beyond_is_named_and_flattens_nothing() -> None:
    near, far = GoalLine(20, "2 d"), GoalLine(21, "2 d")
    assert (highest_with(near, 10), highest_with(far, 10), highest_with(None, 10)) == (20, 10, 10)
    assert 'class="goal"' in goal_drawn(near, 40, is_above=False)
    above = goal_drawn(far, 0, is_above=True)
    assert "goal 2 d ↑" in above
    assert "<line" not in above
    assert goal_drawn(None, 0, is_above=False) == ""
    assert set(GOAL_METRICS) >= {LEAD.name, RATE.name, FREQUENCY.name}
