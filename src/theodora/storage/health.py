"""Data health checks, read from the newest deployments only."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from theodora.dora.derivation.incidents import Name, names_in
from theodora.events import MatchKeys
from theodora.query.fields import Kind
from theodora.storage.access.key_usage import (
    IgnoredMember,
    KeyActivity,
    Refusal,
    read_activity,
    read_ignored,
    read_refusals,
)
from theodora.storage.deletion_guards import RefusedRound, refusal_of
from theodora.storage.derivation.parked import Parked, read_parked
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.tables import DEPLOYMENTS, FAILURES, EventTable
from theodora.storage.events.usage import UNLIMITED, Quotas, QuotaUse, read_usage
from theodora.storage.facts.commits import joined_repositories
from theodora.storage.facts.derivation_queue import Waiting, waiting
from theodora.storage.facts.match_keys import match_keys
from theodora.storage.facts.mirrors import GIVEN_UP_AFTER
from theodora.storage.facts.settings import effective_settings

FAILURES_LOOKED_AT = 500
"""The newest failures, by when they started, among which those that mark nothing are sought."""
LOOKED_AT = 2_000
"""The number of newest deployments that are checked."""


class Received(NamedTuple):
    """A deployment as something that a source has sent."""

    source: str
    created_at_ns: int
    """When it was first received."""


class Seen(NamedTuple):
    """A deployment and the data about its commit."""

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
    """Whether there are commits or pull requests of its repository, under any of its names."""
    commit_is_known: bool
    negative_spans: int
    """How many of its commits are newer than it, and so have no lead time."""


class Undated(NamedTuple):
    """A repository with commits that have no date that can be read."""

    repository_id: str
    commits: int
    """Originals of pull requests among them."""
    example_sha: str | None
    """One of them; None if all are originals of pull requests."""


class FailedMirror(NamedTuple):
    """A repository that the server could not fetch from."""

    repository_id: str
    url: str
    tried_at_ns: int
    error: str
    failures: int
    """In a row."""

    @property
    def is_given_up(self) -> bool:
        return self.failures >= GIVEN_UP_AFTER


class Unmarked(NamedTuple):
    """A failure that names a deployment, which `incident_marks_failure` would mark as failed."""

    id: str
    name: str | None
    services: tuple[str, ...]
    """Those whose settings leave it switched off, and that have the deployment it names."""
    started_at_ns: int


class SharedId(NamedTuple):
    """An id that a client gave to events of several services or environments."""

    kind: Kind
    given_id: str
    events: int
    """Those that have another id, as the first has this one."""
    example_id: str
    """The id of one of those."""


class Health(NamedTuple):
    """The inputs of the checks."""

    deployments: Sequence[Seen]
    """The newest, newest first."""
    repositories: Sequence[str]
    """The ids of repositories that commits are known of."""
    failed_mirrors: Sequence[FailedMirror]
    waiting: Waiting
    """What waits to be derived."""
    activity: Sequence[KeyActivity]
    """What each key has sent, the newest first."""
    refusals: Sequence[Refusal]
    """What was refused, the newest first."""
    parked: Sequence[Parked]
    """What could not be derived, the one parked for longest first."""
    shared_ids: Sequence[SharedId]
    """Ids that clients gave to events of several services, most events first."""
    ignored: Sequence[IgnoredMember]
    """Unknown members in requests, the one sent last first."""
    undated: Sequence[Undated]
    """The repositories of commits without a date, those of most first."""
    unmarked: Sequence[Unmarked]
    """Failures that name a deployment and mark none, of the newest, the newest first."""
    refused_deletion: RefusedRound | None
    """Why the last round of retention deleted nothing, if it should have."""
    quotas: Sequence[QuotaUse]
    """Those that are nearly used up, or are."""


class DataHealth:
    """Every method is about one organisation and sees no other."""

    def __init__(self, database: Database, quotas: Quotas = UNLIMITED) -> None:
        self._database = database
        self._quotas = quotas

    def look(self, org: Organisation) -> Health:
        """The time it takes does not grow with the deployments there are."""

        def read(cursor: Cursor) -> Health:
            deployments = tuple(_newest(cursor, org))
            return Health(
                deployments,
                _with_commits(cursor, org),
                _failed_mirrors(cursor, org),
                waiting(cursor, org),
                read_activity(cursor, org),
                read_refusals(cursor, org),
                read_parked(cursor, org),
                [*_shared_ids(cursor, org, DEPLOYMENTS), *_shared_ids(cursor, org, FAILURES)],
                read_ignored(cursor, org),
                _undated(cursor, org),
                tuple(_unmarked(cursor, org, deployments)),
                refusal_of(cursor, org),
                tuple(self._quotas.nearly_used(read_usage(cursor, org))),
            )

        return self._database.read(read)

    def not_derived(self, org: Organisation) -> int:
        """The number of sequences that could not be derived."""
        return self._database.read(lambda cursor: len(read_parked(cursor, org)))

    def received(self, org: Organisation) -> list[Received]:
        """The deployments that `look` examines, without all else that it reads."""

        def read(cursor: Cursor) -> list[Received]:
            rows = cursor.execute(
                "SELECT source, created_at_ns FROM deployments WHERE org = ? "
                "ORDER BY finished_at_ns DESC, key DESC LIMIT ?",
                (org.key, LOOKED_AT),
            )
            return [Received(*row) for row in rows.fetchall()]

        return self._database.read(read)


def _newest(cursor: Cursor, org: Organisation) -> list[Seen]:
    rows = cursor.execute(
        "SELECT d.id, d.service, d.env, d.version, d.source, d.finished_at_ns, d.created_at_ns, "
        "d.commit_sha, d.repository_id, d.change_failure IS NULL, d.number_of_commits, "
        "d.change_lead_time, d.lead_time_status, coalesce(m.negative_spans, 0) FROM deployments d "
        "LEFT JOIN deployment_measures m ON m.org = d.org AND m.deployment = d.key WHERE d.org = ? "
        "ORDER BY d.finished_at_ns DESC, d.key DESC LIMIT ?",
        (org.key, LOOKED_AT),
    ).fetchall()
    # Of each repository the rows of all its names.
    keys = match_keys(cursor, org)
    repositories = {
        id_: [key for key, _ in joined_repositories(cursor, org, keys, id_)]
        for id_ in {row[8] for row in rows if row[8] is not None}
    }
    known = {
        (sha, id_)
        for sha, id_ in {row[7:9] for row in rows if row[8] is not None}
        if _is_known(cursor, org, sha, repositories[id_])
    }
    return [
        Seen(
            *columns,
            is_pending=bool(is_pending),
            number_of_commits=commits,
            change_lead_time=lead_time,
            lead_time_status=status,
            repository_is_known=bool(repositories.get(columns[-1])),
            commit_is_known=tuple(columns[-2:]) in known,
            negative_spans=negative_spans,
        )
        for *columns, is_pending, commits, lead_time, status, negative_spans in rows
    ]


def _is_known(cursor: Cursor, org: Organisation, sha: str, repositories: Iterable[int]) -> bool:
    """Whether the commit is in one of these rows' repositories."""
    statement = "SELECT 1 FROM commits WHERE org = ? AND repository = ? AND sha = ?"
    return any(cursor.execute(statement, (org.key, each, sha)).fetchone() for each in repositories)


