"""The result of derivation for one deployment, complete enough to explain it."""

import math
from collections.abc import Mapping
from typing import Literal

import msgspec

from theodora.dora.derivation.authorship import Authorship
from theodora.dora.derivation.overrides import Override
from theodora.dora.derivation.stages import AVERAGED, Stages
from theodora.events import Deployment, DeploymentType, Remediation, RemediationType
from theodora.events.values import UnmeasuredStatus, whole_seconds

Status = Literal["no_git", "unknown_commits", "baseline", "gap", "no_new_commits", "ok"]
"""The state of a deployment's commits; only `ok` has lead times.

`baseline` is the first deployment of its repository, whose history is not its own doing;
`gap` follows a pause longer than `lead_time_gap_days`, so that its commits waited for reasons of
their own.
"""

Flag = Literal[
    "stale_target",
    "commits_truncated",
    "paths_missing",
    "squash_unresolved",
    "negative_span",
    "unreadable_time",
    "shallow",
    "remediation_dangling",
]
"""A flag that needs attention; a deployment has each at most once, in this order."""

LeftOutReason = Literal["merge", "path", "author", "label", "counted"]

RuleKind = Literal["explicit", "rollback", "linked", "static"]

Outcome = Literal[
    "fired",
    "skipped",
    "no_match",
    "relanding",
    "not_found",
    "shipped_together",
    "not_stated",
    "switched_off",
    "no_code",
    "redeployment",
    "new_code",
    "beyond_lookback",
]

OUTCOMES: Mapping[Outcome, str] = {
    "fired": "it decided the deployment's type",
    "skipped": "a rule before it had decided",
    "no_match": "no text of the deployment matches its pattern",
    "relanding": "the text reverts a revert: it puts a change back and marks nothing",
    "not_found": "no earlier deployment shipped what the text names",
    "shipped_together": "the deployment itself shipped what the text names",
    "not_stated": "no tag deployment_type:rollback calls it a rollback",
    "switched_off": "rollbacks are not detected for this service",
    "no_code": "the deployment has neither a commit nor a version",
    "redeployment": "the deployment before it ran the same code",
    "new_code": "no earlier deployment ran the same code",
    "beyond_lookback": "the same code ran earlier than the service's look-back reaches",
}
"""Why a rule did or did not decide, as a clause."""

Decider = Literal["override", "link", "incident", "pending", "nothing"]


class NewCommit(msgspec.Struct, frozen=True, gc=False):
    """A commit that the deployment was the first to ship, and how long it took."""

    sha: str
    time_ns: int | None
    """When it was written, by the service's lead time clock; None where no date can be read."""
    lead_time_ns: int | None
    """From `time_ns` to the deployment's finish; None without it, without a status of `ok`, or if
    negative."""
    stages: Stages | None
    pull_request: int | None
    """The number of the pull request that defines its stages."""
    squashed_into: str | None
    """The squash commit that replaced it, if it is an original."""
    flags: tuple[Flag, ...]
    authorship: Authorship
    until_merge_ns: int | None
    """From its author time to the merge of that pull request; None if there is none, or if it is
    a squash commit whose originals are not known."""


class LeftOut(msgspec.Struct, frozen=True, gc=False):
    """A commit that the deployment shipped and that has no lead time of its own, and why.

    `merge`: a merge commit; `path`: outside the service's paths; `author`: the settings exclude
    its author; `label`: they exclude a label of its pull request; `counted`: it had been counted
    as the original of a squash commit before.
    """

    sha: str
    reason: LeftOutReason


class LeadTime(msgspec.Struct, frozen=True, gc=False):
    """Over the commits of one deployment that have a lead time. Seconds."""

    n: int = 0
    avg: float | None = None
    min: float | None = None
    max: float | None = None


class ShippedRequest(msgspec.Struct, frozen=True, gc=False):
    """A merged pull request. After a move to another host, its number may be another's as well."""

    number: int
    merge_commit_sha: str | None


