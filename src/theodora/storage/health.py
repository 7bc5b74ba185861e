"""What there is to look at in the data: read from the newest deployments, never from all."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from theodora.storage.cursor import Cursor
from theodora.storage.database import Database
from theodora.storage.marks import Waiting, waiting
from theodora.storage.organisations import Organisation
from theodora.storage.reception import (
    IgnoredMember,
    KeyActivity,
    Refusal,
    read_activity,
    read_ignored,
    read_refusals,
)

LOOKED_AT = 2_000
"""The newest deployments, by when they finished, that everything is told of."""


class Seen(NamedTuple):
    """A deployment, and what is known of the commit that it names."""

    id: str
    service: str
    env: str | None
    version: str | None
    source: str
    finished_at_ns: int
    created_at_ns: int
    commit_sha: str | None
    repository_id: str | None
    is_pending: bool
    number_of_commits: int | None
    change_lead_time: int | None
    """Seconds."""
    lead_time_status: str | None
    """Why it has no lead time although its commits are known, if that is so."""
    repository_is_known: bool
    """Whether there are commits of its repository."""
    commit_is_known: bool


class FailedMirror(NamedTuple):
    """A repository that the server could not fetch from."""

    repository_id: str
    url: str
    tried_at_ns: int
    error: str


class Health(NamedTuple):
    """What the checks are made from."""

    deployments: Sequence[Seen]
    """The newest, newest first."""
    failed_mirrors: Sequence[FailedMirror]
    waiting: Waiting
    """What waits to be derived."""
    activity: Sequence[KeyActivity]
    """What each key has sent, the newest first."""
    refusals: Sequence[Refusal]
    """What was refused, the newest first."""
    ignored: Sequence[IgnoredMember]
    """Members that nobody reads, the one sent last first."""


class DataHealth:
    """Every method is about one organisation and sees no other."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def look(self, org: Organisation) -> Health:
        """The time it takes does not grow with the deployments there are."""

        def read(cursor: Cursor) -> Health:
            return Health(
                tuple(_newest(cursor, org)),
                _failed_mirrors(cursor, org),
                waiting(cursor, org),
                read_activity(cursor, org),
                read_refusals(cursor, org),
                read_ignored(cursor, org),
            )

        return self._database.read(read)


def _newest(cursor: Cursor, org: Organisation) -> Iterator[Seen]:
    rows = cursor.execute(
        "SELECT d.id, d.service, d.env, d.version, d.source, d.finished_at_ns, d.created_at_ns, "
        "d.commit_sha, d.repository_id, d.change_failure IS NULL, d.number_of_commits, "
        "d.change_lead_time, d.lead_time_status, r.key IS NOT NULL, c.sha IS NOT NULL "
        "FROM (SELECT * FROM deployments WHERE org = ? "
        "ORDER BY finished_at_ns DESC, key DESC LIMIT ?) d "
        "LEFT JOIN repositories r ON r.org = d.org AND r.repository_id = d.repository_id "
        "LEFT JOIN commits c ON c.repository = r.key AND c.sha = d.commit_sha "
        "ORDER BY d.finished_at_ns DESC, d.key DESC",
        (org.key, LOOKED_AT),
    )
    for *told, is_pending, commits, lead_time, status, repository_is_known, commit_is_known in rows:
        yield Seen(
            *told,
            is_pending=bool(is_pending),
            number_of_commits=commits,
            change_lead_time=lead_time,
            lead_time_status=status,
            repository_is_known=bool(repository_is_known),
            commit_is_known=bool(commit_is_known),
        )


def _failed_mirrors(cursor: Cursor, org: Organisation) -> list[FailedMirror]:
    rows = cursor.execute(
        "SELECT repository_id, url, tried_at_ns, error FROM mirrors "
        "WHERE org = ? AND error IS NOT NULL ORDER BY repository_id",
        (org.key,),
    )
    return [FailedMirror(*row) for row in rows]
