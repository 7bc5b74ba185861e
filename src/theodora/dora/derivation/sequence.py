"""The ordered deployments of one service to one environment."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType

import msgspec

from theodora.dora.derivation.commits import Repository
from theodora.dora.derivation.incidents import incidents_by_deployment
from theodora.dora.derivation.overrides import Override
from theodora.dora.derivation.settings import ServiceSettings
from theodora.dora.derivation.tags import values_of
from theodora.events import Deployment, Failure, MatchKeys

Part = tuple[str, ...]
"""The distinct values of the tag that divides a sequence."""


class DeploymentSequence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the derivation of one service in one environment depends on."""

    deployments: tuple[Deployment, ...]
    """In any order. A deployment given twice counts once, as given last."""
    repositories: Mapping[str, Repository] = {}
    """By repository id or match key. One that is missing has no commits and no source of them."""
    settings: ServiceSettings = ServiceSettings()
    overrides: tuple[Override, ...] = ()
    """In the order they were given: the last one of a deployment counts.

    Those of other sequences that name a deployment of this one as remediation belong here too.
    """
    incidents: tuple[Failure, ...] = ()
    """Incidents of the service; they matter only if the settings let them mark failures."""
    finished_elsewhere_ns: Mapping[str, int] = {}
    """When deployments of other sequences finished that `overrides` name, by id."""

    @property
    def keys(self) -> MatchKeys:
        """The keys of repositories under the aliases in the settings."""
        return MatchKeys(self.settings.repository_aliases)

    @property
    def by_key(self) -> Mapping[str, Repository]:
        """The repositories by match key."""
        keys = self.keys
        return {keys.key(id_): each for id_, each in self.repositories.items()}

    def divided(self) -> Mapping[Part, "DeploymentSequence"]:
        """The sequences that `sequence_tag` divides this one into; itself without the setting.

        Overrides may name a remediation of another part: it is known when it finished. An
        incident, each given once, marks one deployment, so it goes to the part of that one.
        """
        tag = self.settings.sequence_tag
        if tag is None:
            return {(): self}
        parts: dict[Part, list[Deployment]] = {}
        for deployment in self.deployments:
            parts.setdefault(part_of(deployment.custom_tags, tag), []).append(deployment)
        finished_ns = {each.id: each.finished_at_ns for each in self.deployments}
        blamed = incidents_by_deployment(
            self.incidents, in_order(self.deployments, self.by_key, self.keys), tag, self.keys
        )
        return {
            part: msgspec.structs.replace(
                self,
                deployments=tuple(deployments),
                overrides=self._overrides_of({each.id for each in deployments}),
                incidents=tuple(it for each in deployments for it in blamed.get(each.id, ())),
                finished_elsewhere_ns={**self.finished_elsewhere_ns, **finished_ns},
            )
            for part, deployments in sorted(parts.items())
        }

    def _overrides_of(self, ids: Collection[str]) -> tuple[Override, ...]:
        return tuple(
            each
            for each in self.overrides
            if each.deployment_id in ids or (each.remediation and each.remediation.id in ids)
        )


def part_of(custom_tags: Iterable[str], sequence_tag: str | None) -> Part:
    """A deployment's values of the tag by which its sequence is divided.

    One with several values is in the sequence of exactly those, and in no other: a deployment
    to all regions at once neither follows nor precedes one to a single region.
    """
    if sequence_tag is None:
        return ()
    return tuple(sorted(values_of(custom_tags, sequence_tag)))


_NO_REPOSITORIES: Mapping[str, Repository] = MappingProxyType({})

_Commit = tuple[str, str]
"""Match key of the repository, and SHA."""


def in_order(
    deployments: Iterable[Deployment],
    repositories: Mapping[str, Repository] = _NO_REPOSITORIES,
    keys: MatchKeys | None = None,
) -> list[Deployment]:
    """Sorted by the time they finished, which defines "earlier" and "before".

    Of those that finished at one instant, one whose commit is an ancestor of another's comes
    before it; otherwise they go by what they are (`_tie_key`). Nothing in the order depends on
    the organisation, so the same history gives the same numbers in every store.
    """
    keys = keys or MatchKeys()
    unique = {deployment.id: deployment for deployment in deployments}
    by_finish = sorted(unique.values(), key=_finish)
    ordered: list[Deployment] = []
    for _, tied in groupby(by_finish, key=_finish):
        ordered += _ties_in_order(sorted(tied, key=_tie_key), repositories, keys)
    return ordered


