"""One service, told in the lines of the worked examples (golden/examples.toml)."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from golden.examples import (
    REPOSITORY,
    read_commits,
    read_deployments,
    read_pull_requests,
)
from theodora.dora.derivation.commits import Repository
from theodora.dora.derivation.derive import derive
from theodora.dora.derivation.derived import Derived
from theodora.dora.derivation.overrides import Override
from theodora.dora.derivation.rule_engine import STATED_ROLLBACK
from theodora.dora.derivation.sequence import DeploymentSequence
from theodora.dora.derivation.settings import ServiceSettings
from theodora.events import Failure

HOUR = 3_600
HOUR_NS = HOUR * 10**9


def shop(
    deployments: str,
    *,
    commits: str = "",
    pull_requests: str = "",
    overrides: Iterable[Override] = (),
    incidents: Iterable[Failure] = (),
    stated_rollbacks: Collection[str] = (),
    finished_elsewhere_ns: Mapping[str, int] | None = None,
    has_commit_source: bool = True,
    **settings: Any,
) -> dict[str, Derived]:
    """What is derived of the deployments of one service, by their ids."""
    repository = Repository(
        commits={commit.sha: commit for commit in read_commits(commits)},
        pull_requests=read_pull_requests(pull_requests),
        has_commit_source=has_commit_source,
    )
    sequence = DeploymentSequence(
        deployments=tuple(
            replace(each, custom_tags=(*each.custom_tags, STATED_ROLLBACK))
            if each.id in stated_rollbacks
            else each
            for each in read_deployments(deployments)
        ),
        repositories={REPOSITORY: repository},
        settings=ServiceSettings(**settings),
        overrides=tuple(overrides),
        incidents=tuple(incidents),
        finished_elsewhere_ns=finished_elsewhere_ns or {},
    )
    return {each.deployment.id: each for each in derive(sequence)}


def lead_times(derived: Derived) -> dict[str, float | None]:
    """Hours, by commit."""
    return {
        commit.sha: None if commit.lead_time_ns is None else commit.lead_time_ns / HOUR_NS
        for commit in derived.changes.commits
    }
