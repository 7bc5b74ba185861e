"""A failure as Markdown, for the channel of an incident."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from theodora.dora.derivation.explanation import CommitExplained
from theodora.events import Deployment, Failure
from theodora.events.values import SECOND_NS
from theodora.report import wording
from theodora.report.clock import Clock
from theodora.report.deployment_markdown import commit_lines, deployment_words
from theodora.report.markdown import safe_name

_MOST_SERVICES = 10


class LinkedDeployment(NamedTuple):
    """A deployment that caused a failure, or that the failure names."""

    deployment: Deployment
    commits: Sequence[CommitExplained]
    commits_total: int
    compare_link: str
    """At the repository's host; empty if that is not known."""
    page_link: str


class FailureContext(NamedTuple):
    """What is known about a failure besides the event."""

    linked: Sequence[LinkedDeployment]
    linked_total: int
    """How many there are, shown or not."""
    page_link: str


def failure_markdown(failure: Failure, context: FailureContext, clock: Clock, now_ns: int) -> str:
    """A line of what and for how long, then a list; names from events are escaped."""
    return "\n".join(map(wording.visible, _lines(failure, context, clock, now_ns)))


def _lines(failure: Failure, context: FailureContext, clock: Clock, now_ns: int) -> Iterator[str]:
    severity = f" ({safe_name(failure.severity)})" if failure.severity else ""
    yield f"**{safe_name(failure.name or failure.id)}**{severity}: {_state(failure, now_ns)}"
    if failure.services:
        yield f"- {_services(failure)}"
    if failure.team:
        yield f"- Team: {safe_name(failure.team)}"
    yield f"- Started {clock.zoned_moment(failure.started_at_ns)}"
    if failure.finished_at_ns is not None:
        yield f"- Restored {clock.zoned_moment(failure.finished_at_ns)}"
    for each in context.linked:
        yield from _linked_lines(failure, each)
    if context.linked_total > len(context.linked):
        yield f"- And {context.linked_total - len(context.linked)} more linked deployments"
    yield f"- {context.page_link}"


def _state(failure: Failure, now_ns: int) -> str:
    if failure.finished_at_ns is not None:
        return f"restored after {wording.duration(failure.time_to_restore, 'a time not known')}"
    return f"open for {wording.duration(max(0, now_ns - failure.started_at_ns) / SECOND_NS)}"


def _services(failure: Failure) -> str:
    named = ", ".join(map(safe_name, failure.services[:_MOST_SERVICES]))
    more = len(failure.services) - _MOST_SERVICES
    in_env = f" in {safe_name(failure.env)}" if failure.env else ""
    word = "Service" if len(failure.services) == 1 else "Services"
    return f"{word}: {named}{f' and {more} more' if more > 0 else ''}{in_env}"


def _linked_lines(failure: Failure, linked: LinkedDeployment) -> Iterator[str]:
    """The deployment, with what it shipped as a list below."""
    event = linked.deployment
    finished = _finished(failure, event)
    yield f"- Linked deployment: {deployment_words(event)}, finished {finished}"
    for line in commit_lines(linked.commits, linked.commits_total):
        yield f"  {line}"
    if linked.compare_link:
        yield f"  - Changes: {linked.compare_link}"
    yield f"  - {linked.page_link}"


def _finished(failure: Failure, deployment: Deployment) -> str:
    span_sec = (failure.started_at_ns - deployment.finished_at_ns) / SECOND_NS
    return "after it began" if span_sec < 0 else f"{wording.duration(span_sec)} before it"
