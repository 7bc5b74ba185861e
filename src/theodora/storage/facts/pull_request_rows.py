"""The columns of pull requests, which follow from their documents and commits.

A row is filled in with the transaction that writes the document. Of a branch whose commits have
not all come, the row keeps the next one that is missing, and is filled in again once that comes.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, LiteralString, NamedTuple

import msgspec

from theodora.dora import Commit, PullRequest
from theodora.dora.derivation.authorship import are_of_bots
from theodora.dora.derivation.name_globs import NameFilter
from theodora.events.pull_requests import PullRequestEvent, in_seconds, pull_request_id
from theodora.query.words import words
from theodora.storage.engine.actor import UPKEEP
from theodora.storage.engine.cursor import Cursor, in_equal_parts, placeholders
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation
from theodora.storage.facts.derivation_queue import queue_repository
from theodora.storage.facts.own_bots import own_bots

_MOST_COMMITS = 1_000
"""Of a longer branch the first commit is not looked for."""
_SHAS_AT_ONCE = 100
_ROWS_AT_ONCE = 256

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(PullRequest).decode


def _texts(values: tuple[str, ...] | None) -> str | None:
    return None if values is None else _encode(values).decode()


def _spaced_words(p: PullRequestEvent) -> str:
    values = (
        *(p.id, p.repository_id, str(p.number), p.title, p.author, p.branch, p.base),
        *p.labels,
        *p.commit_shas,
    )
    return "".join(f" {' '.join(words(value))} \n" for value in values if value)


COLUMNS: tuple[tuple[LiteralString, Callable[[PullRequestEvent], Any]], ...] = (
    ("id", lambda p: p.id),
    ("repository_id", lambda p: p.repository_id),
    ("title", lambda p: p.title or None),
    ("author", lambda p: p.author or None),
    ("branch", lambda p: p.branch or None),
    ("base", lambda p: p.base or None),
    ("url", lambda p: p.url or None),
    ("state", lambda p: p.state),
    ("labels", lambda p: _texts(p.labels)),
    ("reviewers", lambda p: _texts(p.reviewers)),
    ("commit_shas", lambda p: _texts(p.commit_shas)),
    ("is_bot", lambda p: int(p.is_bot)),
    ("number_of_commits", lambda p: p.number_of_commits),
    ("number_of_reviewers", lambda p: p.number_of_reviewers),
    ("additions", lambda p: p.additions),
    ("deletions", lambda p: p.deletions),
    ("lines", lambda p: p.lines),
    ("first_commit_at_ns", lambda p: p.first_commit_at_ns),
    ("opened_at_ns", lambda p: p.opened_at_ns),
    ("ready_at_ns", lambda p: p.ready_at_ns),
    ("first_reviewed_at_ns", lambda p: p.first_reviewed_at_ns),
    ("approved_at_ns", lambda p: p.approved_at_ns),
    ("merged_at_ns", lambda p: p.merged_at_ns),
    ("closed_at_ns", lambda p: p.closed_at_ns),
    ("updated_at_ns", lambda p: p.updated_at_ns),
    ("cycle_time", lambda p: in_seconds(p.cycle_time_ns)),
    ("time_to_ready", lambda p: in_seconds(p.time_to_ready_ns)),
    ("review_time", lambda p: in_seconds(p.review_time_ns)),
    ("merge_time", lambda p: in_seconds(p.merge_time_ns)),
    ("words", _spaced_words),
)
"""Each with its value."""

ELEMENTS: tuple[tuple[LiteralString, Callable[[PullRequestEvent], Iterable[str]]], ...] = (
    ("label", lambda p: p.labels),
    ("reviewer", lambda p: p.reviewers or ()),
    ("commit_sha", lambda p: p.commit_shas),
)
"""The fields that are arrays, by their names in the search language."""

_NAMES: LiteralString = ", ".join([name for name, _ in COLUMNS])
_SET: LiteralString = (
    f"UPDATE pull_requests SET ({_NAMES}, awaited_sha) = "
    f"({placeholders(len(COLUMNS) + 1)}) WHERE org = ? AND repository = ? AND number = ?"
)
_SIDE_TABLES: tuple[LiteralString, ...] = ("pull_request_elements", "pull_request_deployments")
_COMMIT: LiteralString = (
    "SELECT sha, parents, author_time_ns, author_name, author_email FROM commits "
    "WHERE org = ? AND repository = ? AND sha = ?"
)


class _Branch(NamedTuple):
    """The commits of a branch, if all of them are known."""

    commits: tuple[Commit, ...]
    """All of them, or none."""
    awaited_sha: str | None = None


def fill_in(cursor: Cursor, org: Organisation, repository: int, pull_request: PullRequest) -> None:
    """Writes the columns of a pull request whose document has been written."""
    (repository_id,) = cursor.execute(
        "SELECT repository_id FROM repositories WHERE org = ? AND key = ?", (org.key, repository)
    ).fetchall()[0]
    branch = _branch(cursor, org, repository, pull_request)
    event = listed(repository_id, pull_request, branch.commits, own_bots(cursor, org))
    key = (org.key, repository, pull_request.number)
    values = [read(event) for _, read in COLUMNS]
    cursor.execute(_SET, (*values, branch.awaited_sha, *key))
    cursor.execute(
        "DELETE FROM pull_request_elements WHERE org = ? AND repository = ? AND number = ?", key
    )
    cursor.executemany(
        "INSERT INTO pull_request_elements (org, repository, number, field, value) "
        "VALUES (?, ?, ?, ?, ?)",
        [(*key, name, value) for name, read in ELEMENTS for value in dict.fromkeys(read(event))],
    )


def fill_in_awaiting(
    cursor: Cursor, org: Organisation, repository: int, shas: Sequence[str]
) -> None:
    """Fills in again what has waited for one of these commits."""
    statement: LiteralString = (
        "SELECT document FROM pull_requests WHERE org = ? AND repository = ? "
        f"AND awaited_sha IN ({placeholders(_SHAS_AT_ONCE)})"
    )
    for part in in_equal_parts(shas, _SHAS_AT_ONCE):
        rows = cursor.execute(statement, (org.key, repository, *part)).fetchall()
        for (document,) in rows:
            fill_in(cursor, org, repository, _decode(document))


def find_bots(cursor: Cursor, org: Organisation) -> bool:
    """Evaluates some pull requests by the list of bots as it is now; whether more may be stale."""
    stale = cursor.execute(
        "SELECT repository, number FROM stale_bots WHERE org = ?", (org.key,)
    ).fetchone()
    if stale is None:
        return False
    rows = cursor.execute(
        "SELECT repository, number, document FROM pull_requests "
        "WHERE org = ? AND (repository, number) > (?, ?) ORDER BY repository, number LIMIT ?",
        (org.key, *stale, _ROWS_AT_ONCE),
    ).fetchall()
    for repository, _, document in rows:
        fill_in(cursor, org, repository, _decode(document))
    if len(rows) < _ROWS_AT_ONCE:
        cursor.execute("DELETE FROM stale_bots WHERE org = ?", (org.key,))
    else:
        cursor.execute(
            "UPDATE stale_bots SET repository = ?, number = ? WHERE org = ?",
            (*rows[-1][:2], org.key),
        )
    return True


def fill_in_old(database: Database) -> None:
    """Fills in the rows of versions that did not list pull requests. May be interrupted."""
    for org in database.primary.read(_organisations_with_old):
        while database.write(
            lambda cursor, org=org: _fill_in_some(cursor, org), UPKEEP, org=org.key
        ).result():
            pass


def move_rows(cursor: Cursor, org: int, key: int, target: int) -> None:
    """Has the rows of a repository that moved to another one filled in and linked again."""
    cursor.execute(
        "UPDATE deployment_measures SET digest = -1 WHERE org = ?1 AND deployment IN "
        "(SELECT deployment FROM pull_request_deployments WHERE org = ?1 AND repository = ?2)",
        (org, key),
    )
    for table in _SIDE_TABLES:
        cursor.execute(f"DELETE FROM {table} WHERE org = ? AND repository = ?", (org, key))
    cursor.execute(
        "UPDATE pull_requests SET id = NULL WHERE org = ? AND repository = ?", (org, target)
    )


def listed(
    repository_id: str,
    pull_request: PullRequest,
    commits: Sequence[Commit],
    bots: NameFilter | None = None,
) -> PullRequestEvent:
    """A pull request as it is listed, without the deployments that shipped it."""
    p = pull_request
    own = [each for each in commits if not each.is_merge] or commits
    times = [each.author_time_ns for each in own if each.author_time_ns is not None]
    shas = [*(each.sha for each in commits), p.head_sha, p.merge_commit_sha]
    approved_at_ns = p.last_approved_at_ns
    if approved_at_ns and p.merged_at_ns and approved_at_ns > p.merged_at_ns:
        approved_at_ns = None
    return PullRequestEvent(
        id=pull_request_id(repository_id, p.number),
        repository_id=repository_id,
        number=p.number,
        title=p.title,
        author=p.author,
        branch=p.branch,
        base=p.base,
        url=p.url,
        labels=p.labels,
        reviewers=p.reviewers,
        commit_shas=tuple(dict.fromkeys(filter(None, shas))),
        number_of_commits=p.commit_count or len(commits) or None,
        additions=p.additions,
        deletions=p.deletions,
        is_draft=p.is_draft,
        is_bot=are_of_bots(own, p.author, bots),
        first_commit_at_ns=min(times, default=None) if len(times) == len(own) else None,
        opened_at_ns=p.created_at_ns,
        ready_at_ns=p.created_at_ns if p.ready_at_ns is None else p.ready_at_ns,
        first_reviewed_at_ns=p.first_reviewed_at_ns,
        approved_at_ns=approved_at_ns,
        merged_at_ns=p.merged_at_ns,
        closed_at_ns=None if p.merged_at_ns else p.closed_at_ns,
    )


def _branch(
    cursor: Cursor, org: Organisation, repository: int, pull_request: PullRequest
) -> _Branch:
    """The originals that the document has, else the last commits of the branch as it is stored."""
    if pull_request.commits or pull_request.commit_count > _MOST_COMMITS:
        return _Branch(pull_request.commits)
    found: list[Commit] = []
    sha = pull_request.head_sha
    while sha and len(found) < pull_request.commit_count:
        row = cursor.execute(_COMMIT, (org.key, repository, sha)).fetchone()
        if row is None:
            return _Branch((), sha)
        commit = _commit(*row)
        found.append(commit)
        # Commits of the target that were merged into the branch are none of its own.
        sha = commit.parents[0] if commit.parents else None
    return _Branch(tuple(reversed(found)) if len(found) == pull_request.commit_count else ())


def _commit(
    sha: str, parents: str, author_time_ns: int, name: str | None, email: str | None
) -> Commit:
    return Commit(
        sha=sha,
        parents=tuple(parents.split()),
        author_time_ns=author_time_ns or None,
        commit_time_ns=None,
        author_name=name or "",
        author_email=email or "",
    )


def _organisations_with_old(cursor: Cursor) -> list[Organisation]:
    rows = cursor.execute(
        "SELECT org, uuid, name FROM organisations WHERE org IN "
        "(SELECT org FROM pull_requests WHERE id IS NULL) ORDER BY org"
    )
    return [Organisation(*row) for row in rows.fetchall()]


def _fill_in_some(cursor: Cursor, org: Organisation) -> bool:
    """Fills in some rows, and has what shipped them derived; whether there are more."""
    rows = cursor.execute(
        "SELECT p.repository, r.repository_id, p.document FROM pull_requests p "
        "JOIN repositories r ON r.org = p.org AND r.key = p.repository "
        "WHERE p.org = ? AND p.id IS NULL LIMIT ?",
        (org.key, _ROWS_AT_ONCE),
    ).fetchall()
    for repository, _, document in rows:
        fill_in(cursor, org, repository, _decode(document))
    for repository_id in dict.fromkeys(repository_id for _, repository_id, _ in rows):
        queue_repository(cursor, org, repository_id)
    return len(rows) == _ROWS_AT_ONCE
