"""Facts that webhooks delivered, by the thing that they are about.

The same fact is stored once, however many deliveries contain it. What reads the facts of a thing
gets all of them, so that the event does not depend on the order in which they came.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from theodora.dora import Commit, PullRequest
from theodora.events import Deployment, Failure
from theodora.storage.engine.cursor import Cursor, in_equal_parts, placeholders
from theodora.storage.engine.organisations import Organisation
from theodora.storage.facts.correlations import (
    Correlation,
    correlations_about,
    drop_keys,
    note_keys,
)

PULL_REQUEST = ""
"""Replaces an event's id for a pull request."""
_AT_ONCE = 32
"""Things or deliveries that one statement names."""


class SourceFact(NamedTuple):
    """A fact as it is stored."""

    thing: str
    document: str
    keys: Sequence[str] = ()
    """By which correlations find the thing."""

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.document.encode()).hexdigest()[:32]


class RepositoryCommits(NamedTuple):
    """Commits whose parents are guessed, and their repository."""

    repository_id: str
    commits: Sequence[Commit]


class RepositoryPullRequest(NamedTuple):
    """A pull request and its repository."""

    repository_id: str
    pull_request: PullRequest


class KnownThing(NamedTuple):
    """What is stored about a thing."""

    event: str | None
    """The id of its event, or `PULL_REQUEST`; None while there is none."""
    documents: Sequence[str]
    """All facts about it."""
    others: Sequence[str]
    """Those that other deliveries said."""
    correlations: Sequence[Correlation]


class Uncounted(NamedTuple):
    """Why facts are no event: the settings of the source say that it does not count."""

    reason: str


Folded: TypeAlias = Deployment | Failure | RepositoryPullRequest
Fold: TypeAlias = Callable[
    [str, str, Sequence[str], Sequence[Correlation]], Folded | Uncounted | None
]
"""Computes what all facts (in any order) about a thing of a kind of source add up to, with the
correlations of its keys."""


def replace_facts(
    cursor: Cursor,
    org: Organisation,
    kind: str,
    replaced: Sequence[int],
    facts: Sequence[tuple[int, SourceFact]],
) -> set[str]:
    """Stores facts by their deliveries; the things that may differ.

    The facts that deliveries in `replaced` had are removed.
    """
    things = {fact.thing for _, fact in facts}
    for part in in_equal_parts(replaced, _AT_ONCE):
        former = cursor.execute(
            f"DELETE FROM source_facts WHERE org = ? AND delivery IN ({placeholders(_AT_ONCE)}) "
            "RETURNING thing",
            (org.key, *part),
        )
        things.update(thing for (thing,) in former.fetchall())
    note_keys(cursor, org, kind, {(fact.thing, key) for _, fact in facts for key in fact.keys})
    # One statement may store many, but none twice: the last delivery that said so counts.
    said = {(fact.thing, fact.digest): (fact.document, delivery) for delivery, fact in facts}
    cursor.executemany(
        "INSERT INTO source_facts (org, kind, thing, digest, document, delivery) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (org, kind, thing, digest) "
        "DO UPDATE SET delivery = excluded.delivery",
        [(org.key, kind, *about, *values) for about, values in said.items()],
    )
    return things


def known_things(
    cursor: Cursor,
    org: Organisation,
    kind: str,
    deliveries: Sequence[int],
    things: Collection[str],
) -> dict[str, KnownThing]:
    """What is stored about things, and about what else deliveries said something about."""
    said: dict[str, set[str]] = {}
    for part in in_equal_parts(deliveries, _AT_ONCE):
        rows = cursor.execute(
            "SELECT thing, document FROM source_facts WHERE org = ? AND kind = ? "
            f"AND delivery IN ({placeholders(_AT_ONCE)})",
            (org.key, kind, *part),
        )
        for thing, document in rows:
            said.setdefault(thing, set()).add(document)
    every = {*things, *said}
    documents = facts_about(cursor, org, kind, every)
    events = events_about(cursor, org, kind, every)
    correlations = correlations_about(cursor, org, kind, every)
    return {
        thing: KnownThing(
            events.get(thing),
            facts := documents.get(thing, []),
            [fact for fact in facts if fact not in said.get(thing, ())],
            correlations.get(thing, []),
        )
        for thing in every
    }


