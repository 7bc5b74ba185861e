"""The explanation of a deployment's derived values, with names, words and seconds."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import msgspec

from theodora.dora.derivation.authorship import evidence_of
from theodora.dora.derivation.commits import Commit, Repository
from theodora.dora.derivation.derived import (
    OUTCOMES,
    Derived,
    Flag,
    LeftOut,
    Match,
    NewCommit,
    RemediationLink,
    Status,
)
from theodora.dora.derivation.derived import RuleAttempt as TrialResult
from theodora.dora.derivation.overrides import Override as GivenOverride
from theodora.dora.derivation.settings import ServiceSettings
from theodora.events import Deployment, Remediation, format_rfc3339
from theodora.events.values import SECOND_NS

STATUSES: Mapping[Status, str] = {
    "no_git": "it came without a commit",
    "unknown_commits": "its commit is not among those known",
    "baseline": "it is the first of its repository here, so its history is not its own doing",
    "gap": "the one before is older than {gap}, so lead times would measure the pause",
    "no_new_commits": "it has no commit that is new and counts",
    "ok": "its commits are those that no deployment before it had",
}
"""What a status means, as a clause; `{gap}` is the service's `lead_time_gap_days` in words."""

FLAGS: Mapping[Flag, str] = {
    "stale_target": "the rollback reaches back more than 10 deployments: it may be a coincidence",
    "commits_truncated": "it has more than 5,000 commits; the newest are listed and measured",
    "paths_missing": "of some commits it is not known what they changed, so they do not count",
    "squash_unresolved": "the commits behind a squash are not known, so it is measured itself",
    "negative_span": "a commit is younger than the deployment, so it has no lead time",
    "unreadable_time": "the date of a commit cannot be read, or is 0, so it has no lead time",
    "shallow": "a shallow clone cut its history off, so earlier commits may be missing",
    "remediation_dangling": "the named remediation is not stored, or finished before the failure",
}

_SEND_COMMIT = "git.commit_sha and git.repository_url, to find the commits it brought"
_SEND_VERSION = "a version or a commit, to find rollbacks"
_UPLOAD_COMMIT = "the commits of {repository}: some are known, but not this one"
_DEEPEN = (
    "the history of {repository}, which a shallow clone cut off: run git fetch --unshallow in the "
    "clone and send it again"
)
_SHALLOW = "a shallow clone cut its history off, so it is not known which commits it brought"
_UPLOAD_COMMITS = "the commits of {repository}, to measure lead times: none are known"
_IMPORT_PULL_REQUESTS = "pull requests of {repository}, to measure review times: none are known"
_UPLOAD_PATHS = "the paths that commits changed, since the service has path globs"
_SQUASHED = "the original commits of pull requests that were squashed"


class Neighbour(msgspec.Struct, frozen=True):
    """The previous deployment, by what identifies it."""

    id: str
    version: str | None
    commit_sha: str | None
    finished_at: str


class StageSeconds(msgspec.Struct, frozen=True):
    """The stages of a lead time in seconds; None if a stage is not known."""

    time_to_pr_ready: float | None
    review_time: float | None
    merge_time: float | None
    time_to_deploy: float | None
    deploy_time: float | None
    other: float | None


class NamedAssistant(msgspec.Struct, frozen=True):
    """An AI assistant that a commit names, and where."""

    tool: str
    title: str
    source: str
    """The trailer, such as `Co-authored-by`, or `author`."""


class CommitExplained(msgspec.Struct, frozen=True):
    """A commit of the deployment."""

    sha: str
    subject: str
    author_name: str
    author_email: str
    """Both are empty where they are not known."""
    written_at: str | None
    """None where the commit's date cannot be read."""
    lead_time: float | None
    """Seconds."""
    stages: StageSeconds | None
    pull_request: int | None
    squashed_into: str | None
    flags: tuple[Flag, ...]
    assistants: tuple[NamedAssistant, ...]
    """The AI assistants that the commit names; empty where it names none."""
    is_bot: bool
    """Whether a bot wrote it, which AI impact leaves out."""


class LeftOutExplained(msgspec.Struct, frozen=True):
    """A commit of the deployment that is not measured."""

    sha: str
    subject: str
    reason: str


class LeadTimeExplained(msgspec.Struct, frozen=True):
    """The commits of the deployment and their lead times, in seconds."""

    status: Status
    meaning: str
    n: int
    avg: float | None
    min: float | None
    max: float | None
    commits_total: int | None
    commits: tuple[CommitExplained, ...]
    left_out: tuple[LeftOutExplained, ...]


class MatchExplained(msgspec.Struct, frozen=True):
    """A text that a rule matched."""

    field: str
    text: str
    captured: str | None
    outcome: str
    meaning: str
    failed_id: str | None


