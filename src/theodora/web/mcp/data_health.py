"""The tool for data health: the findings of the page's checks, counted, the worst named."""

from collections.abc import Iterator

from theodora.events.values import SECOND_NS
from theodora.report import wording
from theodora.web.mcp.caller import NoArguments, ToolCaller
from theodora.web.pages.data_health import (
    CHECKS,
    PATH,
    HealthFindings,
    findings_of,
    reasons_of,
    waits_long,
)

_MOST_NAMED = 5


def check(caller: ToolCaller, _: NoArguments) -> str:
    """A line for each check that found something, and the worst of what it found."""
    health = caller.store.health.look(caller.organisation)
    found = findings_of(health, caller.now_ns)
    lines = [
        f"- {CHECKS[name][0]}: {wording.counted(count, CHECKS[name][1])}, "
        f"{caller.link(f'{PATH}?check={name}')}"
        for name, count in found.counts().items()
        if count
    ]
    if waits_long(health.waiting, caller.now_ns):
        lines.append("- Changes wait to be derived: metrics are behind.")
    looked_at = wording.counted(len(health.deployments), "deployment")
    heading = f"Checked the newest {looked_at}."
    return "\n".join((heading, *(lines or ["Nothing found."]), *_worst(found, caller.now_ns)))


def _worst(found: HealthFindings, now_ns: int) -> Iterator[str]:
    silent = [source for source in found.sources if source.is_stale]
    for source in silent[:_MOST_NAMED]:
        since = wording.duration((now_ns - source.last_ns) / SECOND_NS)
        usual = wording.duration(source.gap_sec)
        yield f"Source {wording.visible(source.name)} is silent for {since}; usual gap {usual}."
    for repository in found.unmatched[:_MOST_NAMED]:
        named = wording.visible(repository.repository_id)
        yield f"No commits of repository {named} are known ({repository.deployments} deployments)."
    for check_name, what in (("commits", "without lead times"), ("pending", "pending")):
        for why, count in reasons_of(found.deployments[check_name])[:_MOST_NAMED]:
            counted = wording.counted(count, "deployment")
            yield f"{counted} {what}: {wording.visible(why)}."
