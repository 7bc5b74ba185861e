"""Ancestry between commits of one repository."""

from collections import defaultdict, deque
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Protocol


class _HasParents(Protocol):
    @property
    def parents(self) -> tuple[str, ...]: ...


class Ancestry:
    """The ancestors of commits in a graph, which may lack parents.

    Imported commits may name each other in a circle. Then each is an ancestor of the other, and
    nothing here goes round for ever.
    """

    def __init__(self, commits: Mapping[str, _HasParents]) -> None:
        self._commits = commits

    def ancestors_among(self, sha: str, others: Collection[str]) -> set[str]:
        """The ancestors of `sha` among `others`, which are known commits."""
        found: set[str] = set()
        lowest = min(map(self._generation, others), default=0)
        seen = {sha}
        pending = list(self._commits[sha].parents)
        while pending and len(found) < len(others):
            parent = pending.pop()
            # Ancestors have lower generations, so nothing is found below the lowest.
            if parent in seen or parent not in self._commits or self._generation(parent) < lowest:
                continue
            seen.add(parent)
            if parent in others:
                found.add(parent)
            pending.extend(self._commits[parent].parents)
        return found

    def _generation(self, sha: str) -> float:
        return self._generations.get(sha, float("inf"))

    @cached_property
    def _generations(self) -> Mapping[str, int]:
        """The longest way from each commit down to a root; none for those above a circle."""
        children: dict[str, list[str]] = defaultdict(list)
        missing: dict[str, int] = {}
        for sha, commit in self._commits.items():
            parents = {parent for parent in commit.parents if parent in self._commits}
            missing[sha] = len(parents)
            for parent in parents:
                children[parent].append(sha)
        generations = {sha: 0 for sha, count in missing.items() if not count}
        ready = deque(generations)
        while ready:
            sha = ready.popleft()
            for child in children[sha]:
                generations[child] = max(generations.get(child, 0), generations[sha] + 1)
                missing[child] -= 1
                if not missing[child]:
                    ready.append(child)
        return {sha: each for sha, each in generations.items() if not missing[sha]}
