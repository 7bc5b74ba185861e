"""A made-up company's two years of deployments and incidents, believable and always the same.

Six services of three teams, each with its own pace, size of change and share of trouble. A
deployment to production follows one to staging; a bad one is rolled back to the version
before it, or followed by a fix.
"""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from theodora.events import Deployment, Failure, Git

SOURCE = "demo"
YEARS = 2

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Service:
    """How a made-up service lives."""

    name: str
    team: str
    language: str
    per_week: float
    """Deployments to production in a working week, at the end; the pace grows over time."""
    minutes: float
    """A deployment's usual length."""
    trouble: float
    """Share of deployments to production that have to be undone or mended."""


SERVICES = (
    Service("checkout", "payments", "java", 9, 7, 0.08),
    Service("payment-gateway", "payments", "go", 5, 4, 0.05),
    Service("catalogue", "storefront", "python", 12, 3, 0.06),
    Service("web", "storefront", "typescript", 22, 5, 0.09),
    Service("search", "discovery", "rust", 4, 11, 0.12),
    Service("recommendations", "discovery", "python", 2, 19, 0.15),
)

_REGIONS = ("eu-west-1", "us-east-1")
_SEVERITIES = ("SEV-1", "SEV-2", "SEV-2", "SEV-3", "SEV-3", "SEV-3")
_SYMPTOMS = (
    "answers with errors",
    "is slower than promised",
    "shows stale data",
    "does not start in one region",
    "loses sessions",
)


@dataclass(frozen=True, slots=True)
class _Release:
    """A version of a service."""

    service: Service
    number: int

    @property
    def version(self) -> str:
        return f"v{1 + self.number // 400}.{self.number // 20 % 20}.{self.number % 20}"

    @property
    def git(self) -> Git:
        name = f"{self.service.name} {self.number}"
        sha = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()
        return Git(sha, f"https://github.com/shopist/{self.service.name}")


def demo_events(now: datetime, seed: int = 1) -> Iterator[Deployment | Failure]:
    """All events up to `now`, service by service, each service's in order of time."""
    for service in SERVICES:
        yield from _history(service, now, random.Random(f"{seed} {service.name}"))  # noqa: S311 - not for secrets


def _history(service: Service, now: datetime, rng: random.Random) -> Iterator[Deployment | Failure]:
    instants = list(_working_instants(service, now, rng))
    for number, (at, following) in enumerate(pairwise([*instants, now]), 1):
        release = _Release(service, number)
        yield _deployment(release, "staging", at - timedelta(minutes=rng.uniform(20, 180)), rng)
        yield _deployment(release, "production", at, rng)
        if number > 1 and rng.random() < service.trouble:
            after = at + timedelta(minutes=rng.lognormvariate(3.6, 0.9))
            if after < min(following, now):
                yield from _trouble(release, at, after, rng)


def _working_instants(service: Service, now: datetime, rng: random.Random) -> Iterator[datetime]:
    """When production was deployed to: mostly on working days and in working hours."""
    start = now - timedelta(days=365 * YEARS)
    at = start
    while True:
        grown = 0.4 + 0.6 * ((at - start) / (now - start))
        at += timedelta(days=rng.expovariate(service.per_week * grown / 7))
        if at >= now - timedelta(minutes=30):
            return
        hour = min(22, max(6, rng.gauss(13, 2.5)))
        placed = at.replace(hour=int(hour), minute=rng.randrange(60), second=rng.randrange(60))
        if placed.weekday() < 5 and at < placed < now - timedelta(minutes=30):
            at = placed
            yield placed


def _trouble(
    release: _Release, since: datetime, until: datetime, rng: random.Random
) -> Iterator[Deployment | Failure]:
    """A release did not work: back to the one before, or on to a fix, and maybe an incident."""
    if rng.random() < 0.7:
        remedy, tags = _Release(release.service, release.number - 1), ("trigger:rollback",)
    else:
        remedy, tags = release, ("trigger:hotfix",)
    if remedy is release:
        yield _deployment(release, "production", until, rng, tags=tags, suffix="-hotfix")
    else:
        yield _deployment(remedy, "production", until, rng, tags=tags)
    if rng.random() < 0.5:
        yield Failure(
            services=(release.service.name,),
            env="production",
            team=release.service.team,
            name=f"{release.service.name} {rng.choice(_SYMPTOMS)}",
            severity=rng.choice(_SEVERITIES),
            started_at_ns=_ns(since + timedelta(minutes=rng.uniform(1, 5))),
            finished_at_ns=_ns(until + timedelta(minutes=rng.uniform(5, 10))),
            version=release.version,
            source=SOURCE,
        )


def _deployment(
    release: _Release,
    env: str,
    finished: datetime,
    rng: random.Random,
    *,
    tags: tuple[str, ...] = (),
    suffix: str = "",
) -> Deployment:
    service = release.service
    length = timedelta(minutes=service.minutes * rng.uniform(0.7, 1.6))
    return Deployment(
        service=service.name,
        env=env,
        team=service.team,
        version=release.version + suffix,
        started_at_ns=_ns(finished - length),
        finished_at_ns=_ns(finished),
        git=release.git,
        custom_tags=(
            f"language:{service.language}",
            f"region:{rng.choice(_REGIONS)}",
            f"build:{1000 + release.number}",
            *tags,
        ),
        source=SOURCE,
    )


def _ns(instant: datetime) -> int:
    return int(instant.astimezone(UTC).timestamp()) * _SECOND_NS
