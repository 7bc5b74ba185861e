"""The queue of derivation: marks of changes that have not been derived.

Every write that derivation depends on leaves a mark in the same transaction, so that nothing is
forgotten however the process ends. A mark costs an append; the worker that takes it finds the
sequences that it affects.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import LiteralString, NamedTuple

from theodora.events import Deployment
from theodora.storage.engine.cursor import Cursor, only_value
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.field_values import posted_values
from theodora.storage.events.lookup import events_with
from theodora.storage.events.rows import Stored
from theodora.storage.events.tables import DEPLOYMENTS
from theodora.storage.events.terms import Term
from theodora.storage.facts.match_keys import match_keys

_MOST_TAKEN = 100_000
"""Marks read at once."""

MOST_COUNTED = 10_000
"""The oldest marks of an organisation, among which those that wait are counted."""


_MOST_REPOSITORIES = 1_000_000
_IN_USE: LiteralString = "NOT EXISTS (SELECT 1 FROM organisation_deletions d WHERE d.org = m.org)"
"""Marks of an organisation that is to be deleted wait: that may be taken back."""


_MARKED: LiteralString = (
    "WITH RECURSIVE marked (org) AS (SELECT min(org) FROM marks UNION ALL "
    "SELECT (SELECT min(n.org) FROM marks n WHERE n.org > marked.org) "
    "FROM marked WHERE marked.org IS NOT NULL) "
    "SELECT o.org, o.uuid, o.name, (SELECT max(n.number) FROM marks n WHERE n.org = o.org) "
    f"FROM marked m JOIN organisations o USING (org) WHERE {_IN_USE}"
)
"""Organisations with marks, each found by a step in the index from the one before it."""


class SequenceKey(NamedTuple):
    """Names a sequence: the deployments of a service to an env, which may be absent."""

    org: Organisation
    service: str
    env: str | None


@dataclass(frozen=True, slots=True)
class Changed:
    """The changes of a sequence, by its marks up to one number."""

    oldest: int
    """The number of the first mark, which whoever derives the sequence holds meanwhile."""
    up_to: int
    deployments: frozenset[int]
    """Keys of deployments that were added, changed or removed."""


class Waiting(NamedTuple):
    """The waiting marks of an organisation, among its oldest `MOST_COUNTED`."""

    tasks: int
    sequences: int
    """The services and environments they are about; one mark may yet be about several."""
    since_ns: int | None
    """When the oldest was made; None where there is none, or an earlier version made it."""

    @property
    def is_more(self) -> bool:
        """Whether there may be others that were not counted."""
        return self.tasks >= MOST_COUNTED


def queue_deployments(
    cursor: Cursor, org: Organisation, changed: Iterable[Stored[Deployment]]
) -> None:
    """The sequences that the deployments were or are in have changed."""
    now_ns = time.time_ns()
    cursor.executemany(
        "INSERT INTO marks (org, kind, service, env, deployment, marked_at_ns) "
        "VALUES (?, 'sequence', ?, ?, ?, ?)",
        [
            (org.key, stored.event.service, stored.event.env, stored.key, now_ns)
            for stored in changed
        ],
    )


def queue_sequence(cursor: Cursor, org: Organisation, service: str, env: str | None) -> None:
    """Something else that the sequence depends on has changed, such as a verdict."""
    cursor.execute(
        "INSERT INTO marks (org, kind, service, env, marked_at_ns) VALUES (?, 'sequence', ?, ?, ?)",
        (org.key, service, env, time.time_ns()),
    )


def queue_repository(cursor: Cursor, org: Organisation, repository_id: str) -> None:
    """Commits or pull requests of the repository have come in."""
    cursor.execute(
        "INSERT INTO marks (org, kind, repository_id, marked_at_ns) VALUES (?, 'repository', ?, ?)",
        (org.key, repository_id, time.time_ns()),
    )


def queue_service(cursor: Cursor, org: Organisation, service: str) -> None:
    """The service's settings have changed, for every env."""
    cursor.execute(
        "INSERT INTO marks (org, kind, service, marked_at_ns) VALUES (?, 'service', ?, ?)",
        (org.key, service, time.time_ns()),
    )


def queue_organisation(cursor: Cursor, org: Organisation) -> None:
    """The settings of every service have changed."""
    cursor.execute(
        "INSERT INTO marks (org, kind, marked_at_ns) VALUES (?, 'organisation', ?)",
        (org.key, time.time_ns()),
    )


