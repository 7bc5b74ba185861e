"""Mirrored repositories, with the result of the last fetch."""

from concurrent.futures import Future
from typing import LiteralString, NamedTuple

from theodora.errors import NotFound
from theodora.events import MatchKeys, match_key
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import Recorder, audited
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation
from theodora.storage.facts.derivation_queue import queue_repository

GIVEN_UP_AFTER = 14
"""Failures in a row after which a mirror is only fetched by command: about a week of them."""


class Mirror(NamedTuple):
    """A repository to fetch from."""

    organisation: Organisation
    repository_id: str
    url: str
    """Without credentials."""
    tried_at_ns: int | None
    """When it was last fetched, whether that went well or not."""
    error: str | None
    """Why that failed, if it did."""
    failures: int
    """How often it has failed in a row."""

    @property
    def is_given_up(self) -> bool:
        return self.failures >= GIVEN_UP_AFTER


class Mirrors:
    """Adding, listing and removing; fetching is for `sources`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, org: Organisation, repository_id: str, url: str, *, actor: Actor) -> Future[None]:
        """Adds a repository, or gives it another URL; then it is due to be fetched."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            recorder.record(org, "mirror.added", repository_id, after={"url": url})
            cursor.execute(
                "INSERT INTO mirrors (org, repository_id, url) VALUES (?, ?, ?) "
                "ON CONFLICT (org, repository_id) DO UPDATE SET "
                "url = excluded.url, tried_at_ns = NULL, error = NULL, failures = 0, "
                "head_sha = NULL",
                (org.key, repository_id, url),
            )

        return audited(self._database, write, actor, org=org.key)

    def remove(self, org: Organisation, repository_id: str, *, actor: Actor) -> Future[None]:
        """Its commits stay; raises `NotFound` where there is no such mirror."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            found = _found(cursor, org, repository_id)
            recorder.record(org, "mirror.removed", found.repository_id, before={"url": found.url})
            cursor.execute(
                "DELETE FROM mirrors WHERE org = ? AND repository_id = ?",
                (org.key, found.repository_id),
            )

        return audited(self._database, write, actor, org=org.key)

    def note(
        self,
        mirror: Mirror,
        tried_at_ns: int,
        error: str | None,
        head_sha: str | None = None,
        *,
        actor: Actor,
    ) -> Future[None]:
        """Stores the result of a fetch; one that went well, with the head of the default branch."""
        failures: LiteralString = "0" if error is None else "failures + 1"
        name = mirror.organisation.key, mirror.repository_id

        def write(cursor: Cursor) -> None:
            cursor.execute(
                f"UPDATE mirrors SET tried_at_ns = ?, error = ?, failures = {failures} "
                "WHERE org = ? AND repository_id = ?",
                (tried_at_ns, error, *name),
            )
            if error is None:
                # What is merged but not deployed is derived from it.
                moved = cursor.execute(
                    "UPDATE mirrors SET head_sha = ? WHERE org = ? AND repository_id = ? "
                    "AND head_sha IS DISTINCT FROM ? RETURNING 1",
                    (head_sha, *name, head_sha),
                )
                if moved.fetchone():
                    queue_repository(cursor, mirror.organisation, mirror.repository_id)

        return self._database.write(write, actor, org=mirror.organisation.key)

    def get(self, org: Organisation, repository_id: str) -> Mirror:
        """Raises `NotFound` where there is no such mirror."""
        return self._database.read(lambda cursor: _found(cursor, org, repository_id))

    def everything(self) -> list[Mirror]:
        """The mirrors of every organisation in use, in order of organisation and id."""
        return self._database.read(_all)


def _found(cursor: Cursor, org: Organisation, repository_id: str) -> Mirror:
    """The mirror of this name, else of another name of the same repository."""
    mirrors = [mirror for mirror in _all(cursor) if mirror.organisation.key == org.key]
    for name in (str, match_key):
        for mirror in mirrors:
            if name(mirror.repository_id) == name(repository_id):
                return mirror
    raise NotFound(f'there is no mirror of "{repository_id}"')


def heads_of(cursor: Cursor, org: Organisation, keys: MatchKeys) -> dict[str, str]:
    """The heads of the organisation's mirrors that are known, by match key."""
    rows = cursor.execute(
        "SELECT repository_id, head_sha FROM mirrors WHERE org = ? AND head_sha IS NOT NULL",
        (org.key,),
    )
    return {keys.key(repository_id): sha for repository_id, sha in rows}


def _all(cursor: Cursor) -> list[Mirror]:
    rows = cursor.execute(
        "SELECT o.org, o.uuid, o.name, m.repository_id, m.url, m.tried_at_ns, m.error, m.failures "
        "FROM mirrors m JOIN organisations o ON o.org = m.org WHERE NOT EXISTS "
        "(SELECT 1 FROM organisation_deletions d WHERE d.org = m.org) "
        "ORDER BY o.name, m.repository_id"
    )
    return [Mirror(Organisation(*row[:3]), *row[3:]) for row in rows]
