"""Synthetic deployments to measure on: many services of unequal size over two years."""

import random
import sys
import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import apsw
import click
import msgspec

from theodora.dora import Commit
from theodora.dora.derivation.stages import STAGES
from theodora.dora.metrics.columns import UNKNOWN_NS
from theodora.events import Deployment, Git
from theodora.storage import Actor, Organisation, Store
from theodora.storage.derivation.commit_times import Measured

BENCH = Actor("command", "bench")

SERVICES = 200
TEAMS = 20
YEARS_NS = 2 * 365 * 86_400 * 10**9
END_NS = 1_790_000_000 * 10**9

_SERVICE_NAMES = [f"service-{number:03d}" for number in range(SERVICES)]
_SERVICE_WEIGHTS = [1 / (number + 1) for number in range(SERVICES)]
_STORED_AT_ONCE = 512
_COMMITS_AT_ONCE = 2_000
_MOST_DERIVED = 200_000
_ROLLED_BACK = 0.08
_GAP_NS = 60 * 86_400 * 10**9


def deployments(count: int, seed: int = 1) -> Iterator[Deployment]:
    """`count` deployments in order of time; two years however many there are."""
    rng = random.Random(seed)
    step_ns = YEARS_NS // count
    for number in range(count):
        yield deployment(number, END_NS - YEARS_NS + number * step_ns, rng)


def deployment(number: int, started_at_ns: int, rng: random.Random) -> Deployment:
    """One deployment with five tags, one of them rare."""
    service = rng.choices(_SERVICE_NAMES, _SERVICE_WEIGHTS)[0]
    seconds = int(rng.lognormvariate(5, 0.8))
    rare = f"incident:{number}" if number % 100_000 == 7 else f"shard:{rng.randrange(64)}"
    return Deployment(
        service=service,
        env=rng.choice(("production", "production", "staging", "development")),
        team=f"team-{int(service[-3:]) % TEAMS:02d}",
        version=f"v{number // 10_000}.{number // 100 % 100}.{number % 100}",
        started_at_ns=started_at_ns,
        finished_at_ns=started_at_ns + seconds * 10**9,
        git=Git(f"{rng.getrandbits(160):040x}", f"https://github.com/acme/{service}"),
        custom_tags=(
            f"language:{rng.choice(('java', 'go', 'python', 'rust'))}",
            f"region:{rng.choice(('us-east-1', 'eu-west-1', 'ap-south-1'))}",
            f"department:{rng.randrange(12)}",
            f"build:{number}",
            rare,
        ),
    )


@dataclass
class Line:
    """The commits of one service and env, each on the one before, as they are put out."""

    heads: list[str] = field(default_factory=list)
    """What the last two deployments put out."""
    newest: str = ""
    finished_at_ns: int = 0

    def put_out(self, deployment: Deployment, rng: random.Random) -> "PutOut":
        """What a deployment ships, no earlier than a second after the one before it."""
        finished_at_ns = max(deployment.finished_at_ns, self.finished_at_ns + 10**9)
        commits: list[Commit] = []
        is_measured = 0 < finished_at_ns - self.finished_at_ns <= _GAP_NS and bool(self.heads)
        if len(self.heads) == 2 and self.heads[0] != self.heads[1] and rng.random() < _ROLLED_BACK:
            head = self.heads[0]
        else:
            commits = [self._commit(finished_at_ns, rng) for _ in range(rng.randint(1, 6))]
            head = self.newest
        self.heads = [*self.heads[-1:], head]
        self.finished_at_ns = finished_at_ns
        repository = f"https://github.com/acme/{deployment.service}-{deployment.env}"
        return PutOut(
            msgspec.structs.replace(
                deployment, finished_at_ns=finished_at_ns, git=Git(head, repository)
            ),
            commits,
            [finished_at_ns - each.author_time_ns for each in commits] if is_measured else [],
        )

    def _commit(self, finished_at_ns: int, rng: random.Random) -> Commit:
        """Written half a day to some days before."""
        written_ns = finished_at_ns - int(rng.lognormvariate(11.3, 1.3)) * 10**9
        parents = (self.newest,) if self.newest else ()
        self.newest = f"{rng.getrandbits(160):040x}"
        return Commit(
            sha=self.newest, parents=parents, author_time_ns=written_ns, commit_time_ns=written_ns
        )


@dataclass(frozen=True)
class PutOut:
    """A deployment, the commits that are new in it, and the lead times these ought to have."""

    deployment: Deployment
    commits: list[Commit]
    lead_times_ns: list[int]


