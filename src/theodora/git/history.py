"""The history of a repository on this machine: its tags and commits."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from theodora.dora import Commit
from theodora.events.values import SECOND_NS
from theodora.git.changes import ChangedPaths
from theodora.git.commits import read_commits, with_paths
from theodora.git.objects import object_reader
from theodora.git.process import environment_of, run

_SECONDS = 600
"""Time that one command may compute, and take."""
_READ_BYTES = 2 * 1024**3

_TAG_FIELDS = "%(refname:strip=2)%00%(objectname)%00%(taggerdate:unix)"


class GitTag(NamedTuple):
    """A tag of a commit."""

    name: str
    commit_sha: str
    at_ns: int
    """When an annotated tag was created; for other tags, when the commit was."""


class Tags(NamedTuple):
    """The tags that were asked for."""

    of_commits: Sequence[GitTag]
    others: Sequence[str]
    """Names of tags that point at no commit, but at a tree, a file or nothing."""


class History:
    """A repository on this machine, which is only read: nothing in it is run or fetched."""

    def __init__(self, path: Path) -> None:
        """`path` is a work tree or a bare repository; raises `GitError` for anything else."""
        directory = run(
            ["-c", "safe.directory=*", "-C", str(path), "rev-parse", "--absolute-git-dir"],
            seconds=_SECONDS,
            environment={"GIT_CEILING_DIRECTORIES": str(path.absolute().parent)},
        )
        self._environment: Mapping[str, str] = environment_of(Path(_text(directory).rstrip("\n")))

    def remote_url(self) -> str | None:
        """The URL of the remote `origin`, as it was configured."""
        return _text(self._run("config", "--default", "", "remote.origin.url")).strip() or None

    def tags(self, included: Sequence[str], excluded: Sequence[str] = ()) -> Tags:
        """The tags whose names match a glob of `included` and none of `excluded`.

        `*`, `?` and `[...]` as in `git tag --list`.
        """
        answer = _text(self._run("for-each-ref", f"--format={_TAG_FIELDS}", "refs/tags"))
        given = (line.split("\0") for line in answer.splitlines())
        chosen = [
            (name, sha, tagged_at)
            for name, sha, tagged_at in given
            if _matches_any(name, included) and not _matches_any(name, excluded)
        ]
        commits = self._commits_behind(sha for _, sha, _ in chosen)
        committed_at = self._commit_times(set(commits.values()))
        of_commits = [
            GitTag(name, commits[sha], int(tagged_at or committed_at[commits[sha]]) * SECOND_NS)
            for name, sha, tagged_at in chosen
            if sha in commits
        ]
        return Tags(of_commits, [name for name, sha, _ in chosen if sha not in commits])

    def _commits_behind(self, shas: Iterable[str]) -> dict[str, str]:
        """The commit that each object leads to, through however many tags, where there is one.

        `%(*objectname)` of `for-each-ref` follows a single tag in git before 2.45.
        """
        asked = list(dict.fromkeys(shas))
        stdin = "".join(f"{sha}^{{commit}}\n" for sha in asked).encode()
        answer = _text(self._run("cat-file", "--batch-check=%(objectname)", stdin=stdin))
        found = zip(asked, answer.splitlines(), strict=True)
        return {sha: line for sha, line in found if not line.endswith(" missing")}

    def _commit_times(self, shas: Iterable[str]) -> dict[str, str]:
        """The committer's time of each commit, in seconds."""
        stdin = "".join(f"{sha}\n" for sha in shas).encode()
        if not stdin:
            return {}
        answer = _text(self._run("rev-list", "--no-walk", "--timestamp", "--stdin", stdin=stdin))
        pairs = (line.split(" ") for line in answer.splitlines())
        return {sha: seconds for seconds, sha in pairs}

    def shas(self, tips: Iterable[str]) -> list[str]:
        """The SHAs of commits and all their ancestors, the newest first."""
        stdin = "".join(f"{sha}\n" for sha in tips).encode()
        return _text(self._run("rev-list", "--stdin", stdin=stdin)).split() if stdin else []

    def every_sha(self) -> list[str]:
        """The SHAs of all commits of branches and tags, the newest first."""
        return _text(self._run("rev-list", "--all")).split()

    def commits(self, shas: Sequence[str]) -> list[Commit]:
        """The commits that exist, with the paths they changed."""
        with object_reader(self._environment, seconds=_SECONDS, budget_bytes=_READ_BYTES) as reader:
            commits = with_paths(read_commits(reader, shas), ChangedPaths(reader))
        return [
            replace(each, is_shallow=True) if each.sha in self.shallow_edge else each
            for each in commits
        ]

    @cached_property
    def shallow_edge(self) -> frozenset[str]:
        """The SHAs of the commits at which a shallow clone cut its history off; else none."""
        path = _text(self._run("rev-parse", "--git-path", "shallow")).rstrip("\n")
        try:
            return frozenset(Path(path).read_text("ascii").split())
        except FileNotFoundError:
            return frozenset()

    def _run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        return run(arguments, seconds=_SECONDS, environment=self._environment, stdin=stdin)


def _matches_any(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


def _text(output: bytes) -> str:
    return output.decode(errors="replace")
