"""Leases: one worker of all processes at a time does a kind of work for an organisation."""

from typing import Literal, LiteralString

from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import Organisation

LeasedWork = Literal["forwarding", "inbox"]

NOT_LEASED: LiteralString = (
    "NOT EXISTS (SELECT 1 FROM leases l WHERE l.org = o.org AND l.work = ? AND l.worker <> ? "
    "AND l.until_ns > ?)"
)
"""True of an organisation `o` with no lease of another worker; values: work, worker, now."""


def take_lease(
    cursor: Cursor, org: Organisation, work: LeasedWork, worker: str, now_ns: int, until_ns: int
) -> bool:
    """Has no other worker do the work until then; False while another one has the lease."""
    taken = cursor.execute(
        "INSERT INTO leases (org, work, worker, until_ns) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (org, work) DO UPDATE SET worker = excluded.worker, "
        "until_ns = excluded.until_ns WHERE leases.worker = excluded.worker "
        "OR leases.until_ns <= ? RETURNING org",
        (org.key, work, worker, until_ns, now_ns),
    )
    return taken.fetchone() is not None


def end_lease(cursor: Cursor, org: Organisation, work: LeasedWork, worker: str) -> bool:
    """Lets other workers do the work; False where another one has the lease already."""
    ended = cursor.execute(
        "DELETE FROM leases WHERE org = ? AND work = ? AND worker = ? RETURNING org",
        (org.key, work, worker),
    )
    return ended.fetchone() is not None
