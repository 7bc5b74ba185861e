"""A cache of the results for single deployments, for the next derivation of their sequence.

A late or deleted deployment changes the commits of a few others and leaves the rest as they were. A
cached result is used only if all its inputs are the same, so derivation gives the same result with
and without a cache.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal
from weakref import WeakValueDictionary

import msgspec

from theodora.dora.derivation.commits import Repository, Taken
from theodora.dora.derivation.derived import Changes, PartialResult
from theodora.dora.derivation.sequence import Part
from theodora.dora.derivation.settings import ServiceSettings
from theodora.dora.derivation.shipments import Shipment
from theodora.events import Deployment, Git

Pace = Literal["first", "usual", "gap"]
"""Whether it is the first deployment of its repository, or comes after a long pause."""


class Brought(msgspec.Struct, frozen=True, gc=False):
    """The commits that a deployment shipped first, and the inputs of that result."""

    git: Git | None
    """None if its commits are unknown."""
    times_ns: tuple[int, int]
    pace: Pace
    taken: Taken
    """The commits that it shipped first."""
    counted: tuple[str, ...]
    """The commits that were measured or dropped by the cap; none of them was counted before."""
    changes: Changes
    shipment: Shipment

    def is_of(self, deployment: Deployment, pace: Pace) -> bool:
        return (
            self.pace == pace
            and self.times_ns == (deployment.started_at_ns, deployment.finished_at_ns)
            and self.git == deployment.git
        )


class Reading(msgspec.Struct, frozen=True, gc=False):
    """The matches of a deployment's texts for each rule of its service."""

    version: str | None
    shipment: Shipment
    linked: tuple[tuple[tuple[str, str, str], ...], ...]
    """By linked rule: field, text and what the variable captured, of every match."""
    static: tuple[tuple[str, str] | None, ...]
    """By static rule: field and text of the first match."""

    def is_of(self, deployment: Deployment, shipment: Shipment) -> bool:
        return self.shipment is shipment and self.version == deployment.version


class Passed(msgspec.Struct, frozen=True, gc=False):
    """A deployment in its sequence."""

    step: PartialResult
    brought: Brought


class DerivationCache:
    """Results by deployment id, while settings and repositories stay the same."""

    def __init__(self) -> None:
        self.way: list[Passed] = []
        """The last derivation's deployments in order. The result for each depends only on those
        before it, so it is reused while these are the same."""
        self.brought: dict[str, Brought] = {}
        self.readings: dict[str, Reading] = {}
        self._parts: dict[Part, DerivationCache] = {}
        """The caches of the parts of a divided sequence."""
        self._settings: ServiceSettings | None = None
        self._repositories: Mapping[str, Repository] = {}
        """Those that nobody else keeps any more shall take no memory."""

    def divided(self, parts: Iterable[Part]) -> Mapping[Part, "DerivationCache"]:
        """Keeps the caches of these parts and drops the others."""
        self._parts = {part: self._parts.get(part) or DerivationCache() for part in parts}
        return self._parts

    def prepare(self, settings: ServiceSettings, repositories: Mapping[str, Repository]) -> None:
        """Clears the cache if settings or commits have changed."""
        if settings != self._settings or not are_same_repositories(
            self._repositories, repositories
        ):
            self.way.clear()
            self.brought.clear()
            self.readings.clear()
            self._settings, self._repositories = settings, WeakValueDictionary(repositories)

    def forget_deleted(self, deployments: Sequence[Deployment]) -> None:
        """Drops results for deployments that are not among these, once they are the most."""
        del self.way[len(deployments) :]
        for results in (self.brought, self.readings):
            if len(results) > 2 * len(deployments):
                for id_ in results.keys() - {each.id for each in deployments}:
                    del results[id_]


def are_same_repositories(then: Mapping[str, Repository], now: Mapping[str, Repository]) -> bool:
    """Whether all of them are the same values; `then` may lack those that are gone."""
    return len(then) == len(now) and all(then.get(key) is each for key, each in now.items())