class RuleExplained(msgspec.Struct, frozen=True):
    """A rule that was tried on the deployment."""

    rule: str
    kind: str
    outcome: str
    meaning: str
    matches: tuple[MatchExplained, ...]


class LinkExplained(msgspec.Struct, frozen=True):
    """A failed deployment, the one that remedied it, and the rule that linked them."""

    failed_id: str
    remediation_id: str
    type: str
    rule: str
    field: str | None
    text: str | None


class OverrideExplained(msgspec.Struct, frozen=True):
    """The override of a deployment."""

    deployment_id: str
    change_failure: bool | None
    remediation_type: str | None
    remediation_id: str | None
    remediation_version: str | None
    failure_ids: tuple[str, ...]
    """Failures that were linked to it as caused by it."""
    by: str
    at: str | None
    reason: str


class FailureExplained(msgspec.Struct, frozen=True):
    """Whether it failed, who or what decided that, and its remediation."""

    change_failure: bool | None
    decided_by: str
    """A rule's id, or `override`, `incident`, `pending` or `nothing`."""
    marked_by: tuple[LinkExplained, ...]
    """Later deployments that remedied it, the first one first."""
    override: OverrideExplained | None
    incident_ids: tuple[str, ...]
    remediation: Remediation | None
    recovery_time: float | None
    """Seconds."""


class TypeExplained(msgspec.Struct, frozen=True):
    """Whether it remedied others, and by which rule."""

    deployment_type: str
    rules: tuple[RuleExplained, ...]
    """All, in the order in which they are tried; the first that fires decides."""
    remedied: tuple[LinkExplained, ...]
    given_by: OverrideExplained | None
    """The override of another deployment that named this one as its remediation."""


class FlagExplained(msgspec.Struct, frozen=True):
    """A flag that needs attention."""

    flag: Flag
    meaning: str


class Explanation(msgspec.Struct, frozen=True):
    """A deployment and the reasons for its derived values."""

    id: str
    service: str
    env: str | None
    version: str | None
    commit_sha: str | None
    repository_id: str | None
    finished_at: str
    position: int
    """In its sequence, from 0."""
    preceding: Neighbour | None
    lead_time: LeadTimeExplained
    failure: FailureExplained
    type: TypeExplained
    flags: tuple[FlagExplained, ...]
    missing: tuple[str, ...]
    """What is missing to know more."""


def explain(
    derived: Derived,
    preceding: Deployment | None,
    repository: Repository | None,
    settings: ServiceSettings,
) -> Explanation:
    """Explains a deployment.

    `repository` is the one it came from, at least with what the derivation names of it, and
    `settings` are those it was derived with.
    """
    deployment = derived.deployment
    git = deployment.git
    return Explanation(
        id=deployment.id,
        service=deployment.service,
        env=deployment.env,
        version=deployment.version,
        commit_sha=git.commit_sha if git else None,
        repository_id=git.repository_id if git else None,
        finished_at=format_rfc3339(deployment.finished_at_ns),
        position=derived.position,
        preceding=_neighbour(preceding) if preceding else None,
        lead_time=_lead_time(derived, repository or Repository(), settings),
        failure=_failure(derived),
        type=_type(derived),
        flags=tuple(FlagExplained(flag, FLAGS[flag]) for flag in derived.flags),
        missing=tuple(_missing(derived, repository)),
    )


def _neighbour(deployment: Deployment) -> Neighbour:
    git = deployment.git
    return Neighbour(
        deployment.id,
        deployment.version,
        git.commit_sha if git else None,
        format_rfc3339(deployment.finished_at_ns),
    )


def _lead_time(
    derived: Derived, repository: Repository, settings: ServiceSettings
) -> LeadTimeExplained:
    changes, known = derived.changes, NamedCommits(repository)
    return LeadTimeExplained(
        status=changes.status,
        meaning=_SHALLOW
        if changes.unmeasured == "shallow"
        else STATUSES[changes.status].format(gap=_gap(settings)),
        n=changes.lead_time.n,
        avg=changes.lead_time.avg,
        min=changes.lead_time.min,
        max=changes.lead_time.max,
        commits_total=changes.commits_total,
        commits=tuple(_commit(each, known) for each in changes.commits),
        left_out=tuple(_left_out(each, known) for each in changes.left_out),
    )


def _gap(settings: ServiceSettings) -> str:
    days = settings.lead_time_gap_days
    return f"{days} {'day' if days == 1 else 'days'}"


