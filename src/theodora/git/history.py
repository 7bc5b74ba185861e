"""What a repository on this machine tells: its tags, and the commits behind them."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from theodora.dora import Commit
from theodora.git.changes import ChangedPaths
from theodora.git.commits import read_commits, with_paths
from theodora.git.objects import object_reader
from theodora.git.process import environment_of, run

_SECOND_NS = 1_000_000_000
_SECONDS = 600
"""Time that one command may compute, and take."""
_READ_BYTES = 2 * 1024**3

_FIELDS = (
    "%(refname:strip=2)",
    *("%(objecttype)", "%(objectname)", "%(committerdate:unix)"),
    *("%(*objecttype)", "%(*objectname)", "%(*committerdate:unix)", "%(taggerdate:unix)"),
)


class Tag(NamedTuple):
    """A tag of a commit."""

    name: str
    commit_sha: str
    at_ns: int
    """When an annotated tag was made; of another, when its commit was."""


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

    def tags(self, pattern: str) -> list[Tag]:
        """The tags of commits whose names match; `*`, `?` and `[...]` as in `git tag --list`."""
        answer = self._run("for-each-ref", f"--format={'%00'.join(_FIELDS)}", "refs/tags")
        tags = (_tag(line.split("\0")) for line in _text(answer).splitlines())
        return [tag for tag in tags if tag and fnmatchcase(tag.name, pattern)]

    def shas(self, tips: Iterable[str]) -> list[str]:
        """The SHAs of commits and all their ancestors, the newest first."""
        stdin = "".join(f"{sha}\n" for sha in tips).encode()
        return _text(self._run("rev-list", "--stdin", stdin=stdin)).split() if stdin else []

    def every_sha(self) -> list[str]:
        """The SHAs of all commits of branches and tags, the newest first."""
        return _text(self._run("rev-list", "--all")).split()

    def commits(self, shas: Sequence[str]) -> list[Commit]:
        """Those of the commits that are there, with the paths they changed."""
        with object_reader(self._environment, seconds=_SECONDS, budget_bytes=_READ_BYTES) as reader:
            return with_paths(read_commits(reader, shas), ChangedPaths(reader))

    def _run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        return run(arguments, seconds=_SECONDS, environment=self._environment, stdin=stdin)


def _tag(fields: Sequence[str]) -> Tag | None:
    """The tag of a line; None for one of something else than a commit."""
    name, kind, sha, made_at, peeled_kind, peeled_sha, peeled_made_at, tagged_at = fields
    if kind == "commit":
        return Tag(name, sha, int(made_at) * _SECOND_NS)
    if peeled_kind == "commit":
        return Tag(name, peeled_sha, int(tagged_at or peeled_made_at) * _SECOND_NS)
    return None


def _text(output: bytes) -> str:
    return output.decode(errors="replace")
