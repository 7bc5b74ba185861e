"""The explanation of a deployment as text."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

import msgspec

from theodora.dora.derivation.explanation import (
    CommitExplained,
    Explanation,
    FailureExplained,
    LeadTimeExplained,
    LinkExplained,
    OverrideExplained,
    TypeExplained,
)
from theodora.report.wording import visible


def explanation_lines(explained: Explanation, most_commits: int) -> Iterator[str]:
    """The lines, with at most so many commits; what comes from events is on one line each."""
    return map(visible, _lines(explained, most_commits))


def _lines(explained: Explanation, most_commits: int) -> Iterator[str]:
    env = explained.env or "none"
    yield f"{explained.service} in {env}, deployment {explained.id}"
    yield from _facts(
        version=explained.version,
        commit=explained.commit_sha,
        repository=explained.repository_id,
        finished=explained.finished_at,
    )
    if before := explained.preceding:
        named = before.version or before.commit_sha or "no version"
        yield f"  after       {before.id} ({named}), finished {before.finished_at}"
    yield ""
    yield from _lead_time(explained.lead_time, most_commits)
    yield ""
    yield from _failure(explained.failure)
    yield ""
    yield from _type(explained.type)
    yield from _section("Flags", (f"{each.flag}: {each.meaning}" for each in explained.flags))
    yield from _section("Would explain more with", explained.missing)


def _facts(**facts: str | None) -> Iterator[str]:
    for name, fact in facts.items():
        if fact is not None:
            yield f"  {name:<11} {fact}"


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    entries = [f"  {line}" for line in lines]
    if entries:
        yield ""
        yield f"{title}:"
        yield from entries


def _lead_time(explained: LeadTimeExplained, most_commits: int) -> Iterator[str]:
    yield f"Lead time: {_span(explained.avg)} on average ({explained.status}: {explained.meaning})"
    for commit in explained.commits[:most_commits]:
        yield from _commit(commit)
    more = len(explained.commits) - most_commits
    if more > 0:
        yield f"  ... and {more:,} more (--format json)"
    for commit in explained.left_out[:most_commits]:
        yield f"  {commit.sha[:10]} not counted: {commit.reason}; {commit.subject}"


def _commit(commit: CommitExplained) -> Iterator[str]:
    yield f"  {commit.sha[:10]} {_span(commit.lead_time):>12}  {commit.subject}"
    stages = msgspec.structs.asdict(commit.stages) if commit.stages else {}
    known = [f"{name} {_span(span)}" for name, span in stages.items() if span]
    if known:
        yield f"{'':25}{', '.join(known)}"
    if commit.squashed_into:
        yield f"{'':25}an original of the squash {commit.squashed_into[:10]}"
    for flag in commit.flags:
        yield f"{'':25}{flag}"


_SAID = {True: "it failed", False: "it did not fail", None: "not known yet"}


def _failure(explained: FailureExplained) -> Iterator[str]:
    yield f"Change failure: {_SAID[explained.change_failure]} (by {explained.decided_by})"
    yield from map(_remedied_by, explained.marked_by)
    if explained.override:
        yield f"  override: {_override(explained.override)}"
    for incident in explained.incident_ids:
        yield f"  incident {incident} names it"
    if remediation := explained.remediation:
        yield f"  {remediation.type} {remediation.id}, after {_span(explained.recovery_time)}"


def _type(explained: TypeExplained) -> Iterator[str]:
    yield f"Deployment type: {explained.deployment_type}"
    if explained.given_by:
        yield f"  override: {_override(explained.given_by)}"
    for rule in explained.rules:
        yield f"  rule {rule.rule}: {rule.meaning}"
        for match in rule.matches:
            captured = f', which names "{match.captured}"' if match.captured else ""
            yield f'    {match.field} "{match.text}"{captured}: {match.meaning}'
    for link in explained.remedied:
        yield f"  marks {link.failed_id} as failed, by rule {link.rule}"


def _remedied_by(link: LinkExplained) -> str:
    text = f' on {link.field} "{link.text}"' if link.text else ""
    return f"  {link.type} {link.remediation_id} marks it, by rule {link.rule}{text}"


def _override(override: OverrideExplained) -> str:
    said = [f"{override.deployment_id}: {_SAID[override.change_failure]}"]
    if override.remediation_type:
        named = override.remediation_id or f"version {override.remediation_version}"
        said.append(f"{override.remediation_type} {named}")
    said += [f"it caused failure {id_}" for id_ in override.failure_ids]
    given = " ".join(
        part
        for part in (
            f"by {override.by}" if override.by else "",
            f"at {override.at}" if override.at else "",
            f'because "{override.reason}"' if override.reason else "",
        )
        if part
    )
    return ", ".join(said) + (f" ({given})" if given else "")


def _span(seconds: float | None) -> str:
    return "none" if seconds is None else str(timedelta(seconds=round(seconds)))
