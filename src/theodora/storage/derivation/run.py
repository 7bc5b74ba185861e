"""Derives marked sequences and writes the results to the deployments' rows.

Reading, deriving and writing are three steps. Reading takes one snapshot; deriving may take long
and blocks nothing; writing takes small transactions, and in each makes sure that it undoes nothing
that has come meanwhile. The last one deletes the marks, so that an interrupted run starts again.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import msgspec
import structlog

from theodora.dora import DeploymentSequence, DerivationCache, Derived, ServiceSettings, derive
from theodora.dora.derivation.derived import Changes
from theodora.dora.derivation.settings import usable
from theodora.errors import Invalid, TheodoraError, Unavailable, UnusableStore
from theodora.events import Deployment, MatchKeys, with_team_of_services
from theodora.storage.derivation.commit_times import (
    Measured,
    measured,
    read_digest,
    read_digests,
    write_measured,
)
from theodora.storage.derivation.explain import Explained, Explanations
from theodora.storage.derivation.inputs import (
    Facts,
    Link,
    is_judged,
    read_deployments,
    read_facts,
    read_some_deployments,
    repository_keys,
    whole_sequence,
    write_link,
)
from theodora.storage.derivation.parked import (
    Parked,
    count_parked,
    is_any_due,
    mark_due,
    park,
    read_parked,
    unpark,
)
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Claim, Database
from theodora.storage.engine.lru import LruCache
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.change_log import log_change
from theodora.storage.events.rows import Rows
from theodora.storage.events.tables import DEPLOYMENTS
from theodora.storage.facts.derivation_queue import (
    Changed,
    SequenceKey,
    Waiting,
    generation,
    has_tasks,
    has_wide_tasks,
    is_queued_since,
    next_generation,
    queued_sequences,
    remove_tasks,
    sequences_of,
    split_wide_tasks,
    take_task,
    waiting,
)
from theodora.storage.facts.match_keys import match_keys
from theodora.storage.facts.repository_cache import RepositoryCache
from theodora.storage.facts.settings import WHOLE_ORGANISATION, Given, given_settings, resolved

log = structlog.get_logger()

T = TypeVar("T")

Want = Callable[[Organisation, str], None]
"""Called with the id of a repository whose commits are missing."""

_OF_THE_STORE = (Unavailable, UnusableStore)
"""Errors that say nothing of a sequence; SQLite calls a disk that cannot be read malformed."""
_ROWS_AT_ONCE = 256
"""Most deployments written in one transaction: ingest waits for no longer."""
_READ_ONE_BY_ONE = 256
"""With more changed deployments than this the complete sequence is read again."""
_REMEMBERED_DEPLOYMENTS = 100_000
_REMEMBERED_COMMITS = 200_000
_RECALLED_DEPLOYMENTS = 20_000


class Preview(NamedTuple):
    """The changes that other settings would make."""

    deployments: int
    """The number of deployments that the settings apply to."""
    failed_now: int
    failed_then: int
    differing: tuple[tuple[Deployment, Deployment], ...]
    """The deployments that would change: with the current settings, and with the new ones."""


class _Change(NamedTuple):
    """The changes to the deployment whose row has this key."""

    key: int
    before: Deployment
    now: Deployment
    measured: Measured | None
    """What was measured of its commits; None if that has not changed."""


class _Known(NamedTuple):
    """The cached inputs and results of a sequence."""

    generation: int
    """That of the sequence which it takes into account."""
    deployments: dict[int, Deployment]
    """By the keys of their rows."""
    digests: dict[int, int]
    """Of what was measured of their commits, by the same."""
    measured: dict[int, Changes]
    """The commits that the digests are known to be of."""


class _StaleDerivation(Exception):
    """A change arrived meanwhile, so the derivation must run again."""


class Derivations:
    """Runs derivation over the store; every method may be called from any thread."""

    def __init__(self, database: Database, rows: Rows[Deployment]) -> None:
        self._database = database
        self._rows = rows
        self._lock = threading.Lock()
        self._sequences: LruCache[SequenceKey, _Known] = LruCache(_REMEMBERED_DEPLOYMENTS)
        self._repositories = RepositoryCache(_REMEMBERED_COMMITS)
        self._recalls: LruCache[SequenceKey, DerivationCache] = LruCache(_RECALLED_DEPLOYMENTS)
        self._explanations = Explanations(database, rows)
        """Remembers by itself, so that explaining need not wait for the worker."""

    def are_due(self) -> bool:
        """Whether anything is marked."""
        return self._database.read(has_tasks)

    def waiting(self, org: Organisation) -> Waiting:
        """The organisation's pending changes, and since when they wait."""
        return self._database.read(lambda cursor: waiting(cursor, org))

    def derive_queued(
        self,
        go_on: Callable[[float], bool] = lambda _: True,
        want: Want = lambda _org, _id: None,
        is_ripe: Callable[[SequenceKey, Changed], bool] = lambda _key, _changed: True,
        *,
        actor: Actor,
    ) -> int:
        """Derives the marked sequences; returns their number.

        What is marked meanwhile stays for the next time, and what another process is just
        deriving is left to it. After each sequence `go_on` receives the seconds it took, and may
        end the work. `want` receives the repositories of new or changed deployments whose commits
        are not known; `is_ripe` may put a sequence off. One that cannot be derived is parked and
        holds up no other.
        """
        now_ns = time.time_ns()
        if self._database.primary.read(partial(is_any_due, now_ns=now_ns)):
            self._database.write(partial(mark_due, now_ns=now_ns), actor).result()
        if self._database.primary.read(has_wide_tasks):
            self._database.write(split_wide_tasks, actor).result()
        marked = self._database.primary.read(queued_sequences)
        errors: list[TheodoraError] = []
        derived = 0
        for key, changed in marked.items():
            if not is_ripe(key, changed):
                continue
            began = time.perf_counter()
            try:
                derived += self._derive_if_free(key, changed, want, actor)
            except _OF_THE_STORE as error:
                errors.append(error)
            if not go_on(time.perf_counter() - began):
                return derived
        if errors:
            raise errors[0]
        return derived

    def derive_all_queued(self, *, actor: Actor) -> int:
        """Derives until nothing is marked; returns the number of derivations."""
        total = 0
        while derived := self.derive_queued(actor=actor):
            total += derived
        return total

    def parked(self, org: Organisation) -> Sequence[Parked]:
        """The sequences of the organisation that could not be derived."""
        return self._database.read(lambda cursor: read_parked(cursor, org))

    def count_parked(self) -> int:
        """How many sequences of all organisations could not be derived."""
        return self._database.read(count_parked)

    def explain(self, org: Organisation, id_: str) -> Explained:
        """Derives the deployment with this id; raises `NotFound` if there is none."""
        return self._explanations.explain(org, id_)

    def preview(self, org: Organisation, given: Given, service: str, since_ns: int = 0) -> Preview:
        """The changes if `given` were set for the service, or for the organisation.

        Every sequence is derived completely; only those finished from `since_ns` on count.
        """
        compared = [
            each
            for before, after in self._database.read(partial(_previewed, org, given, service))
            for each in _compared(before, after)
            if each[0].finished_at_ns >= since_ns
        ]
        return Preview(
            deployments=len(compared),
            failed_now=sum(now.change_failure is True for now, _ in compared),
            failed_then=sum(then.change_failure is True for _, then in compared),
            differing=tuple((now, then) for now, then in compared if now != then),
        )

    def _derive_if_free(self, key: SequenceKey, changed: Changed, want: Want, actor: Actor) -> bool:
        """Derives the sequence unless another process does so, or has just done so."""
        with self._lock, self._database.claim(partial(_take, changed.oldest)) as claim:
            if claim is None:
                return False
            try:
                self._derive(key, changed, claim, want, actor)
            except _OF_THE_STORE:
                raise
            except Exception as error:
                _log_parked(key, error)
                claim.finish(partial(_park, key, changed.up_to, _error_text(error)), actor)
        return True

    def _derive(
        self, key: SequenceKey, changed: Changed, claim: Claim, want: Want, actor: Actor
    ) -> None:
        facts, known = self._database.primary.read(partial(self._read, key, changed))
        recall = self._recalls.get(key) or DerivationCache()
        derived = derive(facts.sequence, recall)
        self._recalls.put(key, recall, size=len(derived))
        try:
            self._write(key, changed, facts, derived, known, actor)
        except BaseException as error:
            # What has been written of it is not known, nor by whom.
            self._sequences.forget(key)
            if isinstance(error, _StaleDerivation):
                return
            raise
        claim.finish(partial(_finish, key, changed.up_to), actor)
        for repository_id in _lacking(facts, changed, derived):
            want(key.org, repository_id)

    def _read(self, key: SequenceKey, changed: Changed, cursor: Cursor) -> tuple[Facts, _Known]:
        """The current inputs; unchanged ones come from memory."""
        known = self._read_sequence(cursor, key, changed)
        keys = match_keys(cursor, key.org)
        repositories = {
            name: self._repositories.get(cursor, key.org, keys, name)
            for name in repository_keys(known.deployments.values(), keys)
        }
        return read_facts(cursor, key, known.deployments, repositories), known

    def _read_sequence(self, cursor: Cursor, key: SequenceKey, changed: Changed) -> _Known:
        current = generation(cursor, key)
        known = self._sequences.get(key)
        if (
            known is None
            or known.generation != current
            or len(changed.deployments) > _READ_ONE_BY_ONE
        ):
            return _Known(current, read_deployments(cursor, key), read_digests(cursor, key), {})
        found = read_some_deployments(cursor, key, changed.deployments)
        for gone in changed.deployments - found.keys():
            known.deployments.pop(gone, None)
        known.deployments.update(found)
        for each in changed.deployments:
            # It may have been in another sequence meanwhile, and have been measured there.
            known.digests[each] = read_digest(cursor, each)
            known.measured.pop(each, None)
        return known

    def _write(
        self,
        key: SequenceKey,
        changed: Changed,
        facts: Facts,
        derived: Sequence[Derived],
        known: _Known,
        actor: Actor,
    ) -> None:
        """Writes what has changed, a part at a time, unless another process has been faster."""
        keys = {event.id: row for row, event in facts.deployments.items()}
        changes = list(_changes(keys, facts, derived, known))
        current = known.generation
        for start in range(0, len(changes), _ROWS_AT_ONCE):
            part = changes[start : start + _ROWS_AT_ONCE]
            written, current = self._commit(
                key, current, partial(self._write_part, key, changed, part), actor
            )
            # Omitted rows stay as they were read: the next derivation finds them changed.
            known.deployments.update((each.key, each.now) for each in written)
            for each in written:
                if each.measured is not None:
                    known.digests[each.key] = each.measured.digest
                    known.measured.pop(each.key, None)
        links = _new_links(keys, facts, derived)
        _, current = self._commit(key, current, partial(_write_links, links), actor)
        self._sequences.put(key, known._replace(generation=current), size=len(known.deployments))

    def _commit(
        self, key: SequenceKey, current: int, write: Callable[[Cursor], T], actor: Actor
    ) -> tuple[T, int]:
        """Writes, and returns the next generation.

        Raises `_StaleDerivation` where another process has derived the sequence since then.
        """

        def write_alone(cursor: Cursor) -> tuple[T, int]:
            if generation(cursor, key) != current:
                raise _StaleDerivation
            return write(cursor), next_generation(cursor, key)

        return self._database.write(write_alone, actor).result()

    def _write_part(
        self, key: SequenceKey, changed: Changed, part: Sequence[_Change], cursor: Cursor
    ) -> list[_Change]:
        """What was written: all but what newer marks may be about.

        Deriving those comes next and knows better.
        """
        is_current = not is_queued_since(cursor, key, changed.up_to)
        stored = self._rows.get_all(cursor, [change.key for change in part])
        written = [
            change
            for change in part
            if change.key in stored
            and stored[change.key].event == change.before
            and (is_current or not is_judged(cursor, change.key))
        ]
        self._rows.derive_all(
            cursor, key.org, [(stored[change.key], change.now) for change in written]
        )
        for change in written:
            if change.measured is not None:
                write_measured(cursor, change.key, change.measured)
                log_change(cursor, DEPLOYMENTS, key.org, change.key)
        return written


