"""The data health page: what makes the metrics incomplete, and how to fix it."""

import shlex
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from theodora.errors import Invalid, Problem
from theodora.events import match_key
from theodora.events.repository import similar
from theodora.events.values import SECOND_NS
from theodora.report.deployment_sources import DeploymentSource, sources_of
from theodora.report.links import path_of
from theodora.report.wording import counted
from theodora.storage.access.key_usage import IgnoredMember, KeyActivity, Received, Refusal
from theodora.storage.facts.derivation_queue import Waiting
from theodora.storage.health import LOOKED_AT, FailedMirror, Health, Seen
from theodora.web.api.ignored_members import suggestion
from theodora.web.pages.shell.health_badge import is_recent
from theodora.web.pages.shell.page import Answer, View, Visit

PATH = "/data-health"
LONG_LEAD_TIME_DAYS = 180
_SHOWN = 100
"""Most rows of a table."""
_CLOCKS_AGREE_NS = 300 * SECOND_NS
"""A deployment that finished later than this after it was received has another clock."""
_DERIVED_WITHIN_NS = 60 * SECOND_NS
"""Derivation is late when something has waited for longer."""

KINDS: Mapping[Received, str] = {
    "deployment": "deployments",
    "failure": "failures",
    "commits": "packs of commits",
    "verdict": "verdicts",
    "user_activity": "user activity",
}
"""What keys send, in words."""


class Unmatched(NamedTuple):
    """A repository that deployments name but that has no known commits."""

    repository_id: str
    deployments: int
    services: tuple[str, ...]
    last_ns: int
    mirror: FailedMirror | None
    similar: str | None
    """A repository that commits are known of and that may be the same one."""

    @property
    def alias_names(self) -> str:
        """The arguments of the command that joins the two."""
        return f"{shlex.quote(self.repository_id)} {shlex.quote(self.similar or '')}"


class RefusalRow(NamedTuple):
    """The reason for refused requests, and whether it needs attention."""

    refusal: Refusal
    is_recent: bool
    accepted_ns: int | None
    """When the key had something of the kind accepted since."""


class IgnoredRow(NamedTuple):
    """An unknown member, and the member that was probably meant."""

    member: IgnoredMember
    is_recent: bool
    meant: str | None


class ListedDeployment(NamedTuple):
    """A deployment to look at, and why."""

    deployment: Seen
    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Check:
    """A check of the data."""

    name: str
    label: str
    count: int
    """The number of findings."""
    noun: str
    link: str


class HealthFindings(NamedTuple):
    """The findings of the checks, as their tables show them."""

    health: Health
    sources: Sequence[DeploymentSource]
    refusals: Sequence[RefusalRow]
    ignored: Sequence[IgnoredRow]
    unmatched: Sequence[Unmatched]
    deployments: Mapping[str, Sequence[ListedDeployment]]
    """Of the checks that list deployments, by the name of the check."""

    def counts(self) -> Mapping[str, int]:
        """The number of findings of each check."""
        negative = self.deployments["negative"]
        counts = {
            "sources": sum(source.is_stale for source in self.sources),
            "refused": sum(row.is_recent for row in self.refusals),
            "derivation": len(self.health.parked),
            "ignored": sum(row.is_recent for row in self.ignored),
            "mirrors": len(self.health.failed_mirrors),
            "repositories": len(self.unmatched),
            "dates": sum(each.commits for each in self.health.undated),
            "failures": len(self.health.unmarked),
            "ids": len(self.health.shared_ids),
            "quotas": len(self.health.quotas),
            "retention": int(self.health.refused_deletion is not None),
            **{name: len(rows) for name, rows in self.deployments.items()},
            "negative": sum(row.deployment.negative_spans for row in negative),
        }
        return {name: counts[name] for name in CHECKS}


def show_data_health(visit: Visit) -> Answer:
    health = visit.store.health.look(visit.organisation)
    found = findings_of(health, visit.now_ns)
    counts = found.counts()
    chosen = _chosen(visit, counts)
    checks = [
        Check(name, label, counts[name], noun, visit.scope.link(PATH, check=name))
        for name, (label, noun) in CHECKS.items()
    ]
    rows = found.deployments.get(chosen, ())
    return View(
        {
            "checks": checks,
            "check": next(check for check in checks if check.name == chosen),
            "sources": found.sources,
            "activity": health.activity[:_SHOWN],
            "refusals": found.refusals[:_SHOWN],
            "parked": health.parked[:_SHOWN],
            "ignored": found.ignored[:_SHOWN],
            "kinds": KINDS,
            "mirrors": health.failed_mirrors[:_SHOWN],
            "unmatched": found.unmatched[:_SHOWN],
            "shared_ids": health.shared_ids[:_SHOWN],
            "rows": rows[:_SHOWN],
            "row_count": len(rows),
            "unmarked": health.unmarked[:_SHOWN],
            "quotas": health.quotas,
            "refused_deletion": health.refused_deletion,
            "undated": health.undated[:_SHOWN],
            "reasons": reasons_of(found.deployments["commits"]),
            "looked_at": len(health.deployments),
            "most": LOOKED_AT,
            "waiting": health.waiting,
            "waits_long": waits_long(health.waiting, visit.now_ns),
        }
    )


def findings_of(health: Health, now_ns: int) -> HealthFindings:
    """What each check finds."""
    seen = health.deployments
    return HealthFindings(
        health,
        sources_of(seen, now_ns),
        _refusals(health.refusals, health.activity, now_ns),
        _ignored(health.ignored, now_ns),
        _unmatched(seen, health),
        {
            "commits": _rows(seen, _why_without_lead_times),
            "pending": _rows(seen, _why_pending),
            "outliers": _rows(seen, _why_outlier),
            "negative": _rows(seen, _why_negative),
        },
    )


