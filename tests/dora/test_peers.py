"""The test data of other projects, where their definitions and ours meet, and where they part."""

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from dora.shop import lead_times
from pooling import pooled
from theodora.dora.derivation.commits import Commit, PullRequest, Repository
from theodora.dora.derivation.derive import derive
from theodora.dora.derivation.derived import Derived
from theodora.dora.derivation.incidents import incidents_by_deployment
from theodora.dora.derivation.sequence import DeploymentSequence, in_order
from theodora.dora.metrics.rows import deployment_row
from theodora.events import Deployment, Failure, Git

SHARED = Path(__file__).parents[3] / "shared" / "data"
DEVLAKE = SHARED / "devlake"
METRIK = SHARED / "peers" / "metrik"

pytestmark = pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not there")

REPOSITORY = "example.org/app"
MINUTE_NS = 60 * 10**9
MILLISECOND_NS = 10**6


def sequence(
    deployments: Iterable[Deployment],
    commits: Iterable[Commit],
    pull_requests: Iterable[PullRequest] = (),
) -> DeploymentSequence:
    graph = {commit.sha: commit for commit in commits}
    repository = Repository(commits=graph, pull_requests=tuple(pull_requests))
    return DeploymentSequence(deployments=tuple(deployments), repositories={REPOSITORY: repository})


def deployment(id_: str, finished_at_ns: int, sha: str, service: str = "app") -> Deployment:
    return Deployment(
        id=id_,
        service=service,
        started_at_ns=finished_at_ns,
        finished_at_ns=finished_at_ns,
        git=Git(sha, f"https://{REPOSITORY}"),
    )


def commit(sha: str, time_ns: int = 0, parents: Iterable[str] = ()) -> Commit:
    return Commit(sha=sha, parents=tuple(parents), author_time_ns=time_ns, commit_time_ns=time_ns)


# --- Apache DevLake


def table(*path: str) -> list[dict[str, str]]:
    with DEVLAKE.joinpath(*path).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def instant_ns(text: str) -> int:
    """DevLake writes both `2023-04-10T06:51:47.000+00:00` and `2023-4-10 6:51:47`."""
    if "T" in text:
        moment = datetime.fromisoformat(text)
    else:
        moment = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    return int(moment.timestamp()) * 10**9


def test_the_deployment_before_is_the_one_devlake_finds():
    """Failed runs are not deployments; scope, repository and environment make a sequence."""
    given = table("dora/prev_success_deployment_commit", "cicd_deployment_commits_before.csv")
    expected = table("dora/prev_success_deployment_commit", "cicd_deployment_commits_after.csv")
    found = {row["id"]: "" for row in given}
    for _, rows in groupby(sorted(given, key=_scope), key=_scope):
        finished = [
            deployment(row["id"], instant_ns(row["finished_date"]), row["commit_sha"])
            for row in rows
            if row["result"] == "SUCCESS"
        ]
        ids = [each.id for each in in_order(finished)]
        found |= dict(zip(ids[1:], ids, strict=False))
    assert found == {row["id"]: row["prev_success_deployment_commit_id"] for row in expected}


def _scope(row: Mapping[str, str]) -> tuple[str, ...]:
    return row["cicd_scope_id"], row["repo_url"], row["environment"]


def test_new_commits_are_those_devlake_finds_but_for_the_first_deployment():
    """DevLake gives a first deployment its whole history; here it is a baseline."""
    parents: dict[str, list[str]] = {
        row["commit_sha"]: [] for row in table("refdiff", "repo_commits.csv")
    }
    for row in table("refdiff", "commit_parents.csv"):
        parents[row["commit_sha"]].append(row["parent_commit_sha"])
    given = [
        deployment(row["id"], instant_ns(row["started_date"]), row["commit_sha"])
        for row in table("refdiff", "cicd_deployment_commits.csv")
        if row["repo_url"] == "REPO111"
    ]
    first, *others = derive(
        sequence(given, (commit(sha, 0, each) for sha, each in parents.items()))
    )

    expected: dict[str, set[str]] = {}
    for row in table("refdiff", "commits_diffs.csv"):
        expected.setdefault(row["new_commit_sha"], set()).add(row["commit_sha"])
    assert first.changes.status == "baseline"
    assert expected.pop("commit_sha1") == {"commit_sha1", "commit_sha6"}
    assert {_sha(each): set(lead_times(each)) for each in others} == expected


def _sha(derived: Derived) -> str:
    assert derived.deployment.git
    return derived.deployment.git.commit_sha


