"""The reader of commits and pull requests from JSON Lines."""

import re
from collections.abc import Iterator
from typing import NamedTuple, cast, get_args

import msgspec

from theodora.dora import Commit, PullRequest
from theodora.dora.derivation.commits import MergeMethod
from theodora.errors import Invalid, Problem
from theodora.events import format_rfc3339, repository_id
from theodora.events.attributes import MAX_PROBLEMS, missing, wrong_type
from theodora.events.json_values import JsonObject, JsonValue, exact_integer, is_object, type_name
from theodora.events.members import Members
from theodora.events.timestamps import nanoseconds_from_json, offset_minutes_of
from theodora.events.values import SECOND_NS
from theodora.sources.json_lines import read_document

MERGE_METHODS: tuple[MergeMethod, ...] = get_args(MergeMethod)

_SHA = re.compile(r"[0-9A-Fa-f]{40,64}")
_INT64_MAX = 2**63 - 1
_MINUTE_NS = 60 * SECOND_NS


_COMMIT: Members = dict.fromkeys(
    (
        *("sha", "parents", "author_time", "commit_time", "subject", "message", "paths"),
        *("author_name", "author_email", "shallow"),
    )
)
COMMIT_LINE: Members = {"repository": None, **_COMMIT}
"""The members of a commit's line."""
PULL_REQUEST_LINE: Members = {
    **dict.fromkeys(("repository", "number", "title", "labels", "branch", "merge_commit_sha")),
    **dict.fromkeys(("merge_method", "created_at", "ready_at", "last_approved_at", "merged_at")),
    **dict.fromkeys(("author", "base", "url", "draft", "first_reviewed_at", "closed_at")),
    **dict.fromkeys(("reviewers", "additions", "deletions")),
    "commits": _COMMIT,
}
"""The members of a pull request's line."""


class CommitLine(NamedTuple):
    """A commit, and the repository that its line names."""

    repository_id: str
    commit: Commit


class PullRequestLine(NamedTuple):
    """A pull request, and the repository that its line names."""

    repository_id: str
    pull_request: PullRequest


def commit_from_line(line: bytes) -> CommitLine:
    """The commit that one line describes; `Invalid` lists all problems.

    Members: `repository` (a URL, or an id `host/path`), `sha`, `parents`, `author_time` (0 where
    git has none that can be read), and optionally `commit_time` (by default the author's),
    `subject`, `message`, `paths`, `author_name`, `author_email`, `shallow` (whether a shallow clone
    cut its parents off).
    """
    return commit_from_document(read_document(line))


def commit_from_document(document: JsonObject) -> CommitLine:
    """The commit that a line's object describes."""
    members = _MemberReader(document)
    repository = members.text("repository", required=True)
    commit = members.commit()
    members.raise_problems()
    return CommitLine(repository_id(repository), commit)


def line_from_commit(line: CommitLine) -> bytes:
    """A line that `commit_from_line` reads back."""
    commit = line.commit
    members: dict[str, object] = {
        "repository": line.repository_id,
        "sha": commit.sha,
        "parents": commit.parents,
        "shallow": commit.is_shallow or None,
        "subject": commit.subject,
        "message": commit.message,
        "paths": commit.paths,
        "author_name": commit.author_name,
        "author_email": commit.author_email,
    }
    known = {name: member for name, member in members.items() if member not in ("", None)}
    # A time that cannot be read is 0; left out, it would be the author's.
    known["author_time"] = _written(commit.author_time_ns, commit.author_offset_minutes)
    known["commit_time"] = _written(commit.commit_time_ns)
    return msgspec.json.encode(known) + b"\n"


def _written(time_ns: int | None, offset_minutes: int | None = None) -> str | int:
    if time_ns is None:
        return 0
    if offset_minutes is None:
        return format_rfc3339(time_ns)
    sign, (hours, minutes) = "-" if offset_minutes < 0 else "+", divmod(abs(offset_minutes), 60)
    local = format_rfc3339(time_ns + offset_minutes * _MINUTE_NS)
    return f"{local.removesuffix('Z')}{sign}{hours:02}:{minutes:02}"


