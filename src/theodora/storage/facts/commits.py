"""Commits and pull requests in the store, by repository.

Those of one repository lie together, whichever of its names they came under. Where aliases join
several, what lies apart is put together on reading, so that an alias can be removed again.

They come from uploads, imports and mirrors, in any order and more than once. What is known of a
commit only grows: a source that knows less of it takes nothing away.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import LiteralString, NamedTuple

import msgspec

from theodora.dora import Commit, PullRequest, Repository
from theodora.dora.derivation.originals import with_originals
from theodora.events import MatchKeys, match_key
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.cursor import Cursor, Row, in_equal_parts, placeholders
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.rows import Outcome
from theodora.storage.events.usage import UNLIMITED, Quotas, Usage, count_usage, read_usage
from theodora.storage.facts.derivation_queue import queue_repository
from theodora.storage.facts.match_keys import match_keys
from theodora.storage.facts.pull_request_rows import fill_in, fill_in_awaiting, move_rows

Outcomes = Counter[Outcome]
"""The numbers of new, changed and unchanged items."""

_PAGE = 1_000

_SHAS_AT_ONCE = 100

_COLUMNS: LiteralString = (
    "sha, parents, author_time_ns, commit_time_ns, subject, message, paths, "
    "author_name, author_email, author_offset_minutes, is_shallow"
)
"""The columns that `_commit` reads."""

_REPOSITORY = Usage(repositories=1)

_encode = msgspec.json.Encoder().encode
_decode_paths = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_pull_request = msgspec.json.Decoder(PullRequest).decode


class RepositorySummary(NamedTuple):
    """A repository with known commits or pull requests."""

    repository_id: str
    commits: int
    pull_requests: int


class _Stored(msgspec.Struct, frozen=True, gc=False):
    """A commit as it lies in its row; `received` if the commit itself was uploaded."""

    received: bool
    commit: Commit
    is_guessed: bool = False
    """Whether its parents are guessed, from a push."""

    @property
    def standing(self) -> tuple[bool, bool]:
        """Whose data is believed: the greater one's."""
        return not self.is_guessed, self.received


