"""Checks the chains of the audit log: entries that were changed, added or removed."""

from collections.abc import Iterator
from itertools import groupby

from theodora.storage.check.findings import Findings
from theodora.storage.check.values import pages
from theodora.storage.engine.audit import (
    AUDIT_COLUMNS,
    AuditChain,
    AuditEntry,
    audit_entry,
    hash_of_entry,
    shortened_to,
)
from theodora.storage.engine.cursor import Cursor

_TAMPERED = "find out who changed the database; compare the log with a backup or with log lines"


def check_audit(cursor: Cursor, findings: Findings) -> None:
    """Follows each chain from its oldest entry to its newest.

    It does not find what a writer did who computes all later hashes again, or who removes the
    newest entries, or all, and corrects `audit_chains` too: for that, a hash must be known
    elsewhere.
    """
    chains = {
        org: AuditChain(*row)
        for org, *row in cursor.execute(
            "SELECT org, last_number, last_hash, removed_number, removed_hash FROM audit_chains"
        ).fetchall()
    }
    # An organisation that is being deleted loses its rows table by table.
    erased = {
        org
        for (org,) in cursor.execute(
            "SELECT org FROM organisation_deletions WHERE begun_at_ns IS NOT NULL"
        ).fetchall()
    }
    ends: dict[int, AuditChain] = {}
    for org, entries in groupby(_entries(cursor), key=lambda entry: entry.org):
        if org in erased:
            continue
        ends[org] = _follow(org, entries, chains.get(org, AuditChain()), findings)
    for org in sorted((ends.keys() | chains.keys()) - erased):
        chain = chains.get(org)
        if chain is None:
            findings.add("audit_chains", "the row of a chain is missing", _TAMPERED, org)
            continue
        start = AuditChain(chain.removed_number, chain.removed_hash)
        end = ends.get(org, start)
        if (end.last_number, end.last_hash) != (chain.last_number, chain.last_hash):
            problem = "the newest entry is not the one that was written last"
            findings.add("audit_entries", problem, _TAMPERED, (org, end.last_number))


def _entries(cursor: Cursor) -> Iterator[AuditEntry]:
    for page in pages(cursor, "audit_entries", "org, number", AUDIT_COLUMNS):
        yield from map(audit_entry, page)


def _follow(
    org: int, entries: Iterator[AuditEntry], chain: AuditChain, findings: Findings
) -> AuditChain:
    """Checks each entry against the one before it; the end that the entries have."""
    number, hash_ = chain.removed_number, chain.removed_hash
    announced = ""
    for entry in entries:
        if entry.action == "audit.shortened":
            announced = entry.target
        place = (entry.org, entry.number)
        if entry.number != number + 1:
            findings.add("audit_entries", "entries before it are missing", _TAMPERED, place)
        elif entry.hash != hash_of_entry(hash_, entry):
            problem = "it was changed, or does not follow from the entry before it"
            findings.add("audit_entries", problem, _TAMPERED, place)
        number, hash_ = entry.number, entry.hash
    # Each removal for age is followed by its entry, and only a later one removes that.
    if chain.removed_number and announced != shortened_to(chain.removed_number):
        problem = "its oldest entries are missing, and no entry has their removal"
        findings.add("audit_chains", problem, _TAMPERED, (org, chain.removed_number))
    return AuditChain(number, hash_)
