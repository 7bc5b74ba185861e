"""The history of overrides: who set or removed which, and when.

Those that apply are in the table `verdicts`. Records are only added; of one deployment the newest
hundred are kept.
"""

from collections.abc import Sequence
from itertools import pairwise, takewhile
from typing import Any, LiteralString, NamedTuple

import msgspec

from theodora.events.values import RemediationType
from theodora.storage.engine.cursor import Cursor, Row
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.rows import next_receipt

MAX_OVERRIDE_RECORDS = 100
"""Most records of one deployment; older ones are deleted."""
MAX_LINKED_FAILURES = 100
"""Most failures that one deployment caused."""


class OverrideValues(NamedTuple):
    """The values of an override; None means not set."""

    change_failure: bool | None = None
    remediation_id: str | None = None
    """With a type, exactly one of id and version is given."""
    remediation_version: str | None = None
    remediation_type: RemediationType | None = None
    failure_ids: tuple[str, ...] = ()
    """Failures that the deployment caused; only one that failed has any."""

    def patched(self, patch: "OverrideValues") -> "OverrideValues":
        """These values with those of `patch`; a deployment that did not fail has nothing else."""
        change_failure = (
            self.change_failure if patch.change_failure is None else patch.change_failure
        )
        if change_failure is False:
            return OverrideValues(change_failure=False)
        remedy = self if patch.remediation_type is None else patch
        failure_ids = patch.failure_ids or self.failure_ids
        return remedy._replace(change_failure=change_failure, failure_ids=failure_ids)

    def linked(self, failure_id: str) -> "OverrideValues":
        """These values, with the failure among those that the deployment caused."""
        failure_ids = tuple(dict.fromkeys((*self.failure_ids, failure_id)))
        return self._replace(change_failure=True, failure_ids=failure_ids)

    def attributes(self) -> dict[str, Any]:
        """The attributes of a patch that sets these values."""
        attributes: dict[str, Any] = {}
        if self.change_failure is not None:
            attributes["change_failure"] = self.change_failure
        if self.remediation_type is not None:
            named = {"id": self.remediation_id, "version": self.remediation_version}
            given = {name: value for name, value in named.items() if value is not None}
            attributes["remediation"] = {**given, "type": self.remediation_type}
        return attributes

    def members(self) -> dict[str, Any]:
        """The attributes, and the failures if there are any."""
        failures = {"failure_ids": list(self.failure_ids)} if self.failure_ids else {}
        return {**self.attributes(), **failures}


class OverrideAuthor(NamedTuple):
    """The author of an override, with time and reason."""

    by: str
    """A person or the name of a key."""
    at_ns: int
    reason: str = ""


class OverrideRecord(NamedTuple):
    """A record of an override that was set or removed."""

    deployment_id: str
    values: OverrideValues | None
    """None if the override was removed."""
    author: OverrideAuthor


_SELECT: LiteralString = (
    "SELECT a.number, d.id, a.is_removal, a.change_failure, a.remediation_id, "
    "a.remediation_version, a.remediation_type, a.failure_ids, a.given_by, a.given_at_ns, a.reason "
    "FROM verdict_acts a JOIN deployments d ON d.org = a.org AND d.key = a.deployment"
)


def record_override(
    cursor: Cursor,
    org: Organisation,
    key: int,
    values: OverrideValues | None,
    author: OverrideAuthor,
) -> None:
    """Adds a record to the history of the deployment whose row has this key."""
    set_ = values or OverrideValues()
    cursor.execute(
        "INSERT INTO verdict_acts (number, org, deployment, is_removal, change_failure, "
        "remediation_id, remediation_version, remediation_type, failure_ids, given_by, "
        "given_at_ns, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (next_receipt(cursor, org), org.key, key, int(values is None), *columns_of(set_), *author),
    )
    cursor.execute(
        "DELETE FROM verdict_acts WHERE org = ?1 AND deployment = ?2 AND number NOT IN ("
        "SELECT number FROM verdict_acts WHERE org = ?1 AND deployment = ?2 "
        "ORDER BY given_at_ns DESC, number DESC LIMIT ?3)",
        (org.key, key, MAX_OVERRIDE_RECORDS),
    )


def override_records(cursor: Cursor, org: Organisation, key: int) -> tuple[OverrideRecord, ...]:
    """The history of the deployment whose row has this key, newest first."""
    rows = cursor.execute(
        f"{_SELECT} WHERE a.org = ? AND a.deployment = ? "
        "ORDER BY a.given_at_ns DESC, a.number DESC",
        (org.key, key),
    )
    return tuple(_record(row) for row in rows)


def override_records_after(
    cursor: Cursor, org: Organisation, number: int, limit: int
) -> list[tuple[int, OverrideRecord]]:
    """The next records of the organisation with their numbers, in the order of recording."""
    rows = cursor.execute(
        f"{_SELECT} WHERE a.org = ? AND a.number > ? ORDER BY a.number LIMIT ?",
        (org.key, number, limit),
    )
    return [(row[0], _record(row)) for row in rows]


def delete_override_records(cursor: Cursor, org: Organisation, key: int) -> None:
    """Deletes the history with the deployment."""
    cursor.execute("DELETE FROM verdict_acts WHERE org = ? AND deployment = ?", (org.key, key))


def without_link(
    values: OverrideValues, failure_id: str, history: Sequence[OverrideRecord]
) -> OverrideValues | None:
    """The values without one link; None if the rules decide. `history` has the newest first.

    Without other links they are the last ones that were not set by linking.
    """
    failure_ids = tuple(each for each in values.failure_ids if each != failure_id)
    if failure_ids:
        return values._replace(failure_ids=failure_ids)
    past = [each.values or OverrideValues() for each in history]
    for each, before in pairwise((*past, OverrideValues())):
        if each.failure_ids in {(), before.failure_ids}:
            own = each._replace(failure_ids=())
            return None if own == OverrideValues() else own
    return None


def link_author(failure_id: str, history: Sequence[OverrideRecord]) -> OverrideAuthor:
    """Who linked a failure, by a history (newest first) whose newest record has the link."""
    linked = takewhile(lambda each: each.values and failure_id in each.values.failure_ids, history)
    return [each.author for each in linked][-1]


def _record(row: Row) -> OverrideRecord:
    _, deployment_id, is_removal, *columns, by, at_ns, reason = row
    values = None if is_removal else values_of(columns)
    return OverrideRecord(deployment_id, values, OverrideAuthor(by, at_ns, reason))


def columns_of(values: OverrideValues) -> Row:
    """The values as columns, in the order of their names in `OverrideValues`."""
    *columns, failure_ids = values
    return (*columns, msgspec.json.encode(failure_ids).decode() if failure_ids else None)


def values_of(columns: Sequence[Any]) -> OverrideValues:
    """The values that `columns_of` made columns of."""
    change_failure, id_, version, type_, failure_ids = columns
    said = None if change_failure is None else bool(change_failure)
    return OverrideValues(said, id_, version, type_, failure_ids_of(failure_ids))


def failure_ids_of(column: str | None) -> tuple[str, ...]:
    """The ids in a column of linked failures."""
    return _decode_ids(column) if column else ()


_decode_ids = msgspec.json.Decoder(tuple[str, ...]).decode
