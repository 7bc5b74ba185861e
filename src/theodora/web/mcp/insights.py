"""The tool for insights: what changed beyond chance, and what needs attention."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from theodora.report.insight import Insight
from theodora.report.insight_facts import read_insights
from theodora.web.api.insights import Grouping, read_question
from theodora.web.mcp.caller import PeriodArguments, ToolCaller


class InsightsArguments(PeriodArguments, frozen=True):
    """Which period to look at."""

    group_by: Annotated[Grouping, Meta(description="What sentences are about.")] = "service"
    timezone: Annotated[str, Meta(description="An IANA zone, in which days begin.")] = "UTC"


def list_insights(caller: ToolCaller, arguments: InsightsArguments) -> str:
    """The sentences of the overview, each with the page that shows it."""
    given = caller.with_instants(msgspec.to_builtins(arguments))
    scope, key = read_question(caller.store, caller.organisation, given.items(), caller.now_ns)
    _, found = read_insights(caller.store, caller.organisation, key, scope)
    return "\n".join(
        (
            *_listed(caller, "What changed", found.changes, "nothing that chance does not explain"),
            *_listed(caller, "What needs attention", found.needs, "nothing"),
        )
    )


def _listed(caller: ToolCaller, title: str, found: Sequence[Insight], nothing: str) -> list[str]:
    if not found:
        return [f"{title}: {nothing}"]
    return [f"{title}:", *(f"- {each.text} {caller.link(each.link)}" for each in found)]
