"""The derivation of verdict, type and lead time for every deployment of a sequence."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from theodora.dora.derivation.cache import DerivationCache, Passed
from theodora.dora.derivation.commits import Repository
from theodora.dora.derivation.derived import Changes, Derived, PartialResult
from theodora.dora.derivation.incidents import distinct
from theodora.dora.derivation.lead_time import LeadTimes
from theodora.dora.derivation.overrides import Override
from theodora.dora.derivation.rule_engine import Candidate, Rules
from theodora.dora.derivation.sequence import CodeHistory, DeploymentSequence, in_order
from theodora.dora.derivation.settings import ServiceSettings
from theodora.dora.derivation.shipments import ShippedBefore
from theodora.dora.derivation.verdicts import Verdicts
from theodora.events import Deployment, Failure, MatchKeys


def derive(
    sequence: DeploymentSequence,
    cache: DerivationCache | None = None,
    check: Callable[[], None] = lambda: None,
) -> tuple[Derived, ...]:
    """Derives every deployment, in the order of the sequence.

    Where the settings divide the sequence its parts come one after another, and positions count
    within each.

    A pure function: the order in which facts arrived, caches and clocks have no part in it. Time
    and memory grow with deployments plus commits; a `cache` of an earlier derivation of the
    sequence saves most of the time. Raises `Invalid` for unusable rules.

    What `check` raises, which is called before each deployment, ends the derivation. The next one
    with the same cache goes on from there.
    """
    cache = cache or DerivationCache()
    # Once for all parts: of what is distinct here, two in one part may pass for the same.
    incidents = tuple(distinct(sequence.incidents))
    sequence = msgspec.structs.replace(sequence, incidents=incidents)
    if sequence.settings.sequence_tag is None:
        return _derive_part(sequence, cache, check)
    parts = sequence.divided()
    recalls = cache.divided(parts)
    return tuple(
        each
        for part, of_part in parts.items()
        for each in _derive_part(of_part, recalls[part], check)
    )


def _derive_part(
    sequence: DeploymentSequence, cache: DerivationCache, check: Callable[[], None]
) -> tuple[Derived, ...]:
    derivation = Derivation(sequence.settings, sequence.repositories, cache)
    for deployment in in_order(sequence.deployments, sequence.by_key, sequence.keys):
        check()
        derivation.follow(deployment)
    cache.forget_deleted(sequence.deployments)
    return derivation.derived(
        sequence.overrides, sequence.incidents, sequence.finished_elsewhere_ns
    )


class Derivation:
    """The derivation of one sequence, deployment by deployment.

    Commits and rules look back only, so a caller that keeps this value may `advance` it by
    deployments that finished later. Verdicts look ahead too: a rollback marks a deployment
    before it. `derived` gives them for all deployments so far, at little cost.

    Anything else that changes - a late or deleted deployment, commits, settings - asks for a
    new derivation.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        repositories: Mapping[str, Repository],
        cache: DerivationCache | None = None,
    ) -> None:
        cache = cache or DerivationCache()
        cache.prepare(settings, repositories)
        self._settings = settings
        self._keys = MatchKeys(settings.repository_aliases)
        self._repositories = {self._keys.key(id_): each for id_, each in repositories.items()}
        self._way = cache.way
        self._rules = Rules(settings, cache)
        self._lead_times = LeadTimes(settings, self._repositories, cache, self._keys)
        self._codes = CodeHistory(self._keys)
        self._shipped = ShippedBefore(self._codes, self._rules.variables)
        self._tied: list[Deployment] = []
        """The last deployment, and those before it that finished at the same instant."""
        self._deployments: list[Deployment] = []
        self._steps: list[PartialResult] = []

    def advance(self, deployment: Deployment) -> None:
        """Take in the next deployment; a ValueError if it does not come after the last."""
        if self._tied and not self._comes_after(self._tied, deployment):
            raise ValueError(f"deployment {deployment.id!r} does not come after the last one")
        if self._tied and self._tied[0].finished_at_ns < deployment.finished_at_ns:
            self._tied.clear()
        self._tied.append(deployment)
        self.follow(deployment)

    def _comes_after(self, tied: Sequence[Deployment], deployment: Deployment) -> bool:
        if tied[0].finished_at_ns != deployment.finished_at_ns:
            return tied[0].finished_at_ns < deployment.finished_at_ns
        is_new = all(each.id != deployment.id for each in tied)
        return (
            is_new
            and in_order([*tied, deployment], self._repositories, self._keys)[-1] is deployment
        )

    def follow(self, deployment: Deployment) -> None:
        """Take in a deployment that is known to be the next in order."""
        passed = self._recalled(deployment) or self._passed(deployment)
        position = len(self._deployments)
        self._steps.append(passed.step)
        self._codes.add(position, deployment)
        self._shipped.add(position, passed.brought.shipment)
        self._deployments.append(deployment)

    def _recalled(self, deployment: Deployment) -> Passed | None:
        """The cached result, if everything before it is the same."""
        position = len(self._deployments)
        if position < len(self._way):
            passed = self._way[position]
            if passed.step.deployment is deployment:
                self._lead_times.repeat(deployment, passed.brought)
                return passed
            del self._way[position:]
        return None

    def _passed(self, deployment: Deployment) -> Passed:
        brought = self._lead_times.of(deployment)
        candidate = Candidate(
            deployment=deployment,
            shipment=brought.shipment,
            before=self._deployments,
            codes=self._codes,
            shipped=self._shipped,
        )
        decision = self._rules.decide(candidate)
        awaits_commits = self._awaits_commits(deployment, brought.changes)
        step = PartialResult(deployment, brought.changes, decision, awaits_commits)
        passed = Passed(step, brought)
        self._way.append(passed)
        return passed

    def _awaits_commits(self, deployment: Deployment, changes: Changes) -> bool:
        if changes.status != "unknown_commits" or not deployment.git:
            return False
        repository = self._repositories.get(self._keys.key(deployment.git.repository_id))
        return repository is not None and repository.has_commit_source

    def derived(
        self,
        overrides: Iterable[Override] = (),
        incidents: Iterable[Failure] = (),
        finished_elsewhere_ns: Mapping[str, int] | None = None,
    ) -> tuple[Derived, ...]:
        """The deployments so far with their verdicts; `incidents` are those of `distinct`."""
        marking = incidents if self._settings.incident_marks_failure else ()
        verdicts = Verdicts(
            self._steps, overrides, marking, finished_elsewhere_ns or {}, self._keys
        )
        return tuple(verdicts.derived(position, step) for position, step in enumerate(self._steps))