class Commits:
    """Every method is about one organisation and sees no other."""

    def __init__(self, database: Database, quotas: Quotas = UNLIMITED) -> None:
        self._database = database
        self._quotas = quotas

    def add_commits(
        self,
        org: Organisation,
        repository_id: str,
        commits: Sequence[Commit],
        *,
        received: bool = False,
        actor: Actor,
    ) -> Future[Outcomes]:
        """Adds all of them or, on an error, none; adding them again changes nothing.

        `received` means that the commits themselves were uploaded: only those are `known`. Raises
        `OverQuota` for a repository too many.
        """
        given = [_Stored(received, commit) for commit in commits]

        def write(cursor: Cursor) -> Outcomes:
            repository = _ensure(cursor, org, repository_id, self._quotas)
            outcomes = _put_commits(cursor, org, repository, given)
            return _marked(cursor, org, repository, repository_id, outcomes)

        return self._database.write(write, actor, org=org.key)

    def add_pull_requests(
        self,
        org: Organisation,
        repository_id: str,
        pull_requests: Sequence[PullRequest],
        *,
        actor: Actor,
    ) -> Future[Outcomes]:
        """Adds all of them or, on an error, none; replaces pull requests with the same number."""

        def write(cursor: Cursor) -> Outcomes:
            repository = _ensure(cursor, org, repository_id, self._quotas)
            outcomes = _put_pull_requests(cursor, org, repository, pull_requests)
            return _marked(cursor, org, repository, repository_id, outcomes)

        return self._database.write(write, actor, org=org.key)

    def check_quota(self, org: Organisation, repository_id: str) -> None:
        """Raises `OverQuota` if commits of the repository would be refused."""

        def read(cursor: Cursor) -> None:
            if not _find(cursor, org, repository_id):
                used = read_usage(cursor, org)
                after = used._replace(repositories=used.repositories + 1)
                self._quotas.refuse_beyond(org, _REPOSITORY, after)

        self._database.read(read)

    def known(self, org: Organisation, repository_id: str, shas: Iterable[str]) -> list[str]:
        """The SHAs whose commits were uploaded, in the order of `shas`."""

        def read(cursor: Cursor) -> list[str]:
            found = _find(cursor, org, repository_id)
            return [
                sha for sha in shas if any(_was_received(cursor, org, key, sha) for key in found)
            ]

        return self._database.read(read)

    def shas(self, org: Organisation, repository_id: str) -> set[str]:
        """The SHAs of all commits whose parents are known, uploaded or not."""

        def read(cursor: Cursor) -> set[str]:
            statement: LiteralString = (
                "SELECT sha FROM commits WHERE org = ? AND repository = ? AND is_guessed = 0"
            )
            found = _find(cursor, org, repository_id)
            rows = [row for key in found for row in cursor.execute(statement, (org.key, key))]
            return {sha for (sha,) in rows}

        return self._database.read(read)

    def without_paths(self, org: Organisation, repository_id: str, limit: int) -> list[str]:
        """At most `limit` SHAs of uploaded commits whose changed paths are not known."""

        def read(cursor: Cursor) -> list[str]:
            statement: LiteralString = (
                "SELECT sha FROM commits WHERE org = ? AND repository = ? AND received = 1 "
                "AND paths IS NULL ORDER BY sha LIMIT ?"
            )
            found = _find(cursor, org, repository_id)
            rows = [
                row for key in found for row in cursor.execute(statement, (org.key, key, limit))
            ]
            return sorted(sha for (sha,) in rows)[:limit]

        return self._database.read(read)

    def repository(self, org: Organisation, repository_id: str) -> Repository:
        """The known commits and pull requests of a repository, or an empty one."""
        return self._database.read(
            lambda cursor: load(cursor, org, match_keys(cursor, org), repository_id)
        )

    def everything(self, org: Organisation) -> Iterator[tuple[str, Commit]]:
        """Every commit with the id of its repository, in order, a page in memory at a time."""
        for repository in self.repositories(org):
            sha = ""
            while page := self._page(org, repository.repository_id, sha):
                yield from ((repository.repository_id, commit) for commit in page)
                sha = page[-1].sha

    def count(self, org: Organisation) -> int:
        """How many `everything` gives."""
        return sum(repository.commits for repository in self.repositories(org))

    def _page(self, org: Organisation, repository_id: str, after: str) -> list[Commit]:
        def read(cursor: Cursor) -> list[Commit]:
            rows = cursor.execute(
                f"SELECT {_COLUMNS} FROM commits WHERE org = ?1 "
                "AND repository = ("
                "SELECT key FROM repositories WHERE org = ?1 AND repository_id = ?2) "
                "AND sha > ?3 ORDER BY sha LIMIT ?4",
                (org.key, repository_id, after, _PAGE),
            )
            return [_commit(row) for row in rows]

        return self._database.read(read)

    def repositories(self, org: Organisation) -> list[RepositorySummary]:
        """The repositories that something is known of, in order of their ids."""
        return self._database.read(lambda cursor: _summaries(cursor, org))


def load(cursor: Cursor, org: Organisation, keys: MatchKeys, repository_id: str) -> Repository:
    """Everything known of a repository; one without any commit has no source of them."""
    stored: dict[str, _Stored] = {}
    pull_requests: dict[tuple[int, str | None], PullRequest] = {}
    for key, _ in joined_repositories(cursor, org, keys, repository_id):
        for row in cursor.execute(
            f"SELECT {_COLUMNS}, received, is_guessed FROM commits "
            "WHERE org = ? AND repository = ?",
            (org.key, key),
        ):
            new = _stored_commit(row)
            known = stored.get(new.commit.sha)
            stored[new.commit.sha] = _together(known, new) if known else new
        for (document,) in cursor.execute(
            "SELECT document FROM pull_requests WHERE org = ? AND repository = ? ORDER BY number",
            (org.key, key),
        ):
            each = _decode_pull_request(document)
            # After a move to another host, numbers may belong to other pull requests.
            pull_requests[each.number, each.merge_commit_sha] = each
    commits = {sha: each.commit for sha, each in stored.items()}
    return Repository(
        commits=commits,
        pull_requests=tuple(with_originals(each, commits) for each in pull_requests.values()),
        has_commit_source=bool(stored),
    )


def load_some(
    cursor: Cursor,
    org: Organisation,
    keys: MatchKeys,
    repository_id: str,
    shas: Sequence[str],
    numbers: Sequence[int],
) -> Repository:
    """These commits and pull requests of a repository, and one of each that has any at all.

    The originals of a pull request are those that its source has named.
    """
    stored: dict[str, _Stored] = {}
    pull_requests: list[PullRequest] = []
    for key, _ in joined_repositories(cursor, org, keys, repository_id):
        for sha, new in (
            _stored(cursor, org, key, shas) or _first_stored(cursor, org, key)
        ).items():
            stored[sha] = _together(stored[sha], new) if sha in stored else new
        for number in numbers or _first_number(cursor, org, key):
            document = _pull_request_document(cursor, org, key, number)
            if document is not None:
                pull_requests.append(_decode_pull_request(document))
    return Repository(
        commits={sha: each.commit for sha, each in stored.items()},
        pull_requests=tuple(pull_requests),
        has_commit_source=bool(stored),
    )


