"""Commits of a repository, and those that a deployment ships first."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal

import msgspec

from theodora.dora.derivation.ancestry import Ancestry

MergeMethod = Literal["merge", "squash", "rebase"]


class Commit(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A commit. Instants are nanoseconds since the Unix epoch."""

    sha: str
    parents: tuple[str, ...] = ()
    is_shallow: bool = False
    """Whether it was at the edge of a shallow clone, so that its parents may be missing."""
    author_time_ns: int | None
    """None if it cannot be read or is 0: lead times from 1970 would dwarf all others."""
    author_offset_minutes: int | None = None
    """How far the author's clock is ahead of UTC; None where the source does not give it."""
    commit_time_ns: int | None
    subject: str = ""
    message: str = ""
    """The complete message with its subject; empty where only the subject is known."""
    paths: tuple[str, ...] | None = None
    """Paths the commit changed; None where they were not stored."""
    author_name: str = ""
    author_email: str = ""
    """Both are empty where they are not known."""

    @property
    def is_merge(self) -> bool:
        return len(self.parents) >= 2


class PullRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A pull request or merge request."""

    number: int
    title: str = ""
    labels: tuple[str, ...] = ()
    branch: str = ""
    merge_commit_sha: str | None = None
    merge_method: MergeMethod | None = None
    """None if the source does not provide it."""
    commits: tuple[Commit, ...] = ()
    """The original commits of its branch; a squash leaves them out of the main line."""
    head_sha: str | None = None
    """The last commit of its branch, by which its commits are found if the source names none."""
    commit_count: int = 0
    """How many commits its branch has; 0 if the source does not count them."""
    created_at_ns: int | None = None
    ready_at_ns: int | None = None
    """The last "ready for review" before the merge; None if it never was a draft."""
    last_approved_at_ns: int | None = None
    """The last approval before the merge."""
    merged_at_ns: int | None = None
    author: str = ""
    """The name that the host knows the author by; empty where it is not known."""
    base: str = ""
    """The branch that it is merged to."""
    url: str = ""
    """Its page at the host."""
    is_draft: bool = False
    first_reviewed_at_ns: int | None = None
    """The first review by someone other than the author, before the merge."""
    closed_at_ns: int | None = None
    """When it was closed without a merge."""
    reviewers: tuple[str, ...] | None = None
    """Those who reviewed it, without the author, in the order of their first reviews; None if the
    source does not say."""
    additions: int | None = None
    deletions: int | None = None
    """Lines; None if the source does not count them."""


class Repository(msgspec.Struct, frozen=True, kw_only=True, dict=True, weakref=True):
    """The known commits and pull requests of a repository. Sequences of several services may share
    one value."""

    commits: Mapping[str, Commit] = {}
    """By SHA. Parents may be missing: the graph ends there."""
    pull_requests: tuple[PullRequest, ...] = ()
    has_commit_source: bool = True
    """Whether something delivers its commits, so that an unknown SHA may become known later."""

    def is_cut(self, commit: Commit) -> bool:
        """Whether history ends at this commit only because the clone was shallow."""
        return commit.is_shallow and any(each not in self.commits for each in commit.parents)

    @cached_property
    def ancestry(self) -> Ancestry:
        return Ancestry(self.commits)


class Taken(msgspec.Struct, frozen=True, gc=False):
    """The commits that one deployment shipped first, by SHA."""

    shas: tuple[str, ...]
    edge: tuple[str, ...]
    """Where that ended: commits that had been shipped before."""


class Shipped:
    """The commits of one repository that a sequence has shipped so far.

    A commit is new to a deployment if no earlier deployment of the same service and
    environment had it. In the plain case that is `git log previous..current`; after a
    rollback, or a deployment of a stale SHA, it does not count a commit a second time.
    """

    def __init__(self, commits: Mapping[str, Commit]) -> None:
        self._commits = commits
        self._shas: set[str] = set()

    def __contains__(self, sha: str) -> bool:
        return sha in self._shas

    def take(self, head: str) -> list[Commit]:
        """Ship `head` and all its ancestors; returns those that were not shipped before."""
        new: list[Commit] = []
        pending = [head]
        while pending:
            sha = pending.pop()
            if sha in self._shas or (commit := self._commits.get(sha)) is None:
                continue
            self._shas.add(sha)
            new.append(commit)
            pending.extend(commit.parents)
        return new

    def taken(self, head: str, new: Sequence[Commit]) -> Taken:
        """The result of `take` for this head, for `retake` in another derivation."""
        shas = dict.fromkeys(commit.sha for commit in new)
        parents = (parent for commit in new for parent in commit.parents) if new else (head,)
        edge = dict.fromkeys(sha for sha in parents if sha not in shas and sha in self._commits)
        return Taken(tuple(shas), tuple(edge))

    def take_again(self, taken: Taken) -> bool:
        """Ship the same as before if `take` would find the same; returns whether it did."""
        if self._shas.isdisjoint(taken.shas) and self._shas.issuperset(taken.edge):
            self.add(taken)
            return True
        return False

    def add(self, taken: Taken) -> None:
        """Ship a result that is known to be what `take` would find."""
        self._shas.update(taken.shas)
