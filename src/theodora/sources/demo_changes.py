"""The demo's commits and pull requests."""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from theodora.dora import Commit, PullRequest
from theodora.dora.derivation.commits import MergeMethod
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
        self.pull_requests.append(
            PullRequest(
                number=number,
                title=change.title,
                labels=change.labels,
                branch=branch,
                merge_commit_sha=landed.sha,
                merge_method=change.method,
                commits=tuple(originals) if squashed else (),
                created_at_ns=nanoseconds(change.begun if change.was_draft else change.ready),
                ready_at_ns=nanoseconds(change.ready) if change.was_draft else None,
                last_approved_at_ns=nanoseconds(change.approved) if change.approved else None,
                merged_at_ns=nanoseconds(change.merged),
            )
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
            paths=(path,),
            author_name=author_name,
            author_email=author_email,
        )


_REWORKED = ("Simplify the wording", "Add tests", "Address review comments", "Fix failing tests")
"""Subjects of a change's further commits."""


_AUTHORS = ("Amina Yusuf", "Bo Lindqvist", "Carmen Ortiz", "Dae-jung Park", "Eva Novák")


def _author(change: str) -> tuple[str, str]:
    """Name and address of the author of a change."""
    name = _AUTHORS[int(sha_of(change)[:8], 16) % len(_AUTHORS)]
    return name, f"{name.partition(' ')[0].lower()}@{OWNER}.example"


def sha_of(text: str) -> str:
    """A SHA that no real commit has."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def nanoseconds(instant: datetime) -> int:
    """The nanoseconds of an instant without a fraction of a second."""
    return int(instant.astimezone(UTC).timestamp()) * SECOND_NS