def _compared(
    before: DeploymentSequence, after: DeploymentSequence
) -> Iterator[tuple[Deployment, Deployment]]:
    """Every deployment as it is derived now and with other settings, which may divide otherwise."""
    then = {each.deployment.id: each for each in derive(_usable(after))}
    for now in derive(_usable(before)):
        other = then[now.deployment.id]
        yield _with_team(now, before.settings), _with_team(other, after.settings)


def _usable(sequence: DeploymentSequence) -> DeploymentSequence:
    return msgspec.structs.replace(sequence, settings=usable(sequence.settings))


def _with_team(derived: Derived, settings: ServiceSettings) -> Deployment:
    """The deployment with all that follows from the settings."""
    return with_team_of_services(derived.event, settings.team)


def _previewed(
    org: Organisation, given: Given, service: str, cursor: Cursor
) -> list[tuple[DeploymentSequence, DeploymentSequence]]:
    """The sequences that the settings apply to, as they are and as they would be."""
    keys = match_keys(cursor, org)
    keys_then = keys
    if service == WHOLE_ORGANISATION:
        keys_then = MatchKeys(given.get("repository_aliases"))
    return [
        (
            now := whole_sequence(cursor, key, keys).sequence,
            msgspec.structs.replace(
                now if keys_then is keys else whole_sequence(cursor, key, keys_then).sequence,
                settings=_settings_then(cursor, key, given, service),
            ),
        )
        for key in sequences_of(cursor, org, service)
    ]


