"""AI impact of the store: deployments with their commits, and the days of users, put together."""

from collections.abc import Sequence
from functools import partial

from theodora.dora.assistance.report import ImpactQuery, ImpactReport, assess
from theodora.dora.assistance.shipped import ActiveDay, ShippedDeployment
from theodora.dora.metrics.rows import REWORK_TAG
from theodora.query import Everything, Query
from theodora.storage.activity import active_days
from theodora.storage.derivation.commit_times import decode_spans
from theodora.storage.derivation.shipped_commits import decode_shipped
from theodora.storage.engine.cursor import Cursor, Row
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.tables import DEPLOYMENTS, decode_texts
from theodora.storage.facts.match_keys import match_keys
from theodora.storage.facts.settings import ProductionTrees
from theodora.storage.search.where import compile_where

_EVERYTHING = Everything()


class Assistance:
    """Every method is about one organisation and sees no other."""

    def __init__(self, database: Database, production: ProductionTrees) -> None:
        self._database = database
        self._production = production

    def report(
        self, org: Organisation, query: ImpactQuery, tree: Query = _EVERYTHING
    ) -> ImpactReport:
        """The answer to `query`, over the deployments that `tree` is true of.

        Raises `Invalid` for a period of too many intervals.
        """
        deployments, activity = self._database.read(partial(self._read, org, query, tree))
        return assess(query, deployments, activity)

    def _read(
        self, org: Organisation, query: ImpactQuery, tree: Query, cursor: Cursor
    ) -> tuple[Sequence[ShippedDeployment], Sequence[ActiveDay]]:
        deployments = self._deployments(cursor, org, query, tree)
        written = [
            commit.authorship.day
            for each in deployments
            for commit in each.commits
            if commit.authorship.day is not None
        ]
        first, last = min(written, default=query.days[0]), max(written, default=query.days[0])
        days = range(min(first, query.days[0]), max(last, query.days[-1]) + 1)
        return deployments, active_days(cursor, org, days)

    def _deployments(
        self, cursor: Cursor, org: Organisation, query: ImpactQuery, tree: Query
    ) -> Sequence[ShippedDeployment]:
        matching = compile_where(
            self._production.resolve(cursor, org, tree), DEPLOYMENTS, cursor.dialect
        )
        joined = cursor.dialect.join_in_order(
            "deployment_commits", "c", "c.org = e.org AND c.deployment = e.key"
        )
        rows = cursor.execute(
            "SELECT e.id, e.finished_at_ns, e.repository_id, e.change_failure, e.deployment_type, "
            "e.custom_tags, r.finished_at_ns - e.finished_at_ns, m.spans, c.commits, e.service, "
            "e.team, e.env "
            f"FROM deployments e {joined} "
            "LEFT JOIN deployment_measures m ON m.org = e.org AND m.deployment = e.key "
            "LEFT JOIN deployments r ON e.recovery_time_sec IS NOT NULL "
            "AND r.org = e.org AND r.id = e.remediation_id "
            "WHERE e.org = ? AND e.finished_at_ns >= ? AND e.finished_at_ns < ? "
            f"AND {matching.sql}",
            (org.key, query.period.start_ns, query.period.end_ns, *matching.values),
        ).fetchall()
        keys = match_keys(cursor, org)
        return [_deployment(row, keys.key(row[2] or "")) for row in rows]


def _deployment(row: Row, repository: str) -> ShippedDeployment:
    id_, finished_at_ns, repository_id, failure, type_, custom_tags, recovery_ns, *rest = row
    spans, commits, service, team, env = rest
    _, lead_times = decode_spans([spans])
    shipped = decode_shipped(commits, lead_times[:, 0].tolist())
    is_tagged = custom_tags is not None and REWORK_TAG in decode_texts(custom_tags)
    return ShippedDeployment(
        id=id_,
        finished_at_ns=finished_at_ns,
        repository=repository,
        service=service,
        team=team,
        env=env,
        repository_id=repository_id,
        change_failure=None if failure is None else bool(failure),
        is_rework=is_tagged or type_ in ("rollback", "rollforward"),
        recovery_ns=recovery_ns,
        commits=shipped.commits,
        cycle_times_ns=shipped.cycle_times_ns,
    )
