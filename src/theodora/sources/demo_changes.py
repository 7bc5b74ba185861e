"""The demo's commits and pull requests."""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from msgspec.structs import replace

from theodora.dora import Commit, PullRequest
from theodora.dora.derivation.commits import MergeMethod
from theodora.events.activity import UserActivity
from theodora.events.values import SECOND_NS
from theodora.sources.demo_company import OWNER


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoChange:
    """A change that becomes a pull request with commits."""

    title: str
    path: str
    begun: datetime
    """When its first commit was written."""
    ready: datetime
    approved: datetime | None
    merged: datetime
    commits: int = 1
    branch: str = "feature"
    labels: tuple[str, ...] = ()
    method: MergeMethod = "squash"
    was_draft: bool = False


class MainLine:
    """A repository's main branch, to which changes are merged one after another."""

    def __init__(self, name: str, begun: datetime, changes: Iterable[DemoChange]) -> None:
        self.url = f"https://github.com/{OWNER}/{name}"
        self.commits: list[Commit] = []
        self.pull_requests: list[PullRequest] = []
        self._name = name
        self._merged_ns: list[int] = []
        self._heads: list[str] = []
        self._advance(self._commit("start", "Start", begun, (), "README.md"), begun)
        for change in sorted(changes, key=lambda each: each.merged):
            self._merge(change, len(self.pull_requests) + 1)

    def head_at(self, instant: datetime) -> str:
        """The newest commit of the main line at an instant; the first one before any."""
        return self._heads[max(bisect_right(self._merged_ns, nanoseconds(instant)) - 1, 0)]

    def _merge(self, change: DemoChange, number: int) -> None:
        branch = f"{change.branch}/{number}"
        originals = self._originals(change, number)
        squashed = change.method == "squash"
        if squashed:
            subject, parents = f"{change.title} (#{number})", (self._heads[-1],)
        else:
            self.commits.extend(originals)
            subject = f"Merge pull request #{number} from {OWNER}/{branch}"
            parents = (self._heads[-1], originals[-1].sha)
        landed = self._commit(str(number), subject, change.merged, parents, change.path)
        self._advance(landed, change.merged)
        request = PullRequest(
            number=number,
            title=change.title,
            labels=change.labels,
            branch=branch,
            merge_commit_sha=landed.sha,
            merge_method=change.method,
            commits=tuple(originals) if squashed else (),
            head_sha=originals[-1].sha,
            commit_count=len(originals),
            created_at_ns=nanoseconds(change.begun if change.was_draft else change.ready),
            ready_at_ns=nanoseconds(change.ready) if change.was_draft else None,
            last_approved_at_ns=nanoseconds(change.approved) if change.approved else None,
            merged_at_ns=nanoseconds(change.merged),
        )
        approved = change.approved
        reviewed = change.ready + (approved - change.ready) * 0.6 if approved else None
        self.pull_requests.append(self._with_people(request, reviewed))

    def open_requests(self, now: datetime) -> Sequence[PullRequest]:
        """Requests that are not merged: one in review, a draft, one of a bot, one closed."""
        return [
            self._open_request(number, each, now)
            for number, each in enumerate(_OPEN, len(self.pull_requests) + 1)
        ]

    def _open_request(self, number: int, planned: "_Open", now: datetime) -> PullRequest:
        opened = now - timedelta(hours=planned.age_hours)
        closed = opened + timedelta(days=2)
        request = PullRequest(
            number=number,
            title=planned.title,
            branch=f"feature/{number}",
            created_at_ns=nanoseconds(opened),
            is_draft=planned.is_draft,
            closed_at_ns=nanoseconds(closed) if planned.is_closed else None,
        )
        reviewed = opened + timedelta(hours=3) if planned.is_reviewed else None
        found = self._with_people(request, reviewed)
        return replace(found, author=planned.author) if planned.author else found

    def _with_people(self, request: PullRequest, reviewed: datetime | None) -> PullRequest:
        """The request with author, reviewers and size, which follow from its number alone."""
        author = _login_of(_author(f"{self._name} {request.number}")[0])
        others = [each for each in map(_login_of, _AUTHORS) if each != author]
        luck = int(sha_of(f"{self._name} size {request.number}")[:8], 16)
        reviewers = tuple(others[(luck + step) % len(others)] for step in range(1 + luck % 2))
        return replace(
            request,
            author=author,
            base="main",
            url=f"{self.url}/pull/{request.number}",
            reviewers=reviewers if reviewed else (),
            first_reviewed_at_ns=nanoseconds(reviewed) if reviewed else None,
            additions=4 + luck % 211,
            deletions=luck % 67,
        )

    def _originals(self, change: DemoChange, number: int) -> Sequence[Commit]:
        """The commits of the change's branch, one on the other, spread over its making."""
        originals: list[Commit] = []
        parent = self._heads[-1]
        pause = (change.ready - change.begun) / (change.commits + 1)
        for step in range(change.commits):
            subject = change.title if not step else _REWORKED[step % len(_REWORKED)]
            at = change.begun + pause * step
            commit = self._commit(f"{number}.{step}", subject, at, (parent,), change.path)
            originals.append(commit)
            parent = commit.sha
        return originals

    def _advance(self, head: Commit, merged: datetime) -> None:
        self.commits.append(head)
        self._merged_ns.append(nanoseconds(merged))
        self._heads.append(head.sha)

    def _commit(
        self, key: str, subject: str, at: datetime, parents: tuple[str, ...], path: str
    ) -> Commit:
        at_ns = nanoseconds(at)
        author_name, author_email = _author(f"{self._name} {key.partition('.')[0]}")
        return Commit(
            sha=sha_of(f"{self._name} {key}"),
            parents=parents,
            author_time_ns=at_ns,
            commit_time_ns=at_ns,
            subject=subject,
            message=_message(subject, self._name, key),
            paths=(path,),
            author_name=author_name,
            author_email=author_email,
        )


