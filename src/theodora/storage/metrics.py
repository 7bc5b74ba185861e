"""Metrics over the store: the answer to a metrics query, of everything stored now."""

from theodora.dora import (
    DeploymentRow,
    IncidentRow,
    MetricsQuery,
    Report,
    incident_row,
    make_report,
)
from theodora.dora.buckets import Period, previous_period
from theodora.query import Everything, Field, Query
from theodora.query.fields import Scalar
from theodora.storage.cursor import Cursor, Row
from theodora.storage.database import Database
from theodora.storage.measures import decode_spans
from theodora.storage.organisations import Organisation
from theodora.storage.tables import DEPLOYMENTS, FAILURES, decode_texts
from theodora.storage.where import compile_where

_EVERYTHING = Everything()


class Metrics:
    """Every method is about one organisation and sees no other."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def report(self, org: Organisation, query: MetricsQuery, tree: Query = _EVERYTHING) -> Report:
        """The answer to `query`, over the deployments and failures that `tree` is true of.

        It tells what has been derived: what is marked counts as it was before.
        """
        before = previous_period(query.period, query.interval, query.calendar, query.as_of_ns)
        concerned = Period(before.start_ns, query.period.end_ns)

        def read(cursor: Cursor) -> Report:
            deployments = _deployment_rows(cursor, org, concerned, tree)
            incidents = _incident_rows(cursor, org, concerned, tree)
            return make_report(query, deployments, incidents)

        return self._database.read(read)

    def value_counts(
        self, org: Organisation, period: Period, tree: Query, field: Field, limit: int
    ) -> list[tuple[Scalar | None, int]]:
        """The values of `field` among the deployments of `period` that `tree` is true of.

        Those of most deployments first, then in order; None is that of those without a value.
        """
        column = DEPLOYMENTS.column(field)
        assert column is not None, "a field whose values stand in no column"

        def read(cursor: Cursor) -> list[tuple[Scalar | None, int]]:
            matching = compile_where(tree, DEPLOYMENTS, cursor.dialect)
            rows = cursor.execute(
                f"SELECT {column}, count(*) FROM deployments e WHERE e.org = ? "
                f"AND e.finished_at_ns >= ? AND e.finished_at_ns < ? AND {matching.sql} "
                "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?",
                (org.key, period.start_ns, period.end_ns, *matching.values, limit),
            ).fetchall()
            return [(value, count) for value, count in rows]

        return self._database.read(read)


def _deployment_rows(
    cursor: Cursor, org: Organisation, period: Period, tree: Query
) -> list[DeploymentRow]:
    """Those that finished in `period`."""
    matching = compile_where(tree, DEPLOYMENTS, cursor.dialect)
    rows = cursor.execute(
        "SELECT e.id, e.service, e.env, e.team, e.repository_id, e.custom_tags, e.finished_at_ns, "
        "e.change_failure, e.deployment_type, r.finished_at_ns - e.finished_at_ns, m.spans "
        "FROM deployments e "
        "LEFT JOIN deployment_measures m ON m.deployment = e.key "
        "LEFT JOIN deployments r ON e.recovery_time_sec IS NOT NULL "
        "AND r.org = e.org AND r.id = e.remediation_id "
        f"WHERE e.org = ? AND e.finished_at_ns >= ? AND e.finished_at_ns < ? AND {matching.sql}",
        (org.key, period.start_ns, period.end_ns, *matching.values),
    )
    return [_deployment_row(row) for row in rows]


def _deployment_row(row: Row) -> DeploymentRow:
    (
        id_, service, env, team, repository_id, custom_tags, finished_at_ns,
        change_failure, deployment_type, recovery_time_ns, spans,
    ) = row  # fmt: skip
    lead_times_ns, stages = decode_spans(spans) if spans else ((), ())
    return DeploymentRow(
        id=id_,
        service=service,
        env=env,
        team=team,
        repository_id=repository_id,
        custom_tags=decode_texts(custom_tags),
        finished_at_ns=finished_at_ns,
        lead_times_ns=lead_times_ns,
        stages=stages,
        change_failure=None if change_failure is None else bool(change_failure),
        deployment_type=deployment_type,
        recovery_time_ns=recovery_time_ns,
    )


def _incident_rows(
    cursor: Cursor, org: Organisation, period: Period, tree: Query
) -> list[IncidentRow]:
    """Those that started in `period`."""
    matching = compile_where(tree, FAILURES, cursor.dialect)
    rows = cursor.execute(
        f"SELECT {FAILURES.select} FROM failures e WHERE e.org = ? "
        f"AND e.started_at_ns >= ? AND e.started_at_ns < ? AND {matching.sql}",
        (org.key, period.start_ns, period.end_ns, *matching.values),
    )
    return [incident_row(FAILURES.from_row(row)) for row in rows]
