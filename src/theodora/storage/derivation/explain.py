"""Explanations of deployments, each from a derivation of its complete sequence.

The commits of a deployment depend on every one before it, and its verdict on those after it, so a
part of the sequence is not enough. The sequences explained last are cached and follow the change
log: explaining another deployment of the same service and environment derives only what has
changed.
"""

import threading
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import msgspec

from theodora.dora import DerivationCache, Derived, Repository, ServiceSettings, derive
from theodora.dora.derivation.sequence import DeploymentSequence
from theodora.dora.derivation.settings import usable
from theodora.errors import NotFound
from theodora.events import Deployment, MatchKeys
from theodora.storage.derivation.inputs import (
    read_deployments,
    read_facts,
    read_some_deployments,
    repository_keys,
)
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.lru import LruCache
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.change_log import changed_since, reach
from theodora.storage.events.rows import Rows
from theodora.storage.events.tables import DEPLOYMENTS
from theodora.storage.facts.derivation_queue import SequenceKey
from theodora.storage.facts.match_keys import match_keys
from theodora.storage.facts.repository_cache import RepositoryCache

_REMEMBERED_DEPLOYMENTS = 50_000
"""Some kilobytes each."""
_REMEMBERED_COMMITS = 50_000
_READ_ONE_BY_ONE = 256
"""After more changes than this the complete sequence is read again."""


class Explained(NamedTuple):
    """A deployment with its derivation and the inputs of that."""

    derived: Derived
    preceding: Deployment | None
    """The one before it in its sequence."""
    following: Deployment | None
    """The one after it."""
    repository: Repository | None
    settings: ServiceSettings


class _Known(NamedTuple):
    """A cached sequence with its last derivation."""

    number: int
    """Up to which changes of the log are in it."""
    deployments: dict[int, Deployment]
    """By the keys of their rows."""
    keys: MatchKeys
    repository_keys: set[str]
    sequence: DeploymentSequence
    derived: tuple[Derived, ...]
    places: Mapping[str, int]
    """In `derived`, where the parts of a divided sequence come one after another."""
    recall: DerivationCache


class _Read(NamedTuple):
    """The current sequence, with its cached derivation."""

    key: SequenceKey
    number: int
    deployments: dict[int, Deployment]
    keys: MatchKeys
    repository_keys: set[str]
    sequence: DeploymentSequence
    known: _Known | None


class Explanations:
    """May be used from any thread; derivations take turns."""

    def __init__(self, database: Database, rows: Rows[Deployment]) -> None:
        self._database = database
        self._rows = rows
        self._lock = threading.Lock()
        self._sequences: LruCache[SequenceKey, _Known] = LruCache(_REMEMBERED_DEPLOYMENTS)
        self._repositories = RepositoryCache(_REMEMBERED_COMMITS)

    def explain(self, org: Organisation, id_: str) -> Explained:
        """Raises `NotFound` if there is no deployment with this id."""
        with self._lock:
            known = self._derived(self._database.read(partial(self._read, org, id_)))
        place = known.places[id_]
        found, after = known.derived[place], known.derived[place + 1 : place + 2]
        git = found.deployment.git
        return Explained(
            found,
            known.derived[place - 1].deployment if found.position else None,
            after[0].deployment if after and after[0].position else None,
            known.sequence.repositories.get(known.keys.key(git.repository_id)) if git else None,
            known.sequence.settings,
        )

    def _read(self, org: Organisation, id_: str, cursor: Cursor) -> _Read:
        stored = self._rows.find(cursor, org, id_)
        if stored is None:
            raise NotFound("deployment does not exist")
        key = SequenceKey(org, stored.event.service, stored.event.env)
        oldest, newest = reach(cursor)
        known = self._sequences.get(key)
        if known is not None and not oldest - 1 <= known.number <= newest:
            known = None
        deployments = _deployments(cursor, key, known)
        keys = match_keys(cursor, org)
        if known and deployments is known.deployments and keys is known.keys:
            names = known.repository_keys
        else:
            names = repository_keys(deployments.values(), keys)
        repositories = {each: self._repositories.get(cursor, org, keys, each) for each in names}
        facts = read_facts(cursor, key, deployments, repositories)
        return _Read(key, newest, deployments, keys, names, facts.sequence, known)

    def _derived(self, read: _Read) -> _Known:
        """The derivation, computed again unless none of its inputs changed."""
        known = read.known
        if known and _are_same(known, read):
            known = known._replace(number=read.number, keys=read.keys)
        else:
            recall = known.recall if known else DerivationCache()
            # A parked sequence is explained as well, without the rules that park it.
            settings = usable(read.sequence.settings)
            sequence = msgspec.structs.replace(read.sequence, settings=settings)
            derived = derive(sequence, recall)
            known = _Known(
                read.number,
                read.deployments,
                read.keys,
                read.repository_keys,
                read.sequence,
                derived,
                {each.deployment.id: place for place, each in enumerate(derived)},
                recall,
            )
        self._sequences.put(read.key, known, size=len(known.derived))
        return known


def _deployments(cursor: Cursor, key: SequenceKey, known: _Known | None) -> dict[int, Deployment]:
    """Those of the sequence; the same value as before where none has changed."""
    if known is None:
        return read_deployments(cursor, key)
    changed = changed_since(cursor, DEPLOYMENTS, key.org, known.number)
    if len(changed) > _READ_ONE_BY_ONE:
        return read_deployments(cursor, key)
    found = read_some_deployments(cursor, key, changed)
    gone = known.deployments.keys() & set(changed) - found.keys()
    if not found and not gone:
        return known.deployments
    kept = {row: event for row, event in known.deployments.items() if row not in gone}
    return kept | found


def _are_same(known: _Known, read: _Read) -> bool:
    """Whether a derivation would give the same result."""
    then, now = known.sequence, read.sequence
    return (
        known.deployments is read.deployments
        and known.repository_keys == read.repository_keys
        and all(then.repositories[key] is now.repositories[key] for key in read.repository_keys)
        and then.settings == now.settings
        and then.overrides == now.overrides
        and then.incidents == now.incidents
        and then.finished_elsewhere_ns == now.finished_elsewhere_ns
    )