def has_tasks(cursor: Cursor) -> bool:
    return cursor.execute("SELECT 1 FROM marks LIMIT 1").fetchone() is not None


def waiting(cursor: Cursor, org: Organisation) -> Waiting:
    """The time it takes does not grow with the marks there are."""
    row = cursor.execute(
        "SELECT coalesce(sum(marks), 0), count(*), min(since_ns) FROM ("
        "SELECT count(*) AS marks, min(marked_at_ns) AS since_ns FROM ("
        "SELECT kind, service, env, repository_id, marked_at_ns FROM marks "
        "WHERE org = ? ORDER BY number LIMIT ?) oldest "
        "GROUP BY kind, service, env, repository_id) about",
        (org.key, MOST_COUNTED),
    ).fetchone()
    assert row is not None
    tasks, sequences, since_ns = row
    return Waiting(int(tasks), sequences, since_ns)


def organisations_with_wide_tasks(cursor: Cursor) -> list[Organisation]:
    """Those that have marks for several sequences."""
    statement: LiteralString = (
        "SELECT DISTINCT o.org, o.uuid, o.name FROM marks m JOIN organisations o USING (org) "
        f"WHERE m.kind <> 'sequence' AND {_IN_USE}"
    )
    return [Organisation(*row) for row in cursor.execute(statement).fetchall()]


def split_wide_tasks(org: Organisation, cursor: Cursor) -> None:
    """Replaces the organisation's marks for several sequences by one for each of these.

    Of marks about the same, such as those of a repository whose commits come in many parts, the
    first is replaced.
    """
    wide = cursor.execute(
        "SELECT number, marked_at_ns, kind, service, repository_id FROM marks "
        "WHERE org = ? AND kind <> 'sequence' ORDER BY number",
        (org.key,),
    ).fetchall()
    since_ns: dict[tuple[str, str | None, str | None], int | None] = {}
    for _, marked_at_ns, *about in wide:
        since_ns.setdefault((about[0], about[1], about[2]), marked_at_ns)
    # Shared by all marks: reading an organisation's repositories takes longest.
    deployed: dict[int, list[str]] = {}
    for (kind, service, repository_id), marked_at_ns in since_ns.items():
        if repository_id is not None:
            covered = _covered_by_repository(cursor, org, repository_id, deployed)
        else:
            covered = _covered(cursor, org, kind, service)
        cursor.executemany(
            "INSERT INTO marks (org, kind, service, env, marked_at_ns) "
            "VALUES (?, 'sequence', ?, ?, ?)",
            [(org.key, *sequence, marked_at_ns) for sequence in covered],
        )
    cursor.executemany(
        "DELETE FROM marks WHERE org = ? AND number = ?", [(org.key, number) for number, *_ in wide]
    )


def queued_sequences(cursor: Cursor, after: Mapping[int, int]) -> Mapping[SequenceKey, Changed]:
    """The sequences of each organisation's oldest marks above a number, with their changes.

    `after` has the numbers by organisation. There is none for all: of two organisations' marks the
    one with the lower number may be committed later.
    """
    found: dict[SequenceKey, Changed] = {}
    for *org, newest in cursor.execute(_MARKED).fetchall():
        known = after.get(org[0], 0)
        if newest > known:
            found.update(_sequences_after(cursor, Organisation(*org), known))
    return found


def _sequences_after(
    cursor: Cursor, org: Organisation, after: int
) -> Mapping[SequenceKey, Changed]:
    rows = cursor.execute(
        "SELECT service, env, number, deployment FROM marks "
        "WHERE org = ? AND kind = 'sequence' AND number > ? ORDER BY number LIMIT ?",
        (org.key, after, _MOST_TAKEN),
    )
    tasks: dict[SequenceKey, list[tuple[int, int | None]]] = {}
    for service, env, number, deployment in rows:
        tasks.setdefault(SequenceKey(org, service, env), []).append((number, deployment))
    return {
        key: Changed(
            oldest=found[0][0],
            up_to=found[-1][0],
            deployments=frozenset(each for _, each in found if each is not None),
        )
        for key, found in tasks.items()
    }


def take_task(cursor: Cursor, org: Organisation, number: int) -> bool:
    """Locks the mark; whether it is still there and no other process has locked it."""
    # A mark that another process has locked is skipped, not waited for: that process derives it.
    statement: LiteralString = (
        f"SELECT 1 FROM marks WHERE org = ? AND number = ? {cursor.dialect.lock_if_free}"
    )
    return cursor.execute(statement, (org.key, number)).fetchone() is not None


