"""The derivation of one deployment as it is stored beside its commits' durations.

The record leaves out what its reader has from elsewhere: the deployment, the durations of the
commits and the names of the rules. What most deployments share takes few bytes.
"""

from collections.abc import Iterable, Iterator

import msgspec

from theodora.dora import Derived, ServiceSettings
from theodora.dora.derivation.authorship import Authorship
from theodora.dora.derivation.derived import (
    Changes,
    Decision,
    Flag,
    LeftOut,
    LeftOutReason,
    NewCommit,
    Outcome,
    RemediationLink,
    RuleAttempt,
    Status,
    Verdict,
)
from theodora.dora.derivation.lead_time import lead_time_of
from theodora.dora.derivation.rule_engine import rules_in_order
from theodora.dora.derivation.stages import Stages, mean_of
from theodora.dora.derivation.verdicts import unmarked
from theodora.events import Deployment, DeploymentType
from theodora.storage.derivation.commit_times import spans_of_commits


class _RecordedCommit(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A commit without its lead time and stages."""

    sha: str
    time_ns: int | None
    is_measured: bool
    pull_request: int | None
    squashed_into: str | None
    flags: tuple[Flag, ...]


class DerivationRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is stored."""

    tie: int
    """Its place among the deployments of its sequence that finished at the same instant."""
    status: Status
    commits: tuple[_RecordedCommit, ...]
    commits_total: int | None
    left_out: tuple[tuple[str, LeftOutReason], ...]
    flags: tuple[Flag, ...]
    type: DeploymentType
    trials: tuple[Outcome | RuleAttempt, ...]
    """In the order of the rules; an attempt without matches by its outcome alone."""
    links: tuple[RemediationLink, ...]
    rule_flags: tuple[Flag, ...]
    verdict: Verdict | bool
    """Whether it is pending, if no rule, incident or override is about the deployment."""


_UNKNOWN = Authorship()
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(DerivationRecord).decode


def with_ties(sequence: Iterable[Derived]) -> Iterator[tuple[Derived, int]]:
    """Each with its place among those of its sequence that finished at the same instant."""
    tie, before_ns = 0, -1
    for each in sequence:
        at_ns = each.deployment.finished_at_ns
        tie = tie + 1 if each.position and at_ns == before_ns else 0
        yield each, tie
        before_ns = at_ns


def encode_record(derived: Derived, tie: int) -> bytes:
    """The record of a deployment that is the `tie`th of its instant."""
    changes, decision, verdict = derived.changes, derived.decision, derived.verdict
    is_pending = verdict.change_failure is None
    return _encode(
        DerivationRecord(
            tie,
            changes.status,
            tuple([_commit(each) for each in changes.commits]),
            changes.commits_total,
            tuple([(each.sha, each.reason) for each in changes.left_out]),
            changes.flags,
            decision.type,
            tuple([each if each.matches else each.outcome for each in decision.trials]),
            decision.links,
            decision.flags,
            is_pending if verdict == unmarked(is_pending, decision.type) else verdict,
        )
    )


def decode_record(encoded: bytes) -> DerivationRecord:
    return _decode(encoded)


def derived_of(
    record: DerivationRecord,
    spans: bytes,
    deployment: Deployment,
    position: int,
    settings: ServiceSettings,
) -> Derived:
    """The derivation that `record` was made of, with the durations beside it.

    `settings` are those that it was derived with. Left out are who wrote a commit, which the
    commit says, and how long it took to be merged, which no explanation shows.
    """
    commits = tuple(_commits(record.commits, spans))
    verdict = record.verdict
    return Derived(
        deployment=deployment,
        position=position,
        changes=Changes(
            status=record.status,
            commits=commits,
            commits_total=record.commits_total,
            left_out=tuple(LeftOut(*each) for each in record.left_out),
            lead_time=lead_time_of(commits),
            mean_stages=mean_of(each.stages for each in commits),
            flags=record.flags,
        ),
        decision=Decision(
            record.type, tuple(_trials(record, settings)), record.links, record.rule_flags
        ),
        verdict=unmarked(verdict, record.type) if isinstance(verdict, bool) else verdict,
    )


def _commit(commit: NewCommit) -> _RecordedCommit:
    return _RecordedCommit(
        commit.sha,
        commit.time_ns,
        commit.lead_time_ns is not None,
        commit.pull_request,
        commit.squashed_into,
        commit.flags,
    )


def _commits(commits: Iterable[_RecordedCommit], spans: bytes) -> Iterator[NewCommit]:
    measured = spans_of_commits(spans)
    for each in commits:
        lead_time_ns: int | None = None
        stages: Stages | None = None
        if each.is_measured:
            lead_time_ns, stages = next(measured)
        yield NewCommit(
            sha=each.sha,
            time_ns=each.time_ns,
            lead_time_ns=lead_time_ns,
            stages=stages,
            pull_request=each.pull_request,
            squashed_into=each.squashed_into,
            flags=each.flags,
            authorship=_UNKNOWN,
            until_merge_ns=None,
        )


def _trials(record: DerivationRecord, settings: ServiceSettings) -> Iterator[RuleAttempt]:
    for (kind, rule), trial in zip(rules_in_order(settings), record.trials, strict=True):
        yield trial if isinstance(trial, RuleAttempt) else RuleAttempt(kind, rule, trial)
