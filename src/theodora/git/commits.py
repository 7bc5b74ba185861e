"""Commits of a repository, read through `git cat-file`."""

from collections.abc import Sequence

import msgspec

from theodora.dora import Commit
from theodora.git.changes import ChangedPaths
from theodora.git.commit_objects import CommitObject, read_commit
from theodora.git.objects import ObjectReader


def read_commits(reader: ObjectReader, shas: Sequence[str]) -> list[CommitObject]:
    """The commits that exist, in the same order."""
    objects = reader.read(shas, "commit")
    return [read_commit(sha, objects[sha]) for sha in shas if sha in objects]


def with_paths(commits: Sequence[CommitObject], changed_paths: ChangedPaths) -> list[Commit]:
    """The commits with their changed paths, where known."""
    return [
        msgspec.structs.replace(each.commit, paths=paths)
        for each, paths in zip(commits, changed_paths.of(commits), strict=True)
    ]