def _first_stored(cursor: Cursor, org: Organisation, repository: int) -> dict[str, _Stored]:
    rows = cursor.execute(
        f"SELECT {_COLUMNS}, received, is_guessed FROM commits "
        "WHERE org = ? AND repository = ? LIMIT 1",
        (org.key, repository),
    )
    return {row[0]: _stored_commit(row) for row in rows}


def _first_number(cursor: Cursor, org: Organisation, repository: int) -> list[int]:
    statement = "SELECT number FROM pull_requests WHERE org = ? AND repository = ? LIMIT 1"
    return [number for (number,) in cursor.execute(statement, (org.key, repository)).fetchall()]


def _pull_request_document(
    cursor: Cursor, org: Organisation, repository: int, number: int
) -> str | None:
    row = cursor.execute(
        "SELECT document FROM pull_requests WHERE org = ? AND repository = ? AND number = ?",
        (org.key, repository, number),
    ).fetchone()
    return None if row is None else row[0]


def repository_generation(
    cursor: Cursor, org: Organisation, keys: MatchKeys, repository_id: str
) -> tuple[tuple[int, int], ...]:
    """A value that changes whenever what `load` gives of the repository may change."""
    return tuple(joined_repositories(cursor, org, keys, repository_id))


def joined_repositories(
    cursor: Cursor, org: Organisation, keys: MatchKeys, repository_id: str
) -> list[tuple[int, int]]:
    """Key and generation of everything that meets under the repository's name, in order."""
    return sorted(
        (key, generation)
        for match in keys.same(repository_id)
        for key, generation in cursor.execute(
            "SELECT key, generation FROM repositories WHERE org = ? AND match_key = ?",
            (org.key, match),
        ).fetchall()
    )


def _marked(
    cursor: Cursor, org: Organisation, key: int, repository_id: str, outcomes: Outcomes
) -> Outcomes:
    """`outcomes`, after what depends on the repository was marked if any of it changed."""
    if outcomes["added"] or outcomes["replaced"]:
        cursor.execute(
            "UPDATE repositories SET generation = generation + 1 WHERE org = ? AND key = ?",
            (org.key, key),
        )
        queue_repository(cursor, org, repository_id)
    return outcomes


def _find(cursor: Cursor, org: Organisation, repository_id: str) -> list[int]:
    """The keys of the repository's rows; several where older versions kept its names apart."""
    rows = cursor.execute(
        "SELECT key FROM repositories WHERE org = ? AND match_key = ? "
        "ORDER BY repository_id <> ?, key",
        (org.key, match_key(repository_id), repository_id),
    )
    return [key for (key,) in rows]


def _ensure(cursor: Cursor, org: Organisation, repository_id: str, quotas: Quotas) -> int:
    """The key of the row that what is new goes to: of the same name, else of the same key.

    Raises `OverQuota` for a row too many.
    """
    if found := _find(cursor, org, repository_id):
        return found[0]
    quotas.add(cursor, org, _REPOSITORY)
    cursor.execute(f"{_INSERT} RETURNING 1", (org.key, repository_id, match_key(repository_id)))
    return _find(cursor, org, repository_id)[0]


_INSERT: LiteralString = (
    "INSERT INTO repositories (org, key, repository_id, match_key) "
    "SELECT ?1, coalesce(max(key), 0) + 1, ?2, ?3 FROM repositories WHERE org = ?1"
)
"""Writes of an organisation come one after another, so no other takes the same key."""


def put_guessed_commits(
    cursor: Cursor,
    org: Organisation,
    repository_id: str,
    commits: Sequence[Commit],
    quotas: Quotas,
) -> None:
    """Adds commits whose parents are guessed; raises `OverQuota`."""
    given = [_Stored(received=False, commit=commit, is_guessed=True) for commit in commits]
    repository = _ensure(cursor, org, repository_id, quotas)
    outcomes = _put_commits(cursor, org, repository, given)
    _marked(cursor, org, repository, repository_id, outcomes)


def put_pull_requests(
    cursor: Cursor,
    org: Organisation,
    repository_id: str,
    pull_requests: Iterable[PullRequest],
    quotas: Quotas,
) -> None:
    """Adds or replaces pull requests; what only others say of them stays. Raises `OverQuota`."""
    repository = _ensure(cursor, org, repository_id, quotas)
    merged = [_with_former(cursor, org, repository, each) for each in pull_requests]
    outcomes = _put_pull_requests(cursor, org, repository, merged)
    _marked(cursor, org, repository, repository_id, outcomes)


