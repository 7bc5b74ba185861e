"""Verdicts given by hand, and what they make of the deployments they judge.

A verdict is kept apart from the event, so that the event sent again does not lose it. What
follows from it (`change_failure`, the remediation and the time to it) is written into the
deployment's row whenever the verdict, the deployment or the remedying one changes, so that
it is read, searched and sorted like everything else.
"""

from collections.abc import Iterable
from typing import NamedTuple

from theodora.events import Deployment
from theodora.events.values import RemediationType, whole_seconds
from theodora.storage.cursor import Cursor
from theodora.storage.organisations import Organisation
from theodora.storage.rows import Stored


class Verdict(NamedTuple):
    """A verdict by hand: what is None was not said."""

    change_failure: bool | None = None
    remediation_id: str | None = None
    """With a type, exactly one of id and version is given."""
    remediation_version: str | None = None
    remediation_type: RemediationType | None = None

    def patched(self, patch: "Verdict") -> "Verdict":
        """This verdict with what `patch` says; a deployment that did not fail has no remedy."""
        change_failure = (
            self.change_failure if patch.change_failure is None else patch.change_failure
        )
        if change_failure is False:
            return Verdict(change_failure=False)
        remedy = self if patch.remediation_type is None else patch
        return remedy._replace(change_failure=change_failure)


class _Remedy(NamedTuple):
    id: str
    finished_at_ns: int | None
    """None where the deployment is not stored."""


def apply_verdict(
    cursor: Cursor, org: Organisation, stored: Stored[Deployment], patch: Verdict
) -> None:
    """Adds what `patch` says to the deployment's verdict."""
    verdict = _get_verdict(cursor, stored.key).patched(patch)
    cursor.execute(
        "INSERT INTO verdicts (deployment, org, change_failure, remediation_id, "
        "remediation_version, remediation_type) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (deployment) DO UPDATE SET change_failure = excluded.change_failure, "
        "remediation_id = excluded.remediation_id, "
        "remediation_version = excluded.remediation_version, "
        "remediation_type = excluded.remediation_type",
        (stored.key, org.key, *verdict),
    )
    _settle(cursor, org, stored.key)


def drop_verdict(cursor: Cursor, stored: Stored[Deployment]) -> None:
    cursor.execute("DELETE FROM verdicts WHERE deployment = ?", (stored.key,))


def relink(cursor: Cursor, org: Organisation, changed: Iterable[Stored[Deployment]]) -> None:
    """Settles anew every verdict that is about one of `changed`, or names one as the remedy.

    `changed` holds the deployment as it was and as it is.
    """
    keys: set[int] = set()
    for stored in changed:
        keys.update(_judged_by(cursor, org, stored))
    for key in keys:
        _settle(cursor, org, key)


def _judged_by(cursor: Cursor, org: Organisation, stored: Stored[Deployment]) -> Iterable[int]:
    event = stored.event
    rows = cursor.execute(
        "SELECT deployment FROM verdicts WHERE deployment = ?1 "
        "UNION ALL SELECT deployment FROM verdicts WHERE org = ?2 AND remediation_id = ?3 "
        "UNION ALL SELECT v.deployment FROM verdicts v JOIN deployments d ON d.key = v.deployment "
        "WHERE v.org = ?2 AND v.remediation_version = ?4 AND d.service = ?5 AND d.env IS ?6",
        (stored.key, org.key, event.id, event.version, event.service, event.env),
    )
    return [key for (key,) in rows]


def _settle(cursor: Cursor, org: Organisation, key: int) -> None:
    """Writes what the verdict on a deployment means into its row."""
    row = cursor.execute(
        "SELECT service, env, finished_at_ns FROM deployments WHERE key = ?", (key,)
    ).fetchone()
    if row is None:
        return
    service, env, finished_at_ns = row
    verdict = _get_verdict(cursor, key)
    remedy = None
    if verdict.change_failure and verdict.remediation_id:
        remedy = _remedy_by_id(cursor, org, verdict.remediation_id)
    elif verdict.change_failure and verdict.remediation_version:
        remedy = _remedy_by_version(cursor, org, key, (service, env, verdict.remediation_version))
    cursor.execute(
        "UPDATE deployments SET change_failure = ?, remediation_id = ?, remediation_type = ?, "
        "recovery_time_sec = ? WHERE key = ?",
        (
            None if verdict.change_failure is None else int(verdict.change_failure),
            remedy and remedy.id,
            remedy and verdict.remediation_type,
            _recovery_time_sec(finished_at_ns, remedy),
            key,
        ),
    )


def _get_verdict(cursor: Cursor, key: int) -> Verdict:
    row = cursor.execute(
        "SELECT change_failure, remediation_id, remediation_version, remediation_type "
        "FROM verdicts WHERE deployment = ?",
        (key,),
    ).fetchone()
    if row is None:
        return Verdict()
    change_failure, *remediation = row
    return Verdict(None if change_failure is None else bool(change_failure), *remediation)


def _remedy_by_id(cursor: Cursor, org: Organisation, id_: str) -> _Remedy:
    row = cursor.execute(
        "SELECT finished_at_ns FROM deployments WHERE org = ? AND id = ?", (org.key, id_)
    ).fetchone()
    return _Remedy(id_, row[0] if row else None)


def _remedy_by_version(
    cursor: Cursor, org: Organisation, failed: int, target: tuple[str, str | None, str]
) -> _Remedy | None:
    row = cursor.execute(
        "SELECT id, finished_at_ns FROM deployments "
        "WHERE org = ? AND service = ? AND env IS ? AND version = ? AND key <> ? "
        "ORDER BY finished_at_ns DESC, id DESC LIMIT 1",
        (org.key, *target, failed),
    ).fetchone()
    return _Remedy(*row) if row else None


def _recovery_time_sec(failed_at_ns: int, remedy: _Remedy | None) -> int | None:
    if remedy is None or remedy.finished_at_ns is None or remedy.finished_at_ns < failed_at_ns:
        return None
    return whole_seconds(remedy.finished_at_ns - failed_at_ns)
