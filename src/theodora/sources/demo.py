"""The demo: half a year of a made-up company's deployments, commits and incidents.

Eight services of four teams: one gets better month by month, one is flaky, one takes days for
a change, two share a repository, one comes without commits. What went wrong is rolled back,
reverted or fixed, and some verdicts have an override.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

from theodora.dora import Commit, PullRequest
from theodora.events import Deployment, Failure, Git, repository_id
from theodora.events.activity import UserActivity
from theodora.sources.demo_changes import (
    DemoChange,
    MainLine,
    demo_activity,
    nanoseconds,
    sha_of,
)
from theodora.sources.demo_company import (
    DEMO_OVERRIDES,
    REASONS,
    REGIONS,
    SERVICES,
    SETTINGS,
    SEVERITIES,
    SYMPTOMS,
    VERBS,
    DemoOverride,
    Service,
)
from theodora.storage import OverrideAuthor, OverrideRecord, OverrideValues

SOURCE = "demo"
DAYS = 182

_WORKING_DAYS = 5
_SETTLED = timedelta(minutes=30)
"""Before now: the newest releases are over by then."""

StepKind = Literal["release", "rollback", "revert", "hotfix"]


@dataclass(frozen=True, slots=True)
class DemoHistory:
    """The events, commits and verdicts to load."""

    commits: Mapping[str, Sequence[Commit]]
    """By repository id, as pull requests."""
    pull_requests: Mapping[str, Sequence[PullRequest]]
    events: Sequence[Deployment | Failure]
    settings: Mapping[str, Mapping[str, Any]]
    """By service."""
    verdicts: Sequence[OverrideRecord]
    activity: Sequence[UserActivity]
    """Of AI coding tools."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A deployment to production and its new changes."""

    kind: StepKind
    at: datetime
    staged: datetime | None
    """When it was deployed to staging; None for what cannot wait."""
    changes: tuple[DemoChange, ...] = ()


def demo_history(now: datetime, seed: int = 1) -> DemoHistory:
    """The half year up to `now`."""
    plans = {service: _plan(service, now, _dice(seed, service.name)) for service in SERVICES}
    lines = _main_lines(plans, now)
    events: list[Deployment | Failure] = []
    verdicts: list[OverrideRecord] = []
    for service, steps in plans.items():
        life = _Life(service, lines.get(service.repository or ""), _dice(seed, f"{service.name} 2"))
        made = life.events(steps, now)
        events += made
        corrections = [each for each in DEMO_OVERRIDES if each.service == service.name]
        verdicts += _overrides(corrections, life.in_production, life.failed)
    return DemoHistory(
        commits={repository_id(line.url): line.commits for line in lines.values()},
        pull_requests={
            repository_id(line.url): [
                *line.pull_requests,
                *(line.open_requests(now) if line is next(iter(lines.values())) else ()),
            ]
            for line in lines.values()
        },
        events=[*events, *_special_failures(now)],
        settings=SETTINGS,
        verdicts=verdicts,
        activity=demo_activity((now - timedelta(days=DAYS)).date(), now.date()),
    )


def _dice(seed: int, name: str) -> random.Random:
    return random.Random(f"{seed} {name}")  # noqa: S311 - not for secrets


def _main_lines(plans: Mapping[Service, Sequence[_Step]], now: datetime) -> dict[str, MainLine]:
    """The repositories by name, with the changes of all services that live there."""
    changes: dict[str, list[DemoChange]] = {}
    for service, steps in plans.items():
        if service.repository:
            made = (change for step in steps for change in step.changes)
            changes.setdefault(service.repository, []).extend(made)
    begun = now - timedelta(days=DAYS + 30)
    return {name: MainLine(name, begun, made) for name, made in changes.items()}


def _plan(service: Service, now: datetime, dice: random.Random) -> list[_Step]:
    """The releases, and the fixes of those that fail."""
    steps: list[_Step] = []
    begun = now - timedelta(days=DAYS)
    instants = list(_working_instants(service, begun, now, dice))
    for before, at in pairwise([begun, *instants]):
        staged = at - min(timedelta(minutes=dice.uniform(20, 120)), (at - before) * 0.4)
        since = steps[-1].at if steps else begun
        release = _Step("release", at, staged, _changes(service, since, staged, now, dice))
        steps.append(release)
    return [
        step
        for release, following in pairwise([*steps, None])
        if release
        for step in _with_remedy(
            service, release, following.staged if following else None, now, dice
        )
    ]


def _figure_at(at: datetime, begin_and_end: tuple[float, float], now: datetime) -> float:
    """A figure that goes evenly from its first value to its second, which it has `now`."""
    begin, end = begin_and_end
    return end + (begin - end) * ((now - at) / timedelta(days=DAYS))