class NamedCommits:
    """Commits of a repository by their names, including the originals of squashes."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def of(self, sha: str, pull_request: int | None = None) -> Commit | None:
        """A commit; of several originals that of the pull request with this number."""
        return self.exactly(sha, pull_request) or self._originals.get((sha, None))

    def exactly(self, sha: str, pull_request: int | None) -> Commit | None:
        """A commit; an original only of the pull request with this number."""
        if commit := self._repository.commits.get(sha):
            return commit
        return None if pull_request is None else self._originals.get((sha, pull_request))

    @cached_property
    def _originals(self) -> Mapping[tuple[str, int | None], Commit]:
        """By pull request, and by none of any."""
        return {
            (commit.sha, number): commit
            for each in self._repository.pull_requests
            for commit in each.commits
            for number in (None, each.number)
        }


_LEFT_OUT = {
    "merge": "it is a merge",
    "path": "it changed nothing on the service's paths",
    "author": "its author is excluded (exclude_authors)",
    "label": "its pull request has an excluded label (exclude_labels)",
    "counted": "it was counted before, as the original of a squash",
}


def _left_out(left_out: LeftOut, known: NamedCommits) -> LeftOutExplained:
    commit = known.of(left_out.sha)
    subject = commit.subject if commit else ""
    return LeftOutExplained(left_out.sha, subject, _LEFT_OUT[left_out.reason])


def _commit(commit: NewCommit, known: NamedCommits) -> CommitExplained:
    written = known.of(commit.sha, commit.pull_request)
    stages: dict[str, Any] = msgspec.structs.asdict(commit.stages) if commit.stages else {}
    return CommitExplained(
        sha=commit.sha,
        subject=written.subject if written else "",
        author_name=written.author_name if written else "",
        author_email=written.author_email if written else "",
        written_at=None if commit.time_ns is None else format_rfc3339(commit.time_ns),
        lead_time=_seconds(commit.lead_time_ns),
        stages=StageSeconds(**{name: _seconds(each) for name, each in stages.items()})
        if stages
        else None,
        pull_request=commit.pull_request,
        squashed_into=commit.squashed_into,
        flags=commit.flags,
        assistants=tuple(_assistants(written)) if written else (),
        is_bot=commit.authorship.is_bot,
    )


def _assistants(commit: Commit) -> Iterator[NamedAssistant]:
    for assistant, source in evidence_of(commit):
        yield NamedAssistant(assistant.tool, assistant.title, source)


def _failure(derived: Derived) -> FailureExplained:
    verdict = derived.verdict
    return FailureExplained(
        change_failure=verdict.change_failure,
        decided_by=verdict.rule,
        marked_by=tuple(map(_link, verdict.failing_links)),
        override=_override(verdict.override) if verdict.override else None,
        incident_ids=verdict.incident_ids,
        remediation=verdict.remediation,
        recovery_time=_seconds(verdict.recovery_time_ns),
    )


def _type(derived: Derived) -> TypeExplained:
    given_by = derived.verdict.type_given_by
    return TypeExplained(
        deployment_type=derived.verdict.deployment_type,
        rules=tuple(map(_rule, derived.decision.trials)),
        remedied=tuple(map(_link, derived.decision.links)),
        given_by=_override(given_by) if given_by else None,
    )


def _rule(trial: TrialResult) -> RuleExplained:
    return RuleExplained(
        trial.rule,
        trial.kind,
        trial.outcome,
        OUTCOMES[trial.outcome],
        tuple(map(_match, trial.matches)),
    )


def _match(match: Match) -> MatchExplained:
    return MatchExplained(
        match.field,
        match.text,
        match.captured,
        match.outcome,
        OUTCOMES[match.outcome],
        match.failed_id,
    )


def _link(link: RemediationLink) -> LinkExplained:
    return LinkExplained(
        link.failed_id, link.remediation_id, link.type, link.rule, link.field, link.text
    )


def _override(override: GivenOverride) -> OverrideExplained:
    given = override.remediation
    return OverrideExplained(
        deployment_id=override.deployment_id,
        change_failure=override.change_failure,
        remediation_type=given.type if given else None,
        remediation_id=given.id if given else None,
        remediation_version=given.version if given else None,
        failure_ids=override.failure_ids,
        by=override.by,
        at=format_rfc3339(override.at_ns) if override.at_ns else None,
        reason=override.reason,
    )


def _missing(derived: Derived, repository: Repository | None) -> Iterator[str]:
    git = derived.deployment.git
    if not git:
        yield _SEND_COMMIT
        if not derived.deployment.version:
            yield _SEND_VERSION
        return
    name = git.repository_id
    has_commits = repository is not None and bool(repository.commits)
    if derived.changes.unmeasured == "shallow":
        yield _DEEPEN.format(repository=name)
    elif derived.changes.status == "unknown_commits":
        sentence = _UPLOAD_COMMIT if has_commits else _UPLOAD_COMMITS
        yield sentence.format(repository=name)
    elif repository is not None and not repository.pull_requests:
        yield _IMPORT_PULL_REQUESTS.format(repository=name)
    if "paths_missing" in derived.flags:
        yield _UPLOAD_PATHS
    if "squash_unresolved" in derived.flags:
        yield _SQUASHED


def _seconds(span_ns: int | None) -> float | None:
    return None if span_ns is None else span_ns / SECOND_NS
