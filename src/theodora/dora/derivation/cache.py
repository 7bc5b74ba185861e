"""What one derivation found of single deployments, kept for the next of the same sequence.

A late or deleted deployment changes what a few others brought and leaves the rest as they
were. Whatever is kept is used only where everything it followed from is the same again, so
that a derivation comes out the same with and without it.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

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
    """What a deployment brought, and from what that followed."""

    git: Git | None
    """None where nothing is known of what it brought."""
    times_ns: tuple[int, int]
    pace: Pace
    taken: Taken
    """All that it was the first to ship."""
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
    """What the texts of a deployment say to each rule of its service."""

    version: str | None
    shipment: Shipment
    linked: tuple[tuple[tuple[str, str, str], ...], ...]
    """By linked rule: field, text and what the variable captured, of every match."""
    static: tuple[tuple[str, str] | None, ...]
    """By static rule: field and text of the first match."""

    def is_of(self, deployment: Deployment, shipment: Shipment) -> bool:
        return self.shipment is shipment and self.version == deployment.version


class Passed(msgspec.Struct, frozen=True, gc=False):
    """A deployment as it was taken into its sequence."""

    step: PartialResult
    brought: Brought


class DerivationCache:
    """Findings by deployment id, as long as settings and repositories stay the same."""

    def __init__(self) -> None:
        self.way: list[Passed] = []
        """The last derivation's deployments in order. What was found of each followed from those
        before it alone: as long as they are the same, it is found again."""
        self.brought: dict[str, Brought] = {}
        self.readings: dict[str, Reading] = {}
        self._parts: dict[Part, DerivationCache] = {}
        """Of each part of a sequence that is divided."""
        self._settings: ServiceSettings | None = None
        self._repositories: Mapping[str, Repository] = {}

    def divided(self, parts: Iterable[Part]) -> Mapping[Part, "DerivationCache"]:
        """What is kept of each of these parts; what was of others is forgotten."""
        self._parts = {part: self._parts.get(part) or DerivationCache() for part in parts}
        return self._parts

    def prepare(self, settings: ServiceSettings, repositories: Mapping[str, Repository]) -> None:
        """Forgets everything if it was found under other settings or with other commits."""
        if settings != self._settings or not _are_same(repositories, self._repositories):
            self.way.clear()
            self.brought.clear()
            self.readings.clear()
            self._settings, self._repositories = settings, dict(repositories)


def _are_same(these: Mapping[str, Repository], those: Mapping[str, Repository]) -> bool:
    return these.keys() == those.keys() and all(these[id_] is those[id_] for id_ in these)