@pytest.fixture
def first_commits() -> dict[str, Any]:
    """The first commit of each pull request of DevLake's lead time test, as derived here."""
    commits: dict[str, list[Commit]] = {}
    for row in table("dora/change_lead_time", "pull_request_commits.csv"):
        written = commit(row["commit_sha"], instant_ns(row["commit_authored_date"]))
        commits.setdefault(row["pull_request_id"], []).append(written)
    pull_requests = [
        PullRequest(
            number=int(row["id"].removeprefix("pr")),
            merge_commit_sha=row["merge_commit_sha"],
            merge_method="squash",
            commits=tuple(commits[row["id"]]),
            created_at_ns=instant_ns(row["created_date"]),
            merged_at_ns=instant_ns(row["merged_date"]),
        )
        for row in table("dora/change_lead_time", "pull_requests.csv")
        if row["id"] in commits
    ]
    return {
        f"pr{each.pull_request}": each
        for repository in ("REPO111", "REPO222")
        for derived in derive(_lead_time_history(repository, pull_requests))
        for each in sorted(derived.changes.commits, key=lambda each: -each.time_ns)
    }


def _lead_time_history(repository: str, pull_requests: list[PullRequest]) -> DeploymentSequence:
    """Each range of DevLake's as a line: what was deployed before, the merges, the deployed."""
    given = [
        deployment(row["id"], instant_ns(row["finished_date"]), row["commit_sha"])
        for row in table("dora/change_lead_time", "cicd_deployment_commits.csv")
        if (row["cicd_scope_id"], row["repo_url"]) == ("cicd1", repository)
        and row["environment"] == "PRODUCTION"
    ]
    merges: dict[str, list[str]] = {}
    for row in table("dora/change_lead_time", "commits_diffs.csv"):
        merges.setdefault(row["new_commit_sha"], []).append(row["commit_sha"])
    line = [
        sha
        for each in given
        if each.git
        for sha in (*merges.get(each.git.commit_sha, ()), each.git.commit_sha)
    ]
    graph = [commit(sha, 0, line[index - 1 : index]) for index, sha in enumerate(line)]
    return sequence(given, graph, pull_requests)


def minutes(span_ns: int | None) -> int | None:
    """Rounded up, as DevLake does."""
    return None if span_ns is None else math.ceil(span_ns / MINUTE_NS)


def test_coding_time_of_devlake_is_our_time_to_pr_ready(first_commits):
    expected = {row["id"]: row for row in table("dora/change_lead_time", "project_pr_metrics.csv")}
    for name in ("pr1", "pr2", "pr3"):
        found = minutes(first_commits[name].stages.time_to_pr_ready)
        assert str(found or "") == expected[name]["pr_coding_time"]


def test_deploy_time_of_devlake_is_our_time_to_deploy_but_for_commits_after_the_merge(
    first_commits,
):
    """A deployment before the merge has none, there and here (pr3). A commit dated after the
    merge waits from its own time here, so that stages add up, and from the merge there (pr2)."""
    expected = {row["id"]: row for row in table("dora/change_lead_time", "project_pr_metrics.csv")}
    deploy_times = {name: expected[name]["pr_deploy_time"] for name in ("pr1", "pr2", "pr3")}
    assert deploy_times == {"pr1": "2978", "pr2": "1538", "pr3": ""}
    found = {name: minutes(first_commits[name].stages.time_to_deploy) for name in deploy_times}
    assert found == {"pr1": 2978, "pr2": 158, "pr3": None}


def test_a_pull_request_in_a_first_deployment_stays_unmeasured(first_commits):
    assert "pr0" not in first_commits


def test_cycle_time_of_devlake_is_our_lead_time_only_where_all_is_in_order(first_commits):
    """It starts at the pull request where that is older than its first commit (pr2), and ends
    at the merge where the deployment came before (pr3). Ours runs from commit to deployment."""
    expected = {row["id"]: row for row in table("dora/change_lead_time", "project_pr_metrics.csv")}
    cycle_times = {name: int(expected[name]["pr_cycle_time"]) for name in ("pr1", "pr2", "pr3")}
    assert cycle_times == {"pr1": 4478, "pr2": 1598, "pr3": 10203}
    found = {name: minutes(first_commits[name].lead_time_ns) for name in cycle_times}
    assert found == {"pr1": 4478, "pr2": 158, "pr3": 8799}


def test_incidents_of_devlake_blame_by_time_and_ours_only_by_name():
    rows = table("dora/connect_incident_to_deployment/raw_tables", "incidents.csv")
    incidents = [
        Failure(id=row["id"], services=("app",), started_at_ns=instant_ns(row["created_date"]))
        for row in rows
    ]
    given = table(
        "dora/connect_incident_to_deployment/prev_success_deployment_commit",
        "cicd_deployment_commits_after.csv",
    )
    deployments = in_order(
        deployment(row["id"], instant_ns(row["finished_date"]), row["commit_sha"]) for row in given
    )
    assert incidents_by_deployment(incidents, deployments) == {}