def _settings_then(cursor: Cursor, key: SequenceKey, given: Given, service: str) -> ServiceSettings:
    """The effective settings of the sequence if `given` were set."""
    if service == WHOLE_ORGANISATION:
        return resolved(given, given_settings(cursor, key.org, key.service))
    return resolved(given_settings(cursor, key.org, WHOLE_ORGANISATION), given)


def _changes(
    keys: Mapping[str, int], facts: Facts, derived: Iterable[Derived], known: _Known
) -> Iterator[_Change]:
    """The differences between the derivation and the stored values."""
    for each in derived:
        key, before = keys[each.deployment.id], each.deployment
        now = _with_team(each, facts.sequence.settings)
        found = _newly_measured(key, each.changes, known)
        if before != now or found is not None:
            yield _Change(key, before, now, found)


def _newly_measured(key: int, changes: Changes, known: _Known) -> Measured | None:
    """The durations of the commits, unless they are already stored."""
    if known.measured.get(key) is changes:
        return None
    found = measured(changes)
    if known.digests.get(key, 0) != found.digest:
        return found
    known.measured[key] = changes
    return None


def _lacking(facts: Facts, changed: Changed, derived: Iterable[Derived]) -> set[str]:
    """The repositories that lack the commits of what has changed.

    Skips repositories whose commits were already missing: another fetch would not help.
    """
    rows = facts.deployments.keys() & changed.deployments
    ids = {facts.deployments[row].id for row in rows}
    return {
        each.deployment.git.repository_id
        for each in derived
        if each.deployment.id in ids
        and each.deployment.git
        and each.changes.status == "unknown_commits"
    }


