"""Explanations of deployments, each from a derivation of its complete sequence.

The commits of a deployment depend on every one before it, and its verdict on those after it, so a
part of the sequence is not enough.
"""

from functools import partial
from typing import NamedTuple

import msgspec

from theodora.dora import Derived, Repository, ServiceSettings
from theodora.dora.derivation.sequence import DeploymentSequence
from theodora.dora.derivation.settings import usable
from theodora.errors import NotFound
from theodora.events import Deployment
from theodora.storage.derivation.sequence_cache import SequenceCache
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.rows import Rows
from theodora.storage.facts.derivation_queue import SequenceKey


class Explained(NamedTuple):
    """A deployment with its derivation and the inputs of that."""

    derived: Derived
    preceding: Deployment | None
    """The one before it in its sequence."""
    following: Deployment | None
    """The one after it."""
    repository: Repository | None
    settings: ServiceSettings


class Explanations:
    """Every method may be called from any thread."""

    def __init__(self, database: Database, rows: Rows[Deployment], cache: SequenceCache) -> None:
        self._database = database
        self._rows = rows
        self._cache = cache

    def explain(self, org: Organisation, id_: str) -> Explained:
        """Raises `NotFound` if there is no deployment with this id."""
        key, sequence = self._database.read(partial(self._read, org, id_))
        # A parked sequence is explained as well, without the rules that park it.
        settings = usable(sequence.settings)
        derived = self._cache.derive(key, msgspec.structs.replace(sequence, settings=settings))
        position = derived.positions[id_]
        found, after = derived.deployments[position], derived.deployments[position + 1 :][:1]
        git = found.deployment.git
        return Explained(
            found,
            derived.deployments[position - 1].deployment if found.position else None,
            after[0].deployment if after and after[0].position else None,
            sequence.repositories.get(sequence.keys.key(git.repository_id)) if git else None,
            sequence.settings,
        )

    def _read(
        self, org: Organisation, id_: str, cursor: Cursor
    ) -> tuple[SequenceKey, DeploymentSequence]:
        stored = self._rows.find(cursor, org, id_)
        if stored is None:
            raise NotFound("deployment does not exist")
        key = SequenceKey(org, stored.event.service, stored.event.env)
        facts, _ = self._cache.read(cursor, key)
        return key, facts.sequence
