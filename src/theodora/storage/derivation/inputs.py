"""Reads the inputs for the derivation of one sequence."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, LiteralString, NamedTuple

from theodora.dora import DeploymentSequence, GivenRemediation, Override, Repository
from theodora.events import Deployment, Failure, MatchKeys
from theodora.storage.engine.cursor import Cursor, Row, in_equal_parts, placeholders
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.lookup import events_with
from theodora.storage.events.tables import DEPLOYMENTS, FAILURES
from theodora.storage.events.terms import Term
from theodora.storage.facts.commits import load
from theodora.storage.facts.derivation_queue import SequenceKey
from theodora.storage.facts.match_keys import match_keys
from theodora.storage.facts.mirrors import heads_of
from theodora.storage.facts.override_history import failure_ids_of
from theodora.storage.facts.settings import effective_settings

_SELECT: LiteralString = f"SELECT e.key, m.digest, {DEPLOYMENTS.select} FROM "
_WITH_DIGEST: LiteralString = (
    "LEFT JOIN deployment_measures m ON m.org = e.org AND m.deployment = e.key"
)
_KEYS_AT_ONCE = 64


@dataclass(frozen=True)
class SequenceRows:
    """The deployments of a sequence, as their rows have them."""

    deployments: Mapping[int, Deployment]
    """By the keys of their rows, with their last derived values."""
    digests: Mapping[int, int]
    """Of what was measured of their commits, by the same; 0 for nothing."""

    @cached_property
    def events(self) -> tuple[Deployment, ...]:
        return tuple(self.deployments.values())

    @cached_property
    def keys(self) -> Mapping[str, int]:
        """The keys of the rows, by the ids of the deployments."""
        return {event.id: key for key, event in self.deployments.items()}

    @cached_property
    def _repository_ids(self) -> Collection[str]:
        return {event.git.repository_id for event in self.events if event.git}

    def repository_keys(self, keys: MatchKeys) -> Collection[str]:
        """The match keys of the repositories that the deployments came from."""
        return {keys.key(id_) for id_ in self._repository_ids}

    def with_rows(self, rows: "SequenceRows") -> "SequenceRows":
        """These and `rows`, which replace those of the same keys."""
        return SequenceRows(
            {**self.deployments, **rows.deployments}, {**self.digests, **rows.digests}
        )

    def without(self, keys: Collection[int]) -> "SequenceRows":
        """The same value if it has none of them."""
        if self.deployments.keys().isdisjoint(keys):
            return self
        return SequenceRows(
            {key: each for key, each in self.deployments.items() if key not in keys},
            {key: each for key, each in self.digests.items() if key not in keys},
        )


class Link(NamedTuple):
    """The remediation that the rules find for an overridden deployment."""

    id: str | None = None
    type: str | None = None


class Facts(NamedTuple):
    """Everything that the derivation of one sequence depends on, as of one moment."""

    rows: SequenceRows
    sequence: DeploymentSequence
    linked: Mapping[int, Link]
    """The last results, by the keys of the overridden deployments."""
    heads: Mapping[str, str]
    """The heads of default branches of mirrors, by match key."""


class _Verdicts(NamedTuple):
    """Overrides of the sequence's deployments, and of others that name one of them."""

    overrides: tuple[Override, ...]
    finished_at_ns: Mapping[str, int]
    """When each overridden or remediating deployment finished."""
    linked: Mapping[int, Link]


def whole_sequence(cursor: Cursor, key: SequenceKey, keys: MatchKeys | None = None) -> Facts:
    """All inputs, read from the database; `keys` replace those of the settings."""
    keys = keys or match_keys(cursor, key.org)
    rows = read_rows(cursor, key)
    names = rows.repository_keys(keys)
    repositories = {name: load(cursor, key.org, keys, name) for name in names}
    return read_facts(cursor, key, rows, repositories)


def read_facts(
    cursor: Cursor,
    key: SequenceKey,
    rows: SequenceRows,
    repositories: Mapping[str, Repository],
) -> Facts:
    """These deployments and commits, with everything else."""
    settings = effective_settings(cursor, key.org, key.service)
    overrides, finished_at_ns, linked = _read_verdicts(cursor, key)
    sequence = DeploymentSequence(
        deployments=rows.events,
        repositories=repositories,
        settings=settings,
        overrides=overrides,
        incidents=_read_incidents(cursor, key) if settings.incident_marks_failure else (),
        finished_elsewhere_ns=finished_at_ns,
    )
    return Facts(rows, sequence, linked, heads_of(cursor, key.org, sequence.keys))


