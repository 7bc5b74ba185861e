"""A queue of imported items on their way to the store, which counts the outcomes."""

import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import click

from theodora.cli.invocation import command_actor
from theodora.cli.terminal import safe_lines
from theodora.dora import Commit, PullRequest
from theodora.events import Deployment, Failure
from theodora.storage import Organisation, OverrideRecord, Store
from theodora.storage.engine.audit import AuditValues

T = TypeVar("T")

Settle = Callable[[], Mapping[Any, int]]
"""Waits until the items are durable; returns how often each outcome occurred."""

HandOver = Callable[[Sequence[T]], Iterator[Settle]]

COMMITS_AT_ONCE = 1_000
DEPLOYMENTS_AT_ONCE = 512
"""Written in some hundredths of a second: others that write wait for no longer."""

_IN_FLIGHT = 512
"""Items handed to the store and not yet known to be durable."""
_PAUSE_SECONDS = 0.002
"""Between two groups, so that others can write: a SQLite file has no queue of writers."""
_SHOWN = 20
"""Rejections that are shown one by one."""


class Intake(Generic[T]):
    """Takes items one by one and hands them over in batches."""

    def __init__(self, hand_over: HandOver[T], at_once: int = 1) -> None:
        self._hand_over = hand_over
        self._at_once = at_once
        self._gathered: list[T] = []
        self._in_flight: deque[Settle] = deque()
        self._outcomes: Counter[str] = Counter()

    @property
    def kept_out(self) -> int:
        return self._outcomes["rejected"]

    @property
    def outcomes(self) -> Mapping[str, int]:
        """How often each outcome has occurred so far."""
        return dict(self._outcomes)

    def take(self, thing: T) -> None:
        self._gathered.append(thing)
        if len(self._gathered) >= self._at_once:
            self._pass_on()

    def keep_out(self, message: str) -> None:
        """Count a rejection and show its message; of many, only the first."""
        self._outcomes["rejected"] += 1
        if self.kept_out <= _SHOWN:
            click.echo(safe_lines(message), err=True)
        elif self.kept_out == _SHOWN + 1:
            click.echo("more lines were rejected; not shown", err=True)

    def finish(self) -> str:
        """Wait until everything is durable; return a summary of the outcomes."""
        self._pass_on()
        while self._in_flight:
            self._settle()
        kinds = ("added", "replaced", "unchanged", "rejected")
        return ", ".join(f"{self._outcomes[kind]:,} {kind}" for kind in kinds)

    def _pass_on(self) -> None:
        while len(self._in_flight) * self._at_once >= _IN_FLIGHT:
            self._settle()
        if self._gathered:
            self._in_flight.extend(self._hand_over(self._gathered))
        self._gathered = []

    def _settle(self) -> None:
        self._outcomes.update(self._in_flight.popleft()())
        if self._at_once > 1:
            time.sleep(_PAUSE_SECONDS)


@contextmanager
def recorded(
    store: Store, org: Organisation, target: str, counts: Callable[[], AuditValues]
) -> Generator[None]:
    """Leaves one entry of an import in the audit log at its end, even after an error."""
    try:
        yield
    finally:
        store.audit.note(
            org, "data.imported", target, after=counts(), actor=command_actor()
        ).result()


def deployments_into(store: Store, org: Organisation) -> HandOver[Deployment]:
    """Adds deployments, all that are handed over together in one write."""
    actor = command_actor()

    def hand_over(deployments: Sequence[Deployment]) -> Iterator[Settle]:
        yield store.deployments.add_all(org, deployments, time.time_ns(), actor=actor).result

    return hand_over


def failures_into(store: Store, org: Organisation) -> HandOver[Failure]:
    """Adds failures, one by one; one that is late does not reopen what was restored."""
    actor = command_actor()

    def hand_over(failures: Sequence[Failure]) -> Iterator[Settle]:
        for failure in failures:
            now_ns = time.time_ns()
            placed = store.failures.add(org, failure, now_ns, may_be_late=True, actor=actor)
            yield lambda placed=placed: {placed.result().outcome: 1}

    return hand_over


def commits_into(store: Store, org: Organisation) -> HandOver[tuple[str, Commit]]:
    """Adds commits, those of a repository together."""
    actor = command_actor()

    def hand_over(given: Sequence[tuple[str, Commit]]) -> Iterator[Settle]:
        for repository_id, commits in _by_repository(given).items():
            yield store.commits.add_commits(org, repository_id, commits, actor=actor).result

    return hand_over


def pull_requests_into(store: Store, org: Organisation) -> HandOver[tuple[str, PullRequest]]:
    """Adds pull requests, those of a repository together."""
    actor = command_actor()

    def hand_over(given: Sequence[tuple[str, PullRequest]]) -> Iterator[Settle]:
        for repository_id, pull_requests in _by_repository(given).items():
            yield store.commits.add_pull_requests(
                org, repository_id, pull_requests, actor=actor
            ).result

    return hand_over


def verdicts_into(store: Store, org: Organisation) -> HandOver[OverrideRecord]:
    """Adds verdicts, one by one."""
    actor = command_actor()

    def hand_over(acts: Sequence[OverrideRecord]) -> Iterator[Settle]:
        for act in acts:
            added = store.verdicts.add(org, act, actor=actor)
            yield lambda added=added: {added.result(): 1}

    return hand_over


def _by_repository(given: Sequence[tuple[str, T]]) -> dict[str, list[T]]:
    together: dict[str, list[T]] = {}
    for repository_id, thing in given:
        together.setdefault(repository_id, []).append(thing)
    return together
