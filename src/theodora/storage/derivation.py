"""Derives what is marked, and writes what came of it into the deployments' rows.

Reading, deriving and writing are three steps. Reading takes one snapshot; deriving takes as
long as it takes and holds nothing up; writing takes small transactions, and in each makes
sure that it undoes nothing that has come meanwhile. The marks go with the last of them, so
that whatever ends in between is begun anew.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import msgspec

from theodora.dora import Derived, Recall, Repository, ServiceSettings, derive
from theodora.errors import NotFound
from theodora.events import Deployment
from theodora.storage.commits import load
from theodora.storage.cursor import Cursor
from theodora.storage.database import Database
from theodora.storage.marks import (
    Changed,
    SequenceKey,
    generation,
    has_marks,
    has_wide_marks,
    is_marked_since,
    marked_sequences,
    newest_mark,
    next_generation,
    remove_marks,
    sequences_of,
    split_wide_marks,
)
from theodora.storage.memory import Memory
from theodora.storage.organisations import Organisation
from theodora.storage.rows import Rows
from theodora.storage.sequences import (
    Facts,
    Link,
    is_judged,
    read_deployments,
    read_facts,
    read_some_deployments,
    repository_ids,
    whole_sequence,
    write_link,
)
from theodora.storage.settings import WHOLE_ORGANISATION, Given, given_settings, resolved

T = TypeVar("T")

Want = Callable[[Organisation, str], None]
"""Told of a repository with this id whose commits are wanted."""

_ROWS_AT_ONCE = 256
"""Deployments written in one transaction at the most: ingest waits for no longer."""
_READ_ONE_BY_ONE = 256
"""Of more changed deployments than this the whole sequence is read again."""
_REMEMBERED_DEPLOYMENTS = 100_000
_REMEMBERED_COMMITS = 200_000
_RECALLED_DEPLOYMENTS = 20_000


class Explained(NamedTuple):
    """A deployment with everything derived of it, and what that was derived from."""

    derived: Derived
    preceding: Deployment | None
    """The one before it in its sequence."""
    repository: Repository | None


class Preview(NamedTuple):
    """What other settings would change."""

    deployments: int
    """How many there are that the settings hold for."""
    failed_now: int
    failed_then: int
    differing: tuple[tuple[Deployment, Deployment], ...]
    """Those that would be derived otherwise: as with today's settings, and as they would be."""


class _Change(NamedTuple):
    """What derivation changes of the deployment whose row has this key."""

    key: int
    before: Deployment
    now: Deployment


class _Overtaken(Exception):
    """Something has come meanwhile that asks for deriving anew."""


