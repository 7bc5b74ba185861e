"""The whole answer to a question: totals, the period before, changes and the series, by group."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from statistics import fmean, quantiles
from typing import Any

from oracle.chance import counts_are_alike, durations_are_alike, rates_are_alike, wilson
from oracle.intervals import DAY_NS, Question, days, intervals, local_date, previous

DAYS_PER_WEEK = 7
DAYS_PER_MONTH = 365.2425 / 12
NONE = "(none)"
STAGES = (
    *("time_to_pr_ready", "review_time", "merge_time"),
    *("time_to_deploy", "deploy_time", "other"),
)

Event = Mapping[str, Any]

_PERCENTILES = {"p50": 50, "p75": 75, "p90": 90, "p95": 95}


@dataclass(frozen=True)
class _Told:
    """Deployments, which count when they finish, and incidents, which count when they start."""

    deployments: Sequence[Event]
    incidents: Sequence[Event]

    def within(self, start_ns: int, end_ns: int) -> "_Told":
        return _Told(
            [each for each in self.deployments if start_ns <= each["finished_at_ns"] < end_ns],
            [each for each in self.incidents if start_ns <= each["started_at_ns"] < end_ns],
        )

    def of_group(self, key: tuple[str, ...], question: Question) -> "_Told":
        return _Told(
            [each for each in self.deployments if key in _keys(each, question)],
            [each for each in self.incidents if key in _keys(each, question)],
        )

    def keys(self, question: Question) -> list[tuple[str, ...]]:
        events = [*self.deployments, *self.incidents]
        return sorted({key for event in events for key in _keys(event, question)})


def answer(
    deployments: Iterable[Event], incidents: Iterable[Event], question: Question
) -> dict[str, Any]:
    """`previous_period`, `overall`, and `groups` by their values, the first key's value first."""
    told = _Told(list(deployments), list(incidents))
    now, before = (told.within(*_range(question)), told.within(*previous(question)))
    concerned = _Told([*now.deployments, *before.deployments], [*now.incidents, *before.incidents])
    return {
        "previous_period": previous(question),
        "overall": _group(concerned, question),
        "groups": {
            key: _group(concerned.of_group(key, question), question)
            for key in concerned.keys(question)
        },
    }


def _range(question: Question) -> tuple[int, int]:
    return question.from_ns, question.to_ns


def _keys(event: Event, question: Question) -> set[tuple[str, ...]]:
    """The groups that an event is in: one for each combination of its values."""
    return set(product(*(_values(event, name) for name in question.group_by)))


def _values(event: Event, name: str) -> list[str]:
    """The values of a key that an event has."""
    match name:
        case "service":
            values = event["services"] if "services" in event else [event["service"]]
        case "team" | "env" | "repository_id":
            values = [event[name]] if event[name] is not None else []
        case _:
            pairs = (tag.partition(":") for tag in event["custom_tags"])
            values = [value for key, _, value in pairs if key == name]
    return values or [NONE]


def _group(told: _Told, question: Question) -> dict[str, Any]:
    start_ns, end_ns = previous(question)
    now = told.within(*_range(question)), days(*_range(question), question)
    before = told.within(start_ns, end_ns), (end_ns - start_ns) / DAY_NS
    return {
        "total": _with_stages(*now, question),
        "previous": _with_stages(*before, question),
        "change": _changes(now, before, question),
        "series": [
            {"start_ns": each.start_ns, "end_ns": each.end_ns, "partial": each.partial}
            | _measured(
                told.within(*_clipped(each.start_ns, each.end_ns, question)),
                days(each.start_ns, each.end_ns, question),
                question,
            )
            for each in intervals(question)
        ],
    }


def _clipped(start_ns: int, end_ns: int, question: Question) -> tuple[int, int]:
    return max(start_ns, question.from_ns), min(end_ns, question.to_ns)


def _measured(told: _Told, elapsed_days: float, question: Question) -> dict[str, Any]:
    """The metrics under the names that the API has for them."""
    failed, reworked, evaluated = _shares(told)
    recoveries = _recovery_times(told)
    return {
        "deployment_frequency": _frequency(told, elapsed_days, question),
        "change_lead_time": _distribution(_lead_times(told, question)),
        "change_failure_rate": _rate(failed, evaluated)
        | {"failed": failed, "evaluated": evaluated, "pending": len(told.deployments) - evaluated},
        "failed_deployment_recovery_time": _distribution(recoveries)
        | {"unresolved": failed - len(recoveries)},
        "deployment_rework_rate": _rate(reworked, evaluated)
        | {"rework": reworked, "evaluated": evaluated},
        "incident_time_to_restore": _distribution(_times_to_restore(told))
        | {"open": sum(each["finished_at_ns"] is None for each in told.incidents)},
    }


def _with_stages(told: _Told, elapsed_days: float, question: Question) -> dict[str, Any]:
    """A total: with each stage over the commits that have a lead time and that stage."""
    found = _measured(told, elapsed_days, question)
    found["change_lead_time"]["stages"] = _stage_times(told)
    return found