def _working_instants(
    service: Service, begun: datetime, now: datetime, dice: random.Random
) -> Iterator[datetime]:
    """The times of deployments to production: on working days, in working hours."""
    midnight = begun.replace(hour=0, minute=0, second=0, microsecond=0)
    for day in range(DAYS + 1):
        morning = midnight + timedelta(days=day)
        if morning.weekday() < _WORKING_DAYS:
            expected = _figure_at(morning, service.per_week, now) / _WORKING_DAYS
            instants = {_moment(morning, dice) for _ in range(_poisson(expected, dice))}
            yield from sorted(at for at in instants if begun < at < now - _SETTLED)


def _moment(morning: datetime, dice: random.Random) -> datetime:
    """Some time of the day, mostly around one o'clock."""
    return morning + timedelta(seconds=int(3_600 * min(21, max(7, dice.gauss(13, 2.5)))))


def _poisson(expected: float, dice: random.Random) -> int:
    """How many events of a kind happen where so many are expected."""
    count, passed = 0, dice.expovariate(1)
    while passed < expected:
        count += 1
        passed += dice.expovariate(1)
    return count


def _changes(
    service: Service, since: datetime, until: datetime, now: datetime, dice: random.Random
) -> tuple[DemoChange, ...]:
    """Changes merged after one release and in time for the next."""
    if not service.repository:
        return ()
    return tuple(
        _change(service, until - (until - since) * dice.uniform(0.02, 0.7), now, dice)
        for _ in range(dice.choice((1, 1, 2, 3)))
    )


def _change(service: Service, merged: datetime, now: datetime, dice: random.Random) -> DemoChange:
    hours = _figure_at(merged, service.lead_hours, now) * dice.lognormvariate(0, 0.7)
    span = timedelta(hours=hours)
    ready = merged - span * dice.uniform(0.3, 0.7)
    is_shared = service.folder != "src" and dice.random() < 0.08
    return DemoChange(
        title=f"{dice.choice(VERBS)} {dice.choice(service.things)} {dice.choice(REASONS)}",
        path=f"{'shared' if is_shared else service.folder}/{dice.randrange(40)}.txt",
        begun=merged - span,
        ready=ready,
        approved=ready + (merged - ready) * dice.uniform(0.4, 0.95)
        if dice.random() < 0.9
        else None,
        merged=merged,
        commits=dice.choice((1, 1, 2, 2, 3, 5)),
        method="squash" if dice.random() < 0.75 else "merge",
        was_draft=dice.random() < 0.3,
    )


def _with_remedy(
    service: Service,
    release: _Step,
    following: datetime | None,
    now: datetime,
    dice: random.Random,
) -> Iterator[_Step]:
    """The release, and its fix if it fails."""
    yield release
    if dice.random() >= _figure_at(release.at, service.trouble, now):
        return
    at = release.at + timedelta(minutes=dice.lognormvariate(3.7, 0.8))
    if at >= (following or now - _SETTLED):
        return
    kind: StepKind = dice.choice(("rollback", "rollback", "revert", "hotfix"))
    if kind == "rollback" or not release.changes:
        yield _Step("rollback", at, None)
    else:
        yield _Step(kind, at, None, (_fix(kind, service, release, at),))


def _fix(kind: StepKind, service: Service, release: _Step, at: datetime) -> DemoChange:
    """A quick change that reverts or fixes the release."""
    broken = release.changes[-1]
    span = at - release.at
    title = f'Revert "{broken.title}"' if kind == "revert" else f"Fix {service.things[0]}"
    return DemoChange(
        title=title,
        path=broken.path,
        begun=release.at + span * 0.3,
        ready=release.at + span * 0.4,
        approved=release.at + span * 0.5,
        merged=release.at + span * 0.6,
        branch=kind,
        labels=("hotfix",) if kind == "hotfix" else (),
    )