def _with_former(
    cursor: Cursor, org: Organisation, repository: int, pull_request: PullRequest
) -> PullRequest:
    """The pull request with what is stored of it and a webhook does not say."""
    document = _pull_request_document(cursor, org, repository, pull_request.number)
    if document is None:
        return pull_request
    former = _decode_pull_request(document)
    return msgspec.structs.replace(
        pull_request,
        commits=pull_request.commits or former.commits,
        merge_method=pull_request.merge_method or former.merge_method,
        author=pull_request.author or former.author,
        additions=_known(pull_request.additions, former.additions),
        deletions=_known(pull_request.deletions, former.deletions),
    )


def _known(now: int | None, before: int | None) -> int | None:
    return before if now is None else now


def move_repository(cursor: Cursor, org: int, key: int, repository_id: str) -> None:
    """Gives what lies in a row another name; what lies there already under that one stays."""
    added = cursor.execute(
        f"{_INSERT} ON CONFLICT (org, repository_id) DO NOTHING RETURNING 1",
        (org, repository_id, match_key(repository_id)),
    ).fetchall()
    # One row less, unless there is a new one in its place.
    count_usage(cursor, org, Usage(repositories=len(added) - 1))
    (target,) = cursor.execute(
        "SELECT key FROM repositories WHERE org = ? AND repository_id = ?", (org, repository_id)
    ).fetchall()[0]
    cursor.execute(
        "UPDATE commits SET repository = ?1 WHERE org = ?3 AND repository = ?2 AND sha NOT IN ("
        "SELECT sha FROM commits WHERE org = ?3 AND repository = ?1)",
        (target, key, org),
    )
    cursor.execute(
        "UPDATE pull_requests SET repository = ?1 WHERE org = ?3 AND repository = ?2 "
        "AND number NOT IN (SELECT number FROM pull_requests WHERE org = ?3 AND repository = ?1)",
        (target, key, org),
    )
    move_rows(cursor, org, key, target)
    cursor.execute("DELETE FROM commits WHERE org = ? AND repository = ?", (org, key))
    cursor.execute("DELETE FROM pull_requests WHERE org = ? AND repository = ?", (org, key))
    cursor.execute("DELETE FROM repositories WHERE org = ? AND key = ?", (org, key))


def _put_commits(
    cursor: Cursor, org: Organisation, repository: int, given: Sequence[_Stored]
) -> Outcomes:
    outcomes = Outcomes()
    stored = _stored(cursor, org, repository, [new.commit.sha for new in given])
    changed: set[str] = set()
    for new in given:
        sha = new.commit.sha
        before = stored.get(sha)
        after = new if before is None else _together(before, new)
        if after == before:
            outcomes["unchanged"] += 1
            continue
        outcomes["added" if before is None else "replaced"] += 1
        stored[sha] = after
        changed.add(sha)
    cursor.executemany(
        "INSERT INTO commits (org, repository, sha, received, parents, author_time_ns, "
        "commit_time_ns, subject, message, paths, author_name, author_email, "
        "author_offset_minutes, is_shallow, is_guessed) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (org, repository, sha) DO UPDATE SET received = excluded.received, "
        "parents = excluded.parents, author_time_ns = excluded.author_time_ns, "
        "commit_time_ns = excluded.commit_time_ns, subject = excluded.subject, "
        "message = excluded.message, paths = excluded.paths, "
        "author_name = excluded.author_name, author_email = excluded.author_email, "
        "author_offset_minutes = excluded.author_offset_minutes, "
        "is_shallow = excluded.is_shallow, is_guessed = excluded.is_guessed",
        [(org.key, repository, *_values(stored[sha])) for sha in sorted(changed)],
    )
    fill_in_awaiting(cursor, org, repository, sorted(changed))
    return outcomes


def _together(before: _Stored, new: _Stored) -> _Stored:
    """Merges the data of two sources on one commit.

    Known parents take precedence over guessed ones, and then uploaded data over other data.
    """
    believed, other = (new, before) if new.standing >= before.standing else (before, new)
    commit = believed.commit
    texts = commit if commit.message or not other.commit.message else other.commit
    return _Stored(
        believed.received,
        msgspec.structs.replace(
            commit,
            parents=_parents(believed, other),
            is_shallow=commit.is_shallow or other.commit.is_shallow,
            author_time_ns=commit.author_time_ns or other.commit.author_time_ns,
            author_offset_minutes=(
                other.commit.author_offset_minutes
                if commit.author_offset_minutes is None
                else commit.author_offset_minutes
            ),
            commit_time_ns=commit.commit_time_ns or other.commit.commit_time_ns,
            subject=texts.subject,
            message=texts.message,
            paths=other.commit.paths if commit.paths is None else commit.paths,
            author_name=commit.author_name or other.commit.author_name,
            author_email=commit.author_email or other.commit.author_email,
        ),
        believed.is_guessed,
    )