def _frequency(told: _Told, elapsed_days: float, question: Question) -> dict[str, Any]:
    count = len(told.deployments)
    per_day = count / elapsed_days if elapsed_days > 0 else None
    dates = {local_date(each["finished_at_ns"], question.timezone) for each in told.deployments}
    return {
        "count": count,
        "per_day": per_day,
        "per_week": None if per_day is None else per_day * DAYS_PER_WEEK,
        "per_month": None if per_day is None else per_day * DAYS_PER_MONTH,
        "active_days": len(dates),
    }


def _shares(told: _Told) -> tuple[int, int, int]:
    """How many failed, how many were made to mend, and of how many that is known."""
    evaluated = [each for each in told.deployments if each["change_failure"] is not None]
    failed = [each for each in evaluated if each["change_failure"]]
    reworked = [
        each
        for each in evaluated
        if each["deployment_type"] in {"rollback", "rollforward"}
        or "rework:true" in each["custom_tags"]
    ]
    return len(failed), len(reworked), len(evaluated)


def _rate(hits: int, n: int) -> dict[str, float | None]:
    low, high = wilson(hits, n)
    return {"value": hits / n if n else None, "low": low, "high": high}


def _lead_times(told: _Told, question: Question) -> list[float]:
    """Seconds of each commit, or of each deployment the mean."""
    by_deployment = [
        [float(span) for span in each["lead_times"] if span is not None]
        for each in told.deployments
    ]
    if question.granularity == "commit":
        return [span for spans in by_deployment for span in spans]
    return [fmean(spans) for spans in by_deployment if spans]


def _recovery_times(told: _Told) -> list[float]:
    return [
        float(each["recovery_time"])
        for each in told.deployments
        if each["change_failure"] and each["recovery_time"] is not None
    ]


def _times_to_restore(told: _Told) -> list[float]:
    """Seconds, without those between periods; what ended before it began has none."""
    ended = [each for each in told.incidents if each["finished_at_ns"] is not None]
    return [
        (each["finished_at_ns"] - each["started_at_ns"] - _between(each["periods"])) / 1e9
        for each in ended
        if each["finished_at_ns"] >= each["started_at_ns"]
    ]


def _between(periods: Sequence[tuple[int, int]]) -> int:
    """Nanoseconds from the end of each period to the start of the next."""
    return sum(later[0] - earlier[1] for earlier, later in pairwise(periods))


def _stage_times(told: _Told) -> dict[str, dict[str, Any]]:
    measured = [
        stages
        for each in told.deployments
        for span, stages in zip(each["lead_times"], each["stages"], strict=True)
        if span is not None
    ]
    return {
        stage: _distribution([float(each[stage]) for each in measured if each[stage] is not None])
        for stage in STAGES
    }


def _distribution(values: Sequence[float]) -> dict[str, Any]:
    """Percentiles are interpolated between the two values that they lie between."""
    if not values:
        return {"n": 0, "mean": None, **dict.fromkeys(_PERCENTILES)}
    # Of a single value there are no quantiles; those of the same value twice are that value.
    cuts = quantiles(values if len(values) > 1 else [*values, *values], n=100, method="inclusive")
    percentiles = {name: cuts[percent - 1] for name, percent in _PERCENTILES.items()}
    return {"n": len(values), "mean": fmean(values), **percentiles}


_Measured = tuple[_Told, float]


def _changes(now: _Measured, before: _Measured, question: Question) -> dict[str, Any]:
    both = now[0], before[0]
    (new, new_days), (old, old_days) = now, before
    rates = (_frequency(*each, question)["per_day"] for each in (now, before))
    counts = (len(new.deployments), new_days, len(old.deployments), old_days)
    (failed, rework, n), (failed_before, rework_before, n_before) = map(_shares, both)
    return {
        "deployment_frequency": _change(*rates, within_noise=counts_are_alike(*counts)),
        "change_lead_time": _durations(*(_lead_times(each, question) for each in both)),
        "change_failure_rate": _points(failed, n, failed_before, n_before),
        "failed_deployment_recovery_time": _durations(*map(_recovery_times, both)),
        "deployment_rework_rate": _points(rework, n, rework_before, n_before),
        "incident_time_to_restore": _durations(*map(_times_to_restore, both)),
    }


def _durations(now: Sequence[float], before: Sequence[float]) -> dict[str, Any]:
    alike = durations_are_alike(now, before)
    return _change(_distribution(now)["p50"], _distribution(before)["p50"], within_noise=alike)


def _points(hits: int, n: int, hits_before: int, n_before: int) -> dict[str, Any]:
    """A rate's difference is told in percentage points, its relative change is not."""
    rate, before = (_rate(*each)["value"] for each in ((hits, n), (hits_before, n_before)))
    change = _change(rate, before, within_noise=rates_are_alike(hits, n, hits_before, n_before))
    delta = change["delta"]
    return change | {"delta": None if delta is None else 100 * delta}


def _change(now: float | None, before: float | None, *, within_noise: bool) -> dict[str, Any]:
    delta = None if now is None or before is None else now - before
    return {
        "delta": delta,
        "relative": delta / before if delta is not None and before else None,
        "within_noise": within_noise,
    }
