"""Derives marked sequences and writes the results to the deployments' rows.

Reading, deriving and writing are three steps. Reading takes one snapshot; deriving may take long
and blocks nothing; writing takes small transactions, and in each makes sure that it undoes nothing
that has come meanwhile. The last one deletes the marks, so that an interrupted run starts again.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import msgspec
import structlog

from theodora.dora import DeploymentSequence, Derived, ServiceSettings, derive
from theodora.dora.derivation.settings import usable
from theodora.dora.derivation.undeployed import Undeployed, undeployed
from theodora.errors import (
    Invalid,
    OrganisationBusy,
    TheodoraError,
    TooSlow,
    Unavailable,
    UnusableStore,
)
from theodora.events import Deployment, MatchKeys, with_team_of_services
from theodora.storage.derivation.backlog import Backlog
from theodora.storage.derivation.commit_times import Measured, write_measured
from theodora.storage.derivation.derivation_record import with_ties
from theodora.storage.derivation.explain import Explained, Explanations
from theodora.storage.derivation.inputs import (
    Facts,
    Link,
    SequenceRows,
    is_judged,
    whole_sequence,
    write_link,
)
from theodora.storage.derivation.parked import (
    Parked,
    count_parked,
    mark_due,
    organisations_due,
    park,
    read_parked,
    unpark,
)
from theodora.storage.derivation.sequence_cache import (
    DerivedSequence,
    SeenRows,
    SequenceCache,
    note_changes,
)
from theodora.storage.derivation.shipped_requests import ShippedBatch, write_shipped
from theodora.storage.derivation.undeployed import (
    UndeployedCommits,
    read_undeployed,
    write_undeployed,
)
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Claim, Database
from theodora.storage.engine.deadline import check_deadline
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.change_log import log_changes, reach
from theodora.storage.events.rows import Rows, Stored
from theodora.storage.events.tables import DEPLOYMENTS
from theodora.storage.facts.derivation_queue import (
    Changed,
    SequenceKey,
    Waiting,
    generation,
    has_tasks,
    is_queued_since,
    next_generation,
    organisations_with_wide_tasks,
    queued_sequences,
    remove_tasks,
    sequences_of,
    split_wide_tasks,
    take_task,
    waiting,
)
from theodora.storage.facts.match_keys import match_keys
from theodora.storage.facts.settings import WHOLE_ORGANISATION, Given, given_settings, resolved

log = structlog.get_logger()

Want = Callable[[Organisation, str], None]
"""Called with the id of a repository whose commits are missing."""

_OF_THE_STORE = (Unavailable, UnusableStore)
"""Errors that say nothing of a sequence; SQLite calls a disk that cannot be read malformed."""
_ROWS_AT_ONCE = 256
"""Most deployments written in one transaction: ingest waits for no longer."""

_HELD_SECONDS = 0.1
"""How long a command waits before it looks again whether an organisation can be written."""


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
    """What is stored of its derivation; None if that has not changed."""


class _Written(NamedTuple):
    """What one transaction wrote."""

    changes: list[_Change]
    seen: SeenRows | None
    """The rows as they were read, with what others have changed since then as unread; None where
    that is not known."""
    generation: int


class _StaleDerivation(Exception):
    """A change arrived meanwhile, so the derivation must run again."""


class Derivations:
    """Runs derivation over the store; every method may be called from any thread."""

    def __init__(self, database: Database, rows: Rows[Deployment]) -> None:
        self._database = database
        self._rows = rows
        self._lock = threading.Lock()
        self._cache = SequenceCache()
        self._explanations = Explanations(database, rows, self._cache)

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

        Organisations take turns, also those whose marks come meanwhile: see `Backlog`. One that
        another process keeps from being written is passed over, and what another process is just
        deriving is left to it. After each sequence `go_on` receives the
        seconds it took, and may end the work. `want` receives the repositories of new or changed
        deployments whose commits are not known; `is_ripe` may put a sequence off. One that cannot
        be derived is parked and holds up no other. Raises `TooSlow` at the thread's deadline; what
        was under way stays marked.
        """
        return self._derive_marked(Backlog(), go_on, want, is_ripe, actor)

    def _derive_marked(
        self,
        backlog: Backlog,
        go_on: Callable[[float], bool],
        want: Want,
        is_ripe: Callable[[SequenceKey, Changed], bool],
        actor: Actor,
    ) -> int:
        """The same; what is left in the backlog was not ripe or is held by another process."""
        errors: list[TheodoraError] = []
        derived = 0
        while True:
            has_more = self._find_marked(backlog, actor)
            taken = backlog.take(partial(self._is_takeable, is_ripe))
            if taken is None:
                if has_more:
                    continue
                break
            key, changed = taken
            began = time.perf_counter()
            try:
                derived += self._derive_if_free(key, changed, want, actor)
            except OrganisationBusy:
                backlog.put_back(key, changed)
            except _OF_THE_STORE as error:
                errors.append(error)
            if not go_on(time.perf_counter() - began):
                return derived
        if errors:
            raise errors[0]
        return derived

    def _is_takeable(
        self,
        is_ripe: Callable[[SequenceKey, Changed], bool],
        key: SequenceKey,
        changed: Changed,
    ) -> bool:
        return not self._database.is_held(key.org.key) and is_ripe(key, changed)

    def _find_marked(self, backlog: Backlog, actor: Actor) -> bool:
        """Adds the marks that have come since the last look; returns whether there were any."""
        now_ns = time.time_ns()
        for org in self._database.primary.read(partial(organisations_due, now_ns=now_ns)):
            self._prepare(org, partial(mark_due, org, now_ns), actor)
        for org in self._database.primary.read(organisations_with_wide_tasks):
            self._prepare(org, partial(split_wide_tasks, org), actor)
        found = self._database.primary.read(partial(queued_sequences, after=backlog.up_to))
        backlog.add(found)
        return bool(found)

    def _prepare(self, org: Organisation, prepare: Callable[[Cursor], None], actor: Actor) -> None:
        with suppress(OrganisationBusy):
            self._database.write(prepare, actor, org=org.key, if_free=True).result()

    def derive_all_queued(self, *, actor: Actor) -> int:
        """Derives until nothing is marked; returns the number of derivations.

        Waits for organisations that another process keeps from being written.
        """
        total = 0
        while True:
            backlog = Backlog()
            derived = self._derive_marked(
                backlog, lambda _: True, lambda _org, _id: None, lambda _key, _changed: True, actor
            )
            total += derived
            if not derived:
                held = self._database.primary.read(organisations_with_wide_tasks) or backlog
                if not held:
                    return total
                time.sleep(_HELD_SECONDS)

    def parked(self, org: Organisation) -> Sequence[Parked]:
        """The sequences of the organisation that could not be derived."""
        return self._database.read(lambda cursor: read_parked(cursor, org))

    def count_parked(self) -> int:
        """How many sequences of all organisations could not be derived."""
        return self._database.read(count_parked)

    def undeployed(self, org: Organisation) -> Sequence[UndeployedCommits]:
        """What is merged but not deployed, the longest waiting first."""
        return self._database.read(lambda cursor: read_undeployed(cursor, org))

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
        claiming = self._database.claim(partial(_take, key.org, changed.oldest), org=key.org.key)
        with self._lock, claiming as claim:
            if claim is None:
                return False
            try:
                self._derive(key, changed, claim, want, actor)
            except (*_OF_THE_STORE, TooSlow):
                raise
            except Exception as error:
                _log_parked(key, error)
                claim.finish(partial(_park, key, changed.up_to, _error_text(error)), actor)
        return True

    def _derive(
        self, key: SequenceKey, changed: Changed, claim: Claim, want: Want, actor: Actor
    ) -> None:
        (facts, seen), current = self._database.primary.read(
            lambda cursor: (self._cache.read(cursor, key), generation(cursor, key))
        )
        derived = self._cache.derive(key, facts.sequence)
        with suppress(_StaleDerivation):
            self._write(key, changed, facts, derived, _Written([], seen, current), actor)
            lacking = undeployed(facts.sequence, facts.heads)
            claim.finish(partial(_finish, key, changed.up_to, lacking), actor)
            for repository_id in _lacking(facts, changed, derived.deployments):
                want(key.org, repository_id)

    def _write(
        self,
        key: SequenceKey,
        changed: Changed,
        facts: Facts,
        derived: DerivedSequence,
        last: _Written,
        actor: Actor,
    ) -> None:
        """Writes what has changed, a part at a time, unless another process has been faster.

        Omitted rows stay as they were read: the next derivation finds them changed.
        """
        changes = list(_changes(facts, derived))
        links = _new_links(facts, derived.deployments)
        written: list[_Change] = []
        # Once even where nothing has changed: it counts the derivation, so that another process
        # writes no older one.
        for start in range(0, len(changes) or 1, _ROWS_AT_ONCE):
            check_deadline()
            end = start + _ROWS_AT_ONCE
            last_links = links if end >= len(changes) else ()
            write = partial(self._write_part, key, changed, changes[start:end], last_links, last)
            last = self._database.write(write, actor, org=key.org.key, if_free=True).result()
            written += last.changes
        if last.seen:
            rows = _written_rows(last.seen.rows, written)
            self._cache.remember(key, replace(last.seen, rows=rows))

    def _write_part(
        self,
        key: SequenceKey,
        changed: Changed,
        part: Sequence[_Change],
        links: Iterable[tuple[int, Link]],
        last: _Written,
        cursor: Cursor,
    ) -> _Written:
        """Writes the links, and all but overridden deployments that newer marks of the sequence may
        be about.

        Deriving those comes next and knows better. Marks for several sequences do not count: they
        may be about others, and then nothing would write what was left out.
        Raises `_StaleDerivation` where another process has derived the sequence since then.
        """
        current = _next_generation(cursor, key, last)
        seen = last.seen and note_changes(cursor, key.org, last.seen)
        is_current = not is_queued_since(cursor, key, changed.up_to)
        stored = self._stored(cursor, key.org, part, seen)
        written = [
            change
            for change in part
            if change.key in stored
            and stored[change.key].event == change.before
            and (is_current or not is_judged(cursor, key.org, change.key))
        ]
        changes = [(stored[change.key], change.now) for change in written]
        self._rows.derive_all(cursor, key.org, changes)
        _write_measures(cursor, key.org, written)
        for judged, link in links:
            write_link(cursor, key.org, judged, link)
        if seen:
            # The organisation's writes come one after another: what is in its log by now is seen,
            # or our own.
            seen = replace(seen, number=reach(cursor, key.org).newest)
        return _Written(written, seen, current)

    def _stored(
        self, cursor: Cursor, org: Organisation, part: Sequence[_Change], seen: SeenRows | None
    ) -> Mapping[int, Stored[Deployment]]:
        """The deployments as they are now; only those that have changed since then are read."""
        if seen is None:
            return self._rows.get_all(cursor, org, [change.key for change in part])
        unread = [change.key for change in part if change.key in seen.unread]
        same = {
            change.key: Stored(change.key, change.before)
            for change in part
            if change.key not in seen.unread
        }
        return same | self._rows.get_all(cursor, org, unread)


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