def pull_request_from_line(line: bytes) -> PullRequestLine:
    """The pull request that one line describes; `Invalid` lists all problems.

    Members: `repository`, `number`, and optionally `title`, `labels`, `branch`,
    `merge_commit_sha`, `merge_method` (merge, squash or rebase), `commits` (objects as lines of
    commits have them; `sha` and `author_time` are enough), `created_at`, `ready_at`,
    `last_approved_at`, `merged_at`, `author`, `base` (the branch that it is merged to), `url`,
    `draft`, `first_reviewed_at`, `closed_at` (if it was not merged), `reviewers` (names),
    `additions` and `deletions` (lines).
    """
    return pull_request_from_document(read_document(line))


def pull_request_from_document(document: JsonObject) -> PullRequestLine:
    """The pull request that a line's object describes."""
    members = _MemberReader(document)
    repository = members.text("repository", required=True)
    pull_request = PullRequest(
        number=members.number("number"),
        title=members.text("title"),
        labels=members.texts("labels") or (),
        branch=members.text("branch"),
        merge_commit_sha=members.sha("merge_commit_sha") or None,
        merge_method=members.merge_method(),
        commits=tuple(each.commit() for each in members.objects("commits")),
        created_at_ns=members.instant("created_at"),
        ready_at_ns=members.instant("ready_at"),
        last_approved_at_ns=members.instant("last_approved_at"),
        merged_at_ns=members.instant("merged_at"),
        author=members.text("author"),
        base=members.text("base"),
        url=members.text("url"),
        is_draft=members.flag("draft"),
        first_reviewed_at_ns=members.instant("first_reviewed_at"),
        closed_at_ns=members.instant("closed_at"),
        reviewers=members.texts("reviewers"),
        additions=members.count("additions"),
        deletions=members.count("deletions"),
    )
    members.raise_problems()
    return PullRequestLine(repository_id(repository), pull_request)