def is_judged(cursor: Cursor, org: Organisation, key: int) -> bool:
    """Whether the deployment with this key has an override."""
    statement = "SELECT 1 FROM verdicts WHERE org = ? AND deployment = ?"
    return cursor.execute(statement, (org.key, key)).fetchone() is not None


def write_link(cursor: Cursor, org: Organisation, key: int, link: Link) -> None:
    cursor.execute(
        "UPDATE verdicts SET linked_id = ?, linked_type = ? WHERE org = ? AND deployment = ?",
        (*link, org.key, key),
    )


def read_rows(cursor: Cursor, key: SequenceKey) -> SequenceRows:
    """The deployments of a sequence."""
    # By the index of sequences, which divides a service by env: none of the others are read.
    statement: LiteralString = (
        f"{_SELECT} deployments e {_WITH_DIGEST} WHERE e.org = ? AND e.service = ? "
        "AND coalesce(e.env, '') = ? AND e.env IS NOT DISTINCT FROM ?"
    )
    return _rows(cursor.execute(statement, (key.org.key, key.service, key.env or "", key.env)))


def read_some_rows(cursor: Cursor, key: SequenceKey, keys: Sequence[int]) -> SequenceRows:
    """Those of the deployments with these keys that are in the sequence."""
    # The sign keeps SQLite from walking all of the organisation in search of these few.
    statement: LiteralString = (
        f"{_SELECT} deployments e {_WITH_DIGEST} WHERE +e.org = ? AND e.service = ? "
        f"AND e.env IS NOT DISTINCT FROM ? AND e.key IN ({placeholders(_KEYS_AT_ONCE)})"
    )
    name = (key.org.key, key.service, key.env)
    return _rows(
        row
        for part in in_equal_parts(keys, _KEYS_AT_ONCE)
        for row in cursor.execute(statement, (*name, *part)).fetchall()
    )


def _rows(rows: Iterable[Row]) -> SequenceRows:
    deployments: dict[int, Deployment] = {}
    digests: dict[int, int] = {}
    for row in rows:
        key, digest = row[:2]
        deployments[key] = DEPLOYMENTS.from_row(row[2:])
        digests[key] = digest or 0
    return SequenceRows(deployments, digests)


def _read_verdicts(cursor: Cursor, key: SequenceKey) -> _Verdicts:
    """The verdicts on deployments of the sequence, and those that name one as remediation."""
    overrides: list[Override] = []
    finished_at_ns: dict[str, int] = {}
    linked: dict[int, Link] = {}
    for row in cursor.execute(
        "SELECT v.deployment, v.change_failure, v.remediation_type, v.remediation_id, "
        "v.remediation_version, v.failure_ids, v.given_by, v.given_at_ns, v.reason, v.linked_id, "
        "v.linked_type, d.id, d.finished_at_ns, d.service, d.env, r.finished_at_ns FROM verdicts v "
        "JOIN deployments d ON d.org = v.org AND d.key = v.deployment "
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
    change_failure, type_, id_, version, failure_ids, given_by, given_at_ns, reason = row
    return Override(
        deployment_id=deployment_id,
        change_failure=None if change_failure is None else bool(change_failure),
        remediation=GivenRemediation(type=type_, id=id_, version=version) if type_ else None,
        failure_ids=failure_ids_of(failure_ids),
        by=given_by,
        at_ns=given_at_ns,
        reason=reason,
    )


def _read_incidents(cursor: Cursor, key: SequenceKey) -> tuple[Failure, ...]:
    """The failures of the sequence's service."""
    found = events_with(FAILURES, key.org, Term("service", key.service))
    joined = cursor.dialect.join_in_order("failures", "e", "e.key = p.event AND +e.org = ?")
    rows = cursor.execute(
        f"SELECT {FAILURES.select} FROM ({found.sql}) p {joined} ORDER BY e.receipt",
        (*found.values, key.org.key),
    )
    return tuple(FAILURES.from_row(row) for row in rows)
