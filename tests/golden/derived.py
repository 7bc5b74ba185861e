"""Works an example out with the pure functions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from golden.examples import REPOSITORY, SECOND_NS, Example
from pooling import distribution_of, pooled, pooled_by
from theodora.dora.benchmarks.levels import DORA_2021, Measured, levels_of
from theodora.dora.benchmarks.quick_check import scores_of
from theodora.dora.benchmarks.surveys import SURVEYS
from theodora.dora.derivation.commits import Repository
from theodora.dora.derivation.derive import derive
from theodora.dora.derivation.derived import Derived, NewCommit
from theodora.dora.derivation.sequence import DeploymentSequence
from theodora.dora.derivation.settings import ServiceSettings
from theodora.dora.derivation.stages import STAGES
from theodora.dora.metrics.calendar import Calendar, Period, WeekStart, previous_period
from theodora.dora.metrics.columns import select_deployments, select_incidents
from theodora.dora.metrics.metrics import Metrics
from theodora.dora.metrics.report import MetricsQuery, Report, make_report
from theodora.dora.metrics.rows import DeploymentRow, deployment_row, incident_row
from theodora.events import Deployment

FOREVER_NS = 2**63


class Seen(NamedTuple):
    """What is seen of one derived deployment, wherever it was derived."""

    id: str
    row: DeploymentRow
    described: Mapping[str, Any]


def observe(example: Example, arrival: Sequence[str] = ()) -> dict[str, Any]:
    """What comes of `example`, under the names of its expectation.

    `arrival` lists the ids of the deployments in the order to hand them over.
    """
    derived = derive_all(example, arrival)
    return answers(
        example,
        [Seen(each.deployment.id, deployment_row(each), _described(each)) for each in derived],
    )


def answers(example: Example, seen: Sequence[Seen]) -> dict[str, Any]:
    """What is expected of `example`, from what is seen of its deployments."""
    return {name: _OBSERVERS[name](example, seen) for name in example.expect}


def derive_all(example: Example, arrival: Sequence[str] = ()) -> list[Derived]:
    """All sequences of the example, one after another."""
    arrived = sorted(example.deployments, key=lambda each: [*arrival, each.id].index(each.id))
    by_sequence = sorted(arrived, key=_sequence)
    return [
        each
        for _, deployments in groupby(by_sequence, key=_sequence)
        for each in derive(_as_sequence(example, tuple(deployments)))
    ]


def _sequence(deployment: Deployment) -> tuple[str, str]:
    return deployment.service, deployment.env or ""


def _as_sequence(example: Example, deployments: tuple[Deployment, ...]) -> DeploymentSequence:
    repository = Repository(
        commits={commit.sha: commit for commit in example.commits},
        pull_requests=example.pull_requests,
    )
    return DeploymentSequence(
        deployments=deployments,
        repositories={REPOSITORY: repository},
        settings=ServiceSettings(
            path_globs=example.paths.get(deployments[0].service, ()),
            linked_rules=example.linked_rules,
            static_rules=example.static_rules,
        ),
        overrides=example.overrides,
    )


def _deployments(_: Example, seen: Iterable[Seen]) -> dict[str, Any]:
    return {each.id: each.described for each in seen}


def _rows(seen: Iterable[Seen]) -> Iterable[DeploymentRow]:
    return (each.row for each in seen)


def _described(derived: Derived) -> dict[str, Any]:
    changes, verdict = derived.changes, derived.verdict
    return {
        "status": changes.status,
        "commit_lead_times": {each.sha: _seconds(each.lead_time_ns) for each in changes.commits},
        "lead": msgspec.to_builtins(changes.lead_time),
        "stages": {each.sha: _stages(each) for each in changes.commits},
        "change_failure": verdict.change_failure,
        "deployment_type": verdict.deployment_type,
        "remediation": msgspec.to_builtins(verdict.remediation),
        "recovery_time": _seconds(verdict.recovery_time_ns),
        "flags": derived.flags,
        "commits_total": changes.commits_total,
        "commits_kept": len(changes.commits),
    }


def _stages(commit: NewCommit) -> dict[str, Any]:
    spans = {stage: _seconds(getattr(commit.stages, stage, None)) for stage in STAGES}
    return {"lead_time": _seconds(commit.lead_time_ns)} | spans


def _metrics(_: Example, seen: Iterable[Seen]) -> dict[str, Any]:
    return renamed(pooled(_rows(seen)))


def renamed(found: Any) -> dict[str, Any]:
    """Metrics under the names that expectations have."""
    values = msgspec.to_builtins(found)
    return {
        "deployments": values["deployment_frequency"]["count"],
        "per_day": values["deployment_frequency"]["per_day"],
        "lead_time_commit": values["change_lead_time"],
        "change_failure_rate": values["change_failure_rate"],
        "cfr": values["change_failure_rate"],
        "recovery": values["failed_deployment_recovery_time"],
        "rework": values["deployment_rework_rate"],
    }


def _stats(example: Example, _: Any) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(distribution_of(values)) for values in example.values]


def _buckets(week_start: WeekStart) -> Callable[[Example, Iterable[Seen]], list[Any]]:
    def observe_buckets(example: Example, seen: Iterable[Seen]) -> list[Any]:
        answer = _report(_query(example.query, week_start), seen)
        return [
            {
                "start": each.bucket.period.start_ns,
                "end": each.bucket.period.end_ns,
                "partial": each.bucket.is_partial,
            }
            | renamed(each.metrics)
            for each in answer.overall.series
        ]

    return observe_buckets


def _report(query: MetricsQuery, seen: Iterable[Seen]) -> Report:
    return make_report(query, select_deployments(_rows(seen)), select_incidents(()))


def _query(given: Mapping[str, Any], week_start: WeekStart = "monday") -> MetricsQuery:
    return MetricsQuery(
        period=Period(given["from"], given["to"]),
        as_of_ns=given.get("as_of", FOREVER_NS),
        interval=given.get("interval", "total"),
        calendar=Calendar(ZoneInfo(given.get("timezone", "UTC")), week_start),
    )


def _rate(example: Example, seen: Iterable[Seen]) -> dict[str, Any]:
    query = _query(example.query)
    answer = _report(query, seen)
    return {
        **msgspec.to_builtins(answer.overall.total.deployment_frequency),
        "days": query.period.days(query.as_of_ns),
    }


def _previous(name: str) -> Callable[[Example, Any], dict[str, int]]:
    def observe_previous(example: Example, _: Any) -> dict[str, int]:
        query = _query(example.query[name])
        before = previous_period(query.period, query.interval, query.calendar, query.as_of_ns)
        return {"previous_from": before.start_ns, "previous_to": before.end_ns}

    return observe_previous


def _incidents(example: Example, _: Any) -> dict[str, Any]:
    rows = [incident_row(each) for each in example.incidents]
    by_service = pooled_by("service", incidents=rows)
    return {
        "total": _restored(pooled(incidents=rows)),
        "by_service": {service: _restored(each) for service, each in by_service.items()},
    }


def _restored(measured: Metrics) -> dict[str, Any]:
    found = measured.incident_time_to_restore
    count = found.n + found.open
    return {"count": count, "resolved": found.n, "unresolved": found.open, "p50": found.p50}


def _groups(example: Example, seen: Iterable[Seen]) -> dict[str, Any]:
    by_value = pooled_by(example.query["group_by"], _rows(seen))
    return {name: renamed(each) for name, each in by_value.items()}


def _total(_: Example, seen: Sequence[Seen]) -> int:
    return len(seen)


_SCORE_NAMES = {
    "lead_time": "change_lead_time",
    "recovery": "failed_deployment_recovery_time",
    "rework": "deployment_rework_rate",
    "deployment_frequency": "deployment_frequency",
    "change_failure_rate": "change_failure_rate",
}


def _figures(example: Example) -> Measured:
    return {
        "change_lead_time": example.values["lead_time_seconds"],
        "deployment_frequency": example.values["per_day"],
        "failed_deployment_recovery_time": example.values["recovery_seconds"],
        "change_failure_rate": example.values["change_failure_rate"],
        "deployment_rework_rate": example.values["rework_rate"],
    }


def _scores(example: Example, _: Any) -> dict[str, Any]:
    found = scores_of(_figures(example))
    named = {short: getattr(found, name) for short, name in _SCORE_NAMES.items()}
    sums = ("throughput", "stability", "overall")
    return named | {name: getattr(found, name) for name in sums}


def _levels_2021(example: Example, _: Any) -> dict[str, Any]:
    found = levels_of(DORA_2021, _figures(example))
    return {short: found[name] for short, name in _SCORE_NAMES.items() if name in found}


def _reference(_: Example, __: Any) -> float | None:
    return SURVEYS[0].segments["all"].overall


def _unresolved_age(example: Example, seen: Iterable[Seen]) -> dict[str, float]:
    return {
        row.id: (example.query["as_of"] - row.finished_at_ns) / SECOND_NS
        for row in _rows(seen)
        if row.change_failure and row.recovery_time_ns is None
    }


def _seconds(span_ns: int | None) -> float | None:
    return None if span_ns is None else span_ns / SECOND_NS


_OBSERVERS: Mapping[str, Callable[[Example, Any], Any]] = {
    "deployments": _deployments,
    "metrics": _metrics,
    "stats": _stats,
    "buckets": _buckets("monday"),
    "buckets_sunday": _buckets("sunday"),
    "rate": _rate,
    "full": _previous("full"),
    "running": _previous("running"),
    "plain": _previous("plain"),
    "incidents": _incidents,
    "groups": _groups,
    "pooled": _metrics,
    "total": _total,
    "scores": _scores,
    "levels_2021": _levels_2021,
    "reference_2025_overall": _reference,
    "unresolved_age": _unresolved_age,
}
