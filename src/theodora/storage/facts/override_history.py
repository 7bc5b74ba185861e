"""The history of overrides: who set or removed which verdict, and when.

The verdicts that count are in `verdicts`; this is how they came about. Acts are only added; of
one deployment the newest hundred are kept.
"""

from typing import LiteralString, NamedTuple

from theodora.events.values import RemediationType
from theodora.storage.engine.cursor import Cursor, Row
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.rows import next_receipt

MAX_OVERRIDE_RECORDS = 100
"""Most records of one deployment; older ones are deleted."""


class OverrideValues(NamedTuple):
    """The values of an override; None means not set."""

    change_failure: bool | None = None
    remediation_id: str | None = None
    """With a type, exactly one of id and version is given."""
    remediation_version: str | None = None
    remediation_type: RemediationType | None = None

    def patched(self, patch: "OverrideValues") -> "OverrideValues":
        """These values with those of `patch`; a deployment that did not fail has no remedy."""
        change_failure = (
            self.change_failure if patch.change_failure is None else patch.change_failure
        )
        if change_failure is False:
            return OverrideValues(change_failure=False)
        remedy = self if patch.remediation_type is None else patch
        return remedy._replace(change_failure=change_failure)


class OverrideAuthor(NamedTuple):
    """The author of an override, with time and reason."""

    by: str
    """A person or the name of a key."""
    at_ns: int
    reason: str = ""


class OverrideRecord(NamedTuple):
    """A record of an override that was set or removed."""

    deployment_id: str
    verdict: OverrideValues | None
    """None if the verdict before it was taken back."""
    author: OverrideAuthor


_SELECT: LiteralString = (
    "SELECT a.number, d.id, a.is_removal, a.change_failure, a.remediation_id, "
    "a.remediation_version, a.remediation_type, a.given_by, a.given_at_ns, a.reason "
    "FROM verdict_acts a JOIN deployments d ON d.key = a.deployment"
)


def record_override(
    cursor: Cursor,
    org: Organisation,
    key: int,
    verdict: OverrideValues | None,
    author: OverrideAuthor,
) -> None:
    """Adds an act to the history of the deployment whose row has this key."""
    said = verdict or OverrideValues()
    cursor.execute(
        "INSERT INTO verdict_acts (number, org, deployment, is_removal, change_failure, "
        "remediation_id, remediation_version, remediation_type, given_by, given_at_ns, reason) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (next_receipt(cursor), org.key, key, int(verdict is None), *said, *author),
    )
    cursor.execute(
        "DELETE FROM verdict_acts WHERE deployment = ?1 AND number NOT IN ("
        "SELECT number FROM verdict_acts WHERE deployment = ?1 "
        "ORDER BY given_at_ns DESC, number DESC LIMIT ?2)",
        (key, MAX_OVERRIDE_RECORDS),
    )


def override_records(cursor: Cursor, key: int) -> tuple[OverrideRecord, ...]:
    """The history of the deployment whose row has this key, newest first."""
    rows = cursor.execute(
        f"{_SELECT} WHERE a.deployment = ? ORDER BY a.given_at_ns DESC, a.number DESC", (key,)
    )
    return tuple(_act(row) for row in rows)


def override_records_after(
    cursor: Cursor, org: Organisation, number: int, limit: int
) -> list[tuple[int, OverrideRecord]]:
    """The next acts of the organisation with their numbers, in the order of recording."""
    rows = cursor.execute(
        f"{_SELECT} WHERE a.org = ? AND a.number > ? ORDER BY a.number LIMIT ?",
        (org.key, number, limit),
    )
    return [(row[0], _act(row)) for row in rows]


def delete_override_records(cursor: Cursor, key: int) -> None:
    """Deletes the history with the deployment."""
    cursor.execute("DELETE FROM verdict_acts WHERE deployment = ?", (key,))


def _act(row: Row) -> OverrideRecord:
    _, deployment_id, is_removal, change_failure, id_, version, type_, *author = row
    verdict = OverrideValues(
        None if change_failure is None else bool(change_failure), id_, version, type_
    )
    return OverrideRecord(deployment_id, None if is_removal else verdict, OverrideAuthor(*author))
