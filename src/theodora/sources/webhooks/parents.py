"""Parents of the commits that a push names: it gives their order, but not their parents."""

from collections.abc import Sequence

import msgspec

from theodora.dora import Commit


def with_guessed_parents(base: str, commits: Sequence[Commit]) -> tuple[Commit, ...]:
    """The commits of a push, oldest first, as a line that begins at `base`.

    Everything that the push brought is then reachable from its last commit, and so is what was
    there before. A commit whose message says that it is a merge has `base` for its first parent,
    as the merges that providers make have. An empty `base`, or one of zeros, is unknown. So is one
    of the commits themselves, which a test of a webhook may send.
    """
    is_known = bool(base.strip("0")) and base not in {commit.sha for commit in commits}
    first = (base,) if is_known else ()
    linked: list[Commit] = []
    for commit in commits:
        before = (linked[-1].sha,) if linked else ()
        is_merge = bool(linked and first) and commit.subject.startswith("Merge ")
        parents = (*first, *before) if is_merge else before or first
        linked.append(msgspec.structs.replace(commit, parents=parents))
    return tuple(linked)
