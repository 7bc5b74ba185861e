"""The effects of overrides on deployments.

An override is kept apart from the event, so that the event sent again does not lose it. What
follows from it (`change_failure`, the remediation and the time to it) is written into the
deployment's row whenever the override, the deployment or the remedying one changes, so that
it is read, searched and sorted like everything else.

`Verdicts` of derivation evaluates the override here too. Derivation does so with all data of the
sequence; this module does so at once, with the results of the last derivation, so that the next
read shows it.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from theodora.dora.derivation.derived import Changes, Decision, PartialResult, RemediationLink
from theodora.dora.derivation.overrides import GivenRemediation, Override
from theodora.dora.derivation.sequence import in_order, part_of
from theodora.dora.derivation.verdicts import Verdicts
from theodora.events import Deployment
from theodora.events.values import whole_seconds
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.lookup import events_with
from theodora.storage.events.rows import Rows, Stored
from theodora.storage.events.tables import DEPLOYMENTS
from theodora.storage.events.terms import Term
from theodora.storage.facts.commits import load
from theodora.storage.facts.derivation_queue import queue_deployments, queue_sequence
from theodora.storage.facts.match_keys import match_keys
from theodora.storage.facts.override_history import (
    OverrideAuthor,
    OverrideValues,
    columns_of,
    delete_override_records,
    record_override,
    values_of,
)
from theodora.storage.facts.settings import effective_settings

_END_OF_TIME_NS = 2**63 - 1


def patch_override(
    cursor: Cursor,
    rows: Rows[Deployment],
    org: Organisation,
    stored: Stored[Deployment],
    patch: OverrideValues,
    author: OverrideAuthor,
) -> bool:
    """Adds the members of `patch` to the deployment's override; whether it has any."""
    if patch == OverrideValues():
        return False
    given = get_override(cursor, org, stored.key)
    values = (given.values if given else OverrideValues()).patched(patch)
    put_override(cursor, rows, org, stored, values, author)
    record_override(cursor, org, stored.key, values, author)
    return True


def put_override(
    cursor: Cursor,
    rows: Rows[Deployment],
    org: Organisation,
    stored: Stored[Deployment],
    values: OverrideValues,
    author: OverrideAuthor,
) -> None:
    """Sets the override, in place of any earlier one."""
    mark_concerned(cursor, org, stored)
    found = stored.event.remediation
    cursor.execute(
        "INSERT INTO verdicts (deployment, org, linked_id, linked_type, change_failure, "
        "remediation_id, remediation_version, remediation_type, failure_ids, given_by, "
        "given_at_ns, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (org, deployment) DO UPDATE SET change_failure = excluded.change_failure, "
        "remediation_id = excluded.remediation_id, "
        "remediation_version = excluded.remediation_version, "
        "remediation_type = excluded.remediation_type, failure_ids = excluded.failure_ids, "
        "given_by = excluded.given_by, "
        "given_at_ns = excluded.given_at_ns, reason = excluded.reason",
        (
            stored.key,
            org.key,
            found and found.id,
            found and found.type,
            *columns_of(values),
            *author,
        ),
    )
    _settle(cursor, rows, org, stored)
    mark_concerned(cursor, org, stored)


def remove_override(
    cursor: Cursor, rows: Rows[Deployment], org: Organisation, stored: Stored[Deployment]
) -> None:
    """Has the rules decide again.

    A failure that they found before applies at once; the rest waits for derivation.
    """
    mark_concerned(cursor, org, stored)
    links = _links(cursor, org, stored)
    _delete(cursor, org, stored.key)
    _write(cursor, rows, org, stored, None, links, failed_by=None, awaits_rules=True)


def latest_of_version(
    cursor: Cursor,
    org: Organisation,
    service: str,
    env: str | None,
    version: str,
    failed: Stored[Deployment] | None = None,
) -> str | None:
    """The id of the last deployment of this version, by the order of sequences.

    Where it is to have remedied `failed`, it is another one of the same sequence.
    """
    tag = effective_settings(cursor, org, service).sequence_tag if failed else None
    part = part_of(failed.event.custom_tags, tag) if failed else ()
    keys = match_keys(cursor, org)
    before_ns = None
    while True:
        before_ns = _last_finish(cursor, org, service, env, version, before_ns)
        if before_ns is None:
            return None
        tied = _finished_at(cursor, org, service, env, before_ns)
        ids = {each.git.repository_id for each in tied if each.git and len(tied) > 1}
        repositories = {keys.key(id_): load(cursor, org, keys, id_) for id_ in ids}
        of_part = [each for each in tied if part_of(each.custom_tags, tag) == part]
        for each in reversed(in_order(of_part, repositories, keys)):
            if each.version == version and not (failed and each.id == failed.event.id):
                return each.id