class _MemberReader:
    """Reads the members of one object and collects its problems."""

    def __init__(
        self,
        document: JsonObject,
        path: tuple[str | int, ...] = (),
        problems: list[Problem] | None = None,
    ) -> None:
        """`path` leads to the object; objects of one line share their `problems`."""
        self._document = document
        self._path = path
        self._problems: list[Problem] = [] if problems is None else problems

    def raise_problems(self) -> None:
        if self._problems:
            raise Invalid(*self._problems[:MAX_PROBLEMS])

    def commit(self) -> Commit:
        sha = self.sha("sha", required=True)
        author_time_ns = self._commit_time("author_time", required=True)
        has_commit_time = self._document.get("commit_time") is not None
        return Commit(
            sha=sha,
            parents=self._shas("parents"),
            is_shallow=self.flag("shallow"),
            author_time_ns=author_time_ns,
            author_offset_minutes=self._offset_minutes("author_time"),
            commit_time_ns=self._commit_time("commit_time") if has_commit_time else author_time_ns,
            subject=self.text("subject", trimmed=False),
            message=self.text("message", trimmed=False),
            paths=self.texts("paths"),
            author_name=self.text("author_name"),
            author_email=self.text("author_email"),
        )

    def _commit_time(self, name: str, *, required: bool = False) -> int | None:
        """None for 0, which exports write for a date that cannot be read."""
        if _is_zero(self._document.get(name)):
            return None
        time_ns = self.instant(name, required=required)
        return time_ns if time_ns and time_ns > 0 else None

    def _offset_minutes(self, name: str) -> int | None:
        """That of a text; None for `Z`, which converted times have too."""
        value = self._document.get(name)
        return offset_minutes_of(value) if isinstance(value, str) else None

    def flag(self, name: str) -> bool:
        value = self._document.get(name)
        if value is not None and not isinstance(value, bool):
            self._wrong_type(name, value)
        return value is True

    def text(self, name: str, *, required: bool = False, trimmed: bool = True) -> str:
        """A text without the white space around it, if `trimmed`; empty where there is none."""
        value = self._document.get(name)
        if value is not None and not isinstance(value, str):
            self._wrong_type(name, value)
            return ""
        text = self._checked((value or "").strip() if trimmed else value or "", name)
        if required and not text:
            self._add(missing(name))
        return text

    def texts(self, name: str) -> tuple[str, ...] | None:
        """The texts of an array; None where there is none."""
        if self._document.get(name) is None:
            return None
        return tuple(
            self._checked(value, name, at)
            for at, value in self._items(name)
            if self._is_text(name, at, value)
        )

    def sha(self, name: str, *, required: bool = False) -> str:
        """A SHA in lower case; empty where there is none."""
        text = self.text(name, required=required)
        return self._checked_sha(text, name) if text else ""

    def instant(self, name: str, *, required: bool = False) -> int | None:
        """Nanoseconds of an RFC 3339 text, or of an integer in any of four units."""
        value = self._document.get(name)
        if value is None:
            if required:
                self._add(missing(name))
            return None
        instant_ns = nanoseconds_from_json(value)
        if instant_ns is None:
            self._add(
                Problem(f'attribute "{name}" must be a Unix timestamp or a date-time', (name,))
            )
        return instant_ns

    def number(self, name: str) -> int:
        value = self._document.get(name)
        if value is None:
            self._add(missing(name))
        elif type_name(value) != "number":
            self._wrong_type(name, value)
        elif 1 <= (number := exact_integer(value) or 0) <= _INT64_MAX:
            return number
        else:
            self._add(Problem(f'attribute "{name}" must be a positive integer', (name,)))
        return 0

    def count(self, name: str) -> int | None:
        """An integer from 0 on; None where there is none."""
        value = self._document.get(name)
        if value is None:
            return None
        if type_name(value) != "number":
            self._wrong_type(name, value)
            return None
        number = exact_integer(value)
        if number is None or not 0 <= number <= _INT64_MAX:
            self._add(Problem(f'attribute "{name}" must be an integer from 0', (name,)))
            return None
        return number

    def merge_method(self) -> MergeMethod | None:
        text = self.text("merge_method")
        if text and text not in MERGE_METHODS:
            expected = " ".join(MERGE_METHODS)
            self._add(
                Problem(f'attribute "merge_method" must be one of "{expected}"', ("merge_method",))
            )
        return cast("MergeMethod", text) if text else None

    def objects(self, name: str) -> Iterator["_MemberReader"]:
        for at, value in self._items(name):
            if is_object(value):
                yield _MemberReader(value, (*self._path, name, at), self._problems)
            else:
                self._wrong_type(name, value, name, at)

    def _shas(self, name: str) -> tuple[str, ...]:
        return tuple(
            self._checked_sha(value, name, at)
            for at, value in self._items(name)
            if self._is_text(name, at, value)
        )

    def _items(self, name: str) -> Iterator[tuple[int, JsonValue]]:
        values = self._document.get(name)
        if isinstance(values, list):
            yield from enumerate(cast("list[JsonValue]", values))
        elif values is not None:
            self._wrong_type(name, values)

    def _is_text(self, name: str, at: int, value: JsonValue) -> bool:
        if isinstance(value, str):
            return True
        self._wrong_type(name, value, name, at)
        return False

    def _checked(self, text: str, name: str, *at: int) -> str:
        if "\0" in text:
            self._add(Problem(f'attribute "{name}" must not contain NUL', (name, *at)))
        return text

    def _checked_sha(self, text: str, name: str, *at: int) -> str:
        if not _SHA.fullmatch(text):
            detail = f'attribute "{name}" must be 40 to 64 hexadecimal characters'
            self._add(Problem(detail, (name, *at)))
        return text.lower()

    def _wrong_type(self, name: str, value: JsonValue, *path: str | int) -> None:
        self._add(wrong_type(name, value, *path))

    def _add(self, problem: Problem) -> None:
        self._problems.append(problem.beneath(*self._path))


def _is_zero(value: JsonValue) -> bool:
    return type_name(value) == "number" and exact_integer(value) == 0
