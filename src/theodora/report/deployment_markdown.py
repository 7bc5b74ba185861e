"""A deployment as Markdown, for the channel of an incident."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from theodora.dora.derivation.explanation import CommitExplained
from theodora.events import Deployment
from theodora.report import wording
from theodora.report.clock import Clock
from theodora.report.links import VERDICTS
from theodora.report.markdown import safe_name

_MOST_COMMITS = 5


class DeploymentContext(NamedTuple):
    """What is known about a deployment besides the event."""

    preceding: Deployment | None
    remedy: Deployment | None
    commits: Sequence[CommitExplained]
    commits_total: int
    compare_link: str
    """At the repository's host; empty if that is not known."""
    page_link: str


def deployment_markdown(event: Deployment, context: DeploymentContext, clock: Clock) -> str:
    """A line of what and whether it failed, then a list; names from events are escaped."""
    return "\n".join(map(wording.visible, _lines(event, context, clock)))


def _lines(event: Deployment, context: DeploymentContext, clock: Clock) -> Iterator[str]:
    _, verdict = VERDICTS[event.change_failure]
    yield f"{deployment_words(event)}: {verdict.lower()}"
    finished = clock.zoned_moment(event.finished_at_ns)
    yield f"- Finished {finished}, took {wording.duration(event.duration)}"
    if context.preceding:
        yield f"- Before it: {_version(context.preceding)}"
    if event.remediation:
        after = wording.duration(event.recovery_time_sec, "a time not known")
        by = f" by {_version(context.remedy)}" if context.remedy else ""
        yield f"- Fixed{by} after {after} ({event.remediation.type})"
    elif event.change_failure:
        yield "- Not fixed yet"
    yield from commit_lines(context.commits, context.commits_total)
    if context.compare_link:
        yield f"- Changes: {context.compare_link}"
    yield f"- {context.page_link}"


def deployment_words(event: Deployment) -> str:
    """What was deployed, and where to, escaped."""
    to_env = f" to {safe_name(event.env)}" if event.env else ""
    return f"**{safe_name(event.service)} {_version(event)}**{to_env}"


def _version(event: Deployment) -> str:
    """Its version or id, escaped, and its commit in short."""
    sha = f" ({event.git.commit_sha[:7]})" if event.git else ""
    return f"{safe_name(event.version or event.id)}{sha}"


def commit_lines(commits: Sequence[CommitExplained], total: int) -> Iterator[str]:
    """How many commits there are, and the first of them as a list below."""
    if not total:
        return
    yield f"- {wording.counted(total, 'commit')}"
    for commit in commits[:_MOST_COMMITS]:
        request = f" (#{commit.pull_request})" if commit.pull_request else ""
        yield f"  - {safe_name(commit.subject) or commit.sha[:7]}{request}"
    if total > _MOST_COMMITS:
        yield f"  - and {total - _MOST_COMMITS} more"