def _new_links(
    keys: Mapping[str, int], facts: Facts, derived: Iterable[Derived]
) -> list[tuple[int, Link]]:
    """Remediations that the rules find for overridden deployments, if they have changed."""
    found = {keys[each.deployment.id]: _link(each) for each in derived if each.verdict.override}
    return [(key, link) for key, link in found.items() if facts.linked.get(key) != link]


def _link(derived: Derived) -> Link:
    failing_links = derived.verdict.failing_links
    return Link(failing_links[0].remediation_id, failing_links[0].type) if failing_links else Link()


def _finish(key: SequenceKey, up_to: int, cursor: Cursor) -> None:
    remove_tasks(cursor, key, up_to)
    unpark(cursor, key)


def _park(key: SequenceKey, up_to: int, error: str, cursor: Cursor) -> None:
    """Its marks are removed, so that they do not take the place of others."""
    remove_tasks(cursor, key, up_to)
    park(cursor, key, error, time.time_ns())


def _log_parked(key: SequenceKey, error: Exception) -> None:
    log.warning(
        "a sequence cannot be derived and is tried again later",
        organisation=key.org.name,
        service=key.service,
        env=key.env,
        error=_error_text(error),
        exc_info=None if isinstance(error, Invalid) else error,
    )


def _error_text(error: Exception) -> str:
    if isinstance(error, Invalid):
        return "; ".join(problem.detail for problem in error.problems)
    return f"{type(error).__name__}: {error}"


def _take(oldest: int, cursor: Cursor) -> bool:
    return take_task(cursor, oldest)


def _write_links(links: Iterable[tuple[int, Link]], cursor: Cursor) -> None:
    for judged, link in links:
        write_link(cursor, judged, link)
