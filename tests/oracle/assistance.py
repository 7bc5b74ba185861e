"""AI impact from its definitions alone: random deployments with commits, and the true answer.

A commit knows the truth about itself (`assisted_by`, `bot`), which the engine has to find in its
message and author. Rates are compared by a bootstrap that draws deployments one by one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cached_property
from random import Random
from typing import Any

import numpy as np
import pandas as pd

from oracle.chance import counts_are_alike, durations_are_alike, wilson
from oracle.intervals import DAY_NS, Question, days, intervals, local_date

SECOND_NS = 10**9
ENOUGH_PEOPLE = 5
ENOUGH_DEPLOYMENTS = 10

_NAMES = ("ada", "bo", "cem", "dee", "eva", "fay", "gil", "hui", "ida", "jon")
PEOPLE = tuple(
    f"{name}@example.org"
    for name in ["ada", "bo", "cem", "dee", "eva", "fay", "gil", "hui", "ida", "jon"]
)
TOOLS = ("copilot", "cursor")

_TRAILERS = {
    "": (),
    "Co-authored-by: Copilot <175+Copilot@users.noreply.github.com>": ("copilot",),
    "Co-Authored-By: Cursor <cursoragent@cursor.com>": ("cursor",),
    "Assisted-by: GitHub Copilot:gpt-5\nGenerated-by: Cursor": ("copilot", "cursor"),
    "Co-authored-by: Copilot Smith <smith@example.org>": (),
    "Reviewed-by: Cursor <cursoragent@cursor.com>": (),
}


@dataclass(frozen=True)
class World:
    """Deployments, and who was active when, with which tool."""

    deployments: Sequence[Mapping[str, Any]]
    activity: Sequence[tuple[str, date, str]]


def random_world(rng: Random, at_ns: int, days: float) -> World:
    """Some hundred deployments around an instant, by few people or by many."""
    people = PEOPLE[: rng.choice((3, 6, 10))]
    span_ns = round(days * DAY_NS)
    deployments = [
        _deployment(rng, number, at_ns + rng.randint(-span_ns, span_ns), people)
        for number in range(rng.choice((0, 8, 60, 150)))
    ]
    middle = datetime.fromtimestamp(at_ns // SECOND_NS, UTC).date()
    reach = int(days) + 3
    activity = {
        (rng.choice(people), middle + timedelta(rng.randint(-reach, reach)), rng.choice(TOOLS))
        for _ in range(rng.choice((0, 5, 80)))
    }
    return World(deployments, sorted(activity))


def _deployment(
    rng: Random, number: int, finished_at_ns: int, people: Sequence[str]
) -> dict[str, Any]:
    failed = rng.choice((True, False, False, None))
    return {
        "id": f"deployment-{number:06}",
        "finished_at_ns": finished_at_ns,
        "repository": rng.choice(("github.com/acme/shop", "github.com/acme/pay")),
        "service": rng.choice(("web", "web", "pay", "search")),
        "team": rng.choice(("one", None)),
        "failed": failed,
        "rework": rng.random() < 0.2,
        "recovery_ns": rng.randrange(10**6) * SECOND_NS if failed and rng.random() < 0.7 else None,
        "commits": [_commit(rng, finished_at_ns, people) for _ in range(rng.choice((0, 1, 3, 6)))],
    }


def _commit(rng: Random, finished_at_ns: int, people: Sequence[str]) -> dict[str, Any]:
    authored_at_ns = finished_at_ns - rng.randrange(1, 3 * 86_400) * SECOND_NS
    trailer, tools = rng.choice([*_TRAILERS.items()])
    email = rng.choice((*people, *people, "", "7+renovate[bot]@users.noreply.github.com"))
    return {
        "author": email.upper() if rng.random() < 0.1 else email,
        "bot": "[bot]" in email,
        "assisted_by": tools,
        "message": f"Add a thing\n\nBecause.\n\n{trailer}",
        "authored_at_ns": authored_at_ns,
        "offset_minutes": rng.choice((None, 0, 120, -480, 765)),
        "lead_time_ns": finished_at_ns - authored_at_ns if rng.random() < 0.9 else None,
        "request": rng.choice((None, *range(1, 60))),
        "merged_after_ns": rng.choice((None, rng.randrange(10**6) * SECOND_NS)),
    }


Side = Callable[[Mapping[str, Any]], str]


def true_answer(
    world: World,
    question: Question,
    level: str | None,
    tools: Sequence[str],
    keys: Sequence[str] = (),
) -> dict[str, Any]:
    """The level, the tools, the comparison of the period, those of its intervals and groups."""
    shipped = [
        each
        for each in world.deployments
        if each["commits"] and question.from_ns <= each["finished_at_ns"] < question.to_ns
    ]
    shipped.sort(key=lambda each: (each["finished_at_ns"], each["id"]))
    first, last = (
        local_date(at_ns, question.timezone) for at_ns in (question.from_ns, question.to_ns - 1)
    )
    within = [each for each in world.activity if first <= each[1] <= last]
    named = {t for each in shipped for commit in each["commits"] for t in commit["assisted_by"]}
    used = {tool for _, _, tool in within}
    if level is None:
        level = "user_day" if named | used <= used and not used <= named else "commit"
    side = _side(world, level, tools, {person for person, _, _ in within})
    spans = [(question.from_ns, question.to_ns)]
    spans += [
        (max(each.start_ns, question.from_ns), min(each.end_ns, question.to_ns))
        for each in intervals(question)
    ]
    cells = [_Cell(shipped, span, question, side) for span in spans]
    names = sorted({_group(each, keys) for each in shipped}) if keys else []
    groups = [
        _Cell([each for each in shipped if _group(each, keys) == name], spans[0], question, side)
        for name in names
    ]
    return {
        "level": level,
        "tools": [(tool, tool in named, tool in used) for tool in sorted(named | used)],
        "cells": [*_answers(cells[:1]), *_answers(cells[1:])],
        "groups": dict(zip(names, _answers(groups), strict=True)),
    }


def _group(deployment: Mapping[str, Any], keys: Sequence[str]) -> tuple[str, ...]:
    return tuple("(none)" if deployment[key] is None else deployment[key] for key in keys)


def _answers(cells: "Sequence[_Cell]") -> list[dict[str, Any]]:
    """Those of the parts of one whole."""
    hidden = hidden_cells(cells)
    return [
        each.answer() if at not in hidden and each.has_sides() else each.hidden()
        for at, each in enumerate(cells)
    ]


def _side(world: World, level: str, tools: Sequence[str], known: set[str]) -> Side:
    active = {(person, day) for person, day, tool in world.activity if not tools or tool in tools}

    def of(commit: Mapping[str, Any]) -> str:
        author = commit["author"].lower()
        if commit["bot"]:
            return "bot"
        if level == "commit":
            names = [tool for tool in commit["assisted_by"] if not tools or tool in tools]
            return "assisted" if names else "not_assisted"
        clock = timezone(timedelta(minutes=commit["offset_minutes"] or 0))
        day = datetime.fromtimestamp(commit["authored_at_ns"] // SECOND_NS, clock).date()
        if (author, day) in active:
            return "assisted"
        return "not_assisted" if author in known else "unknown"

    return of


class _Cell:
    """The deployments of a span, with the commits of each side."""

    def __init__(
        self,
        shipped: Sequence[Mapping[str, Any]],
        span: tuple[int, int],
        question: Question,
        side: Side,
    ) -> None:
        self.side = side
        self.days = days(*span, question)
        self.shipped = [each for each in shipped if span[0] <= each["finished_at_ns"] < span[1]]
        every = [commit for each in self.shipped for commit in each["commits"]]
        self.bots = sum(commit["bot"] for commit in every)
        self.commits = [commit for commit in every if not commit["bot"]]
        self.requests = [
            one for one in _requests(shipped, side) if span[0] <= one["first_deployed_ns"] < span[1]
        ]

    def of(self, side: str) -> list[Mapping[str, Any]]:
        return [commit for commit in self.commits if self.side(commit) == side]

    def people(self, *sides: str) -> set[str]:
        return {one for side in sides for one in people_of(self.of(side))}

    def has_sides(self) -> bool:
        return bool(self.of("assisted") or self.of("not_assisted"))

    def hidden(self) -> dict[str, Any]:
        unknown = self.of("unknown"), self.people("unknown")
        is_shown = not unknown[0] or len(unknown[1]) >= ENOUGH_PEOPLE
        return {
            "shown": False,
            "bots": self.bots,
            "unknown": (len(unknown[1]), len(unknown[0])) if is_shown else None,
        }

    def answer(self) -> dict[str, Any]:
        sides = ("assisted", "not_assisted")
        measured = {
            side: [each for each in self.of(side) if each["lead_time_ns"] is not None]
            for side in sides
        }
        requests = {side: [r for r in self.requests if r["side"] == side] for side in sides}
        authors = {side: {a for r in requests[side] for a in r["authors"]} for side in sides}
        of = {
            side: {
                "people": len(self.people(side)),
                "commits": len(self.of(side)),
                "deployments": len(self._deployments(side)),
                "lead_times": [each["lead_time_ns"] for each in measured[side]],
                "recoveries": [
                    each["recovery_ns"]
                    for each in self._deployments(side)
                    if each["failed"] and each["recovery_ns"] is not None
                ],
                "unresolved": sum(
                    bool(each["failed"]) and each["recovery_ns"] is None
                    for each in self._deployments(side)
                ),
                "requests": len(requests[side]),
                "authors": len(authors[side]),
                "cycles": [r["cycle_ns"] for r in requests[side] if r["cycle_ns"] is not None],
            }
            for side in sides
        }
        return self.hidden() | {
            "shown": True,
            "of": of,
            "shows_lead_times": all(are_enough(people_of(measured[side])) for side in sides),
            "shows_requests": all(are_enough(authors[side]) for side in sides),
            "noise": self._noise(of["assisted"], of["not_assisted"]),
            "failures": self._weighted(lambda each: each["failed"]),
            "rework": self._weighted(lambda each: each["rework"]),
        }

    def _noise(self, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, bool]:
        days = self.days
        return {
            "deployment_frequency": counts_are_alike(
                ours["deployments"], days, theirs["deployments"], days
            ),
            "change_lead_time": durations_are_alike(ours["lead_times"], theirs["lead_times"]),
            "failed_deployment_recovery_time": durations_are_alike(
                ours["recoveries"], theirs["recoveries"]
            ),
            "request_throughput": counts_are_alike(
                ours["requests"],
                days * ours["authors"],
                theirs["requests"],
                days * theirs["authors"],
            ),
            "request_cycle_time": durations_are_alike(ours["cycles"], theirs["cycles"]),
        }

    def _deployments(self, side: str) -> list[Mapping[str, Any]]:
        return [
            each
            for each in self.shipped
            if {self.side(commit) for commit in each["commits"]} - {"bot"}
            and _mixed_side([self.side(commit) for commit in each["commits"]]) == side
        ]

    def _weighted(self, is_hit: Callable[[Mapping[str, Any]], bool]) -> "Weighted":
        rows = []
        for each in self.shipped:
            sides = [self.side(commit) for commit in each["commits"] if not commit["bot"]]
            if sides and each["failed"] is not None:
                shares = [sides.count(side) / len(sides) for side in ("assisted", "not_assisted")]
                rows.append((*shares, bool(is_hit(each))))
        return Weighted(np.array(rows, float).reshape(-1, 3))


class Weighted:
    """Rates of deployments that count on both sides in parts."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows
        self.deployments = tuple(int((rows[:, side] > 0).sum()) for side in (0, 1))

    @cached_property
    def _rates(self) -> Any:
        """Both rates of as many deployments as there are, drawn with replacement, many times."""
        count = len(self.rows)
        draws = np.random.default_rng().integers(max(count, 1), size=(3_000 * (count > 0), count))
        return np.array(self._both(self.rows[draws])).T

    def value(self, side: int) -> float | None:
        return float(self._both(self.rows)[side]) if self.deployments[side] else None

    def _both(self, rows: Any) -> list[Any]:
        with np.errstate(invalid="ignore"):
            return [
                (rows[..., side] * rows[..., 2]).sum(-1) / rows[..., side].sum(-1)
                for side in (0, 1)
            ]

    def bounds(self, side: int | None, *shares: float) -> list[float]:
        """Quantiles of the drawn rates of a side, or of their difference."""
        drawn = self._rates[:, 0] - self._rates[:, 1] if side is None else self._rates[:, side]
        drawn = drawn[~np.isnan(drawn)]
        return [float(np.quantile(drawn, share)) for share in shares] if len(drawn) else []

    @property
    def is_noise(self) -> bool | None:
        """None where the draws leave it open."""
        if min(self.deployments) < ENOUGH_DEPLOYMENTS:
            return True
        outer, inner = self.bounds(None, 0.003, 0.997), self.bounds(None, 0.06, 0.94)
        if inner[0] - 1e-9 <= 0 <= inner[1] + 1e-9:
            return True
        return False if not outer[0] - 1e-9 <= 0 <= outer[1] + 1e-9 else None


