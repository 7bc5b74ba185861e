"""The whole answer to a question: totals, the period before, changes and the series, by group."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import pandas as pd

from oracle.chance import counts_are_alike, durations_are_alike, rates_are_alike, wilson
from oracle.intervals import Question, days, intervals, local_dates, previous

DAYS_PER_WEEK = 7
DAYS_PER_MONTH = 365.2425 / 12
NONE = "(none)"
STAGES = (
    *("time_to_pr_ready", "review_time", "merge_time"),
    *("time_to_deploy", "deploy_time", "other"),
)

Event = Mapping[str, Any]

_DEPLOYMENT = (
    *("id", "service", "env", "team", "repository_id", "custom_tags", "finished_at_ns"),
    *("lead_times", "stages", "change_failure", "deployment_type", "recovery_time"),
)
_INCIDENT = (
    *("id", "services", "env", "team", "repository_id", "custom_tags"),
    *("started_at_ns", "finished_at_ns", "periods"),
)
_PERCENTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95}


def answer(
    deployments: Iterable[Event], incidents: Iterable[Event], question: Question
) -> dict[str, Any]:
    """`previous_period`, `overall`, and `groups` by their values, the first key's value first."""
    shipped = pd.DataFrame(list(deployments), columns=list(_DEPLOYMENT), dtype=object)
    broken = pd.DataFrame(list(incidents), columns=list(_INCIDENT), dtype=object)
    shipped["at_ns"] = shipped["finished_at_ns"].astype("int64")
    broken["at_ns"] = broken["started_at_ns"].astype("int64")
    shipped, broken = (_concerned(frame, question) for frame in (shipped, broken))
    return {
        "previous_period": previous(question),
        "overall": _group(shipped, broken, question),
        "groups": {
            key: _group(
                _of_group(shipped, key, question), _of_group(broken, key, question), question
            )
            for key in sorted({*_keys(shipped, question), *_keys(broken, question)})
        },
    }


def _concerned(frame: pd.DataFrame, question: Question) -> pd.DataFrame:
    """The events of the range and of the period before."""
    start_ns, end_ns = previous(question)
    now = frame["at_ns"].between(question.from_ns, question.to_ns, inclusive="left")
    return frame[now | frame["at_ns"].between(start_ns, end_ns, inclusive="left")]


def _keys(frame: pd.DataFrame, question: Question) -> set[tuple[str, ...]]:
    return {key for _, key in _memberships(frame, question)}


def _of_group(frame: pd.DataFrame, key: tuple[str, ...], question: Question) -> pd.DataFrame:
    return frame.loc[[index for index, own in _memberships(frame, question) if own == key]]


