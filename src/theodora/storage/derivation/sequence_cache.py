"""A cache of sequences and their derivations, which the worker and explanations share.

What it returns is never stale. `read` gives what the database holds in the snapshot of its cursor:
it reads again the deployments that the change log names since the last look and the repositories of
another generation, and everything else each time. `derive` reuses a derivation only where all of
its inputs are the same.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple
from weakref import WeakValueDictionary

import msgspec

from theodora.dora import DerivationCache, Derived, Repository, derive
from theodora.dora.derivation.cache import are_same_repositories
from theodora.dora.derivation.derived import Changes, Decision, Verdict
from theodora.dora.derivation.sequence import DeploymentSequence
from theodora.events.production import is_production
from theodora.storage.derivation.commit_times import Measured, measured
from theodora.storage.derivation.derivation_record import encode_record
from theodora.storage.derivation.inputs import (
    Facts,
    SequenceRows,
    read_facts,
    read_rows,
    read_some_rows,
)
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.deadline import check_deadline
from theodora.storage.engine.lru import LruCache
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.change_log import changed_since, reach
from theodora.storage.events.tables import DEPLOYMENTS
from theodora.storage.facts.derivation_queue import SequenceKey
from theodora.storage.facts.match_keys import match_keys
from theodora.storage.facts.repository_cache import RepositoryCache

_READ_DEPLOYMENTS = 100_000
"""Most deployments whose rows are cached; about a kilobyte each."""
_DERIVED_DEPLOYMENTS = 50_000
"""Most deployments whose derivations are cached; some kilobytes each."""
_COMMITS = 200_000
"""Most commits and pull requests that are cached."""


@dataclass(frozen=True, slots=True)
class SeenRows:
    """The rows of a sequence as they were read."""

    rows: SequenceRows
    number: int
    """The last number of the change log that was taken into account."""
    unread: frozenset[int] = frozenset()
    """Keys of deployments that have changed up to that number and were not read again."""


@dataclass(frozen=True)
class DerivedSequence:
    """A derivation of a complete sequence."""

    deployments: tuple[Derived, ...]
    """In order; the parts of a divided sequence come one after another."""
    _digests: dict[str, tuple["_DigestInputs", int]]
    _production_envs: tuple[str, ...]

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Where each deployment is in `deployments`, by its id."""
        return {each.deployment.id: at for at, each in enumerate(self.deployments)}

    def measured_unlike(self, derived: Derived, tie: int, digest: int) -> Measured | None:
        """What is stored of a deployment's derivation; None if it has this digest."""
        id_ = derived.deployment.id
        known = self._digests.get(id_)
        in_production = is_production(derived.deployment.env, self._production_envs)
        of = _DigestInputs(derived.changes, derived.decision, derived.verdict, tie, in_production)
        if known and known[1] == digest and known[0].are_those_of(of):
            return None
        found = measured(derived.changes, encode_record(derived, tie), in_production=in_production)
        self._digests[id_] = of, found.digest
        return None if found.digest == digest else found


class _DigestInputs(NamedTuple):
    """What the digest of a stored derivation is computed from."""

    changes: Changes
    decision: Decision
    verdict: Verdict
    tie: int
    in_production: bool

    def are_those_of(self, other: "_DigestInputs") -> bool:
        """Whether they are the same; may be False of equal ones."""
        return (
            self.changes is other.changes
            and self.decision is other.decision
            and self[2:] == other[2:]
        )