class Derivations:
    """Derivation over the store; every method may be called from any thread."""

    def __init__(self, database: Database, rows: Rows[Deployment]) -> None:
        self._database = database
        self._rows = rows
        self._lock = threading.Lock()
        self._generation = -1
        """Of the newest derivation that what is remembered takes into account."""
        self._deployments: Memory[SequenceKey, dict[int, Deployment]] = Memory(
            _REMEMBERED_DEPLOYMENTS
        )
        self._repositories: Memory[tuple[int, str], tuple[int, Repository]] = Memory(
            _REMEMBERED_COMMITS
        )
        """With the number of the newest mark when they were read."""
        self._recalls: Memory[SequenceKey, Recall] = Memory(_RECALLED_DEPLOYMENTS)

    def are_due(self) -> bool:
        """Whether anything is marked."""
        return self._database.read(has_marks)

    def derive_marked(
        self,
        go_on: Callable[[float], bool] = lambda _: True,
        want: Want = lambda _org, _id: None,
    ) -> int:
        """Derives what is marked now; returns how many sequences that were.

        What is marked meanwhile stays for the next time. After each sequence `go_on` is told
        the seconds it took, and may end the work. `want` is told the repositories of new or
        changed deployments whose commits are not known. A sequence that cannot be derived keeps
        its marks and holds up no other; its error is raised in the end.
        """
        if self._database.read(has_wide_marks):
            self._database.write(split_wide_marks).result()
        marked = self._database.read(marked_sequences)
        errors: list[Exception] = []
        for number, (key, changed) in enumerate(marked.items(), 1):
            began = time.perf_counter()
            try:
                self._derive(key, changed, want)
            except Exception as error:
                errors.append(error)
            if not go_on(time.perf_counter() - began):
                return number
        if errors:
            raise errors[0]
        return len(marked)

    def derive_all_marked(self) -> int:
        """Derives until nothing is marked; returns how many derivations that took."""
        total = 0
        while derived := self.derive_marked():
            total += derived
        return total

    def explain(self, org: Organisation, id_: str) -> Explained:
        """Derives the deployment with this id; raises `NotFound` where there is none."""
        facts = self._database.read(partial(self._facts_about, org, id_))
        all_derived = derive(facts.sequence)
        derived = next(each for each in all_derived if each.deployment.id == id_)
        git = derived.deployment.git
        return Explained(
            derived,
            all_derived[derived.position - 1].deployment if derived.position else None,
            facts.sequence.repositories.get(git.repository_id) if git else None,
        )

    def preview(self, org: Organisation, given: Given, service: str) -> Preview:
        """What would change if `given` were set for the service, or for the organisation."""
        before = self._database.read(partial(_every_sequence, org, service))
        compared = [
            (now.event, then.event)
            for facts, settings in _with_settings(before, given, service)
            for now, then in zip(
                derive(facts.sequence),
                derive(msgspec.structs.replace(facts.sequence, settings=settings)),
                strict=True,
            )
        ]
        return Preview(
            deployments=len(compared),
            failed_now=sum(now.change_failure is True for now, _ in compared),
            failed_then=sum(then.change_failure is True for _, then in compared),
            differing=tuple((now, then) for now, then in compared if now != then),
        )

    def _facts_about(self, org: Organisation, id_: str, cursor: Cursor) -> Facts:
        stored = self._rows.find(cursor, org, id_)
        if stored is None:
            raise NotFound("deployment does not exist")
        key = SequenceKey(org, stored.event.service, stored.event.env)
        return whole_sequence(cursor, key)

    def _derive(self, key: SequenceKey, changed: Changed, want: Want) -> None:
        with self._lock:
            facts = self._database.read(partial(self._read, key, changed))
            recall = self._recalls.get(key) or Recall()
            derived = derive(facts.sequence, recall)
            self._recalls.put(key, recall, size=len(derived))
            try:
                self._write(key, changed, facts, derived)
            except _Overtaken:
                self._deployments.forget(key)
        for repository_id in _lacking(facts, changed, derived):
            want(key.org, repository_id)

    def _read(self, key: SequenceKey, changed: Changed, cursor: Cursor) -> Facts:
        """What there is now, from memory as far as it has not changed."""
        current = generation(cursor)
        if current != self._generation:
            self._deployments.clear()
            self._repositories.clear()
            self._generation = current
        deployments = self._read_deployments(cursor, key, changed)
        repositories = {
            id_: self._read_repository(cursor, key, id_, changed)
            for id_ in repository_ids(deployments.values())
        }
        return read_facts(cursor, key, deployments, repositories)

    def _read_deployments(
        self, cursor: Cursor, key: SequenceKey, changed: Changed
    ) -> dict[int, Deployment]:
        known = self._deployments.get(key)
        if known is None or len(changed.deployments) > _READ_ONE_BY_ONE:
            known = read_deployments(cursor, key)
        else:
            found = read_some_deployments(cursor, key, changed.deployments)
            for gone in changed.deployments - found.keys():
                known.pop(gone, None)
            known.update(found)
        self._deployments.put(key, known, size=len(known))
        return known

    def _read_repository(
        self, cursor: Cursor, key: SequenceKey, id_: str, changed: Changed
    ) -> Repository:
        name = key.org.key, id_
        known = self._repositories.get(name)
        if known is None or (id_ in changed.repositories and known[0] < changed.up_to):
            known = newest_mark(cursor), load(cursor, key.org, id_)
            self._repositories.put(name, known, size=len(known[1].commits))
        return known[1]

    def _write(
        self, key: SequenceKey, changed: Changed, facts: Facts, derived: Sequence[Derived]
    ) -> None:
        """Writes what has changed, a part at a time; the marks go after the last part."""
        keys = {event.id: row for row, event in facts.deployments.items()}
        changes = [
            _Change(keys[before.id], before, now)
            for before, now in ((each.deployment, each.event) for each in derived)
            if before != now
        ]
        for start in range(0, len(changes), _ROWS_AT_ONCE):
            part = changes[start : start + _ROWS_AT_ONCE]
            written = self._commit(partial(self._write_part, key, changed, part))
            # What was left out stays as it was read: the next derivation finds it to be changed.
            facts.deployments.update((each.key, each.now) for each in written)
        self._commit(partial(_finish, key, changed, _new_links(keys, facts, derived)))

    def _commit(self, write: Callable[[Cursor], T]) -> T:
        """Writes, unless another process has written a derivation since this one read."""

        def write_alone(cursor: Cursor) -> tuple[T, int]:
            if generation(cursor) != self._generation:
                raise _Overtaken
            return write(cursor), next_generation(cursor)

        result, self._generation = self._database.write(write_alone).result()
        return result

    def _write_part(
        self, key: SequenceKey, changed: Changed, part: Iterable[_Change], cursor: Cursor
    ) -> list[_Change]:
        """What was written: all but what newer marks may be about.

        Deriving those comes next and knows better.
        """
        is_current = not is_marked_since(cursor, key, changed.up_to)
        written: list[_Change] = []
        for change in part:
            stored = self._rows.get(cursor, change.key)
            if not stored or stored.event != change.before:
                continue
            if is_current or not is_judged(cursor, change.key):
                self._rows.derive(cursor, key.org, stored, change.now)
                written.append(change)
        return written