def facts_about(
    cursor: Cursor, org: Organisation, kind: str, things: Collection[str]
) -> dict[str, list[str]]:
    """The documents of all facts about things; only things that have some."""
    found: dict[str, list[str]] = {}
    for part in in_equal_parts([*things], _AT_ONCE):
        rows = cursor.execute(
            "SELECT thing, document FROM source_facts WHERE org = ? AND kind = ? "
            f"AND thing IN ({placeholders(_AT_ONCE)}) ORDER BY thing, digest",
            (org.key, kind, *part),
        )
        for thing, document in rows:
            found.setdefault(thing, []).append(document)
    return found


def events_about(
    cursor: Cursor, org: Organisation, kind: str, things: Collection[str]
) -> dict[str, str | None]:
    """The ids of the events that were computed last from the facts about things."""
    found: dict[str, str | None] = {}
    for part in in_equal_parts([*things], _AT_ONCE):
        rows = cursor.execute(
            "SELECT thing, event FROM source_things WHERE org = ? AND kind = ? "
            f"AND thing IN ({placeholders(_AT_ONCE)})",
            (org.key, kind, *part),
        )
        found.update(rows.fetchall())
    return found


def note_events(
    cursor: Cursor, org: Organisation, kind: str, events: Mapping[str, str | None], now_ns: int
) -> None:
    """Stores which event there is about each thing."""
    cursor.executemany(
        "INSERT INTO source_things (org, kind, thing, event, changed_at_ns) "
        "VALUES (?, ?, ?, ?, ?) ON CONFLICT (org, kind, thing) DO UPDATE SET "
        "event = excluded.event, changed_at_ns = excluded.changed_at_ns",
        [(org.key, kind, thing, event, now_ns) for thing, event in events.items()],
    )


def drop_facts(cursor: Cursor, org: Organisation, event: str) -> None:
    """Removes what is known of the thing that an event is about, which is deleted."""
    found = cursor.execute(
        "DELETE FROM source_things WHERE org = ? AND event = ? RETURNING kind, thing",
        (org.key, event),
    )
    for kind, thing in found.fetchall():
        _drop_facts_about(cursor, org.key, kind, thing)


def orgs_with_old_facts(cursor: Cursor, before_ns: int) -> set[int]:
    """The keys of organisations with things that never became an event."""
    rows = cursor.execute(
        "SELECT DISTINCT org FROM source_things WHERE event IS NULL AND changed_at_ns < ?",
        (before_ns,),
    ).fetchall()
    return {org for (org,) in rows}


def prune_facts(cursor: Cursor, org: Organisation, before_ns: int, limit: int) -> int:
    """Removes some things that never became an event; how many those were."""
    found = cursor.execute(
        "SELECT kind, thing FROM source_things "
        "WHERE org = ? AND event IS NULL AND changed_at_ns < ? LIMIT ?",
        (org.key, before_ns, limit),
    ).fetchall()
    for kind, thing in found:
        _drop_facts_about(cursor, org.key, kind, thing)
        cursor.execute(
            "DELETE FROM source_things WHERE org = ? AND kind = ? AND thing = ?",
            (org.key, kind, thing),
        )
    return len(found)


def _drop_facts_about(cursor: Cursor, org: int, kind: str, thing: str) -> None:
    drop_keys(cursor, org, kind, thing)
    cursor.execute(
        "DELETE FROM source_facts WHERE org = ? AND kind = ? AND thing = ?", (org, kind, thing)
    )
