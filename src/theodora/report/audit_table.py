"""The audit log as people ask for it and read it: parameters, columns, a CSV file."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from theodora.dora.metrics.calendar import UTC_CALENDAR, Calendar
from theodora.errors import Invalid, Problem
from theodora.report.csv_text import Cell, csv_bytes
from theodora.report.parameters import Parameters, instants_in
from theodora.storage.access.audit import AuditQuery
from theodora.storage.access.audit_search import read_audit_search
from theodora.storage.engine.audit import AuditEntry, AuditOutcome

AUDIT_FILTERS = ("from", "to", "actor", "action", "target", "outcome", "query")
MAX_AUDIT_ENTRIES = 1_000
"""Most entries of one answer."""

AUDIT_COLUMNS = (
    *("number", "at", "actor_kind", "actor", "actor_id", "address", "action", "target"),
    *("before", "after", "outcome", "reason", "hash"),
)


def read_audit_filters(parameters: Parameters, calendar: Calendar = UTC_CALENDAR) -> AuditQuery:
    """The query that the parameters `AUDIT_FILTERS` ask for; problems are collected in them."""
    outcomes: Sequence[AuditOutcome] = get_args(AuditOutcome)
    return AuditQuery(
        from_ns=parameters.read("from", instants_in(calendar), None),
        to_ns=parameters.read("to", instants_in(calendar), None),
        actor=parameters.given("actor"),
        action=parameters.given("action"),
        target=parameters.given("target"),
        outcome=parameters.choice("outcome", outcomes, outcomes[0])
        if parameters.given("outcome")
        else None,
        search=parameters.read("query", read_audit_search, None),
    )


def read_entry_number(text: str) -> int:
    """The number that a page of older entries goes on from; raises `Invalid`."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Invalid(Problem("must be the cursor of a page before"))
    return int(text)


def audit_document(entry: AuditEntry) -> dict[str, Any]:
    """An entry as a JSON object."""
    return {
        "number": entry.number,
        "at": entry.at,
        "actor": {
            "kind": entry.actor.kind,
            "name": entry.actor.name,
            "id": entry.actor.id,
            "address": entry.actor.address,
        },
        "action": entry.action,
        "target": entry.target,
        "before": _decoded(entry.before),
        "after": _decoded(entry.after),
        "outcome": entry.outcome,
        "reason": entry.reason,
        "hash": entry.hash,
    }


def audit_row(entry: AuditEntry) -> tuple[Cell, ...]:
    """An entry as cells, in the order of `AUDIT_COLUMNS`."""
    who = entry.actor
    return (
        *(entry.number, entry.at, who.kind, who.name, who.id, who.address),
        *(entry.action, entry.target, entry.before, entry.after, entry.outcome, entry.reason),
        entry.hash,
    )


def audit_csv(entries: Iterable[AuditEntry]) -> bytes:
    return csv_bytes(AUDIT_COLUMNS, map(audit_row, entries))


def _decoded(values: str) -> Mapping[str, Any] | None:
    return json.loads(values) if values else None
