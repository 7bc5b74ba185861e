"""The deployments of one service to one environment, in the order that derivation goes by."""

from collections.abc import Iterable, Mapping

import msgspec

from theodora.dora.commits import Repository
from theodora.dora.overrides import Override
from theodora.dora.settings import ServiceSettings
from theodora.events import Deployment, Failure


class DeploymentSequence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the derivation of one service in one environment depends on."""

    deployments: tuple[Deployment, ...]
    """In any order. A deployment given twice counts once, as given last."""
    repositories: Mapping[str, Repository] = {}
    """By repository id. One that is missing has no commits and no source of them."""
    settings: ServiceSettings = ServiceSettings()
    overrides: tuple[Override, ...] = ()
    """In the order they were given: the last one of a deployment counts.

    Those of other sequences that name a deployment of this one as remediation belong here too.
    """
    incidents: tuple[Failure, ...] = ()
    """Incidents of the service; they matter only if the settings let them mark failures."""
    finished_elsewhere_ns: Mapping[str, int] = {}
    """When deployments of other sequences finished that `overrides` name, by id."""


def in_order(deployments: Iterable[Deployment]) -> list[Deployment]:
    """By the time they finished, then by id: the only meaning of "earlier" and "before".

    Code points sort as their UTF-8 bytes do, so ids are compared as a database would.
    """
    unique = {deployment.id: deployment for deployment in deployments}
    return sorted(unique.values(), key=order)


def order(deployment: Deployment) -> tuple[int, str]:
    return deployment.finished_at_ns, deployment.id


class CodeHistory:
    """Which code ran at which position, to find where a deployment's code ran before.

    Two deployments have the same code if both have a SHA and it is the same of the same
    repository, or, where one lacks a SHA, if both have the same version: a SHA says more
    than a version such as `latest`.
    """

    def __init__(self) -> None:
        self._by_sha: dict[tuple[str, str], int] = {}
        self._by_version: dict[str, int] = {}
        self._by_version_without_sha: dict[str, int] = {}

    def add(self, position: int, deployment: Deployment) -> None:
        if code := _code(deployment):
            self._by_sha[code] = position
        if version := deployment.version:
            self._by_version[version] = position
            if not deployment.git:
                self._by_version_without_sha[version] = position

    def latest_same(self, deployment: Deployment) -> int | None:
        """The last position so far with the same code."""
        code, version = _code(deployment), deployment.version or ""
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


def _code(deployment: Deployment) -> tuple[str, str] | None:
    git = deployment.git
    return (git.repository_id, git.commit_sha) if git else None