class SequenceCache:
    """Every method may be called from any thread.

    Nothing waits for the database under a lock: whoever waits for the lock may hold the connection
    that is needed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: LruCache[SequenceKey, SeenRows] = LruCache(_READ_DEPLOYMENTS)
        self._derivations: LruCache[SequenceKey, _Derivation] = LruCache(_DERIVED_DEPLOYMENTS)
        self._repositories = RepositoryCache(_COMMITS)

    def read(self, cursor: Cursor, key: SequenceKey) -> tuple[Facts, SeenRows]:
        """The inputs as of the cursor's snapshot, with their rows."""
        seen = self._read_rows(cursor, key)
        keys = match_keys(cursor, key.org)
        repositories = {
            name: self._repositories.get(cursor, key.org, keys, name)
            for name in seen.rows.repository_keys(keys)
        }
        return read_facts(cursor, key, seen.rows, repositories), seen

    def derive(self, key: SequenceKey, sequence: DeploymentSequence) -> DerivedSequence:
        """Derives a sequence of `read`.

        Raises `Invalid` for unusable rules, and `TooSlow` at the thread's deadline; the next
        derivation goes on from there.
        """
        size = len(sequence.deployments) + 1
        with self._lock:
            derivation = self._derivations.get(key) or _Derivation()
            self._derivations.put(key, derivation, size)
        return derivation.of(sequence)

    def remember(self, key: SequenceKey, seen: SeenRows) -> None:
        """Caches the rows, unless newer ones are cached."""
        with self._lock:
            known = self._seen.get(key)
            # A read of an older snapshot may end later.
            if known is None or known.number <= seen.number:
                self._seen.put(key, seen, size=len(seen.rows.deployments) + 1)

    def _read_rows(self, cursor: Cursor, key: SequenceKey) -> SeenRows:
        with self._lock:
            known = self._seen.get(key)
        seen = _rows_now(cursor, key, known)
        self.remember(key, seen)
        return seen


class _Derivation:
    """The last derivation of a sequence."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        """Whoever waits for it finds the derivation done, or most of it."""
        self._cache = DerivationCache()
        self._inputs: DeploymentSequence | None = None
        """Without its repositories: those that are not cached any more shall take no memory."""
        self._repositories: Mapping[str, Repository] = {}
        self._digests: dict[str, tuple[_DigestInputs, int]] = {}
        self._derived = DerivedSequence((), self._digests, ())

    def of(self, sequence: DeploymentSequence) -> DerivedSequence:
        """The derivation of `sequence`, computed again unless none of its inputs has changed."""
        with self._lock:
            if not self._is_of(sequence):
                derived = derive(sequence, self._cache, check_deadline)
                if len(self._digests) > 2 * len(derived):
                    self._digests = {}
                envs = sequence.settings.production_envs
                self._derived = DerivedSequence(derived, self._digests, envs)
                self._inputs = msgspec.structs.replace(sequence, repositories={})
                self._repositories = WeakValueDictionary(sequence.repositories)
            return self._derived

    def _is_of(self, now: DeploymentSequence) -> bool:
        then = self._inputs
        return (
            then is not None
            and then.deployments is now.deployments
            and are_same_repositories(self._repositories, now.repositories)
            and then.settings == now.settings
            and then.overrides == now.overrides
            and then.incidents == now.incidents
            and then.finished_elsewhere_ns == now.finished_elsewhere_ns
        )


def note_changes(cursor: Cursor, org: Organisation, seen: SeenRows) -> SeenRows | None:
    """The same rows, with what has changed since then as unread; None if that is not known.

    The log is pruned, and a snapshot may be older than the rows.
    """
    oldest, newest = reach(cursor, org)
    if not oldest - 1 <= seen.number <= newest:
        return None
    if seen.number == newest:
        return seen
    changed = changed_since(cursor, DEPLOYMENTS, org, seen.number)
    return SeenRows(seen.rows, newest, seen.unread.union(changed))


def _rows_now(cursor: Cursor, key: SequenceKey, known: SeenRows | None) -> SeenRows:
    """The rows as of the cursor's snapshot."""
    noted = known and note_changes(cursor, key.org, known)
    if noted is None or len(noted.unread) > len(noted.rows.deployments):
        return SeenRows(read_rows(cursor, key), reach(cursor, key.org).newest)
    if not noted.unread:
        return noted
    found = read_some_rows(cursor, key, sorted(noted.unread))
    rows = noted.rows.without(noted.unread)
    return SeenRows(rows.with_rows(found) if found.deployments else rows, noted.number)
