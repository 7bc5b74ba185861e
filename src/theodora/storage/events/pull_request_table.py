"""The columns of pull requests as searches see them."""

from collections.abc import Mapping
from typing import LiteralString

from theodora.events.pull_requests import PullRequestEvent
from theodora.query.fields import Field, Kind, Tag, Target
from theodora.storage.engine.condition import Condition
from theodora.storage.engine.cursor import Row
from theodora.storage.events.tables import SideValues, decode_texts

COLUMNS: tuple[LiteralString, ...] = (
    *("id", "repository_id", "number", "title", "author", "branch", "base", "url", "state"),
    *("labels", "reviewers", "commit_shas", "is_bot", "number_of_commits", "additions"),
    *("deletions", "first_commit_at_ns", "opened_at_ns", "ready_at_ns", "first_reviewed_at_ns"),
    *("approved_at_ns", "merged_at_ns", "closed_at_ns"),
)
"""The columns that `from_row` reads, in order."""

SELECT: LiteralString = ", ".join([f"e.{column}" for column in COLUMNS])

_SHIPPED: LiteralString = (
    "pull_request_deployments x JOIN deployments d ON d.org = x.org AND d.key = x.deployment "
    "WHERE x.org = e.org AND x.repository = e.repository AND x.number = e.number"
)
_FIRST: LiteralString = (
    f"FROM {_SHIPPED} AND x.in_production = 1 ORDER BY d.finished_at_ns, d.id LIMIT 1"
)
_COMPUTED: Mapping[str, LiteralString] = {
    "deployed_at_ns": f"(SELECT d.finished_at_ns {_FIRST})",
    "time_to_deploy": "(SELECT CASE WHEN d.started_at_ns >= e.merged_at_ns THEN "
    f"(d.started_at_ns - e.merged_at_ns + 500000000) / 1000000000 END {_FIRST})",
}
"""Columns that follow from the deployments that shipped a pull request."""
_STORED: frozenset[LiteralString] = frozenset(
    (
        *COLUMNS,
        *("number_of_reviewers", "lines", "updated_at_ns"),
        *("cycle_time", "time_to_ready", "review_time", "merge_time"),
    )
)
_OF_DEPLOYMENTS: Mapping[str, LiteralString] = {
    "service": "d.service",
    "env": "d.env",
    "team": "d.team",
    "version": "d.version",
}
_ARRAYS = ("label", "reviewer", "commit_sha")
_ELEMENTS: LiteralString = (
    "pull_request_elements x WHERE x.org = e.org AND x.repository = e.repository "
    "AND x.number = e.number"
)


class PullRequestTable:
    """The table of pull requests; there is one value, so identity is equality."""

    kind = Kind.PULL_REQUEST
    production = Condition(f"EXISTS (SELECT 1 FROM {_SHIPPED} AND x.in_production = 1)")

    def side_values(self, target: Target) -> SideValues | None:
        """Arrays, and the values of deployments; None for other fields and for tags."""
        if isinstance(target, Tag):
            return None
        if target.name in _ARRAYS:
            return SideValues(_ELEMENTS, Condition("x.field = ?", (target.name,)), "x.value")
        if value := _OF_DEPLOYMENTS.get(target.name):
            return SideValues(_SHIPPED, Condition(f"{value} IS NOT NULL"), value)
        return None

    def column(self, field: Field) -> LiteralString | None:
        """The column of table `e`, or what is computed in its place."""
        source = field.source(self.kind)
        if source is None or source.column is None:
            return None
        computed = _COMPUTED.get(source.column)
        if computed is not None:
            return computed
        return next((f"e.{each}" for each in _STORED if each == source.column), None)


PULL_REQUESTS = PullRequestTable()


def from_row(row: Row) -> PullRequestEvent:
    """The pull request of a row, without the deployments that shipped it."""
    (
        id_, repository_id, number, title, author, branch, base, url, state,
        labels, reviewers, commit_shas, is_bot, number_of_commits, additions,
        deletions, first_commit_at_ns, opened_at_ns, ready_at_ns, first_reviewed_at_ns,
        approved_at_ns, merged_at_ns, closed_at_ns,
    ) = row  # fmt: skip
    return PullRequestEvent(
        id=id_,
        repository_id=repository_id,
        number=number,
        title=title or "",
        author=author or "",
        branch=branch or "",
        base=base or "",
        url=url or "",
        labels=decode_texts(labels),
        reviewers=None if reviewers is None else decode_texts(reviewers),
        commit_shas=decode_texts(commit_shas),
        number_of_commits=number_of_commits,
        additions=additions,
        deletions=deletions,
        is_draft=state == "draft",
        is_bot=bool(is_bot),
        first_commit_at_ns=first_commit_at_ns,
        opened_at_ns=opened_at_ns,
        ready_at_ns=ready_at_ns,
        first_reviewed_at_ns=first_reviewed_at_ns,
        approved_at_ns=approved_at_ns,
        merged_at_ns=merged_at_ns,
        closed_at_ns=closed_at_ns,
    )
