"""Derivation from scratch and after one late event, against git itself.

First, deployments of 200 services are derived in a store: rows and commits are read, and what
differs is written. Then real histories are derived in memory, and a late event in a store.

The yardstick is what one would run without Theodora: `git log prev..this` for each deployment.
The repositories are built anew from the stored facts with `git fast-import`; the command runs
on a sample of deployments spread evenly over each history, and the time for all is
extrapolated from that and said to be.

`python -m bench.derivation 100000` for so many deployments in the store.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

from bench.results import note
from bench.world import BENCH, PutOut, load, load_commits
from bench.world import histories as world_histories
from theodora.dora import Commit, DeploymentSequence, Repository, derive
from theodora.dora.derivation.sequence import in_order
from theodora.events import Deployment
from theodora.events.values import SECOND_NS
from theodora.storage import Organisation, Store

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from dora.histories import SERVICES, SHARED, sequences

_SAMPLE = 150
_LATE_EVENTS = 9
_REF = "refs/heads/rebuilt"

History = Mapping[str, DeploymentSequence]
"""The sequences of one service by env."""


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _in_a_store(count, Path(folder))
    if not SHARED.exists():
        sys.exit(f"{SHARED} is not there")
    histories = {service: sequences(service) for service in SERVICES}
    with tempfile.TemporaryDirectory() as folder:
        _from_scratch(histories, Path(folder))
        _one_late_event(histories, Path(folder))


def _in_a_store(count: int, folder: Path) -> None:
    with Store(f"sqlite:///{folder / 'scratch.db'}") as store:
        org = store.keys.ensure_organisation("default", 1, actor=BENCH).result()
        load(store, org, (each.deployment for each in world_histories(count)), count)
        load_commits(store, org, count)
        began, processor = time.perf_counter(), time.process_time()
        sequences = store.derivations.derive_all_queued(actor=BENCH)
        seconds = time.perf_counter() - began
        processor = time.process_time() - processor
    longest = _longest(count)
    of_git = _git_seconds({"": longest}, folder / "longest.git")
    of_git *= count / len(longest.deployments)
    print(
        f"in a store: {count:,} deployments of {sequences} sequences in {seconds:.1f} s "
        f"({processor:.1f} s of the processor)\n"
        f"  git: {of_git:.0f} s, extrapolated from {_SAMPLE} deployments of the longest; "
        f"git/theodora {of_git / seconds:.0f} x\n"
    )
    note("derivation in a store", count, 1_000 * seconds, 1_000 * of_git, "ms", "git log")


def _longest(count: int) -> DeploymentSequence:
    """The sequence of the repository that is deployed most often."""
    made: defaultdict[str, list[PutOut]] = defaultdict(list)
    for each in world_histories(count):
        assert each.deployment.git
        made[each.deployment.git.repository_id].append(each)
    id_, longest = max(made.items(), key=lambda item: len(item[1]))
    commits = {commit.sha: commit for each in longest for commit in each.commits}
    return DeploymentSequence(
        deployments=tuple(
            msgspec.structs.replace(each.deployment, id=str(at)) for at, each in enumerate(longest)
        ),
        repositories={id_: Repository(commits=commits)},
    )


def _from_scratch(histories: Mapping[str, History], folder: Path) -> None:
    print("from scratch           deployments   commits  theodora        git   git/theodora")
    total = [0.0, 0.0]
    for service, history in histories.items():
        derived_seconds = _timed_derivation(history)
        git_seconds = _git_seconds(history, folder / f"{service}.git")
        total = [total[0] + derived_seconds, total[1] + git_seconds]
        deployments = sum(len(sequence.deployments) for sequence in history.values())
        commits = len(_commits(history))
        print(
            f"  {service:<20} {deployments:>11,} {commits:>9,} {derived_seconds:>8.2f} s "
            f"{git_seconds:>8.1f} s {git_seconds / derived_seconds:>10.0f} x"
        )
    print(f"  {'all':<42} {total[0]:>8.2f} s {total[1]:>8.1f} s {total[1] / total[0]:>10.0f} x")
    print(f"  git: extrapolated from {_SAMPLE} deployments of each sequence")
    ours, theirs = (1_000 * each for each in total)
    note("derivation of real histories in memory", None, ours, theirs, "ms", "git log")


def _timed_derivation(history: History) -> float:
    began = time.perf_counter()
    for sequence in history.values():
        derive(sequence)
    return time.perf_counter() - began


def _git_seconds(history: History, repository: Path) -> float:
    """What `git log prev..this` takes for every deployment, from a sample of them."""
    shas = _rebuilt(_commits(history), repository)
    return sum(
        _log_seconds(_ranges(in_order(sequence.deployments), shas), repository)
        for sequence in history.values()
    )


def _ranges(deployments: Sequence[Deployment], shas: Mapping[str, str]) -> list[str]:
    known = [shas[each.git.commit_sha] for each in deployments if each.git]
    return [f"{before}..{this}" for before, this in pairwise(known)]


def _log_seconds(ranges: Sequence[str], repository: Path) -> float:
    sample = ranges[:: max(1, len(ranges) // _SAMPLE)]
    began = time.perf_counter()
    for each in sample:
        _git(repository, "log", "--format=%H %P %at %ct %s", each)
    return (time.perf_counter() - began) / len(sample) * len(ranges)


def _commits(history: History) -> Mapping[str, Commit]:
    (repository,) = {
        id(each): each for s in history.values() for each in s.repositories.values()
    }.values()
    return repository.commits


def _rebuilt(commits: Mapping[str, Commit], repository: Path) -> Mapping[str, str]:
    """A repository with the same graph, times and subjects; its SHAs by those given."""
    subprocess.run(["git", "init", "--bare", "--quiet", str(repository)], check=True)
    marks = repository / "marks"
    ordered = list(_parents_first(commits))
    number = {commit.sha: index for index, commit in enumerate(ordered, 1)}
    stream = b"".join(_fast_import(commit, number) for commit in ordered)
    _git(repository, "fast-import", "--quiet", f"--export-marks={marks}", stdin=stream)
    by_number = dict(line.split() for line in marks.read_text().splitlines())
    every_sha = "\n".join(by_number.values()).encode()
    _git(repository, "commit-graph", "write", "--stdin-commits", stdin=every_sha)
    return {sha: by_number[f":{index}"] for sha, index in number.items()}


def _fast_import(commit: Commit, number: Mapping[str, int]) -> bytes:
    author, committer = (
        f"{role} a <a@example.org> {max(0, time_ns // SECOND_NS)} +0000\n"
        for role, time_ns in (
            ("author", commit.author_time_ns),
            ("committer", commit.commit_time_ns),
        )
    )
    message = commit.subject.encode()
    known = [number[parent] for parent in commit.parents if parent in number]
    names = [f"{'from' if index == 0 else 'merge'} :{each}\n" for index, each in enumerate(known)]
    own = number[commit.sha]
    head = f"reset {_REF}\n" if not known else ""
    lines = f"{head}commit {_REF}\nmark :{own}\n{author}{committer}"
    return b"".join(
        [
            lines.encode(),
            f"data {len(message)}\n".encode() + message + b"\n",
            "".join(names).encode(),
            b"\n",
        ]
    )


def _parents_first(commits: Mapping[str, Commit]) -> Iterator[Commit]:
    done: set[str] = set()
    for start in commits:
        pending = [start]
        while pending:
            commit = commits.get(pending[-1])
            waiting = (
                [p for p in commit.parents if p in commits and p not in done] if commit else []
            )
            if waiting and commit and commit.sha not in done:
                pending += waiting
                continue
            pending.pop()
            if commit and commit.sha not in done:
                done.add(commit.sha)
                yield commit


def _git(repository: Path, *arguments: str, stdin: bytes = b"") -> None:
    subprocess.run(
        ["git", "-C", str(repository), *arguments],
        input=stdin,
        stdout=subprocess.DEVNULL,
        check=True,
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull},
    )


def _one_late_event(histories: Mapping[str, History], folder: Path) -> None:
    """From the event being durable to everything it changes being durable, worker's work alone."""
    longest = max(
        (sequence for history in histories.values() for sequence in history.values()),
        key=lambda sequence: len(sequence.deployments),
    )
    with Store(f"sqlite:///{folder / 'late.db'}") as store:
        org = store.keys.ensure_organisation("default", 1, actor=BENCH).result()
        _store(store, org, longest)
        began = time.perf_counter()
        store.derivations.derive_all_queued(actor=BENCH)
        print(f"\nlongest sequence stored, read and derived: {time.perf_counter() - began:.2f} s")
        seconds = sorted(_late(store, org, longest))
    print(
        f"one late event in its middle: median {seconds[len(seconds) // 2] * 1000:.0f} ms, "
        f"best {seconds[0] * 1000:.0f} ms, worst {seconds[-1] * 1000:.0f} ms"
    )


def _store(store: Store, org: Organisation, sequence: DeploymentSequence) -> None:
    added = [store.deployments.add(org, each, 1, actor=BENCH) for each in sequence.deployments]
    for id_, repository in sequence.repositories.items():
        store.commits.add_commits(org, id_, list(repository.commits.values()), actor=BENCH).result()
    for future in added:
        future.result()


def _late(store: Store, org: Organisation, sequence: DeploymentSequence) -> Iterable[float]:
    ordered = in_order(sequence.deployments)
    middle = ordered[len(ordered) // 2]
    for number in range(_LATE_EVENTS):
        late = msgspec.structs.replace(
            middle,
            id=f"late-{number}",
            version=f"late-{number}",
            finished_at_ns=middle.finished_at_ns - 1 - number,
        )
        store.deployments.add(org, late, 1, actor=BENCH).result()
        began = time.perf_counter()
        store.derivations.derive_all_queued(actor=BENCH)
        yield time.perf_counter() - began


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
