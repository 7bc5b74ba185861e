"""The engine's questions and answers in the oracle's form."""

from collections.abc import Iterable, Mapping
from itertools import starmap
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from oracle.intervals import Question
from oracle.worlds import SECOND_NS
from theodora.dora import (
    Calendar,
    DeploymentRow,
    IncidentRow,
    MetricsQuery,
    Period,
    Report,
    incident_row,
    make_report,
    select_deployments,
    select_incidents,
)
from theodora.dora.derivation.stages import Stages
from theodora.events import ActivePeriod, Failure, Git

Event = Mapping[str, Any]


def deployment_row_of(event: Event) -> DeploymentRow:
    measured = [
        (_ns(span), Stages(**{stage: _optional_ns(each) for stage, each in stages.items()}))
        for span, stages in zip(event["lead_times"], event["stages"], strict=True)
        if span is not None
    ]
    return DeploymentRow(
        **{name: event[name] for name in _SAME},
        custom_tags=tuple(event["custom_tags"]),
        lead_times_ns=tuple(span for span, _ in measured),
        stages=tuple(stages for _, stages in measured),
        recovery_time_ns=_optional_ns(event["recovery_time"]),
    )


def incident_row_of(event: Event) -> IncidentRow:
    same = ("env", "team", "started_at_ns", "finished_at_ns")
    repository_id = event["repository_id"]
    return incident_row(
        Failure(
            **{name: event[name] for name in same},
            periods=tuple(starmap(ActivePeriod, event["periods"])),
            services=tuple(event["services"]),
            custom_tags=tuple(event["custom_tags"]),
            git=Git("0" * 40, repository_id) if repository_id else None,
        )
    )


_SAME = (
    *("id", "service", "env", "team", "repository_id"),
    *("finished_at_ns", "change_failure", "deployment_type"),
)


def _ns(seconds: float) -> int:
    return round(seconds * SECOND_NS)


def _optional_ns(seconds: float | None) -> int | None:
    return None if seconds is None else _ns(seconds)


def query_of(question: Question) -> MetricsQuery:
    return MetricsQuery(
        period=Period(question.from_ns, question.to_ns),
        as_of_ns=question.as_of_ns,
        interval=question.interval,
        calendar=Calendar(ZoneInfo(question.timezone), question.week_start),
        group_by=question.group_by,
        granularity=question.granularity,
        stages=True,
    )


def report_of(
    question: Question, deployments: Iterable[Event], incidents: Iterable[Event]
) -> Report:
    """The engine's answer."""
    return make_report(
        query_of(question),
        select_deployments(map(deployment_row_of, deployments)),
        select_incidents(map(incident_row_of, incidents)),
    )


def answer_of(report: Report) -> dict[str, Any]:
    return {
        "previous_period": (report.previous_period.start_ns, report.previous_period.end_ns),
        "overall": _group(report.overall),
        "groups": {each.group: _group(each) for each in report.groups},
    }


def _group(report: Any) -> dict[str, Any]:
    buckets = [(each.bucket, msgspec.to_builtins(each.metrics)) for each in report.series]
    parts = (report.total, report.previous, dict(report.change))
    return dict(zip(_PARTS, map(msgspec.to_builtins, parts), strict=True)) | {
        "series": [
            {"start_ns": bucket.period.start_ns, "end_ns": bucket.period.end_ns}
            | {"partial": bucket.is_partial, **metrics}
            for bucket, metrics in buckets
        ]
    }


_PARTS = ("total", "previous", "change")


def disagreements(expected: Any, observed: Any, place: str = "") -> list[str]:
    """Where the engine says something else: counts and flags exactly, figures to 1e-6."""
    match expected, observed:
        case Mapping(), Mapping():
            only = sorted(map(str, expected.keys() ^ observed.keys()))
            return [f"{place}: one has {only}"] * bool(only) + [
                each
                for name in expected.keys() & observed.keys()
                for each in disagreements(expected[name], observed[name], f"{place}.{name}")
            ]
        case (list() | tuple(), list() | tuple()) if len(expected) == len(observed):
            return [
                each
                for index, pair in enumerate(zip(expected, observed, strict=True))
                for each in disagreements(*pair, f"{place}[{index}]")
            ]
        case _ if _are_equal(expected, observed):
            return []
        case _:
            return [f"{place}: {observed!r}, where the oracle has {expected!r}"]


def _are_equal(expected: Any, observed: Any) -> bool:
    if type(expected) is not type(observed):
        return False
    if isinstance(expected, float):
        return abs(expected - observed) <= 1e-6 * max(1.0, abs(expected))
    return expected == observed
