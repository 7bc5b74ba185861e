"""What is merged but not deployed, compared with what git itself says of random histories."""

import random
from typing import Any

import pytest

from repositories import GitRepository, make_repository
from theodora.dora import Commit, DeploymentSequence, PullRequest, Repository
from theodora.dora.derivation.settings import ServiceSettings
from theodora.dora.derivation.undeployed import Undeployed, undeployed
from theodora.events import Deployment, Git

ID = "github.com/acme/shop"
KEY = ID
NONE = ServiceSettings()


def commit(sha: str, *parents: str, **more: Any) -> Commit:
    return Commit(sha=sha, parents=parents, author_time_ns=1, commit_time_ns=2, **more)


def deployment(sha: str, finished_at_ns: int = 10**18) -> Deployment:
    return Deployment(
        service="web",
        started_at_ns=finished_at_ns - 1,
        finished_at_ns=finished_at_ns,
        git=Git(sha, f"https://{ID}"),
    )


def sequence(
    commits: dict[str, Commit],
    *deployed: str,
    settings: ServiceSettings = NONE,
    **more: object,
) -> DeploymentSequence:
    return DeploymentSequence(
        deployments=tuple(deployment(sha, at * 10**9) for at, sha in enumerate(deployed, 1)),
        repositories={KEY: Repository(commits=commits, **more)},
        settings=settings,
    )


def rev_list(repository: GitRepository, *arguments: str) -> list[str]:
    """With the time of each commit in front, in seconds."""
    listed = repository.git("log", "--no-merges", "--format=%ct %H", *arguments)
    return listed.decode().split("\n")[:-1]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> GitRepository:
    """Two services in one repository; branches are merged, some of them twice."""
    rng = random.Random(7)
    made = make_repository(tmp_path_factory.mktemp("undeployed") / "repository")
    made.commit("Begin", {"web/a": "0", "api/a": "0"})
    for number in range(12):
        branch = f"branch-{number}"
        made.git("checkout", "--quiet", "-b", branch)
        for step in range(rng.randint(1, 3)):
            folder = rng.choice(("web", "api"))
            made.commit(f"Work {number}.{step}", {f"{folder}/{number}-{step}": "x"})
        made.git("checkout", "--quiet", "main")
        if rng.random() < 0.5:
            made.commit(f"Main {number}", {f"web/main-{number}": "x"})
        if rng.random() < 0.8:
            made.merge(branch)
    return made


@pytest.mark.parametrize("folder", ["", "web", "api"])
def test_it_is_what_git_lists_between_the_deployed_commit_and_the_head(
    repository: GitRepository, folder: str
) -> None:
    commits, head = repository.log(), repository.sha("main")
    settings = ServiceSettings(path_globs=(f"{folder}/**",)) if folder else NONE
    for deployed in commits:
        found = undeployed(sequence(commits, deployed, settings=settings), {KEY: head})
        listed = rev_list(repository, f"{deployed}..main", "--", *([folder] if folder else []))
        times = [int(line.split()[0]) * 10**9 for line in listed]
        assert found == Undeployed(len(times), min(times, default=None)), deployed


def test_the_newest_deployment_counts_so_after_a_rollback_commits_wait_again(
    repository: GitRepository,
) -> None:
    commits, head = repository.log(), repository.sha("main")
    assert undeployed(sequence(commits, head), {KEY: head}) == Undeployed(0, None)
    back = undeployed(sequence(commits, head, repository.sha("main~2")), {KEY: head})
    assert back
    assert back.commits == len(rev_list(repository, "main~2..main"))


def test_nothing_is_said_where_one_of_both_is_not_known(repository: GitRepository) -> None:
    commits, head = repository.log(), repository.sha("main")
    known = sequence(commits, repository.sha("main~3"))
    assert undeployed(known, {KEY: head})
    assert undeployed(known, {}) is None
    assert undeployed(known, {"github.com/acme/other": head}) is None
    assert undeployed(known, {KEY: "f" * 40}) is None
    assert undeployed(sequence(commits, "f" * 40), {KEY: head}) is None
    assert undeployed(sequence(commits), {KEY: head}) is None


def test_commits_beyond_the_cut_of_a_shallow_clone_are_not_guessed() -> None:
    old, cut, new = "a" * 40, "b" * 40, "c" * 40
    commits = {
        sha: commit(sha, *parents, is_shallow=sha == cut)
        for sha, parents in ((old, ()), (cut, ("d" * 40,)), (new, (cut,)))
    }
    assert undeployed(sequence(commits, old), {KEY: new}) is None
    assert undeployed(sequence(commits, cut), {KEY: new}) == Undeployed(1, 2)


def test_excluded_authors_do_not_wait_and_a_merge_dates_what_it_merged() -> None:
    old, own, bot = "a" * 40, "b" * 40, "c" * 40
    commits = {
        old: commit(old),
        own: commit(own, old),
        bot: commit(bot, own, author_name="renovate[bot]"),
    }
    merged = PullRequest(number=1, merge_commit_sha=own, merge_method="squash", merged_at_ns=50)
    settings = ServiceSettings(exclude_authors=("renovate*",))
    found = sequence(commits, old, settings=settings, pull_requests=(merged,))
    assert undeployed(found, {KEY: bot}) == Undeployed(1, 50)
