"""Eight real histories: deployments read off release tags, and all commits behind them."""

import gzip
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from theodora.dora.derivation.commits import Commit, Repository
from theodora.dora.derivation.sequence import DeploymentSequence
from theodora.events import Deployment, Git, repository_id

SHARED = Path(__file__).parents[3] / "shared" / "data"

SERVICES = (
    "force",
    "metaphysics",
    "positron",
    "frontend",
    "collections",
    "publishing-api",
    "content-store",
    "signal-server",
)
SHORT = ("content-store", "positron", "signal-server")
"""Those that are stored and derived within a second."""
SECOND_NS = 10**9


@cache
def sequences(service: str) -> Mapping[str, DeploymentSequence]:
    """The sequences of one service by environment. A version is unique, and its id here."""
    deployments: dict[str, list[Deployment]] = {}
    for row in _rows("deployments", service):
        deployments.setdefault(row["env"], []).append(_deployment(row))
    repositories = {repository_id(row["repository_url"]) for row in _rows("deployments", service)}
    commits = {row["sha"]: _commit(row) for row in _rows("commits", service)}
    known = dict.fromkeys(repositories, Repository(commits=commits))
    return {
        env: DeploymentSequence(deployments=tuple(each), repositories=known)
        for env, each in deployments.items()
    }


def _rows(kind: str, service: str) -> Iterator[dict[str, Any]]:
    with gzip.open(SHARED / kind / f"{service}.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _deployment(row: Mapping[str, Any]) -> Deployment:
    return Deployment(
        id=row["version"],
        service=row["service"],
        env=row["env"],
        version=row["version"],
        started_at_ns=row["started_at"],
        finished_at_ns=row["finished_at"],
        git=Git(row["commit_sha"], row["repository_url"]),
    )


def _commit(row: Mapping[str, Any]) -> Commit:
    return Commit(
        sha=row["sha"],
        parents=tuple(row["parents"]),
        author_time_ns=row["author_time"] * SECOND_NS,
        commit_time_ns=row["commit_time"] * SECOND_NS,
        subject=row["subject"],
    )
