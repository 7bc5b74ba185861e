"""The metrics of pull requests a second time, from their definitions, with frames of pandas."""

from typing import Any

import pandas as pd

from oracle.intervals import DAY_NS, Question, days, intervals, previous

NONE = "(none)"
_QUANTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95}


def answer(requests: list[dict[str, Any]], question: Question) -> dict[Any, dict[str, Any]]:
    """By group (`()` for all): the figures of the period, the one before and each interval."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {(): []}
    for request in requests:
        if request["merged_at_ns"] is None:
            continue
        shipped = sorted(
            (each for each in request["deployments"] if each["in_scope"]),
            key=lambda each: (each["finished_at_ns"], each["id"]),
        )
        groups[()].append(request | {"first": shipped[0] if shipped else None})
        if question.group_by:
            firsts: dict[tuple[str, ...], Any] = {}
            for deployment in shipped or [None]:
                key = tuple(_value(request, deployment, name) for name in question.group_by)
                firsts.setdefault(key, deployment)
            for key, first in firsts.items():
                groups.setdefault(key, []).append(request | {"first": first})
    return {key: _group(found, question) for key, found in groups.items()}


def _value(request: dict[str, Any], deployment: Any, name: str) -> str:
    holder = request if name in {"repository_id", "base"} else deployment or {}
    return holder.get(name) or NONE


def _group(requests: list[dict[str, Any]], question: Question) -> dict[str, Any]:
    start_ns, end_ns = previous(question)
    return {
        "total": _figures(
            requests,
            question.from_ns,
            question.to_ns,
            days(question.from_ns, question.to_ns, question),
        ),
        "previous": _figures(requests, start_ns, end_ns, (end_ns - start_ns) / DAY_NS),
        "series": [
            _figures(
                requests,
                max(each.start_ns, question.from_ns),
                min(each.end_ns, question.to_ns),
                days(each.start_ns, each.end_ns, question),
            )
            for each in intervals(question)
        ],
    }


def _figures(
    requests: list[dict[str, Any]], from_ns: int, to_ns: int, elapsed_days: float
) -> dict[str, Any]:
    merged = [each for each in requests if from_ns <= each["merged_at_ns"] < to_ns]
    deployed = [
        each
        for each in requests
        if each["first"] and from_ns <= each["first"]["finished_at_ns"] < to_ns
    ]
    authors = pd.Series([each["author"] for each in deployed if each["author"]], dtype=object)
    known = authors.nunique() > 0 and elapsed_days > 0
    return {
        "merged": len(merged),
        "deployed": len(deployed),
        "throughput": len(authors) / authors.nunique() / elapsed_days if known else None,
        "cycle_time": _spread([_cycle(each) for each in merged]),
        "time_to_ready": _spread([_ready(each) for each in merged]),
        "review_time": _spread([_review(each) for each in merged]),
        "merge_time": _spread([_merge(each) for each in merged]),
        "time_to_deploy": _spread(
            [
                _not_negative(each["first"]["started_at_ns"] - each["merged_at_ns"])
                for each in deployed
            ]
        ),
        "number_of_commits": _spread([each["number_of_commits"] for each in merged], 1),
        "number_of_reviewers": _spread(
            [None if each["reviewers"] is None else len(each["reviewers"]) for each in merged], 1
        ),
        "lines": _spread(
            [
                None
                if each["additions"] is None or each["deletions"] is None
                else each["additions"] + each["deletions"]
                for each in merged
            ],
            1,
        ),
    }


def _cycle(request: dict[str, Any]) -> int | None:
    """Merged − author time of the first commit."""
    first = request["first_commit_at_ns"]
    return None if first is None else _not_negative(request["merged_at_ns"] - first)


def _ready(request: dict[str, Any]) -> int | None:
    """R − T; null without either, or if T >= R."""
    first, ready = request["first_commit_at_ns"], request["ready_at_ns"]
    return None if first is None or ready is None or first >= ready else ready - first


def _review(request: dict[str, Any]) -> int | None:
    """A − max(R, T); null without an approval, or if T >= A."""
    first, ready, approved = (
        request[name] for name in ("first_commit_at_ns", "ready_at_ns", "approved_at_ns")
    )
    if first is None or ready is None or approved is None or first >= approved:
        return None
    return _not_negative(approved - max(ready, first))


def _merge(request: dict[str, Any]) -> int | None:
    """M − max(R, A, T); null without an approval."""
    first, ready, approved = (
        request[name] for name in ("first_commit_at_ns", "ready_at_ns", "approved_at_ns")
    )
    if first is None or approved is None:
        return None
    return _not_negative(request["merged_at_ns"] - max(ready or 0, approved, first))


def _not_negative(span_ns: int) -> int | None:
    return span_ns if span_ns >= 0 else None


def _spread(values: list[int | None], unit: int = 10**9) -> dict[str, Any]:
    known = pd.Series([value for value in values if value is not None], dtype="float64") / unit
    if known.empty:
        return {"n": 0, "mean": None, **dict.fromkeys(_QUANTILES)}
    quantiles = {name: float(known.quantile(share)) for name, share in _QUANTILES.items()}
    return {"n": len(known), "mean": float(known.mean()), **quantiles}
