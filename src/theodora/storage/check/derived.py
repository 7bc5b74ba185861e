"""Derived values, compared with those that derivation computes now."""

from collections.abc import Callable
from typing import LiteralString

import msgspec

from theodora.dora import derive
from theodora.errors import Invalid
from theodora.events import with_team_of_services
from theodora.events.production import is_production
from theodora.storage.check.findings import REPAIR, Findings
from theodora.storage.derivation.commit_times import Measured, measured
from theodora.storage.derivation.derivation_record import encode_record, with_ties
from theodora.storage.derivation.inputs import Facts, whole_sequence
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import Organisation
from theodora.storage.facts.derivation_queue import SequenceKey

_CHANGE = "change the settings of the service, or restore a backup"
_NAMES: LiteralString = "SELECT DISTINCT service, env FROM deployments WHERE org = ?"


def check_derived(cursor: Cursor, findings: Findings, on_rows: Callable[[int], None]) -> int:
    """Every sequence that is not waiting to be derived; returns how many deployments those wait."""
    waiting = 0
    for row in cursor.execute("SELECT org, uuid, name FROM organisations").fetchall():
        org = Organisation(*row)
        pending = _Pending(cursor, org)
        for service, env in cursor.execute(_NAMES, (org.key,)).fetchall():
            key = SequenceKey(org, service, env)
            try:
                facts = whole_sequence(cursor, key)
                if pending.includes(service, env):
                    waiting += len(facts.rows.deployments)
                else:
                    _check_sequence(cursor, org, facts, findings)
                on_rows(len(facts.rows.deployments))
            except (Invalid, msgspec.MsgspecError) as error:
                # Where a value cannot be read at all, the check of values names its row.
                problem = f"it cannot be derived: {error}"
                findings.add("deployments", problem, _CHANGE, (service, env))
    return waiting


class _Pending:
    """The sequences of an organisation that are not derived yet, or cannot be."""

    def __init__(self, cursor: Cursor, org: Organisation) -> None:
        values = (org.key,)
        wide = cursor.execute(
            "SELECT 1 FROM marks WHERE org = ? AND kind <> 'sequence' LIMIT 1", values
        )
        self._is_all = wide.fetchone() is not None
        marked = cursor.execute(
            "SELECT DISTINCT service, env FROM marks WHERE org = ? AND kind = 'sequence'", values
        )
        self._sequences = {(service, env) for service, env in marked.fetchall()}
        parked = cursor.execute("SELECT service, env FROM parked_sequences WHERE org = ?", values)
        self._sequences |= {(service, env or None) for service, env in parked.fetchall()}

    def includes(self, service: str, env: str | None) -> bool:
        return self._is_all or (service, env) in self._sequences


def _check_sequence(cursor: Cursor, org: Organisation, facts: Facts, findings: Findings) -> None:
    for each, tie in with_ties(derive(facts.sequence)):
        key = facts.rows.keys[each.deployment.id]
        if with_team_of_services(each.event, facts.sequence.settings.team) != each.deployment:
            findings.add("deployments", "derived values differ from a new derivation", REPAIR, key)
        row = cursor.execute(
            "SELECT m.spans, m.negative_spans, coalesce(c.commits, ''), m.derivation, m.digest "
            "FROM deployment_measures m LEFT JOIN deployment_commits c "
            "ON c.org = m.org AND c.deployment = m.deployment "
            "WHERE m.org = ? AND m.deployment = ?",
            (org.key, key),
        ).fetchone()
        expected = measured(
            each.changes,
            encode_record(each, tie),
            in_production=is_production(
                each.deployment.env, facts.sequence.settings.production_envs
            ),
        )
        known = (expected.spans, expected.negative_spans, expected.derivation, expected.digest)
        stored = (bytes(row[0]), row[1], bytes(row[3] or b""), row[4]) if row else None
        if row is not None and row[2] != expected.commits:
            findings.add("deployment_commits", "they differ from a new derivation", REPAIR, key)
        elif stored != known:
            problem = "what was derived differs from a new derivation"
            findings.add("deployment_measures", problem, REPAIR, key)
        if _shipped(cursor, org, key) != _links_of(expected):
            findings.add(
                "pull_request_deployments", "they differ from a new derivation", REPAIR, key
            )


def _links_of(found: Measured) -> set[tuple[int, int]]:
    return {(each.number, int(found.in_production)) for each in found.shipped}


def _shipped(cursor: Cursor, org: Organisation, deployment: int) -> set[tuple[int, int]]:
    """The numbers of the pull requests that are stored as shipped, with what it was to."""
    rows = cursor.execute(
        "SELECT number, in_production FROM pull_request_deployments "
        "WHERE org = ? AND deployment = ?",
        (org.key, deployment),
    )
    return set(rows.fetchall())
