"""Verdicts given by hand, and what they make of the deployments they judge.

A verdict is kept apart from the event, so that the event sent again does not lose it. What
follows from it (`change_failure`, the remediation and the time to it) is written into the
deployment's row whenever the verdict, the deployment or the remedying one changes, so that
it is read, searched and sorted like everything else.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from theodora.events import Deployment, Remediation
from theodora.events.values import RemediationType, whole_seconds
from theodora.storage.cursor import Cursor
from theodora.storage.indexing import watermark_of
from theodora.storage.organisations import Organisation
from theodora.storage.rows import Rows, Stored
from theodora.storage.tables import DEPLOYMENTS


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


class Remedy(NamedTuple):
    id: str
    finished_at_ns: int | None
    """None where the deployment is not stored."""


def apply_verdict(
    cursor: Cursor,
    rows: Rows[Deployment],
    org: Organisation,
    stored: Stored[Deployment],
    patch: Verdict,
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
    _settle(cursor, rows, org, stored)


def latest_of_version(
    cursor: Cursor,
    org: Organisation,
    service: str,
    env: str | None,
    version: str,
    failed: int | None = None,
) -> Remedy | None:
    """The deployment of this version that finished last; not the one with the key `failed`."""
    row = cursor.execute(
        "SELECT e.id, e.finished_at_ns FROM ("
        "SELECT event FROM deployment_postings WHERE org = ? AND term = ? "
        f"UNION ALL SELECT key FROM deployments WHERE key > {watermark_of(DEPLOYMENTS)}) p "
        "CROSS JOIN deployments e ON e.key = p.event "
        "WHERE e.org = ? AND e.service = ? AND e.env IS ? AND e.version = ? AND e.key IS NOT ? "
        "ORDER BY e.finished_at_ns DESC, e.id DESC LIMIT 1",
        (org.key, f"version:{version}", org.key, service, env, version, failed),
    ).fetchone()
    return Remedy(*row) if row else None


def drop_verdict(cursor: Cursor, stored: Stored[Deployment]) -> None:
    cursor.execute("DELETE FROM verdicts WHERE deployment = ?", (stored.key,))


def relink(
    cursor: Cursor,
    rows: Rows[Deployment],
    org: Organisation,
    changed: Iterable[Stored[Deployment]],
) -> None:
    """Settles anew every verdict that is about one of `changed`, or names one as the remedy.

    `changed` holds the deployment as it was and as it is.
    """
    keys: set[int] = set()
    for stored in changed:
        keys.update(_judged_by(cursor, org, stored))
    for judged in (rows.get(cursor, key) for key in keys):
        if judged is not None:
            _settle(cursor, rows, org, judged)


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


def _settle(
    cursor: Cursor, rows: Rows[Deployment], org: Organisation, judged: Stored[Deployment]
) -> None:
    """Writes what the verdict on a deployment means into its row."""
    verdict = _get_verdict(cursor, judged.key)
    remedy = _remedy(cursor, org, judged, verdict) if verdict.change_failure else None
    type_ = verdict.remediation_type
    now = msgspec.structs.replace(
        judged.event,
        change_failure=verdict.change_failure,
        remediation=Remediation(remedy.id, type_) if remedy and type_ else None,
        recovery_time_sec=_recovery_time_sec(judged.event.finished_at_ns, remedy),
    )
    rows.derive(cursor, org, judged, now)


def _remedy(
    cursor: Cursor, org: Organisation, judged: Stored[Deployment], verdict: Verdict
) -> Remedy | None:
    """The deployment that the verdict names, if it says so and, by version, if it is stored."""
    if verdict.remediation_id:
        return _remedy_by_id(cursor, org, verdict.remediation_id)
    if verdict.remediation_version:
        return latest_of_version(
            cursor,
            org,
            judged.event.service,
            judged.event.env,
            verdict.remediation_version,
            judged.key,
        )
    return None


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


def _remedy_by_id(cursor: Cursor, org: Organisation, id_: str) -> Remedy:
    row = cursor.execute(
        "SELECT finished_at_ns FROM deployments WHERE org = ? AND id = ?", (org.key, id_)
    ).fetchone()
    return Remedy(id_, row[0] if row else None)


def _recovery_time_sec(failed_at_ns: int, remedy: Remedy | None) -> int | None:
    if remedy is None or remedy.finished_at_ns is None or remedy.finished_at_ns < failed_at_ns:
        return None
    return whole_seconds(remedy.finished_at_ns - failed_at_ns)