def _requests(shipped: Sequence[Mapping[str, Any]], side: Side) -> list[dict[str, Any]]:
    frame = pd.DataFrame(
        [
            {"key": (each["repository"], commit["request"]), "at_ns": each["finished_at_ns"]}
            | {"side": side(commit), "author": commit["author"].lower()}
            | {"cycle_ns": commit["merged_after_ns"]}
            for each in shipped
            for commit in each["commits"]
            if commit["request"] is not None
        ]
    )
    found = []
    for _, rows in frame.groupby("key") if len(frame) else ():
        people = rows[rows.side != "bot"]
        if len(people):
            cycles = rows.cycle_ns.dropna()
            found.append(
                {
                    "side": _mixed_side(list(people.side)),
                    "authors": set(people.author) - {""},
                    "first_deployed_ns": int(rows.at_ns.min()),
                    "cycle_ns": int(cycles.max()) if len(cycles) else None,
                }
            )
    return found


def hidden_cells(cells: Sequence[_Cell]) -> set[int]:
    """Those of too few people, and as many others as it takes to hide them."""
    hidden = {at for at, each in enumerate(cells) if not _may_be_shown([each])}
    others = sorted(
        (len(each.people("assisted", "not_assisted", "unknown")), -at)
        for at, each in enumerate(cells)
        if each.commits and at not in hidden
    )
    for _, negative in others:
        if _may_be_shown([cells[at] for at in hidden]):
            break
        hidden.add(-negative)
    return hidden


def _may_be_shown(cells: Sequence[_Cell]) -> bool:
    for side in ("assisted", "not_assisted"):
        commits = [commit for each in cells for commit in each.of(side)]
        if commits and len(people_of(commits)) < ENOUGH_PEOPLE:
            return False
    return True


def people_of(commits: Sequence[Mapping[str, Any]]) -> set[str]:
    return {commit["author"].lower() for commit in commits if commit["author"]}


def are_enough(people: set[str]) -> bool:
    return len(people) == 0 or len(people) >= ENOUGH_PEOPLE


def _mixed_side(sides: Sequence[str]) -> str:
    return next(each for each in ("assisted", "unknown", "not_assisted") if each in sides)


def share_of(hits: int, others: int) -> tuple[float | None, float | None, float | None, int, int]:
    n = hits + others
    return (hits / n if n else None, *wilson(hits, n), hits, n)
