"""The page of goals: a form to set one, and the list to remove them from."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from theodora.errors import Invalid
from theodora.events.input import MAX_TEXT_CHARACTERS
from theodora.notifications.settings import read_name
from theodora.report.goals import (
    GOAL_METRICS,
    goal_words,
    read_goal,
    read_goal_metric,
    read_goal_subject,
)
from theodora.storage.access.permissions import WRITE
from theodora.storage.goals import Goal, GoalSubject
from theodora.web.pages.shell.page import Answer, SeeOther, View, Visit

PATH = "/goals"
_FIELDS = ("metric", "value", "service", "team")
_MOST_SERVICES = 200


class GoalRow(NamedTuple):
    """A goal as it is listed."""

    goal: Goal
    title: str
    words: str
    may_remove: bool


def show_goals(visit: Visit) -> Answer:
    return View(_values(visit))


def set_goal(visit: Visit) -> Answer:
    """Raises `NotOfTeam` for a goal of another team than those of who is signed in."""
    fields = {name: visit.form.get(name, "").strip() for name in _FIELDS}
    try:
        metric = read_goal_metric(fields["metric"])
        subject = read_goal_subject(metric, read_name(fields["service"]), read_name(fields["team"]))
        value = read_goal(metric, fields["value"])
    except Invalid as invalid:
        problems = {each.parameter or "service": each.detail for each in invalid.problems}
        return View(_values(visit, fields, problems), status=400)
    visit.require_team(visit.team_of(subject.service, subject.team))
    visit.store.goals.put(
        visit.organisation, subject, value, visit.now_ns, actor=visit.actor
    ).result()
    return SeeOther(visit.scope.link(PATH, saved="set"))


def remove_goal(visit: Visit) -> Answer:
    """Raises `NotFound` for none of the organisation, `NotOfTeam` for one of another team."""
    subject = GoalSubject(*(visit.form.get(name, "") for name in GoalSubject._fields))
    visit.require_team(visit.team_of(subject.service, subject.team))
    visit.store.goals.remove(visit.organisation, subject, actor=visit.actor).result()
    return SeeOther(visit.scope.link(PATH, saved="removed"))


def _values(
    visit: Visit,
    fields: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
) -> Mapping[str, Any]:
    goals = visit.store.goals.all_of(visit.organisation)
    teams = visit.store.settings.teams(visit.organisation)
    return {
        "rows": [_row(visit, each) for each in goals if each.subject.metric in GOAL_METRICS],
        "metrics": [(name, metric.full_title) for name, metric in GOAL_METRICS.items()],
        "fields": fields or {**dict.fromkeys(_FIELDS, ""), "metric": next(iter(GOAL_METRICS))},
        "problems": problems or {},
        "services": visit.store.settings.services(visit.organisation, limit=_MOST_SERVICES),
        "teams": sorted(set(teams.values())),
        "max_name": MAX_TEXT_CHARACTERS,
        "may_write": visit.may(WRITE),
        "saved": visit.query_parameters.get("saved", ""),
    }


def _row(visit: Visit, goal: Goal) -> GoalRow:
    metric = GOAL_METRICS[goal.subject.metric]
    may_remove = visit.may_write(visit.team_of(goal.subject.service, goal.subject.team))
    return GoalRow(goal, metric.full_title, goal_words(metric, goal.value), may_remove)
