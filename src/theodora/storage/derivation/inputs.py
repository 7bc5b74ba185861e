"""Reads the inputs for the derivation of one sequence."""

from collections.abc import Iterable, Mapping
from typing import Any, LiteralString, NamedTuple

from theodora.dora import DeploymentSequence, GivenRemediation, Override, Repository
from theodora.events import Deployment, Failure, MatchKeys
from theodora.storage.engine.cursor import Cursor
from theodora.storage.events.lookup import events_with
from theodora.storage.events.tables import DEPLOYMENTS, FAILURES
from theodora.storage.events.terms import Term
from theodora.storage.facts.commits import load
from theodora.storage.facts.derivation_queue import SequenceKey
from theodora.storage.facts.match_keys import match_keys
from theodora.storage.facts.settings import effective_settings

_SELECT: LiteralString = f"SELECT e.key, {DEPLOYMENTS.select} FROM "


class Link(NamedTuple):
    """The remediation that the rules find for an overridden deployment."""

    id: str | None = None
    type: str | None = None


class Facts(NamedTuple):
    """Everything that the derivation of one sequence depends on, as of one moment."""

    deployments: dict[int, Deployment]
    """By the keys of their rows, with their last derived values."""
    sequence: DeploymentSequence
    linked: Mapping[int, Link]
    """The last results, by the keys of the overridden deployments."""


class _Verdicts(NamedTuple):
    """Overrides of the sequence's deployments, and of others that name one of them."""

    overrides: tuple[Override, ...]
    finished_at_ns: Mapping[str, int]
    """When each overridden or remediating deployment finished."""
    linked: Mapping[int, Link]


def whole_sequence(cursor: Cursor, key: SequenceKey, keys: MatchKeys | None = None) -> Facts:
    """All inputs, read from the database; `keys` replace those of the settings."""
    keys = keys or match_keys(cursor, key.org)
    deployments = read_deployments(cursor, key)
    names = repository_keys(deployments.values(), keys)
    repositories = {name: load(cursor, key.org, keys, name) for name in names}
    return read_facts(cursor, key, deployments, repositories)


def read_facts(
    cursor: Cursor,
    key: SequenceKey,
    deployments: dict[int, Deployment],
    repositories: Mapping[str, Repository],
) -> Facts:
    """These deployments and commits, with everything else."""
    settings = effective_settings(cursor, key.org, key.service)
    overrides, finished_at_ns, linked = _read_verdicts(cursor, key)
    sequence = DeploymentSequence(
        deployments=tuple(deployments.values()),
        repositories=repositories,
        settings=settings,
        overrides=overrides,
        incidents=_read_incidents(cursor, key) if settings.incident_marks_failure else (),
        finished_elsewhere_ns=finished_at_ns,
    )
    return Facts(deployments, sequence, linked)


def repository_keys(deployments: Iterable[Deployment], keys: MatchKeys) -> set[str]:
    """The match keys of the repositories that the deployments came from."""
    return {keys.key(id_) for id_ in {each.git.repository_id for each in deployments if each.git}}


def is_judged(cursor: Cursor, key: int) -> bool:
    """Whether the deployment with this key has an override."""
    found = cursor.execute("SELECT 1 FROM verdicts WHERE deployment = ?", (key,))
    return found.fetchone() is not None


def write_link(cursor: Cursor, key: int, link: Link) -> None:
    cursor.execute(
        "UPDATE verdicts SET linked_id = ?, linked_type = ? WHERE deployment = ?", (*link, key)
    )


def read_deployments(cursor: Cursor, key: SequenceKey) -> dict[int, Deployment]:
    """The deployments of a sequence by the keys of their rows."""
    found = events_with(DEPLOYMENTS, key.org, Term("service", key.service))
    joined = cursor.dialect.join_in_order("deployments", "e", "e.key = p.event")
    rows = cursor.execute(
        f"{_SELECT} ({found.sql}) p {joined} WHERE e.env IS NOT DISTINCT FROM ?",
        (*found.values, key.env),
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
            "AND e.env IS NOT DISTINCT FROM ?",
            (each, key.org.key, key.service, key.env),
        ).fetchone()
        if row:
            found[each] = DEPLOYMENTS.from_row(row[1:])
    return found


def _read_verdicts(cursor: Cursor, key: SequenceKey) -> _Verdicts:
    """The verdicts on deployments of the sequence, and those that name one as remediation."""
    overrides: list[Override] = []
    finished_at_ns: dict[str, int] = {}
    linked: dict[int, Link] = {}
    for row in cursor.execute(
        "SELECT v.deployment, v.change_failure, v.remediation_type, v.remediation_id, "
        "v.remediation_version, v.given_by, v.given_at_ns, v.reason, v.linked_id, v.linked_type, "
        "d.id, d.finished_at_ns, d.service, d.env, r.finished_at_ns FROM verdicts v "
        "JOIN deployments d ON d.key = v.deployment "
        "LEFT JOIN deployments r ON r.org = v.org AND r.id = v.remediation_id "
        "WHERE v.org = ?1 AND (d.service = ?2 AND d.env IS NOT DISTINCT FROM ?3 "
        "OR r.service = ?2 AND r.env IS NOT DISTINCT FROM ?3) "
        "ORDER BY v.deployment",
        (key.org.key, key.service, key.env),
    ):
        *verdict, linked_id, linked_type, id_, failed_at_ns, service, env, remedied_at_ns = row
        judged, override = verdict[0], _override(id_, verdict[1:])
        overrides.append(override)
        finished_at_ns[id_] = failed_at_ns
        if override.remediation and override.remediation.id and remedied_at_ns is not None:
            finished_at_ns[override.remediation.id] = remedied_at_ns
        if (service, env) == (key.service, key.env):
            linked[judged] = Link(linked_id, linked_type)
    return _Verdicts(tuple(overrides), finished_at_ns, linked)


def _override(deployment_id: str, row: list[Any]) -> Override:
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


def _read_incidents(cursor: Cursor, key: SequenceKey) -> tuple[Failure, ...]:
    """The failures of the sequence's service."""
    found = events_with(FAILURES, key.org, Term("service", key.service))
    joined = cursor.dialect.join_in_order("failures", "e", "e.key = p.event")
    rows = cursor.execute(
        f"SELECT {FAILURES.select} FROM ({found.sql}) p {joined} ORDER BY e.receipt",
        found.values,
    )
    return tuple(FAILURES.from_row(row) for row in rows)