def _changes(facts: Facts, derived: DerivedSequence) -> Iterator[_Change]:
    """The differences between the derivation and the stored values."""
    for each, tie in with_ties(derived.deployments):
        key, before = facts.rows.keys[each.deployment.id], each.deployment
        now = _with_team(each, facts.sequence.settings)
        found = derived.measured_unlike(each, tie, facts.rows.digests[key])
        if before != now or found is not None:
            yield _Change(key, before, now, found)


def _write_measures(cursor: Cursor, org: Organisation, written: Sequence[_Change]) -> None:
    """Writes what was measured of the commits, and the pull requests that were shipped."""
    found = {each.key: each.measured for each in written if each.measured is not None}
    write_measured(cursor, org, found)
    write_shipped(cursor, org, {each.key: _shipped(each) for each in written if each.key in found})
    log_changes(cursor, DEPLOYMENTS, org, found)


def _shipped(change: _Change) -> ShippedBatch:
    git, found = change.now.git, change.measured
    assert found is not None, "what is measured has changed"
    return ShippedBatch(git.repository_id if git else "", found.shipped, found.in_production)


def _written_rows(rows: SequenceRows, written: Sequence[_Change]) -> SequenceRows:
    """The rows after these changes; the same value if there are none."""
    if not written:
        return rows
    return rows.with_rows(
        SequenceRows(
            {each.key: each.now for each in written},
            {each.key: each.measured.digest for each in written if each.measured is not None},
        )
    )