def _parents(believed: _Stored, other: _Stored) -> tuple[str, ...]:
    """The parents; of two guesses the one with more of them, in whichever order they come."""
    if not believed.is_guessed:
        return believed.commit.parents
    return max(believed.commit.parents, other.commit.parents, key=lambda each: (len(each), each))


def _put_pull_requests(
    cursor: Cursor, org: Organisation, repository: int, pull_requests: Iterable[PullRequest]
) -> Outcomes:
    """Writes the pull requests that differ from the stored ones; counts them by outcome."""
    outcomes = Outcomes()
    for pull_request in pull_requests:
        document = _encode(pull_request).decode()
        before = _pull_request_document(cursor, org, repository, pull_request.number)
        if before == document:
            outcomes["unchanged"] += 1
            continue
        outcomes["added" if before is None else "replaced"] += 1
        cursor.execute(
            "INSERT INTO pull_requests (org, repository, number, document, undated) "
            "VALUES (?, ?, ?, ?, ?) ON CONFLICT (org, repository, number) DO UPDATE SET "
            "document = excluded.document, undated = excluded.undated",
            (org.key, repository, pull_request.number, document, _undated(pull_request.commits)),
        )
        fill_in(cursor, org, repository, pull_request)
    return outcomes


def _undated(commits: Iterable[Commit]) -> int:
    return sum(each.author_time_ns is None or each.commit_time_ns is None for each in commits)


def _stored(
    cursor: Cursor, org: Organisation, repository: int, shas: Sequence[str]
) -> dict[str, _Stored]:
    """The stored ones of these commits, uploaded or not."""
    statement: LiteralString = (
        f"SELECT {_COLUMNS}, received, is_guessed FROM commits WHERE org = ? AND repository = ? "
        f"AND sha IN ({placeholders(_SHAS_AT_ONCE)})"
    )
    found: dict[str, _Stored] = {}
    for part in in_equal_parts(shas, _SHAS_AT_ONCE):
        for row in cursor.execute(statement, (org.key, repository, *part)):
            found[row[0]] = _stored_commit(row)
    return found


def _stored_commit(row: Row) -> _Stored:
    return _Stored(bool(row[-2]), _commit(row), bool(row[-1]))


def _was_received(cursor: Cursor, org: Organisation, repository: int, sha: str) -> bool:
    statement = "SELECT received FROM commits WHERE org = ? AND repository = ? AND sha = ?"
    row = cursor.execute(statement, (org.key, repository, sha)).fetchone()
    return row is not None and bool(row[0])


def _commit(row: Row) -> Commit:
    paths = row[6]
    return Commit(
        sha=row[0],
        parents=tuple(row[1].split()),
        # The columns cannot be NULL: 0 is what cannot be read.
        author_time_ns=row[2] or None,
        commit_time_ns=row[3] or None,
        subject=row[4],
        message=row[5],
        paths=None if paths is None else _decode_paths(paths),
        author_name=row[7] or "",
        author_email=row[8] or "",
        author_offset_minutes=row[9],
        is_shallow=bool(row[10]),
    )


def _values(stored: _Stored) -> Iterator[object]:
    commit = stored.commit
    yield commit.sha
    yield int(stored.received)
    yield " ".join(commit.parents)
    yield commit.author_time_ns or 0
    yield commit.commit_time_ns or 0
    yield commit.subject
    yield commit.message
    yield None if commit.paths is None else _encode(commit.paths).decode()
    yield commit.author_name or None
    yield commit.author_email or None
    yield commit.author_offset_minutes
    yield int(commit.is_shallow)
    yield int(stored.is_guessed)


def _summaries(cursor: Cursor, org: Organisation) -> list[RepositorySummary]:
    rows = cursor.execute(
        "SELECT r.repository_id, "
        "(SELECT count(*) FROM commits c WHERE c.org = r.org AND c.repository = r.key), "
        "(SELECT count(*) FROM pull_requests p WHERE p.org = r.org AND p.repository = r.key) "
        "FROM repositories r WHERE r.org = ? ORDER BY r.repository_id",
        (org.key,),
    )
    return [RepositorySummary(*row) for row in rows]