def _last_finish(
    cursor: Cursor,
    org: Organisation,
    service: str,
    env: str | None,
    version: str,
    before_ns: int | None,
) -> int | None:
    """When the last deployment of a version finished, of those that did so before an instant."""
    found = events_with(DEPLOYMENTS, org, Term("version", version))
    last_ns = _END_OF_TIME_NS if before_ns is None else before_ns - 1
    joined = cursor.dialect.join_in_order("deployments", "e", "e.key = p.event AND +e.org = ?")
    row = cursor.execute(
        f"SELECT max(e.finished_at_ns) FROM ({found.sql}) p {joined} "
        "WHERE e.service = ? AND e.env IS NOT DISTINCT FROM ? AND e.finished_at_ns <= ?",
        (*found.values, org.key, service, env, last_ns),
    ).fetchone()
    return row[0] if row else None


def _finished_at(
    cursor: Cursor, org: Organisation, service: str, env: str | None, finished_at_ns: int
) -> list[Deployment]:
    """The deployments of a service and environment that finished at one instant."""
    rows = cursor.execute(
        f"SELECT {DEPLOYMENTS.select} FROM deployments e WHERE e.org = ? "
        "AND e.finished_at_ns = ? AND e.service = ? AND e.env IS NOT DISTINCT FROM ?",
        (org.key, finished_at_ns, service, env),
    )
    return [DEPLOYMENTS.from_row(row) for row in rows]


def drop_override(cursor: Cursor, org: Organisation, stored: Stored[Deployment]) -> None:
    """Deletes the override and its history with the deployment."""
    mark_concerned(cursor, org, stored)
    _delete(cursor, org, stored.key)
    delete_override_records(cursor, org, stored.key)


def _delete(cursor: Cursor, org: Organisation, key: int) -> None:
    cursor.execute("DELETE FROM verdicts WHERE org = ? AND deployment = ?", (org.key, key))


def mark_concerned(cursor: Cursor, org: Organisation, stored: Stored[Deployment]) -> None:
    """Marks the sequence of an overridden deployment, and that of its named remediation."""
    queue_deployments(cursor, org, [stored])
    sequences = cursor.execute(
        "SELECT r.service, r.env FROM verdicts v "
        "JOIN deployments r ON r.org = v.org AND r.id = v.remediation_id "
        "WHERE v.org = ? AND v.deployment = ?",
        (org.key, stored.key),
    ).fetchall()
    for service, env in sequences:
        queue_sequence(cursor, org, service, env)


def relink(
    cursor: Cursor,
    rows: Rows[Deployment],
    org: Organisation,
    changed: Iterable[Stored[Deployment]],
) -> None:
    """Settles again every verdict that is about one of `changed`, or names one as the fix.

    `changed` holds each deployment as it was and as it is.
    """
    if (
        cursor.execute("SELECT 1 FROM verdicts WHERE org = ? LIMIT 1", (org.key,)).fetchone()
        is None
    ):
        return
    keys: set[int] = set()
    for stored in changed:
        keys.update(_judged_by(cursor, org, stored))
    for stored in (rows.get(cursor, org, key) for key in keys):
        if stored is not None:
            _settle(cursor, rows, org, stored)
            mark_concerned(cursor, org, stored)


def _judged_by(cursor: Cursor, org: Organisation, stored: Stored[Deployment]) -> Iterable[int]:
    event = stored.event
    rows = cursor.execute(
        "SELECT deployment FROM verdicts WHERE org = ?2 AND deployment = ?1 "
        "UNION ALL SELECT deployment FROM verdicts WHERE org = ?2 AND remediation_id = ?3 "
        "UNION ALL SELECT deployment FROM verdicts WHERE org = ?2 AND linked_id = ?3 "
        "UNION ALL SELECT v.deployment FROM verdicts v "
        "JOIN deployments d ON d.org = v.org AND d.key = v.deployment "
        "WHERE v.org = ?2 AND v.remediation_version = ?4 AND d.service = ?5 AND "
        "d.env IS NOT DISTINCT FROM ?6",
        (stored.key, org.key, event.id, event.version, event.service, event.env),
    )
    return [key for (key,) in rows]