def _memberships(frame: pd.DataFrame, question: Question) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Each event with each group that it is in."""
    exploded = pd.DataFrame({"event": frame.index}, index=frame.index)
    for name in question.group_by:
        values = [_values(event, name) for event in frame.to_dict("records")]
        exploded[name] = pd.Series(values, index=frame.index, dtype=object)
    for name in question.group_by:
        exploded = exploded.explode(name)
    for event, *key in exploded.itertuples(index=False, name=None):
        yield event, tuple(key)


def _values(event: Event, name: str) -> list[str]:
    """The values of a key that an event has, each once."""
    match name:
        case "service":
            values = event["services"] if "services" in event else [event["service"]]
        case "team" | "env" | "repository_id":
            values = [event[name]] if event[name] is not None else []
        case _:
            pairs = (tag.partition(":") for tag in event["custom_tags"])
            values = [value for key, _, value in pairs if key == name]
    return list(dict.fromkeys(values)) or [NONE]


def _group(shipped: pd.DataFrame, broken: pd.DataFrame, question: Question) -> dict[str, Any]:
    start_ns, end_ns = previous(question)
    range_ = (question.from_ns, question.to_ns)
    now = (*_within(shipped, broken, *range_), days(*range_, question))
    before = (*_within(shipped, broken, start_ns, end_ns), (end_ns - start_ns) / (86_400 * 10**9))
    return {
        "total": _with_stages(*now, question),
        "previous": _with_stages(*before, question),
        "change": _changes(now, before, question),
        "series": [
            {"start_ns": each.start_ns, "end_ns": each.end_ns, "partial": each.partial}
            | _measured(
                *_within(shipped, broken, *_clipped(each.start_ns, each.end_ns, question)),
                days(each.start_ns, each.end_ns, question),
                question,
            )
            for each in intervals(question)
        ],
    }


def _clipped(start_ns: int, end_ns: int, question: Question) -> tuple[int, int]:
    return max(start_ns, question.from_ns), min(end_ns, question.to_ns)


def _within(
    shipped: pd.DataFrame, broken: pd.DataFrame, start_ns: int, end_ns: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    found = [
        frame[frame["at_ns"].between(start_ns, end_ns, inclusive="left")]
        for frame in (shipped, broken)
    ]
    return found[0], found[1]


def _measured(
    shipped: pd.DataFrame, broken: pd.DataFrame, elapsed_days: float, question: Question
) -> dict[str, Any]:
    """The metrics under the names that the API has for them."""
    failed, reworked, evaluated = _shares(shipped)
    return {
        "deployment_frequency": _frequency(shipped, elapsed_days, question),
        "change_lead_time": _distribution(_lead_times(shipped, question)),
        "change_failure_rate": _rate(failed, evaluated)
        | {"failed": failed, "evaluated": evaluated, "pending": len(shipped) - evaluated},
        "failed_deployment_recovery_time": _distribution(_recovery_times(shipped))
        | {"unresolved": failed - len(_recovery_times(shipped))},
        "deployment_rework_rate": _rate(reworked, evaluated)
        | {"rework": reworked, "evaluated": evaluated},
        "incident_time_to_restore": _distribution(_times_to_restore(broken))
        | {"open": int(broken["finished_at_ns"].isna().sum())},
    }


def _with_stages(
    shipped: pd.DataFrame, broken: pd.DataFrame, elapsed_days: float, question: Question
) -> dict[str, Any]:
    """A total: with each stage over the commits that have a lead time and that stage."""
    found = _measured(shipped, broken, elapsed_days, question)
    found["change_lead_time"]["stages"] = _stage_times(shipped)
    return found


def _frequency(shipped: pd.DataFrame, elapsed_days: float, question: Question) -> dict[str, Any]:
    per_day = len(shipped) / elapsed_days if elapsed_days > 0 else None
    return {
        "count": len(shipped),
        "per_day": per_day,
        "per_week": None if per_day is None else per_day * DAYS_PER_WEEK,
        "per_month": None if per_day is None else per_day * DAYS_PER_MONTH,
        "active_days": local_dates(shipped["at_ns"], question).nunique(),
    }


def _shares(shipped: pd.DataFrame) -> tuple[int, int, int]:
    """How many failed, how many were made to mend, and of how many that is known."""
    evaluated = shipped[shipped["change_failure"].notna()]
    failed = evaluated["change_failure"].astype(bool)
    mends = evaluated["deployment_type"].isin(["rollback", "rollforward"])
    tagged = evaluated["custom_tags"].map(lambda tags: "rework:true" in tags).astype(bool)
    return int(failed.sum()), int((mends | tagged).sum()), len(evaluated)


def _rate(hits: int, n: int) -> dict[str, float | None]:
    low, high = wilson(hits, n)
    return {"value": hits / n if n else None, "low": low, "high": high}


def _lead_times(shipped: pd.DataFrame, question: Question) -> pd.Series:
    """Seconds of each commit, or of each deployment the mean."""
    per_commit = shipped["lead_times"].explode().dropna().astype(float)
    if question.granularity == "commit":
        return per_commit
    return per_commit.groupby(level=0).mean()


def _recovery_times(shipped: pd.DataFrame) -> pd.Series:
    failed = shipped[shipped["change_failure"].eq(other=True)]
    return failed["recovery_time"].dropna().astype(float)


def _times_to_restore(broken: pd.DataFrame) -> pd.Series:
    """Seconds, without those between periods; what ended before it began has none."""
    ended = broken[broken["finished_at_ns"].notna()]
    spans_ns = ended["finished_at_ns"].astype("int64") - ended["at_ns"]
    calm_ns = ended["periods"].map(_between).astype("int64")
    return (spans_ns - calm_ns)[spans_ns >= 0] / 1e9


def _between(periods: Sequence[tuple[int, int]]) -> int:
    """Nanoseconds from the end of each period to the start of the next."""
    return sum(later[0] - earlier[1] for earlier, later in pairwise(periods))


def _stage_times(shipped: pd.DataFrame) -> dict[str, dict[str, Any]]:
    commits = shipped[["lead_times", "stages"]].explode(["lead_times", "stages"]).dropna()
    stages = pd.DataFrame(list(commits["stages"]), columns=list(STAGES))
    return {stage: _distribution(stages[stage].dropna().astype(float)) for stage in STAGES}


def _distribution(values: pd.Series) -> dict[str, Any]:
    if values.empty:
        return {"n": 0, "mean": None, **dict.fromkeys(_PERCENTILES)}
    found = values.quantile(list(_PERCENTILES.values()), interpolation="linear")
    percentiles = dict(zip(_PERCENTILES, map(float, found), strict=True))
    return {"n": len(values), "mean": float(values.mean()), **percentiles}


_Measured = tuple[pd.DataFrame, pd.DataFrame, float]


def _changes(now: _Measured, before: _Measured, question: Question) -> dict[str, Any]:
    (new, new_days), (old, old_days) = ((each, each[2]) for each in (now, before))
    rates = (_frequency(each[0], each[2], question)["per_day"] for each in (now, before))
    counts = (len(new[0]), new_days, len(old[0]), old_days)
    (failed, rework, n), (failed_before, rework_before, n_before) = (
        _shares(each[0]) for each in (now, before)
    )
    return {
        "deployment_frequency": _change(*rates, within_noise=counts_are_alike(*counts)),
        "change_lead_time": _durations(_lead_times(each[0], question) for each in (now, before)),
        "change_failure_rate": _points(failed, n, failed_before, n_before),
        "failed_deployment_recovery_time": _durations(
            _recovery_times(each[0]) for each in (now, before)
        ),
        "deployment_rework_rate": _points(rework, n, rework_before, n_before),
        "incident_time_to_restore": _durations(
            _times_to_restore(each[1]) for each in (now, before)
        ),
    }


def _durations(samples: Iterable[pd.Series]) -> dict[str, Any]:
    now, before = samples
    alike = durations_are_alike(_list(now), _list(before))
    return _change(_distribution(now)["p50"], _distribution(before)["p50"], within_noise=alike)


def _list(values: pd.Series) -> Sequence[float]:
    return [float(each) for each in values]


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