class _Life:
    """Turns what a service planned into events, one step after another."""

    def __init__(self, service: Service, line: MainLine | None, dice: random.Random) -> None:
        self._service = service
        self._line = line
        self._dice = dice
        self._released: list[tuple[str, Git | None]] = []
        """Version and commit of each release."""
        self.in_production: list[Deployment] = []
        self.failed: set[str] = set()
        """Ids of deployments that needed a fix."""

    def events(self, steps: Iterable[_Step], now: datetime) -> list[Deployment | Failure]:
        made: list[Deployment | Failure] = []
        for step in steps:
            if step.kind == "rollback" and len(self._released) < 2:
                continue
            made += self._deployments(step)
            if step.kind != "release":
                made += self._remedied(step)
        if self._service.name == "search":
            made.append(self._unknown(now - timedelta(minutes=25)))
        return made

    def _deployments(self, step: _Step) -> Iterator[Deployment]:
        if step.kind == "rollback":
            self._released.pop()
        else:
            self._released.append(self._release(step))
        version, git = self._released[-1]
        if step.staged:
            yield self._deployment(self._service.staging, step.staged, version, git)
        deployed = self._deployment(self._service.production, step.at, version, git)
        self.in_production.append(deployed)
        yield deployed

    def _release(self, step: _Step) -> tuple[str, Git | None]:
        number = len(self.in_production)
        version = f"v{1 + number // 200}.{number // 10 % 20}.{number % 10}"
        if self._line is None:
            return version, None
        return version, Git(self._line.head_at(step.staged or step.at), self._line.url)

    def _remedied(self, step: _Step) -> Iterator[Failure]:
        """Notes the failure of the release before, which about every other time is an incident."""
        failed = self.in_production[-2]
        self.failed.add(failed.id)
        if self._dice.random() < 0.5:
            service = self._service
            yield Failure(
                id=sha_of(f"incident {failed.id}")[:16],
                services=(service.name,),
                env=service.production,
                team=service.team if service.sends_team else None,
                name=f"{service.name} {self._dice.choice(SYMPTOMS)}",
                severity=self._dice.choice(SEVERITIES),
                started_at_ns=failed.finished_at_ns + self._dice.randrange(60, 300) * 10**9,
                finished_at_ns=nanoseconds(step.at) + self._dice.randrange(300, 900) * 10**9,
                version=failed.version,
                source=SOURCE,
            )

    def _unknown(self, finished: datetime) -> Deployment:
        """A deployment whose commits have not been uploaded yet."""
        assert self._line is not None, "only a service with commits awaits more"
        git = Git(sha_of("not uploaded yet"), self._line.url)
        return self._deployment(self._service.production, finished, "v9.0.0", git)

    def _deployment(
        self, env: str, finished: datetime, version: str, git: Git | None
    ) -> Deployment:
        service = self._service
        length = timedelta(minutes=service.minutes * self._dice.uniform(0.7, 1.6))
        return Deployment(
            id=sha_of(f"{service.name} {env} {version} {nanoseconds(finished)}")[:16],
            service=service.name,
            env=env,
            team=service.team if service.sends_team else None,
            version=version,
            started_at_ns=nanoseconds(finished - length),
            finished_at_ns=nanoseconds(finished),
            git=git,
            custom_tags=(
                f"language:{service.language}",
                f"region:{self._dice.choice(REGIONS)}",
            ),
            source=SOURCE,
        )


def _special_failures(now: datetime) -> Iterator[Failure]:
    """One incident of two services, and one that is still open."""
    yield Failure(
        id=sha_of("two services")[:16],
        services=("checkout", "payment-gateway"),
        env="production",
        name="Payments are refused",
        severity="SEV-1",
        started_at_ns=nanoseconds(now - timedelta(days=11, hours=5)),
        finished_at_ns=nanoseconds(now - timedelta(days=11, hours=2)),
        source=SOURCE,
    )
    yield Failure(
        id=sha_of("still open")[:16],
        services=("search",),
        env="production",
        team="discovery",
        name="search is slower than promised",
        severity="SEV-2",
        started_at_ns=nanoseconds(now - timedelta(hours=3)),
        source=SOURCE,
    )


def _overrides(
    corrections: Iterable[DemoOverride], deployments: Sequence[Deployment], failed: set[str]
) -> Iterator[OverrideRecord]:
    """Overrides of deployments that the rules take for the opposite, set on the next day."""
    for correction in corrections:
        opposite = [
            (each, after)
            for each, after in pairwise(deployments)
            if (each.id in failed) != correction.failed and after.id not in failed
        ]
        deployment, after = opposite[int(correction.place * (len(opposite) - 1))]
        verdict = OverrideValues(correction.failed)
        if correction.failed:
            verdict = OverrideValues(True, after.id, None, "rollforward")  # noqa: FBT003 - said so above
        given_at_ns = after.finished_at_ns + timedelta(hours=1) // timedelta(microseconds=1) * 1_000
        yield OverrideRecord(
            deployment.id, verdict, OverrideAuthor(correction.by, given_at_ns, correction.reason)
        )
        if correction.is_taken_back:
            taken_back_at_ns = given_at_ns + 7_200 * 10**9
            yield OverrideRecord(
                deployment.id, None, OverrideAuthor(correction.by, taken_back_at_ns, "")
            )