class Changes(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The commits of a deployment."""

    status: Status
    commits: tuple[NewCommit, ...] = ()
    """Newest first by author time, at most 5,000."""
    commits_total: int | None = None
    """How many there were before that limit; None where commits are not attributed."""
    left_out: tuple[LeftOut, ...] = ()
    """Shipped without a lead time of their own, at most 5,000."""
    lead_time: LeadTime = LeadTime()
    mean_stages: Stages = Stages()
    """Over the commits that went through each."""
    flags: tuple[Flag, ...] = ()
    shipped: tuple[ShippedRequest, ...] = ()
    """The pull requests that it was the first to ship."""

    @property
    def unmeasured(self) -> UnmeasuredStatus | None:
        """Why commits that are known have no lead times, if that is so."""
        if self.status == "unknown_commits" and "shallow" in self.flags:
            return "shallow"
        return self.status if self.status in ("baseline", "gap") else None


class Match(msgspec.Struct, frozen=True, gc=False):
    """A text of a deployment that a rule's pattern matched, and the outcome."""

    field: str
    text: str
    captured: str | None
    """The value of a linked rule's variable."""
    outcome: Outcome
    failed_id: str | None = None


class RuleAttempt(msgspec.Struct, frozen=True, gc=False):
    """One rule, tried on one deployment."""

    kind: RuleKind
    rule: str
    """The id of the rule; `explicit` and `rollback` are built in."""
    outcome: Outcome
    matches: tuple[Match, ...] = ()


class RemediationLink(msgspec.Struct, frozen=True, gc=False):
    """A deployment that failed, the later one that remedied it, and the rule that linked them."""

    failed_id: str
    remediation_id: str
    type: RemediationType
    kind: RuleKind
    rule: str
    field: str | None = None
    text: str | None = None
    """The text that the rule matched: a title, a label, a tag …; for a rollback the common code."""


class Decision(msgspec.Struct, frozen=True, gc=False):
    """The result of the rules for a deployment, as a possible remediation of earlier ones."""

    type: DeploymentType
    trials: tuple[RuleAttempt, ...]
    """Every rule of the service in the order of precedence."""
    links: tuple[RemediationLink, ...] = ()
    """The failures it remedies, in their order."""
    flags: tuple[Flag, ...] = ()

    @property
    def fired(self) -> RuleAttempt | None:
        """The rule that decided the type; None for a standard deployment."""
        return next((trial for trial in self.trials if trial.outcome == "fired"), None)


class PartialResult(msgspec.Struct, frozen=True, gc=False):
    """The partial result for a deployment, before the later ones are known."""

    deployment: Deployment
    changes: Changes
    decision: Decision
    awaits_commits: bool
    """Whether its commits are unknown but may still be delivered."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Whether a deployment failed, who or what decided that, and its remediation."""

    change_failure: bool | None
    """None while it is pending: its commits are not known yet, and nothing else decided."""
    decided_by: Decider
    failing_links: tuple[RemediationLink, ...] = ()
    """Links of later deployments that mark it, earliest first; the first is the remediation."""
    override: Override | None = None
    incident_ids: tuple[str, ...] = ()
    remediation: Remediation | None = None
    recovery_time_ns: int | None = None
    """From its finish to that of the remediation; None while unresolved."""
    deployment_type: DeploymentType
    type_given_by: Override | None = None
    """The override of another deployment that named this one as its remediation."""
    flags: tuple[Flag, ...] = ()

    @property
    def rule(self) -> str:
        """The id of the rule that decided `change_failure`, or the name of the decider."""
        return self.failing_links[0].rule if self.decided_by == "link" else self.decided_by

    @property
    def failed_by(self) -> str | None:
        """The decider of a failed deployment; None for others."""
        return self.rule or None if self.change_failure else None


class Derived(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A deployment with all its derived values."""

    deployment: Deployment
    position: int
    """In its sequence, from 0."""
    changes: Changes
    decision: Decision
    verdict: Verdict

    @property
    def flags(self) -> tuple[Flag, ...]:
        return (*self.decision.flags, *self.changes.flags, *self.verdict.flags)

    @property
    def event(self) -> Deployment:
        """The deployment with its derived values, in whole seconds."""
        recovery_ns, average = self.verdict.recovery_time_ns, self.changes.lead_time.avg
        return msgspec.structs.replace(
            self.deployment,
            change_failure=self.verdict.change_failure,
            deployment_type=self.verdict.deployment_type,
            remediation=self.verdict.remediation,
            recovery_time_sec=None if recovery_ns is None else whole_seconds(recovery_ns),
            number_of_commits=self.changes.commits_total,
            change_lead_time=None if average is None else math.floor(average + 0.5),
            failed_by=self.verdict.failed_by,
            lead_time_status=self.changes.unmeasured,
            **self._stage_averages(),
        )

    def _stage_averages(self) -> dict[str, int | None]:
        spans_ns = self.changes.mean_stages
        found = ((name, getattr(spans_ns, stage)) for name, stage in AVERAGED)
        return {name: None if mean is None else whole_seconds(mean) for name, mean in found}