class _Previewed(NamedTuple):
    """A sequence, and the settings given for the organisation and for its service."""

    facts: Facts
    of_organisation: Given
    of_service: Given


def _every_sequence(org: Organisation, service: str, cursor: Cursor) -> list[_Previewed]:
    """The sequences that the settings of a service, or of the organisation, hold for."""
    return [
        _Previewed(
            whole_sequence(cursor, key),
            given_settings(cursor, org, WHOLE_ORGANISATION),
            given_settings(cursor, org, key.service),
        )
        for key in sequences_of(cursor, org, service)
    ]


def _with_settings(
    sequences: Iterable[_Previewed], given: Given, service: str
) -> Iterator[tuple[Facts, ServiceSettings]]:
    for facts, of_organisation, of_service in sequences:
        if service == WHOLE_ORGANISATION:
            yield facts, resolved(given, of_service)
        else:
            yield facts, resolved(of_organisation, given)


def _lacking(facts: Facts, changed: Changed, derived: Iterable[Derived]) -> set[str]:
    """The repositories that lack the commits of what has changed.

    What lacks them since long ago is left out: fetching has not helped it.
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
    """The remediations that the rules find for those judged by hand, where they are others."""
    found = {keys[each.deployment.id]: _link(each) for each in derived if each.verdict.override}
    return [(key, link) for key, link in found.items() if facts.linked.get(key) != link]


def _link(derived: Derived) -> Link:
    marks = derived.verdict.marks
    return Link(marks[0].remediation_id, marks[0].type) if marks else Link()


def _finish(
    key: SequenceKey, changed: Changed, links: Iterable[tuple[int, Link]], cursor: Cursor
) -> None:
    for judged, link in links:
        write_link(cursor, judged, link)
    remove_marks(cursor, key, changed.up_to)
