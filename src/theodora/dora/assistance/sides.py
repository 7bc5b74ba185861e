"""Levels of detection, and the side that each commit is on.

Datadog docs, "AI Impact": a commit is AI-assisted by evidence of its own, or by its author's
activity on the day it was made; the most precise level that all tools share is the default.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Literal

import msgspec

from theodora.dora.assistance.shipped import ActiveDay, ShippedDeployment
from theodora.dora.derivation.authorship import Authorship

Level = Literal["commit", "user_day"]
Side = Literal["assisted", "not_assisted", "unknown"]

SIDES: tuple[Side, ...] = ("assisted", "not_assisted", "unknown")
"""`unknown`: by authors of whose activity nothing was reported; they are compared with nobody."""


class ReportedTool(msgspec.Struct, frozen=True, gc=False):
    """An assistant that was reported in the period, and how precisely."""

    name: str
    by_commit: bool
    """Whether a commit names it."""
    by_user_day: bool
    """Whether a person was active with it, by user activity."""


def reported_tools(
    deployments: Iterable[ShippedDeployment], activity: Iterable[ActiveDay], days: range
) -> tuple[ReportedTool, ...]:
    """The tools that commits of the deployments name, or that were used on one of the days."""
    by_commit = {
        tool
        for deployment in deployments
        for commit in deployment.commits
        for tool in commit.authorship.tools
    }
    by_day = {each.tool for each in activity if each.day in days}
    return tuple(
        ReportedTool(tool, tool in by_commit, tool in by_day) for tool in sorted(by_commit | by_day)
    )


def shared_level(tools: Sequence[ReportedTool]) -> Level:
    """The most precise level that all tools share; `commit` if they share none."""
    shares_commits = all(tool.by_commit for tool in tools)
    shares_days = all(tool.by_user_day for tool in tools)
    return "user_day" if shares_days and not shares_commits else "commit"


class Sides:
    """The side of each commit, at one level and by some tools."""

    def __init__(
        self, level: Level, tools: Collection[str], activity: Iterable[ActiveDay], days: range
    ) -> None:
        """`tools` are all if there are none; `days` are those of the period."""
        self._level = level
        self._tools = frozenset(tools)
        self._active: set[tuple[str, int]] = set()
        self._known: set[str] = set()
        for each in activity:
            if self._counts(each.tool):
                self._active.add((each.user_email, each.day))
            if each.day in days:
                self._known.add(each.user_email)

    def of(self, commit: Authorship) -> Side | None:
        """None for a bot's commit, which is on no side."""
        if commit.is_bot:
            return None
        if self._level == "commit":
            return "assisted" if any(map(self._counts, commit.tools)) else "not_assisted"
        if commit.day is not None and (commit.author, commit.day) in self._active:
            return "assisted"
        is_known = bool(commit.author) and commit.author in self._known
        return "not_assisted" if is_known else "unknown"

    def _counts(self, tool: str) -> bool:
        return not self._tools or tool in self._tools
