"""Verdicts on deployments, from links, incidents and overrides."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, cached_property

import msgspec

from theodora.dora.derivation.derived import (
    Decider,
    Derived,
    PartialResult,
    RemediationLink,
    Verdict,
)
from theodora.dora.derivation.incidents import incidents_by_deployment
from theodora.dora.derivation.overrides import GivenRemediation, Override
from theodora.events import DeploymentType, Failure, MatchKeys, Remediation, RemediationType


class _Recovery(msgspec.Struct, frozen=True, gc=False):
    """The remediation of a failure, with the parts that are known."""

    remediation: Remediation | None = None
    time_ns: int | None = None
    is_dangling: bool = False


class _GivenType(msgspec.Struct, frozen=True, gc=False):
    """The type that an override gives to the deployment it names as remediation."""

    type: RemediationType
    by: Override


_UNRESOLVED = _Recovery()


class Verdicts:
    """Combines links, overrides and incidents into a verdict for each deployment of a sequence."""

    def __init__(
        self,
        steps: Sequence[PartialResult],
        overrides: Iterable[Override],
        incidents: Iterable[Failure],
        finished_elsewhere_ns: Mapping[str, int],
        keys: MatchKeys | None = None,
    ) -> None:
        deployments = [step.deployment for step in steps]
        self._overrides = {override.deployment_id: override for override in overrides}
        self._incidents = incidents_by_deployment(incidents, deployments, keys=keys)
        self._failing_links = _by_failure(steps)
        self._deployments = deployments
        self._finished_at_ns = dict(finished_elsewhere_ns)
        self._finished_at_ns |= {each.id: each.finished_at_ns for each in deployments}
        self._types_given = self._given_types()
        self._with_evidence = {
            *self._overrides,
            *self._failing_links,
            *self._incidents,
            *self._types_given,
        }

    def derived(self, position: int, step: PartialResult) -> Derived:
        """`step` with its verdict."""
        return Derived(
            deployment=step.deployment,
            position=position,
            changes=step.changes,
            decision=step.decision,
            verdict=self._verdict(step),
        )

    def _verdict(self, step: PartialResult) -> Verdict:
        id_ = step.deployment.id
        if id_ not in self._with_evidence:
            return unmarked(step.awaits_commits, step.decision.type)
        change_failure, decided_by = self._change_failure(id_, awaits_commits=step.awaits_commits)
        recovery = self._recovery(id_) if change_failure else _UNRESOLVED
        given = self._types_given.get(id_)
        return Verdict(
            change_failure=change_failure,
            decided_by=decided_by,
            failing_links=self._failing_links.get(id_, ()),
            override=self._overrides.get(id_),
            incident_ids=tuple(each.id for each in self._incidents.get(id_, ())),
            remediation=recovery.remediation,
            recovery_time_ns=recovery.time_ns,
            deployment_type=given.type if given else step.decision.type,
            type_given_by=given.by if given else None,
            flags=("remediation_dangling",) if recovery.is_dangling else (),
        )

    def _change_failure(
        self, id_: str, *, awaits_commits: bool = False
    ) -> tuple[bool | None, Decider]:
        """Whether a deployment failed, None while that is pending, and what decided it."""
        override = self._overrides.get(id_)
        if override and override.change_failure is not None:
            return override.change_failure, "override"
        if id_ in self._failing_links:
            return True, "link"
        if id_ in self._incidents:
            return True, "incident"
        return (None, "pending") if awaits_commits else (False, "nothing")

    def _recovery(self, failed_id: str) -> _Recovery:
        """The remediation of the override, else the earliest that links to the failure."""
        override = self._overrides.get(failed_id)
        if override and override.remediation:
            return self._given_recovery(failed_id, override.remediation)
        if failing_links := self._failing_links.get(failed_id):
            return self._recovered_by(
                failed_id, Remediation(failing_links[0].remediation_id, failing_links[0].type)
            )
        return _UNRESOLVED

    def _given_recovery(self, failed_id: str, given: GivenRemediation) -> _Recovery:
        id_ = given.id or self._last_of_version(given.version, failed_id)
        if id_ is None:
            return _Recovery(is_dangling=True)
        return self._recovered_by(failed_id, Remediation(id_, given.type))

    def _recovered_by(self, failed_id: str, remediation: Remediation) -> _Recovery:
        """Dangling if the remediation is not stored, or finished before the failure did."""
        failed_at_ns = self._finished_at_ns.get(failed_id)
        remedied_at_ns = self._finished_at_ns.get(remediation.id)
        if failed_at_ns is None or remedied_at_ns is None or failed_id == remediation.id:
            return _Recovery(remediation, is_dangling=True)
        time_ns = remedied_at_ns - failed_at_ns
        # A wrong id or another clock: a negative recovery time would improve the median.
        if time_ns < 0:
            return _Recovery(remediation, is_dangling=True)
        return _Recovery(remediation, time_ns)

    def _last_of_version(self, version: str | None, other_than: str) -> str | None:
        ids = self._by_version.get(version, ())
        return next((id_ for id_ in reversed(ids) if id_ != other_than), None)

    @cached_property
    def _by_version(self) -> Mapping[str | None, list[str]]:
        """The ids of the deployments of each version in order; few sequences ever ask for it."""
        ids: dict[str | None, list[str]] = {}
        for each in self._deployments:
            ids.setdefault(each.version, []).append(each.id)
        return ids

    def _given_types(self) -> Mapping[str, _GivenType]:
        """The type of each remediation by the last override that names it."""
        given: dict[str, _GivenType] = {}
        for override in sorted(self._overrides.values(), key=lambda each: each.at_ns):
            failed_id, remediation = override.deployment_id, override.remediation
            if remediation and self._change_failure(failed_id)[0]:
                recovery = self._given_recovery(failed_id, remediation)
                if recovery.remediation and not recovery.is_dangling:
                    given[recovery.remediation.id] = _GivenType(remediation.type, override)
        return given


@cache
def unmarked(awaits_commits: bool, type_: DeploymentType) -> Verdict:
    """The verdict without links, incidents or overrides, which most deployments share.

    `awaits_commits` makes it pending.
    """
    if awaits_commits:
        return Verdict(change_failure=None, decided_by="pending", deployment_type=type_)
    return Verdict(change_failure=False, decided_by="nothing", deployment_type=type_)


def _by_failure(steps: Iterable[PartialResult]) -> Mapping[str, tuple[RemediationLink, ...]]:
    failing_links: dict[str, tuple[RemediationLink, ...]] = {}
    for step in steps:
        for link in step.decision.links:
            failing_links[link.failed_id] = (*failing_links.get(link.failed_id, ()), link)
    return failing_links
