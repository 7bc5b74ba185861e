"""What a metrics document says of an example, under the names of its expectation."""

from collections.abc import Callable, Mapping
from typing import Any

from golden.derived import renamed
from golden.examples import Example
from theodora.events import format_rfc3339, nanoseconds_from_rfc3339

Ask = Callable[[Mapping[str, str]], Any]
"""Asks a question, by its parameters; the answer is a whole document."""

_ALL = {"from": "2000-01-01", "to": "2100-01-01", "as_of": "2100-01-01"}


def observe_metrics(example: Example, ask: Ask) -> dict[str, Any]:
    """As much of an expectation as is about metrics of stored events."""
    return {name: _OBSERVERS[name](example, ask) for name in example.expect if name in _OBSERVERS}


def _whole(_: Example, ask: Ask) -> dict[str, Any]:
    return renamed(_total(ask(_ALL)))


def _count(_: Example, ask: Ask) -> int:
    return _total(ask(_ALL))["deployment_frequency"]["count"]


def _rate(example: Example, ask: Ask) -> dict[str, Any]:
    document = ask(_parameters(example.query))
    start, end = (_ns(document["meta"][name]) for name in ("from", "to"))
    return _total(document)["deployment_frequency"] | {"days": (end - start) / 86_400e9}


def _buckets(week_start: str) -> Callable[[Example, Ask], list[Any]]:
    def observe_buckets(example: Example, ask: Ask) -> list[Any]:
        document = ask(_parameters(example.query) | {"week_start": week_start})
        return [
            renamed(each)
            | {"start": _ns(each["start"]), "end": _ns(each["end"]), "partial": each["partial"]}
            for each in document["data"][0]["attributes"]["series"]
        ]

    return observe_buckets


def _previous(name: str) -> Callable[[Example, Ask], dict[str, int]]:
    def observe_previous(example: Example, ask: Ask) -> dict[str, int]:
        found = ask(_parameters(example.query[name]))["meta"]["previous"]
        return {"previous_from": _ns(found["from"]), "previous_to": _ns(found["to"])}

    return observe_previous


def _groups(example: Example, ask: Ask) -> dict[str, Any]:
    key = example.query["group_by"]
    found = _by_group(ask(_ALL | {"group_by": key}), key)
    return {name: renamed(metrics) for name, metrics in found.items()}


def _incidents(_: Example, ask: Ask) -> dict[str, Any]:
    document = ask(_ALL | {"group_by": "service"})
    by_service = _by_group(document, "service")
    return {
        "total": _restored(_total(document)),
        "by_service": {name: _restored(metrics) for name, metrics in by_service.items()},
    }


def _restored(metrics: Mapping[str, Any]) -> dict[str, Any]:
    found = metrics["incident_time_to_restore"]
    count = found["n"] + found["open"]
    return {
        "count": count,
        "resolved": found["n"],
        "unresolved": found["open"],
        "p50": found["p50"],
    }


def _total(document: Mapping[str, Any]) -> dict[str, Any]:
    return document["data"][0]["attributes"]["total"]


def _by_group(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    attributes = (resource["attributes"] for resource in document["data"][1:])
    return {each["group"][key]: each["total"] for each in attributes}


def _parameters(query: Mapping[str, Any]) -> dict[str, str]:
    """Instants are written out; a query without an `as_of` is asked when all of it has passed."""
    given = {"as_of": _ns("2100-01-01T00:00:00Z"), **query}
    return {
        name: format_rfc3339(value) if isinstance(value, int) else value
        for name, value in given.items()
    }


def _ns(text: str) -> int:
    found = nanoseconds_from_rfc3339(text)
    assert found is not None
    return found


_OBSERVERS: Mapping[str, Callable[[Example, Ask], Any]] = {
    "metrics": _whole,
    "pooled": _whole,
    "total": _count,
    "rate": _rate,
    "buckets": _buckets("monday"),
    "buckets_sunday": _buckets("sunday"),
    "full": _previous("full"),
    "running": _previous("running"),
    "plain": _previous("plain"),
    "groups": _groups,
    "incidents": _incidents,
}