def is_queued_since(cursor: Cursor, key: SequenceKey, up_to: int) -> bool:
    """Whether the sequence has marks of its own with a number above `up_to`."""
    newer = cursor.execute(
        "SELECT 1 FROM marks WHERE org = ? AND number > ? AND kind = 'sequence' AND service = ? "
        "AND env IS NOT DISTINCT FROM ? LIMIT 1",
        (key.org.key, up_to, key.service, key.env),
    )
    return newer.fetchone() is not None


def is_waiting(cursor: Cursor, key: SequenceKey) -> bool:
    """Whether the sequence has marks, or the organisation has such as may be about it."""
    return is_queued_since(cursor, key, 0) or (
        cursor.execute(
            "SELECT 1 FROM marks WHERE org = ? AND kind <> 'sequence' LIMIT 1", (key.org.key,)
        ).fetchone()
        is not None
    )


def remove_tasks(cursor: Cursor, key: SequenceKey, up_to: int) -> None:
    """Removes the sequence's marks with numbers up to `up_to`."""
    cursor.execute(
        "DELETE FROM marks WHERE org = ? AND number <= ? AND kind = 'sequence' "
        "AND service = ? AND env IS NOT DISTINCT FROM ?",
        (key.org.key, up_to, key.service, key.env),
    )


def generation(cursor: Cursor, key: SequenceKey) -> int:
    """How often the sequence has been derived, by any process."""
    row = cursor.execute(
        "SELECT generation FROM sequences WHERE org = ? AND service = ? AND env = ?", _name(key)
    ).fetchone()
    return row[0] if row else 0


def next_generation(cursor: Cursor, key: SequenceKey) -> int:
    """Counts a derivation of the sequence; returns how many there have been."""
    return only_value(
        cursor.execute(
            "INSERT INTO sequences (org, service, env, generation) VALUES (?, ?, ?, 1) "
            "ON CONFLICT (org, service, env) DO UPDATE SET generation = sequences.generation + 1 "
            "RETURNING generation",
            _name(key),
        )
    )


def _name(key: SequenceKey) -> tuple[int, str, str]:
    """The key in `sequences`, where an absent env is empty."""
    return key.org.key, key.service, key.env or ""


def sequences_of(cursor: Cursor, org: Organisation, service: str) -> list[SequenceKey]:
    """Every sequence of a service, or with an empty one of the organisation, in order of names.

    PostgreSQL would return them in another order once a table has grown, its other tenants' too.
    """
    kind = "service" if service else "organisation"
    covered = _covered(cursor, org, kind, service)
    covered.sort(key=lambda each: (each[0], each[1] is not None, each[1] or ""))
    return [SequenceKey(org, *each) for each in covered]


def _covered(
    cursor: Cursor, org: Organisation, kind: str, service: str | None
) -> list[tuple[str, str | None]]:
    """Service and env of every sequence of a service, or of the organisation."""
    if kind == "service":
        return _with(cursor, org, Term("service", service or ""))
    rows = cursor.execute("SELECT DISTINCT service, env FROM deployments WHERE org = ?", (org.key,))
    return [(service, env) for service, env in rows]


def _with(cursor: Cursor, org: Organisation, term: Term) -> list[tuple[str, str | None]]:
    """Service and env of every sequence with a deployment that has a term."""
    found = events_with(DEPLOYMENTS, org, term)
    joined = cursor.dialect.join_in_order("deployments", "d", "d.key = p.event AND +d.org = ?")
    rows = cursor.execute(
        f"SELECT DISTINCT d.service, d.env FROM ({found.sql}) p {joined}", (*found.values, org.key)
    )
    return [(service, env) for service, env in rows]


def _covered_by_repository(
    cursor: Cursor, org: Organisation, repository_id: str, deployed: dict[int, list[str]]
) -> list[tuple[str, str | None]]:
    """Service and env of every sequence with a deployment of the repository, however named.

    `deployed` keeps the repositories of each organisation's deployments for the next mark.
    """
    keys = match_keys(cursor, org)
    if org.key not in deployed:
        deployed[org.key] = posted_values(
            cursor, DEPLOYMENTS, org, "repository_id", limit=_MOST_REPOSITORIES
        )
    names = [each for each in deployed[org.key] if keys.key(each) == keys.key(repository_id)]
    found = (_with(cursor, org, Term("repository_id", name)) for name in names)
    return list(dict.fromkeys(chain.from_iterable(found)))
