"""Changed paths of commits: each tree compared with the tree of the first parent.

All commits are compared together, a level of folders at a time, so that git is asked for many trees
at once. Equal folders are never looked into. Paths stay unknown if a tree is in a pack still to
come, or if comparing exceeds the budget.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from theodora.errors import Invalid, Problem
from theodora.git.commit_objects import CommitObject, read_commit
from theodora.git.objects import ObjectReader
from theodora.git.trees import Entry, differing_entries

_TOGETHER = 128
"""Commits compared together: bounds the trees in memory."""
_MAX_LEVELS = 256
_MAX_PATH_BYTES = 4_096
_EFFORT = 60_000_000
"""Entries of folders looked at; comparing two folders costs as much as `_EFFORT_OF_PAIR` of
them, and a difference as much as these and its path. Seconds, and some 100 MB, in all."""
_BYTES_OF_ENTRY = 40
_EFFORT_OF_PAIR = 100
_EFFORT_OF_DIFFERENCE = 20

_FOLDER = frozenset((b"40000", b"040000"))
_NAMES_NO_FILE_HAS = frozenset((b".", b"..", b".git"))


@dataclass(slots=True)
class _ChangedPaths:
    """The changed paths of one commit, while they are collected."""

    is_known: bool = True
    paths: list[str] = field(default_factory=list[str])


class _Pair(NamedTuple):
    """A folder before and after a change; None where it is not there."""

    change: _ChangedPaths
    folder: bytes
    before: str | None
    after: str | None


class ChangedPaths:
    """Compares trees within one budget."""

    def __init__(self, reader: ObjectReader) -> None:
        self._reader = reader
        self._effort_left = _EFFORT

    def of(self, commits: Sequence[CommitObject]) -> list[tuple[str, ...] | None]:
        """The paths that each commit changed, sorted; None where they cannot be known.

        A commit without parents changed all its paths. Raises `Invalid` for a tree that is none.
        """
        trees = {each.commit.sha: each.tree for each in commits}
        trees |= self._trees_of_parents(commits, trees)
        found: list[tuple[str, ...] | None] = []
        remaining = iter(commits)
        while together := list(islice(remaining, _TOGETHER)):
            found += self._compare(together, trees)
        return found

    def _trees_of_parents(
        self, commits: Iterable[CommitObject], known: Mapping[str, str]
    ) -> dict[str, str]:
        firsts = {each.commit.parents[0]: None for each in commits if each.commit.parents}
        objects = self._reader.read([sha for sha in firsts if sha not in known], "commit")
        return {sha: read_commit(sha, data).tree for sha, data in objects.items()}

    def _compare(
        self, commits: Sequence[CommitObject], trees: Mapping[str, str]
    ) -> Iterator[tuple[str, ...] | None]:
        changes = [_ChangedPaths() for _ in commits]
        pairs = list(_roots(commits, changes, trees))
        for _ in range(_MAX_LEVELS):
            if not pairs:
                break
            pairs = self._next_level(pairs)
        for pair in pairs:
            pair.change.is_known = False
        for change in changes:
            yield tuple(sorted(change.paths)) if change.is_known else None

    def _next_level(self, pairs: Sequence[_Pair]) -> list[_Pair]:
        shas = {sha for pair in pairs for sha in (pair.before, pair.after) if sha}
        trees = self._reader.read(shas, "tree")
        below: list[_Pair] = []
        for pair in pairs:
            if not pair.change.is_known:
                continue
            before, after = _tree(pair.before, trees), _tree(pair.after, trees)
            is_too_much = self._effort_left <= 0 or len(pair.folder) > _MAX_PATH_BYTES
            if before is None or after is None or is_too_much:
                pair.change.is_known = False
                continue
            gone, new = differing_entries(before, after, len(pair.after or pair.before or ""))
            self._effort_left -= (len(before) + len(after)) // _BYTES_OF_ENTRY
            self._effort_left -= _effort(pair, (*gone, *new))
            below += _differences(pair, gone, new)
        return below


def _roots(
    commits: Iterable[CommitObject], changes: Iterable[_ChangedPaths], trees: Mapping[str, str]
) -> Iterator[_Pair]:
    for each, change in zip(commits, changes, strict=True):
        parents = each.commit.parents
        before = trees.get(parents[0]) if parents else None
        if parents and before is None:
            change.is_known = False
        elif before != each.tree:
            yield _Pair(change, b"", before, each.tree)


def _tree(sha: str | None, trees: Mapping[str, bytes]) -> bytes | None:
    """A tree's data, none for one that is not there; None for one that is missing."""
    return b"" if sha is None else trees.get(sha)


def _effort(pair: _Pair, differing: Iterable[Entry]) -> int:
    each = _EFFORT_OF_DIFFERENCE + len(pair.folder)
    return _EFFORT_OF_PAIR + sum(each + len(name) for _, name, _ in differing)


def _differences(
    pair: _Pair, only_before: Iterable[Entry], only_after: Iterable[Entry]
) -> Iterator[_Pair]:
    """Notes the paths that differ, and gives the folders that have to be looked into."""
    gone = {entry[1]: entry for entry in only_before}
    new = {entry[1]: entry for entry in only_after}
    for name in gone | new:
        if name in _NAMES_NO_FILE_HAS:
            raise Invalid(Problem("a tree has an entry that is no file name"))
        old, now = gone.get(name), new.get(name)
        if old and now and _same(old, now):
            continue
        path = pair.folder + name
        before, after = _folder(old), _folder(now)
        if before or after:
            yield _Pair(pair.change, path + b"/", before, after)
        if (old and not before) or (now and not after):
            pair.change.paths.append(path.decode(errors="replace"))


def _folder(entry: Entry | None) -> str | None:
    """The SHA of the folder that an entry is, if it is one."""
    return entry[2].hex() if entry and entry[0] in _FOLDER else None


def _same(old: Entry, now: Entry) -> bool:
    """Whether they differ in nothing that git sees; old tools wrote modes in other ways."""
    return old[2] == now[2] and _kind(old[0]) == _kind(now[0])


def _kind(mode: bytes) -> tuple[int, bool]:
    """File, link, folder or other repository; and whether it is a program."""
    number = int(mode, 8)
    kind = number & 0o170000
    return kind, kind == 0o100000 and bool(number & 0o100)
