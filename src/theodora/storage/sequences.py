"""Reads everything that the derivation of one sequence depends on."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, LiteralString, NamedTuple

from theodora.dora import GivenRemediation, Override, Repository
from theodora.events import Deployment, Failure
from theodora.storage.cursor import Cursor
from theodora.storage.indexing import watermark_of
from theodora.storage.marks import POSTED, SequenceKey
from theodora.storage.organisations import Organisation
from theodora.storage.tables import DEPLOYMENTS, FAILURES

LoadRepository = Callable[[Cursor, Organisation, str], Repository]
"""Everything known of the repository with this id in this organisation."""

_SELECT: LiteralString = f"SELECT e.key, {DEPLOYMENTS.select} FROM "


class Verdicts(NamedTuple):
    """What people said of the deployments of a sequence, and of others that name one of it."""

    overrides: tuple[Override, ...]
    finished_at_ns: Mapping[str, int]
    """When the deployments finished that are judged, or named as remediations."""
    linked: Mapping[int, tuple[str | None, str | None]]
    """The remediation that the rules found when last derived, by the key of the one judged."""


def read_deployments(cursor: Cursor, key: SequenceKey) -> dict[int, Deployment]:
    """The deployments of a sequence by the keys of their rows."""
    rows = cursor.execute(
        f"{_SELECT} {POSTED} p CROSS JOIN deployments e ON e.key = p.event "
        "WHERE e.org = ? AND e.service = ? AND e.env IS ?",
        (key.org.key, f"service:{key.service}", key.org.key, key.service, key.env),
    )
    return {row[0]: DEPLOYMENTS.from_row(row[1:]) for row in rows}


def read_some_deployments(
    cursor: Cursor, key: SequenceKey, keys: Iterable[int]
) -> dict[int, Deployment]:
    """Those of the deployments with these keys that are in the sequence."""
    found: dict[int, Deployment] = {}
    for each in keys:
        row = cursor.execute(
            f"{_SELECT} deployments e WHERE e.key = ? AND e.org = ? AND e.service = ? "
            "AND e.env IS ?",
            (each, key.org.key, key.service, key.env),
        ).fetchone()
        if row:
            found[each] = DEPLOYMENTS.from_row(row[1:])
    return found


def read_verdicts(cursor: Cursor, key: SequenceKey) -> Verdicts:
    """The verdicts on deployments of the sequence, and those that name one as remediation."""
    overrides: list[Override] = []
    finished_at_ns: dict[str, int] = {}
    linked: dict[int, tuple[str | None, str | None]] = {}
    for row in cursor.execute(
        "SELECT v.deployment, v.change_failure, v.remediation_type, v.remediation_id, "
        "v.remediation_version, v.given_by, v.given_at_ns, v.reason, v.linked_id, v.linked_type, "
        "d.id, d.finished_at_ns, d.service, d.env, r.finished_at_ns FROM verdicts v "
        "JOIN deployments d ON d.key = v.deployment "
        "LEFT JOIN deployments r ON r.org = v.org AND r.id = v.remediation_id "
        "WHERE v.org = ?1 AND (d.service = ?2 AND d.env IS ?3 OR r.service = ?2 AND r.env IS ?3) "
        "ORDER BY v.deployment",
        (key.org.key, key.service, key.env),
    ):
        *verdict, linked_id, linked_type, id_, failed_at_ns, service, env, remedied_at_ns = row
        judged, override = verdict[0], override_from(id_, verdict[1:])
        overrides.append(override)
        finished_at_ns[id_] = failed_at_ns
        if override.remediation and override.remediation.id and remedied_at_ns is not None:
            finished_at_ns[override.remediation.id] = remedied_at_ns
        if (service, env) == (key.service, key.env):
            linked[judged] = linked_id, linked_type
    return Verdicts(tuple(overrides), finished_at_ns, linked)


def override_from(deployment_id: str, row: list[Any]) -> Override:
    """An override from a verdict's columns, `change_failure` first and `reason` last."""
    change_failure, type_, id_, version, given_by, given_at_ns, reason = row
    return Override(
        deployment_id=deployment_id,
        change_failure=None if change_failure is None else bool(change_failure),
        remediation=GivenRemediation(type=type_, id=id_, version=version) if type_ else None,
        by=given_by,
        at_ns=given_at_ns,
        reason=reason,
    )


def read_incidents(cursor: Cursor, key: SequenceKey) -> tuple[Failure, ...]:
    """The failures of the sequence's service."""
    rows = cursor.execute(
        f"SELECT {FAILURES.select} FROM (SELECT event FROM failure_postings "
        "WHERE org = ? AND term = ? UNION ALL SELECT key AS event FROM failures "
        f"WHERE key > {watermark_of(FAILURES)}) p CROSS JOIN failures e ON e.key = p.event "
        "WHERE e.org = ? ORDER BY e.receipt",
        (key.org.key, f"service:{key.service}", key.org.key),
    )
    failures = (FAILURES.from_row(row) for row in rows)
    return tuple(each for each in failures if key.service in each.services)