CHECKS = {
    "sources": ("Sources", "silent source"),
    "refused": ("Refused", "reason"),
    "quotas": ("Quotas", "quota"),
    "derivation": ("Not derived", "service and environment"),
    "ignored": ("Unknown members", "member"),
    "mirrors": ("Mirrors not fetched", "mirror"),
    "repositories": ("Repositories not matched", "repository"),
    "commits": ("Deployments without lead times", "deployment"),
    "pending": ("Pending", "deployment"),
    "outliers": ("Outliers", "deployment"),
    "negative": ("Negative lead times", "commit"),
    "dates": ("Commits without a date", "commit"),
    "failures": ("Failures that mark nothing", "failure"),
    "ids": ("Ids used for several services", "id"),
    "retention": ("Deletion of old events", "refusal"),
}
"""Each check by its name in the address: its label, and what it counts."""


def _chosen(visit: Visit, found: Mapping[str, int]) -> str:
    """The check asked for, else the first that found something."""
    asked = visit.query_parameters.get("check")
    if asked is None:
        return next((name for name, count in found.items() if count), "sources")
    if asked not in found:
        raise Invalid(Problem(f'must be one of "{" ".join(found)}"', parameter="check"))
    return asked


def waits_long(waiting: Waiting, now_ns: int) -> bool:
    """Whether derivation seems not to run, or not to keep up."""
    return waiting.since_ns is not None and now_ns - waiting.since_ns > _DERIVED_WITHIN_NS


def _refusals(
    refusals: Iterable[Refusal], activity: Iterable[KeyActivity], now_ns: int
) -> list[RefusalRow]:
    accepted = {(each.key_id, each.kind): each.last_at_ns for each in activity}
    rows: list[RefusalRow] = []
    for refusal in refusals:
        last_ns = accepted.get((refusal.key_id, refusal.kind), 0)
        since_ns = last_ns if last_ns > refusal.last_at_ns else None
        rows.append(RefusalRow(refusal, is_recent(refusal, now_ns), since_ns))
    return rows


def _ignored(members: Iterable[IgnoredMember], now_ns: int) -> list[IgnoredRow]:
    return [
        IgnoredRow(each, is_recent(each, now_ns), suggestion(each.kind, each.place))
        for each in members
    ]


def _unmatched(seen: Iterable[Seen], health: Health) -> list[Unmatched]:
    """The repositories that deployments name and that have no commits, most named first."""
    mirrors = {match_key(each.repository_id): each for each in health.failed_mirrors}
    by_repository: dict[str, list[Seen]] = defaultdict(list)
    for each in seen:
        if each.repository_id and not each.repository_is_known:
            by_repository[each.repository_id].append(each)
    found = [
        Unmatched(
            repository_id,
            len(those),
            tuple(sorted({each.service for each in those})),
            those[0].finished_at_ns,
            mirrors.get(match_key(repository_id)),
            next(iter(similar(repository_id, health.repositories)), None),
        )
        for repository_id, those in by_repository.items()
    ]
    return sorted(found, key=lambda each: (-each.deployments, each.repository_id))


NO_COMMIT = "no commit was sent with it"
NO_REPOSITORY = "no commits of its repository are known"
UNKNOWN_COMMIT = "its commit is not among those of its repository"
SHALLOW = "a shallow clone cut its history off"
NOTHING_BEFORE = "there is no deployment before it to compare with"
AFTER_PAUSE = "it came after a pause, which lead times would measure"


def _why_without_lead_times(seen: Seen) -> str | None:
    if seen.lead_time_status == "gap":
        return AFTER_PAUSE
    if seen.number_of_commits is not None:
        return None
    if seen.commit_sha is None:
        return NO_COMMIT
    if not seen.repository_is_known:
        return NO_REPOSITORY
    if seen.lead_time_status == "shallow":
        return SHALLOW
    return NOTHING_BEFORE if seen.commit_is_known else UNKNOWN_COMMIT


def _why_pending(seen: Seen) -> str | None:
    if not seen.is_pending:
        return None
    if seen.lead_time_status == "shallow" and seen.commit_sha:
        return f"commits before {seen.commit_sha[:7]}, which a shallow clone cut off"
    if seen.commit_sha is None or seen.commit_is_known:
        return "being evaluated: the derivation queue is or was just not empty"
    return f"commit {seen.commit_sha[:7]} of {seen.repository_id}"


def _why_outlier(seen: Seen) -> str | None:
    lead_days = (seen.change_lead_time or 0) // (24 * 3_600)
    if lead_days > LONG_LEAD_TIME_DAYS:
        return f"lead time of {lead_days} days"
    if seen.finished_at_ns - seen.created_at_ns > _CLOCKS_AGREE_NS:
        return "finished after it was received: clocks disagree"
    return None


def _why_negative(seen: Seen) -> str | None:
    if not seen.negative_spans:
        return None
    return f"{counted(seen.negative_spans, 'commit')} written after it finished"


def _rows(seen: Iterable[Seen], why: Callable[[Seen], str | None]) -> list[ListedDeployment]:
    reasons = ((each, why(each)) for each in seen)
    return [
        ListedDeployment(each, path_of(each.id), reason)
        for each, reason in reasons
        if reason is not None
    ]


def reasons_of(rows: Iterable[ListedDeployment]) -> list[tuple[str, int]]:
    """How many there are for each reason, most first."""
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        counts[row.why] += 1
    return sorted(counts.items(), key=lambda each: -each[1])
