"""Reads the same examples from their other form: JSON, with everything spelled out."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from golden.examples import (
    REPOSITORY,
    Example,
    commit,
    deployment,
    incident,
    linear_history,
    override,
    rules,
)
from theodora.dora.derivation.commits import Commit, PullRequest
from theodora.dora.derivation.rules import LinkedRule, StaticRule
from theodora.events import Deployment, Failure, nanoseconds_from_rfc3339

_INSTANTS = {"start", "end", "from", "to", "as_of", "previous_from", "previous_to"}


def load(path: Path) -> tuple[Example, ...]:
    return tuple(map(_example, json.loads(path.read_text("utf-8"))["cases"]))


def _example(case: Mapping[str, Any]) -> Example:
    facts: dict[str, Any] = {}
    if "generate" in case:
        facts |= _generated(case["generate"])
    if "rules" in case:
        facts["linked_rules"] = rules(LinkedRule)(case["rules"]["linked"])
        facts["static_rules"] = rules(StaticRule)(case["rules"]["static"])
    for name, read in _READERS.items():
        if name in case:
            facts[name] = tuple(map(read, case[name]))
    return Example(
        id=case["id"],
        title=case["title"],
        paths={name: tuple(each["paths"]) for name, each in case.get("services", {}).items()},
        query=_read(case.get("query", {})),
        values=case.get("values"),
        expect=_with_named_counts(_read(case["expect"])),
        **facts,
    )


def _generated(given: Mapping[str, Any]) -> dict[str, Any]:
    return linear_history(
        commits=given["commits"],
        root_time=_ns(given["root_time"]),
        first_time=_ns(given["first_time"]),
        d0=_ns(given["d0_finished_at"]),
        d1=_ns(given["d1_finished_at"]),
    )


def _commit(given: Mapping[str, Any]) -> Commit:
    assert given.get("repo", REPOSITORY) == REPOSITORY
    return commit(
        given["sha"],
        _ns(given["author_time"]),
        given.get("parents", ()),
        committed=_optional_ns(given.get("commit_time")),
        subject=given.get("subject"),
        paths=given.get("paths"),
    )


def _deployment(given: Mapping[str, Any]) -> Deployment:
    assert given.get("repo", REPOSITORY) == REPOSITORY
    return deployment(
        given["id"],
        _ns(given["finished_at"]),
        started=_optional_ns(given.get("started_at")),
        sha=given.get("sha"),
        version=given.get("version"),
        service=given["service"],
        env=given["env"],
        tags=given.get("custom_tags", ()),
    )


def _pull_request(given: Mapping[str, Any]) -> PullRequest:
    assert given["repo"] == REPOSITORY
    return PullRequest(
        number=given["number"],
        title=given["title"],
        labels=tuple(given["labels"]),
        branch=given["branch"],
        merge_commit_sha=given["merge_commit_sha"],
        merge_method=given["merge_method"],
        commits=tuple(map(_commit, given["commits"])),
        ready_at_ns=_optional_ns(given.get("ready_at")),
        last_approved_at_ns=_optional_ns(given.get("last_approved_at")),
        merged_at_ns=_optional_ns(given.get("merged_at")),
    )


def _incident(given: Mapping[str, Any]) -> Failure:
    assert given["env"] == "production"
    finished = _optional_ns(given["finished_at"])
    return incident(given["id"], _ns(given["started_at"]), finished, given["services"])


def _read(value: Any, name: str = "") -> Any:
    match value:
        case dict():
            return {key: _read(each, key) for key, each in value.items()}
        case list():
            return [_read(each) for each in value]
        case str() if name in _INSTANTS:
            return _ns(value)
        case _:
            return value


def _with_named_counts(expect: dict[str, Any]) -> dict[str, Any]:
    """A group's bare number is its number of deployments."""
    groups = {
        name: {"deployments": each} if isinstance(each, int) else each
        for name, each in expect.get("groups", {}).items()
    }
    return expect | {"groups": groups} if groups else expect


def _ns(text: str) -> int:
    found = nanoseconds_from_rfc3339(text)
    assert found is not None
    return found


def _optional_ns(text: str | None) -> int | None:
    return None if text is None else _ns(text)


_READERS = {
    "commits": _commit,
    "deployments": _deployment,
    "pull_requests": _pull_request,
    "overrides": override,
    "incidents": _incident,
    "arrival_orders": tuple,
}