def _with_commits(cursor: Cursor, org: Organisation) -> list[str]:
    """The ids of repositories that commits are known of."""
    rows = cursor.execute(
        "SELECT repository_id FROM repositories r WHERE org = ? AND EXISTS ("
        "SELECT 1 FROM commits c WHERE c.org = r.org AND c.repository = r.key) "
        "ORDER BY repository_id",
        (org.key,),
    )
    return [id_ for (id_,) in rows]


def _undated(cursor: Cursor, org: Organisation) -> list[Undated]:
    walk = cursor.dialect.walk_index
    rows = cursor.execute(
        "SELECT r.repository_id, sum(u.undated), min(u.sha) FROM ("
        f"SELECT repository, 1 AS undated, sha FROM commits {walk('commits_without_time')} "
        "WHERE org = ?1 AND (author_time_ns = 0 OR commit_time_ns = 0) UNION ALL "
        "SELECT repository, undated, NULL AS sha FROM pull_requests "
        f"{walk('pull_requests_undated')} WHERE org = ?1 AND undated > 0) u "
        "JOIN repositories r ON r.org = ?1 AND r.key = u.repository "
        "GROUP BY r.repository_id ORDER BY sum(u.undated) DESC, r.repository_id",
        (org.key,),
    )
    return [Undated(repository_id, int(commits), sha) for repository_id, commits, sha in rows]


def _unmarked(cursor: Cursor, org: Organisation, deployments: Iterable[Seen]) -> Iterator[Unmarked]:
    keys = match_keys(cursor, org)
    names = {name for each in deployments for name in _names_of(each, keys)}
    is_on: dict[str, bool] = {}
    rows = cursor.execute(
        f"SELECT {FAILURES.select} FROM failures e WHERE e.org = ? "
        "ORDER BY e.started_at_ns DESC LIMIT ?",
        (org.key, FAILURES_LOOKED_AT),
    ).fetchall()
    for failure in map(FAILURES.from_row, rows):
        named = tuple(names_in(failure, keys))
        of_named = [
            service
            for service in failure.services
            if any((service, name) in names for name in named)
        ]
        for service in of_named:
            if service not in is_on:
                settings = effective_settings(cursor, org, service)
                is_on[service] = settings.incident_marks_failure
        if services := tuple(service for service in of_named if not is_on[service]):
            yield Unmarked(failure.id, failure.name, services, failure.started_at_ns)


def _names_of(deployment: Seen, keys: MatchKeys) -> Iterator[tuple[str, Name]]:
    """The names by which a failure may refer to it, each with its service."""
    yield deployment.service, ("id", deployment.id)
    if deployment.version:
        yield deployment.service, ("version", deployment.version)
    if deployment.commit_sha and deployment.repository_id:
        yield deployment.service, ("sha", keys.key(deployment.repository_id), deployment.commit_sha)


def _shared_ids(cursor: Cursor, org: Organisation, table: EventTable[Any]) -> list[SharedId]:
    rows = cursor.execute(
        "SELECT given_id, count(*), min(id) FROM ("
        f"SELECT given_id, id FROM {table.name} WHERE org = ? "
        "ORDER BY started_at_ns DESC LIMIT ?) newest "
        "WHERE given_id IS NOT NULL GROUP BY given_id ORDER BY count(*) DESC, given_id",
        (org.key, LOOKED_AT),
    )
    return [SharedId(table.kind, *row) for row in rows]


def _failed_mirrors(cursor: Cursor, org: Organisation) -> list[FailedMirror]:
    rows = cursor.execute(
        "SELECT repository_id, url, tried_at_ns, error, failures FROM mirrors "
        "WHERE org = ? AND error IS NOT NULL ORDER BY repository_id",
        (org.key,),
    )
    return [FailedMirror(*row) for row in rows]
