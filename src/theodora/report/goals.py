"""Goals: read from what people write, put into words, and chosen for the charts of a page."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from theodora.dora.metrics.table import DORA_METRICS, Metric
from theodora.errors import Invalid, Problem
from theodora.query import And, Equals, Query, resolve
from theodora.query.operands import seconds
from theodora.report import wording
from theodora.storage.goals import Goal, GoalSubject

EXAMPLES: Mapping[str, str] = {"seconds": "2d or 90m", "share": "5 %", "per day": "3 a week"}
"""How a goal of a metric is written, by the unit of its shape."""
GOAL_METRICS: Mapping[str, Metric[Any]] = {metric.name: metric for metric in DORA_METRICS}
"""Those that can have a goal, by name."""

_PER_DAY = {"day": 1.0, "week": 1 / 7, "month": 12 / 365.25}
_FREQUENCY = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(?:a|per|/)\s*(day|week|month)")
_SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")
_MOST_SECONDS = 10 * 365 * wording.DAY_SEC
_MOST_A_DAY = 10_000


def read_goal_metric(name: str) -> Metric[Any]:
    """The metric of this name, in full or as in addresses. Raises `Invalid`."""
    for metric in DORA_METRICS:
        if name in {metric.name, metric.key}:
            return metric
    raise Invalid(Problem(f'must be one of "{" ".join(GOAL_METRICS)}"', parameter="metric"))


def read_goal(metric: Metric[Any], text: str) -> float:
    """The value that a text gives: `2d`, `5 %`, `3 a week`. Raises `Invalid`."""
    return check_goal(metric, _READ[metric.shape.unit](text.strip().lower()))


def check_goal(metric: Metric[Any], value: float | None) -> float:
    """A value in the unit of the metric: seconds, a share of 1, deployments a day.

    Raises `Invalid` for None and for what nobody aims at.
    """
    unit = metric.shape.unit
    most = {"seconds": _MOST_SECONDS, "share": 1, "per day": _MOST_A_DAY}[unit]
    if value is None or not 0 < value <= most:
        raise Invalid(Problem(f"must be a value such as {EXAMPLES[unit]}", parameter="value"))
    return value


def read_goal_subject(metric: Metric[Any], service: str, team: str) -> GoalSubject:
    """Raises `Invalid` for both a service and a team."""
    if service and team:
        raise Invalid(Problem("give a service or a team, not both", parameter="team"))
    return GoalSubject(metric.name, service, team)


def goal_words(metric: Metric[Any], value: float) -> str:
    """`2 d`, `5.0 %`, `3.0 a week`."""
    match metric.shape.unit:
        case "seconds":
            return wording.duration(value)
        case "share":
            return wording.percent(value)
        case "per day":
            unit = next((unit for unit, one in _PER_DAY.items() if value >= one), "month")
            return f"{wording.decimal(value / _PER_DAY[unit])}\u00a0a {unit}"


def goals_for(goals: Iterable[Goal], service: str, team: str) -> dict[str, float]:
    """By metric, those of the service, else of the team, else of everything."""
    found: dict[str, tuple[int, float]] = {}
    for goal in goals:
        of = goal.subject
        rank = 2 if of.service else 1 if of.team else 0
        is_of_it = of.service in {"", service} and of.team in {"", team}
        if is_of_it and rank >= found.get(of.metric, (0, 0))[0]:
            found[of.metric] = rank, goal.value
    return {metric: value for metric, (_, value) in found.items()}


def subject_of(tree: Query) -> tuple[str, str]:
    """The one service and the one team that a search is about; empty for several or all."""
    parts = tree.parts if isinstance(tree, And) else (tree,)
    named = {each.target: str(each.value) for each in parts if isinstance(each, Equals)}
    return named.get(resolve("service"), ""), named.get(resolve("team"), "")


def _seconds(text: str) -> float | None:
    if text.isdigit():  # Nobody means two seconds by "2".
        return None
    given = seconds(text.replace(" ", "").replace("min", "m"))
    return None if given is None else float(given)


def _share(text: str) -> float | None:
    given = _SHARE.fullmatch(text)
    return float(given[1]) / 100 if given else None


def _frequency(text: str) -> float | None:
    given = _FREQUENCY.fullmatch(text)
    return float(given[1]) * _PER_DAY[given[2]] if given else None


_READ = {"seconds": _seconds, "share": _share, "per day": _frequency}