_REWORKED = ("Simplify the wording", "Add tests", "Address review comments", "Fix failing tests")
"""Subjects of a change's further commits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """A request that is not merged."""

    title: str
    age_hours: int
    is_reviewed: bool = False
    is_draft: bool = False
    is_closed: bool = False
    author: str = ""
    """Other than one of the people."""


_OPEN = (
    _Open(title="Show delivery dates in the cart", age_hours=30, is_reviewed=True),
    _Open(title="Try a faster search index", age_hours=5, is_draft=True),
    _Open(title="Update numpy to 2.4.0", age_hours=52, author="renovate[bot]"),
    _Open(
        title="Move sessions to another database", age_hours=200, is_reviewed=True, is_closed=True
    ),
)
_AUTHORS = (
    *("Amina Yusuf", "Bo Lindqvist", "Carmen Ortiz", "Dae-jung Park", "Eva Novák"),
    *("Femi Adeyemi", "Grace Hall", "Hiro Tanaka", "Ines Costa"),
)
_TRAILERS = (
    "Co-authored-by: Copilot <198982749+Copilot@users.noreply.github.com>",
    "Co-authored-by: Cursor <cursoragent@cursor.com>",
)
_ASSISTED_IN_TEN = 4
_ACTIVE_IN_TEN = 3
_WORKING_DAYS = 5


def _author(change: str) -> tuple[str, str]:
    """Name and address of the author of a change."""
    name = _AUTHORS[int(sha_of(change)[:8], 16) % len(_AUTHORS)]
    return name, _address(name)


def _address(name: str) -> str:
    return f"{name.partition(' ')[0].lower()}@{OWNER}.example"


def demo_activity(first: date, last: date) -> list[UserActivity]:
    """The days on which authors used a tool, on most working days some of them."""
    days = (first + timedelta(days=at) for at in range((last - first).days + 1))
    return [
        UserActivity(user_email=_address(name), day=f"{day}", tool=tool, is_active=True)
        for day in days
        if day.weekday() < _WORKING_DAYS
        for name in _AUTHORS
        for tool in ("copilot", "cursor")
        if int(sha_of(f"{name} {day} {tool}")[:8], 16) % 10 < _ACTIVE_IN_TEN
    ]


def _message(subject: str, repository: str, key: str) -> str:
    """The message, with a trailer where an assistant helped."""
    number = int(sha_of(f"{repository} {key} message")[:8], 16)
    if number % 10 >= _ASSISTED_IN_TEN:
        return subject
    return f"{subject}\n\n{_TRAILERS[number // 10 % len(_TRAILERS)]}"


def _login_of(name: str) -> str:
    """The name by which the host knows a person."""
    return name.partition(" ")[0].lower()


def sha_of(text: str) -> str:
    """A SHA that no real commit has."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def nanoseconds(instant: datetime) -> int:
    """The nanoseconds of an instant without a fraction of a second."""
    return int(instant.astimezone(UTC).timestamp()) * SECOND_NS
