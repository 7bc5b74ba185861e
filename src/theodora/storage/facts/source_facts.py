"""Facts that webhooks delivered, by the thing that they are about.

The same fact is stored once, however many deliveries contain it. What reads the facts of a thing
gets all of them, so that the event does not depend on the order in which they came.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from theodora.dora import Commit, PullRequest
from theodora.events import Deployment, Failure
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import Organisation
from theodora.storage.facts.correlations import Correlation, drop_keys, note_keys

PULL_REQUEST = ""
"""Replaces an event's id for a pull request."""


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


Folded: TypeAlias = Deployment | Failure | RepositoryPullRequest
Fold: TypeAlias = Callable[[str, str, Sequence[str], Sequence[Correlation]], Folded | None]
"""Computes what all facts (in any order) about a thing of a kind of source add up to, with the
correlations of its keys."""


def replace_facts(
    cursor: Cursor, org: Organisation, kind: str, delivery: int, facts: Iterable[SourceFact]
) -> set[str]:
    """Stores the facts of a delivery in place of those it had; the things that may differ."""
    former = cursor.execute(
        "DELETE FROM source_facts WHERE org = ? AND delivery = ? RETURNING thing",
        (org.key, delivery),
    )
    things = {thing for (thing,) in former.fetchall()}
    for fact in facts:
        things.add(fact.thing)
        note_keys(cursor, org, kind, fact.thing, fact.keys)
        cursor.execute(
            "INSERT INTO source_facts (org, kind, thing, digest, document, delivery) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (org, kind, thing, digest) "
            "DO UPDATE SET delivery = excluded.delivery",
            (org.key, kind, fact.thing, fact.digest, fact.document, delivery),
        )
    return things


def facts_about(cursor: Cursor, org: Organisation, kind: str, thing: str) -> list[str]:
    """The documents of all facts about a thing."""
    rows = cursor.execute(
        "SELECT document FROM source_facts WHERE org = ? AND kind = ? AND thing = ? "
        "ORDER BY digest",
        (org.key, kind, thing),
    )
    return [document for (document,) in rows]


def event_about(cursor: Cursor, org: Organisation, kind: str, thing: str) -> str | None:
    """The id of the event that was computed last from the facts about a thing, if there is one."""
    row = cursor.execute(
        "SELECT event FROM source_things WHERE org = ? AND kind = ? AND thing = ?",
        (org.key, kind, thing),
    ).fetchone()
    return row[0] if row else None


def note_event(
    cursor: Cursor, org: Organisation, kind: str, thing: str, event: str | None, now_ns: int
) -> None:
    """Stores which event there is about a thing."""
    cursor.execute(
        "INSERT INTO source_things (org, kind, thing, event, changed_at_ns) "
        "VALUES (?, ?, ?, ?, ?) ON CONFLICT (org, kind, thing) DO UPDATE SET "
        "event = excluded.event, changed_at_ns = excluded.changed_at_ns",
        (org.key, kind, thing, event, now_ns),
    )


def drop_facts(cursor: Cursor, org: Organisation, event: str) -> None:
    """Removes what is known of the thing that an event is about, which is deleted."""
    found = cursor.execute(
        "DELETE FROM source_things WHERE org = ? AND event = ? RETURNING kind, thing",
        (org.key, event),
    )
    for kind, thing in found.fetchall():
        _drop_facts_about(cursor, org.key, kind, thing)


def prune_facts(cursor: Cursor, before_ns: int, limit: int) -> int:
    """Removes some things that never became an event; how many those were."""
    found = cursor.execute(
        "SELECT org, kind, thing FROM source_things "
        "WHERE event IS NULL AND changed_at_ns < ? LIMIT ?",
        (before_ns, limit),
    ).fetchall()
    for org, kind, thing in found:
        _drop_facts_about(cursor, org, kind, thing)
        cursor.execute(
            "DELETE FROM source_things WHERE org = ? AND kind = ? AND thing = ?",
            (org, kind, thing),
        )
    return len(found)


def _drop_facts_about(cursor: Cursor, org: int, kind: str, thing: str) -> None:
    drop_keys(cursor, org, kind, thing)
    cursor.execute(
        "DELETE FROM source_facts WHERE org = ? AND kind = ? AND thing = ?", (org, kind, thing)
    )
