"""Reads examples.toml, whose head tells its form, into facts that any `observe` can use."""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from theodora.dora.derivation.commits import Commit, PullRequest
from theodora.dora.derivation.overrides import GivenRemediation, Override
from theodora.dora.derivation.rules import (
    DEFAULT_LINKED_RULES,
    DEFAULT_STATIC_RULES,
    LinkedRule,
    StaticRule,
)
from theodora.events import Deployment, Failure, Git

REPOSITORY = "github.com/acme/shop"
SECOND_NS = 10**9

_DAY = "2026-03-02"
_SPAN = re.compile(r"(\d+(?:\.\d+)?)([dhms])")
_RATE = re.compile(r"(\d+)/(\d+)(?: \+(\d+) pending)?")
_UNIT_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_INSTANTS = {"start", "end", "from", "to", "as_of", "previous_from", "previous_to"}


@dataclass(frozen=True, kw_only=True)
class Example:
    """The facts of one example. Short names stand in for SHAs."""

    id: str
    title: str
    deployments: tuple[Deployment, ...] = ()
    """`started_at_ns` equals `finished_at_ns` where the source gave no start."""
    commits: tuple[Commit, ...] = ()
    """All of `REPOSITORY`, which has a commit source."""
    pull_requests: tuple[PullRequest, ...] = ()
    linked_rules: tuple[LinkedRule, ...] = DEFAULT_LINKED_RULES
    static_rules: tuple[StaticRule, ...] = DEFAULT_STATIC_RULES
    overrides: tuple[Override, ...] = ()
    paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Path globs by service."""
    incidents: tuple[Failure, ...] = ()
    arrival_orders: tuple[tuple[str, ...], ...] = ()
    """Orders of the deployments that must all give the same."""
    query: Mapping[str, Any] = field(default_factory=dict[str, Any])
    values: Any = None
    expect: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __str__(self) -> str:
        return self.id


@cache
def load() -> tuple[Example, ...]:
    document = tomllib.loads(Path(__file__).with_name("examples.toml").read_text("utf-8"))
    return tuple(_example(id_, given) for id_, given in document.items())


def _example(id_: str, given: Mapping[str, Any]) -> Example:
    facts: dict[str, Any] = {
        name: read(given[name]) for name, read in _READERS.items() if name in given
    }
    if "generate" in given:
        facts |= linear_history(
            **{key: _number_or_instant(value) for key, value in given["generate"].items()}
        )
    return Example(id=id_, title=given["title"], **facts)


def linear_history(
    *, commits: int, root_time: int, first_time: int, d0: int, d1: int
) -> dict[str, Any]:
    """A root and so many commits after it, one second apart; two deployments, of root and last."""
    times = [root_time, *(first_time + index * SECOND_NS for index in range(commits))]
    return {
        "commits": tuple(
            commit(f"c{index}", time, [f"c{index - 1}"] if index else [])
            for index, time in enumerate(times)
        ),
        "deployments": (
            deployment("d0", d0, sha="c0"),
            deployment("d1", d1, sha=f"c{commits}"),
        ),
    }


def commit(
    sha: str,
    author_time: int,
    parents: Iterable[str] = (),
    *,
    committed: int | None = None,
    subject: str | None = None,
    paths: Iterable[str] | None = None,
    author: str = "",
    email: str = "",
) -> Commit:
    return Commit(
        sha=sha,
        parents=tuple(parents),
        author_time_ns=author_time,
        commit_time_ns=author_time if committed is None else committed,
        subject=f"Change {sha}" if subject is None else subject,
        paths=None if paths is None else tuple(paths),
        author_name=author,
        author_email=email,
    )


def deployment(
    id_: str,
    finished: int,
    *,
    started: int | None = None,
    sha: str | None = None,
    version: str | None = None,
    service: str = "shop",
    env: str = "production",
    tags: Iterable[str] = (),
) -> Deployment:
    return Deployment(
        id=id_,
        service=service,
        env=env,
        version=version,
        started_at_ns=finished if started is None else started,
        finished_at_ns=finished,
        git=Git(sha, f"https://{REPOSITORY}") if sha else None,
        custom_tags=tuple(tags),
    )


def incident(id_: str, started: int, finished: int | None, services: Iterable[str]) -> Failure:
    return Failure(
        id=id_,
        services=tuple(services),
        env="production",
        started_at_ns=started,
        finished_at_ns=finished,
    )


def instant_ns(text: str) -> int:
    """`HH:MM`, `MM-DDTHH:MM` or a whole date and time, seconds optional, as nanoseconds."""
    day, _, time = text.rpartition("T")
    day = day if day.count("-") == 2 else f"2026-{day}" if day else _DAY
    moment = datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=UTC)
    return int(moment.timestamp()) * SECOND_NS


def rate(hits_name: str, hits: int, n: int, pending: int) -> dict[str, Any]:
    counts = {hits_name: hits, "evaluated": n, "value": hits / n if n else None}
    return counts if hits_name == "rework" else counts | {"pending": pending}


def _number_or_instant(value: Any) -> int:
    return instant_ns(value) if isinstance(value, str) else value


def _rows(block: str) -> Iterable[tuple[list[str], dict[str, str], str | None]]:
    """Of each line the words, the `name=value` words, and what stands after a bar."""
    for line in block.strip().splitlines():
        facts, bar, text = line.partition(" | ")
        words = facts.split()
        options = dict(word.split("=", 1) for word in words if "=" in word)
        yield [word for word in words if "=" not in word], options, text if bar else None


def read_commits(block: str) -> tuple[Commit, ...]:
    return tuple(
        commit(
            words[0],
            instant_ns(words[1]),
            words[2].removeprefix("<").split(",") if len(words) > 2 else [],
            committed=_optional(instant_ns, options.get("committed")),
            subject=text,
            paths=_optional(_listed, options.get("paths")),
            author=options.get("author", ""),
            email=options.get("email", ""),
        )
        for words, options, text in _rows(block)
    )


def read_deployments(block: str) -> tuple[Deployment, ...]:
    return tuple(
        deployment(
            words[0],
            instant_ns(words[1]),
            **options
            | {
                "started": _optional(instant_ns, options.get("started")),
                "tags": _listed(options.get("tags", "")),
            },
        )
        for words, options, _ in _rows(block)
    )


def read_pull_requests(block: str) -> tuple[PullRequest, ...]:
    return tuple(
        PullRequest(
            number=int(words[0].removeprefix("#")),
            title=title or "",
            labels=_listed(options.get("labels", "")),
            branch=f"feature-{words[0].removeprefix('#')}",
            merge_commit_sha=options.get("merge"),
            merge_method=options.get("method"),
            commits=tuple(map(_original, _listed(options.get("commits", "")))),
            created_at_ns=_optional(instant_ns, options.get("created")),
            ready_at_ns=_optional(instant_ns, options.get("ready")),
            last_approved_at_ns=_optional(instant_ns, options.get("approved")),
            merged_at_ns=_optional(instant_ns, options.get("merged")),
        )
        for words, options, title in _rows(block)
    )


def _original(text: str) -> Commit:
    name, _, time = text.partition("@")
    return commit(name, instant_ns(time))


def read_incidents(block: str) -> tuple[Failure, ...]:
    return tuple(
        incident(
            words[0],
            instant_ns(words[1]),
            None if words[2] == "open" else instant_ns(words[2]),
            options["services"].split(","),
        )
        for words, options, _ in _rows(block)
    )


def override(given: Mapping[str, Any]) -> Override:
    remediation = given.get("remediation")
    return Override(
        deployment_id=given["id"],
        change_failure=given["change_failure"],
        remediation=GivenRemediation(**remediation) if remediation else None,
    )


def _expected(value: Any, name: str = "") -> Any:
    """Spans as seconds, instants as nanoseconds, rates as their parts, "none" as None."""
    match value:
        case dict():
            return {key: _expected(each, key) for key, each in value.items()}
        case list():
            return [_expected(each) for each in value]
        case "none":
            return None
        case str() if name in _INSTANTS:
            return instant_ns(value)
        case str() if found := _SPAN.fullmatch(value):
            return float(found[1]) * _UNIT_SECONDS[found[2]]
        case str() if found := _RATE.fullmatch(value):
            hits_name = "rework" if name == "rework" else "failed"
            return rate(hits_name, int(found[1]), int(found[2]), int(found[3] or 0))
        case _:
            return value


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _optional(read: Callable[[str], Any], text: str | None) -> Any:
    return None if text is None else read(text)


def rules(kind: type[LinkedRule | StaticRule]) -> Callable[[Any], tuple[Any, ...]]:
    return lambda given: tuple(
        kind(rule["id"], tuple(rule["fields"]), rule["pattern"]) for rule in given
    )


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "commits": read_commits,
    "deployments": read_deployments,
    "pull_requests": read_pull_requests,
    "incidents": read_incidents,
    "linked_rules": rules(LinkedRule),
    "static_rules": rules(StaticRule),
    "overrides": lambda given: tuple(map(override, given)),
    "paths": lambda given: {service: tuple(globs) for service, globs in given.items()},
    "arrival_orders": lambda given: tuple(tuple(order.split()) for order in given),
    "query": _expected,
    "values": lambda given: given,
    "expect": _expected,
}