def _settle(
    cursor: Cursor, rows: Rows[Deployment], org: Organisation, stored: Stored[Deployment]
) -> None:
    """Writes the effect of an override to the deployment's row."""
    given = get_override(cursor, org, stored.key)
    is_said = given is not None and given.values.change_failure is not None
    _write(
        cursor,
        rows,
        org,
        stored,
        _override(cursor, org, stored),
        _links(cursor, org, stored),
        failed_by="override" if is_said else stored.event.failed_by,
        awaits_rules=stored.event.change_failure is None,
    )


def _write(
    cursor: Cursor,
    rows: Rows[Deployment],
    org: Organisation,
    stored: Stored[Deployment],
    override: Override | None,
    links: tuple[RemediationLink, ...],
    *,
    failed_by: str | None,
    awaits_rules: bool,
) -> None:
    """Writes the verdict on a deployment, from the override and the last derivation.

    `failed_by` is what marks it failed; None where only derivation knows.
    """
    event = stored.event
    step = PartialResult(
        event, Changes(status="no_git"), Decision("standard", (), links), awaits_rules
    )
    named = [link.remediation_id for link in links]
    if override and override.remediation and override.remediation.id:
        named.append(override.remediation.id)
    overrides = [override] if override else []
    verdicts = Verdicts([step], overrides, (), _finished_at_ns(cursor, org, named))
    verdict = verdicts.derived(0, step).verdict
    recovery_ns = verdict.recovery_time_ns
    now = msgspec.structs.replace(
        event,
        change_failure=verdict.change_failure,
        remediation=verdict.remediation,
        recovery_time_sec=None if recovery_ns is None else whole_seconds(recovery_ns),
        failed_by=failed_by if verdict.change_failure else None,
    )
    rows.derive(cursor, org, stored, now)


def _override(cursor: Cursor, org: Organisation, stored: Stored[Deployment]) -> Override:
    """The override in the form of derivation, with resolved versions.

    A version becomes the id that has it now. Where only a remediation was given, the verdict is
    that of the rules: the one in the row, since no override has ever replaced it.
    """
    event, given = stored.event, get_override(cursor, org, stored.key)
    values = given.values if given else OverrideValues()
    id_ = values.remediation_id
    if values.remediation_version:
        id_ = latest_of_version(
            cursor, org, event.service, event.env, values.remediation_version, stored
        )
    said = values.change_failure
    type_ = values.remediation_type
    return Override(
        deployment_id=event.id,
        change_failure=event.change_failure if said is None else said,
        remediation=GivenRemediation(type=type_, id=id_) if type_ else None,
    )


def _links(
    cursor: Cursor, org: Organisation, stored: Stored[Deployment]
) -> tuple[RemediationLink, ...]:
    """The remediation that the rules found in the last derivation."""
    row = cursor.execute(
        "SELECT linked_id, linked_type FROM verdicts WHERE org = ? AND deployment = ? "
        "AND linked_id IS NOT NULL",
        (org.key, stored.key),
    ).fetchone()
    return (RemediationLink(stored.event.id, *row, kind="linked", rule=""),) if row else ()


def _finished_at_ns(cursor: Cursor, org: Organisation, ids: Iterable[str]) -> dict[str, int]:
    """When the deployments with these ids finished, of those that are stored."""
    found: dict[str, int] = {}
    for id_ in ids:
        row = cursor.execute(
            "SELECT finished_at_ns FROM deployments WHERE org = ? AND id = ?", (org.key, id_)
        ).fetchone()
        if row:
            found[id_] = row[0]
    return found


class StoredOverride(NamedTuple):
    """The current override and its author."""

    values: OverrideValues
    author: OverrideAuthor


def override_values(given: StoredOverride | None) -> dict[str, Any]:
    """What the audit log has of an override."""
    return given.values.members() if given else {}


def get_override(cursor: Cursor, org: Organisation, key: int) -> StoredOverride | None:
    """The override of the deployment whose row has this key."""
    row = cursor.execute(
        "SELECT change_failure, remediation_id, remediation_version, remediation_type, "
        "failure_ids, given_by, given_at_ns, reason FROM verdicts "
        "WHERE org = ? AND deployment = ?",
        (org.key, key),
    ).fetchone()
    if row is None:
        return None
    *columns, by, at_ns, reason = row
    return StoredOverride(values_of(columns), OverrideAuthor(by, at_ns, reason))