# --- Thoughtworks metrik


def builds(case: str) -> list[dict[str, Any]]:
    return json.loads((METRIK / f"builds-for-{case}.json").read_text("utf-8"))


def history(case: str, *, after_baseline: bool) -> Iterator[Derived]:
    """Each pipeline as a service. A failed build brings its commits to the next that succeeds.

    Commits are named anew, for the data repeats one name. `after_baseline` puts a deployment
    before all others.
    """
    given = sorted(builds(case), key=lambda build: (str(build["pipelineId"]), build["timestamp"]))
    for pipeline, of_pipeline in groupby(given, key=lambda build: str(build["pipelineId"])):
        graph, deployments = [commit("c0")], []
        if after_baseline:
            deployments.append(deployment("d0", 0, "c0", pipeline))
        for number, build in enumerate(of_pipeline, start=1):
            for change in build["changeSets"]:
                graph.append(_next(graph, change["timestamp"] * MILLISECOND_NS))
            for stage in build["stages"]:
                if stage["name"] == "deploy to prod" and stage["status"] == "SUCCESS":
                    finished_at_ns = _done(stage) * MILLISECOND_NS
                    id_ = f"d{number}"
                    deployments.append(deployment(id_, finished_at_ns, graph[-1].sha, pipeline))
        yield from derive(sequence(deployments, graph))


def _next(graph: list[Commit], time_ns: int) -> Commit:
    return commit(f"c{len(graph)}", time_ns, [graph[-1].sha])


def _done(stage: Mapping[str, int]) -> int:
    return stage["startTimeMillis"] + stage["durationMillis"] + stage["pauseDurationMillis"]


def measured(derived: Iterable[Derived], start: int, end: int):
    """Of the deployments finished from `start` to `end`, both included as metrik has it."""
    inside = range(start * MILLISECOND_NS, end * MILLISECOND_NS + 1)
    rows = [deployment_row(each) for each in derived if each.deployment.finished_at_ns in inside]
    return pooled(rows)


@pytest.mark.parametrize(
    ("case", "start", "end", "expected"),
    [
        ("MLT-case-1", 32847923847, 328479237899, None),
        ("MLT-case-2", 0, 20, 5.0),
        ("MLT-case-3", 8, 20, 5.0),
        ("MLT-case-4", 1, 8, 5.0),
        ("MLT-case-5", 10, 14, 6.5),
        ("MLT-case-5-1", 11, 13, None),
        ("MLT-case-5-2", 8, 8, 0.0),
        ("MLT-case-5-3", 16, 18, 6.5),
        ("MLT-case-6", 13, 26, 7.5),
        ("MLT-case-7", 13, 26, 10.0),
        ("MLT-case-8", 13, 26, 10.0),
        ("MLT-case-9", 13, 17, 3.1),
        ("MLT-case-10", 13, 49, 108 / 11),
    ],
)
def test_mean_lead_times_of_metrik_are_ours_after_a_baseline(case, start, end, expected):
    """Milliseconds; metrik tests expect the same, and NaN for None."""
    found = measured(history(case, after_baseline=True), start, end).change_lead_time.mean
    assert found == (None if expected is None else pytest.approx(expected / 1_000))


@pytest.mark.parametrize(("case", "end"), [("MLT-case-2", 20), ("MLT-case-5-2", 8)])
def test_a_first_deployment_has_lead_times_in_metrik_and_none_here(case, end):
    assert measured(history(case, after_baseline=False), 0, end).change_lead_time.mean is None


@pytest.mark.parametrize(
    ("case", "start", "end"),
    [
        ("DF-case-1", 1610236800000, 1611100800000),
        ("DF-case-3", 1609286400000, 1612137600000),
    ],
)
def test_metrik_counts_the_same_deployments(case, start, end):
    found = measured(history(case, after_baseline=False), start, end)
    assert found.deployment_frequency.count == 2


def test_failures_of_metrik_are_failed_runs_which_are_no_deployments_here():
    """One of three runs failed there. Here a change fails by what has to be done about it."""
    found = measured(history("CFR-case-1", after_baseline=False), 1609459200000, 1611994800000)
    rate = found.change_failure_rate
    assert (rate.hits, rate.n) == (0, 2)


def test_metrik_restores_at_the_next_successful_run_and_here_nothing_had_failed():
    found = measured(history("MTTR-case-1", after_baseline=False), 1609459200000, 1609689600000)
    recovery = found.failed_deployment_recovery_time
    assert (recovery.n, recovery.open, recovery.mean) == (0, 0, None)