def _lacking(facts: Facts, changed: Changed, derived: Iterable[Derived]) -> set[str]:
    """The repositories that lack the commits of what has changed.

    Skips repositories whose commits were already missing: another fetch would not help.
    """
    deployments = facts.rows.deployments
    ids = {deployments[row].id for row in deployments.keys() & changed.deployments}
    return {
        each.deployment.git.repository_id
        for each in derived
        if each.deployment.id in ids
        and each.deployment.git
        and each.changes.status == "unknown_commits"
    }


def _new_links(facts: Facts, derived: Iterable[Derived]) -> list[tuple[int, Link]]:
    """Remediations that the rules find for overridden deployments, if they have changed."""
    keys = facts.rows.keys
    found = {keys[each.deployment.id]: _link(each) for each in derived if each.verdict.override}
    return [(key, link) for key, link in found.items() if facts.linked.get(key) != link]


def _link(derived: Derived) -> Link:
    failing_links = derived.verdict.failing_links
    return Link(failing_links[0].remediation_id, failing_links[0].type) if failing_links else Link()


def _finish(key: SequenceKey, up_to: int, lacking: Undeployed | None, cursor: Cursor) -> None:
    write_undeployed(cursor, key, lacking)
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


def _take(org: Organisation, oldest: int, cursor: Cursor) -> bool:
    return take_task(cursor, org, oldest)


def _next_generation(cursor: Cursor, key: SequenceKey, last: _Written) -> int:
    """Raises `_StaleDerivation` where another process has derived the sequence since then."""
    if generation(cursor, key) != last.generation:
        raise _StaleDerivation
    return next_generation(cursor, key)