def _finish(deployment: Deployment) -> int:
    return deployment.finished_at_ns


_GENERATED_ID = re.compile("[0-9a-f]{16}")


def _tie_key(deployment: Deployment) -> tuple[int, str, tuple[bool, str], str, str]:
    """Start, id if the sender chose it, version, commit, id.

    An id of the form that the store generates is a hash with the organisation in it, or that of
    the store an export came from: it comes last. Code points sort as their UTF-8 bytes do.
    """
    id_, version = deployment.id, deployment.version
    return (
        deployment.started_at_ns,
        "" if _GENERATED_ID.fullmatch(id_) else id_,
        (version is not None, version or ""),
        deployment.git.commit_sha if deployment.git else "",
        id_,
    )


def _ties_in_order(
    tied: Sequence[Deployment], repositories: Mapping[str, Repository], keys: MatchKeys
) -> Sequence[Deployment]:
    """Deployments of one instant, given by their keys, with ancestors first."""
    commits = {commit for each in tied if (commit := _known_commit(each, repositories, keys))}
    if len(commits) < 2:
        return tied
    below = _ancestors(commits, repositories)
    ordered: list[Deployment] = []
    while tied:
        left = {commit for each in tied if (commit := _known_commit(each, repositories, keys))}
        for chosen in tied:
            commit = _known_commit(chosen, repositories, keys)
            if commit is None or below[commit].isdisjoint(left):
                ordered.append(chosen)
                tied = [each for each in tied if each is not chosen]
                break
    return ordered


def _known_commit(
    deployment: Deployment, repositories: Mapping[str, Repository], keys: MatchKeys
) -> _Commit | None:
    git = deployment.git
    key = keys.key(git.repository_id) if git else ""
    if not git or not (repository := repositories.get(key)):
        return None
    return (key, git.commit_sha) if git.commit_sha in repository.commits else None


def _ancestors(
    commits: Collection[_Commit], repositories: Mapping[str, Repository]
) -> Mapping[_Commit, set[_Commit]]:
    """The ancestors of each commit among the others; none for two that are in a circle."""
    found = {
        (id_, sha): {
            (id_, ancestor)
            for ancestor in repositories[id_].ancestry.ancestors_among(
                sha, {other for of, other in commits if of == id_ and other != sha}
            )
        }
        for id_, sha in commits
    }
    return {
        commit: {each for each in ancestors if commit not in found[each]}
        for commit, ancestors in found.items()
    }


class CodeHistory:
    """An index of the code at each position, to find earlier positions with the same code.

    Two deployments have the same code if both have a SHA and it is the same of the same
    repository, however that is named, or, where one lacks a SHA, if both have the same version:
    a SHA is more exact than a version such as `latest`.
    """

    def __init__(self, keys: MatchKeys | None = None) -> None:
        self._keys = keys or MatchKeys()
        self._by_sha: dict[tuple[str, str], int] = {}
        self._by_version: dict[str, int] = {}
        self._by_version_without_sha: dict[str, int] = {}

    def add(self, position: int, deployment: Deployment) -> None:
        if code := self._code(deployment):
            self._by_sha[code] = position
        if version := deployment.version:
            self._by_version[version] = position
            if not deployment.git:
                self._by_version_without_sha[version] = position

    def latest_same(self, deployment: Deployment) -> int | None:
        """The last position so far with the same code."""
        code, version = self._code(deployment), deployment.version or ""
        if code is None:
            return self._by_version.get(version)
        by_sha = self._by_sha.get(code)
        by_version = self._by_version_without_sha.get(version)
        if by_sha is None or by_version is None:
            return by_version if by_sha is None else by_sha
        return max(by_sha, by_version)

    def latest_version(self, version: str) -> int | None:
        """The last position so far with this version."""
        return self._by_version.get(version)

    def _code(self, deployment: Deployment) -> tuple[str, str] | None:
        git = deployment.git
        return (self._keys.key(git.repository_id), git.commit_sha) if git else None