def histories(count: int, seed: int = 1) -> Iterator[PutOut]:
    """`count` deployments of about 3.5 commits each; some go back to the one before the last."""
    rng = random.Random(seed)
    lines: defaultdict[tuple[str, str | None], Line] = defaultdict(Line)
    for event in deployments(count, seed):
        yield lines[event.service, event.env].put_out(event, rng)


@dataclass(frozen=True)
class LeadTimes:
    """The lead times of every commit, one deployment's after another's."""

    counts: list[int]
    spans_ns: list[int]


def lead_times(count: int) -> LeadTimes:
    """What the deployments of `measured` ought to have, in their order."""
    found = LeadTimes([], [])
    for each in histories(count):
        found.counts.append(len(each.lead_times_ns))
        found.spans_ns.extend(each.lead_times_ns)
    return found


def stored(count: int, folder: Path) -> Path:
    """A database of `count` deployments, made on first use and kept in `folder`."""
    return _made(folder / f"deployments-{count}.db", count, deployments(count))


def measured(count: int, folder: Path) -> Path:
    """Likewise, with the commits that each deployment put out and what is derived of them.

    Of more deployments than are derived in some minutes, the lead times that they ought to have
    are written down instead, and no commits.
    """
    path = folder / f"histories-{count}.db"
    events = (each.deployment for each in histories(count))
    if count > _MOST_DERIVED:
        return _made(path, count, events, partial(_write_lead_times, count))
    _made(path, count, events, partial(_add_commits, count))
    with Store(f"sqlite:///{path}") as store:
        # What an older version derived, a migration may have marked to be derived anew.
        store.derivations.derive_all_queued(actor=BENCH)
    return path


def _made(
    path: Path,
    count: int,
    events: Iterator[Deployment],
    complete: Callable[[Path], None] | None = None,
) -> Path:
    """Makes a database of deployments, and completes it, unless there is one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        with Store(f"sqlite:///{unfinished}") as store:
            org = store.keys.ensure_organisation("default", time.time_ns(), actor=BENCH).result()
            load(store, org, events, count)
            store.derivations.derive_all_queued(actor=BENCH)
        if complete is not None:
            complete(unfinished)
        unfinished.rename(path)
    return path


def load(store: Store, org: Organisation, events: Iterator[Deployment], count: int) -> None:
    """Stores `count` deployments, with a progress bar."""
    with _progress(events, count, "storing {:,} deployments") as bar:
        # One loop in all: the bar shows the end after the first.
        each = iter(bar)
        while some := list(islice(each, _STORED_AT_ONCE)):
            store.deployments.add_all(org, some, END_NS, actor=BENCH).result()


def _add_commits(count: int, path: Path) -> None:
    """Has them derived, too."""
    with Store(f"sqlite:///{path}") as store:
        load_commits(store, store.keys.organisation("default"), count)
        store.derivations.derive_all_queued(actor=BENCH)


def load_commits(store: Store, org: Organisation, count: int) -> None:
    """Stores the commits of `histories`, with a progress bar."""
    waiting: defaultdict[str, list[Commit]] = defaultdict(list)
    with _progress(histories(count), count, "storing commits of {:,} deployments") as bar:
        for each in bar:
            assert each.deployment.git
            repository = each.deployment.git.repository_id
            commits = waiting[repository]
            commits.extend(each.commits)
            if len(commits) > _COMMITS_AT_ONCE:
                store.commits.add_commits(org, repository, commits, actor=BENCH).result()
                commits.clear()
    for repository, commits in waiting.items():
        store.commits.add_commits(org, repository, commits, actor=BENCH).result()


def _write_lead_times(count: int, path: Path) -> None:
    """As derivation does, of which the smaller worlds show that it finds the same."""
    connection = apsw.Connection(str(path))
    with connection, _progress(histories(count), count, "writing lead times of {:,}") as bar:
        keys = connection.execute("SELECT org, key FROM deployments ORDER BY key").fetchall()
        for (org, key), each in zip(keys, bar, strict=True):
            if each.lead_times_ns:
                spans = array("q")
                for lead_time_ns in each.lead_times_ns:
                    spans.extend((lead_time_ns, *[UNKNOWN_NS] * len(STAGES)))
                found = Measured(spans.tobytes(), negative_spans=0)
                connection.execute(
                    "INSERT INTO deployment_measures "
                    "(org, deployment, spans, negative_spans, digest) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT (org, deployment) DO UPDATE "
                    "SET spans = excluded.spans, digest = excluded.digest",
                    (org, key, found.spans, found.negative_spans, found.digest),
                )
    connection.close()


def _progress(items: Iterable[Any], count: int, label: str) -> Any:
    return click.progressbar(items, length=count, label=label.format(count), file=sys.stderr)
