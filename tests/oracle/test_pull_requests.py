"""The metrics of pull requests are what their definitions say, for random ones."""

import math
from dataclasses import replace
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from oracle.intervals import Question
from oracle.pull_requests import answer
from oracle.questions import random_question
from oracle.worlds import SCENES, Scene, fresh_seed, instants
from theodora.dora.metrics.calendar import Calendar, Period
from theodora.dora.metrics.pull_requests import (
    PULL_REQUEST_METRICS,
    PullRequestFigures,
    PullRequestQuery,
    make_pull_request_report,
)
from theodora.events.pull_requests import PullRequestEvent, ShippingDeployment

KEYS = ((), ("service",), ("service", "env"), ("repository_id", "base"), ("team",))


def random_requests(rng: Random, scene: Scene, count: int) -> list[dict[str, Any]]:
    def instant(known: float = 0.85) -> int | None:
        return instants(rng, scene, 1)[0] if rng.random() < known else None

    def deployment(number: int) -> dict[str, Any]:
        started = instants(rng, scene, 1)[0]
        return {
            "id": f"d{number}",
            "service": rng.choice(("web", "pay")),
            "env": rng.choice(("production", "staging", None)),
            "team": rng.choice(("red", None)),
            "started_at_ns": started,
            "finished_at_ns": started + rng.randrange(3_600 * 10**9),
            "in_scope": rng.random() < 0.7,
        }

    return [
        {
            "repository_id": rng.choice(("a", "b")),
            "base": rng.choice(("main", "")),
            "author": rng.choice(("ada", "bo", "")),
            "first_commit_at_ns": instant(),
            "ready_at_ns": instant(),
            "approved_at_ns": instant(),
            "merged_at_ns": instant(),
            "number_of_commits": rng.choice((None, 1, 5)),
            "reviewers": rng.choice((None, (), ("bo",), ("bo", "eva"))),
            "additions": rng.choice((None, 0, 40)),
            "deletions": rng.choice((None, 3)),
            "deployments": [deployment(10 * number + each) for each in range(rng.randrange(4))],
        }
        for number in range(count)
    ]


def event_of(number: int, request: dict[str, Any]) -> PullRequestEvent:
    members = {name: each for name, each in request.items() if name != "deployments"}
    shipped = sorted(request["deployments"], key=lambda each: (each["finished_at_ns"], each["id"]))
    return PullRequestEvent(
        id=str(number),
        number=number,
        **members,
        deployments=tuple(
            ShippingDeployment(
                **{name: each for name, each in one.items() if name != "in_scope"},
                in_production=one["in_scope"],
            )
            for one in shipped
        ),
    )


def told(figures: PullRequestFigures) -> dict[str, Any]:
    return {
        "merged": figures.merged,
        "deployed": figures.deployed,
        "throughput": figures.throughput.value,
        **{
            metric.name: msgspec.structs.asdict(figures.distributions[metric.name])
            for metric in PULL_REQUEST_METRICS
        },
    }


def same(expected: Any, observed: Any) -> bool:
    if isinstance(expected, dict):
        return expected.keys() == observed.keys() and all(
            same(each, observed[name]) for name, each in expected.items()
        )
    if isinstance(expected, list):
        return len(expected) == len(observed) and all(map(same, expected, observed))
    if isinstance(expected, float) and isinstance(observed, float):
        return math.isclose(expected, observed, rel_tol=1e-9, abs_tol=1e-6)
    return expected == observed


def query_of(question: Question) -> PullRequestQuery:
    return PullRequestQuery(
        period=Period(question.from_ns, question.to_ns),
        as_of_ns=question.as_of_ns,
        interval=question.interval,  # pyright: ignore[reportArgumentType]
        calendar=Calendar(ZoneInfo(question.timezone), question.week_start),  # pyright: ignore[reportArgumentType]
        group_by=question.group_by,
    )


def test_the_engine_and_the_oracle_agree_on_random_requests() -> None:
    seed = fresh_seed()
    rng = Random(seed)
    for number in range(20):
        scene = rng.choice(SCENES)
        requests = random_requests(rng, scene, rng.choice((0, 5, 60)))
        edges = [each["merged_at_ns"] for each in requests if each["merged_at_ns"]]
        question = replace(random_question(rng, scene, edges), group_by=rng.choice(KEYS))
        report = make_pull_request_report(
            query_of(question),
            [event_of(at, each) for at, each in enumerate(requests)],
            lambda _, deployment: deployment.in_production,
        )
        expected = answer(requests, question)
        groups = {(): report.overall, **{each.group: each for each in report.groups}}
        quiet = expected.keys() - groups.keys()
        assert all(
            not expected[key][part][count]
            for key in quiet
            for part in ("total", "previous")
            for count in ("merged", "deployed")
        )
        for key, group in groups.items():
            observed = {
                "total": told(group.total),
                "previous": told(group.previous),
                "series": [told(each.figures) for each in group.series],
            }
            assert same(expected[key], observed), f"THEODORA_TEST_SEED={seed}, {number}: {question}"
