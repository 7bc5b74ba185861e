"""Random questions about a scene: whole intervals and torn ones, over or still running."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pandas as pd

from oracle.intervals import DAY_NS, Question, first_instant_ns
from oracle.worlds import ZONES, Scene, midnight_ns

GROUPS = ("service", "team", "env", "repository_id", "region", "tier", "rework", "url", "nobody")

_SHORTEST_DAYS = {"total": 0, "day": 0, "week": 3, "month": 14, "quarter": 40}


def random_question(rng: Random, scene: Scene, edges_ns: Sequence[int]) -> Question:
    """`edges_ns` are instants of events: a range may well begin or end on one."""
    from_ns, to_ns = sorted(_edge(rng, scene, edges_ns) for _ in range(2))
    question = Question(
        from_ns,
        to_ns + (from_ns == to_ns),
        as_of_ns=_as_of(rng, from_ns, to_ns, edges_ns),
        interval=rng.choice(_intervals(scene)),
        timezone=rng.choice(ZONES),
        week_start=rng.choice(("monday", "sunday")),
        group_by=tuple(rng.sample(GROUPS, rng.choice((0, 1, 1, 1, 2, 3)))),
        granularity=rng.choice(("commit", "deployment")),
    )
    return question if rng.random() < 0.7 else _whole(question)


def _intervals(scene: Scene) -> list[str]:
    """Those that make neither a single bucket nor hundreds of them."""
    fitting = [name for name, days in _SHORTEST_DAYS.items() if days <= scene.days]
    return [name for name in fitting if name != "day" or scene.days < 40]


def _edge(rng: Random, scene: Scene, edges_ns: Sequence[int]) -> int:
    if edges_ns and rng.random() < 0.3:
        return rng.choice(edges_ns)
    somewhere_ns = scene.instant_ns + round(rng.uniform(-0.5, 0.5) * scene.days * DAY_NS)
    return midnight_ns(rng, somewhere_ns) if rng.random() < 0.6 else somewhere_ns


def _as_of(rng: Random, from_ns: int, to_ns: int, edges_ns: Sequence[int]) -> int:
    inside_ns = rng.randint(from_ns, to_ns)
    after_ns = to_ns + rng.choice((0, 1, DAY_NS))
    at_an_event_ns = rng.choice(edges_ns) if edges_ns else inside_ns
    return rng.choice((after_ns, after_ns, inside_ns, max(from_ns, at_an_event_ns)))


def _whole(question: Question) -> Question:
    """The same from edge to edge of its intervals, so that it has whole ones before it."""
    if question.interval == "total":
        return question
    return replace(
        question,
        from_ns=_midnight_ns(question.from_ns, question),
        to_ns=_midnight_ns(question.to_ns, question, 1),
    )


def _midnight_ns(instant_ns: int, question: Question, later: int = 0) -> int:
    instant = pd.Timestamp(instant_ns, unit="ns", tz=question.timezone)
    period = instant.tz_localize(None).to_period(question.frequency) + later
    return first_instant_ns(period.start_time, question.timezone)
