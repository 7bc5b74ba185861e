"""Parked sequences, which could not be derived and are retried later."""

from collections.abc import Sequence
from typing import NamedTuple

from theodora.events.values import SECOND_NS
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import Organisation
from theodora.storage.facts.derivation_queue import SequenceKey, queue_sequence

MOST_ERROR = 300
"""Characters of an error that are kept."""
_LONGEST_PAUSE_SECONDS = 600
_LOOKED_AT = 1_000


class Parked(NamedTuple):
    """A sequence that could not be derived."""

    service: str
    env: str | None
    since_ns: int
    tried_at_ns: int
    next_at_ns: int
    """When it is tried again, if nothing that it depends on changes before."""
    tries: int
    error: str


def park(cursor: Cursor, key: SequenceKey, error: str, now_ns: int) -> None:
    """Notes that deriving the sequence failed; each time it waits for twice as long."""
    row = cursor.execute(
        "SELECT since_ns, tries FROM parked_sequences WHERE org = ? AND service = ? AND env = ?",
        _name(key),
    ).fetchone()
    since_ns, tries = (row[0], row[1] + 1) if row else (now_ns, 1)
    pause_seconds = min(2 ** min(tries, 20), _LONGEST_PAUSE_SECONDS)
    cursor.execute(
        "INSERT INTO parked_sequences (org, service, env, since_ns, tried_at_ns, next_at_ns, "
        "tries, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (org, service, env) DO UPDATE "
        "SET tried_at_ns = excluded.tried_at_ns, next_at_ns = excluded.next_at_ns, "
        "tries = excluded.tries, error = excluded.error",
        (
            *(*_name(key), since_ns, now_ns, now_ns + pause_seconds * SECOND_NS, tries),
            error.replace("\0", "")[:MOST_ERROR],
        ),
    )


def unpark(cursor: Cursor, key: SequenceKey) -> None:
    """The sequence has been derived."""
    cursor.execute(
        "DELETE FROM parked_sequences WHERE org = ? AND service = ? AND env = ?", _name(key)
    )


def is_parked(cursor: Cursor, key: SequenceKey) -> bool:
    statement = "SELECT 1 FROM parked_sequences WHERE org = ? AND service = ? AND env = ?"
    return cursor.execute(statement, _name(key)).fetchone() is not None


def organisations_due(cursor: Cursor, now_ns: int) -> list[Organisation]:
    """Those with parked sequences to try again."""
    rows = cursor.execute(
        "SELECT o.org, o.uuid, o.name FROM organisations o WHERE o.org IN "
        "(SELECT p.org FROM parked_sequences p WHERE p.next_at_ns <= ?) ORDER BY o.org",
        (now_ns,),
    )
    return [Organisation(*row) for row in rows.fetchall()]


def mark_due(org: Organisation, now_ns: int, cursor: Cursor) -> None:
    """Marks the organisation's parked sequences that are to be tried again."""
    due = cursor.execute(
        "SELECT service, env FROM parked_sequences WHERE org = ? AND next_at_ns <= ? LIMIT ?",
        (org.key, now_ns, _LOOKED_AT),
    )
    for service, env in due.fetchall():
        key = SequenceKey(org, service, env or None)
        queue_sequence(cursor, key.org, key.service, key.env)
        cursor.execute(
            "UPDATE parked_sequences SET next_at_ns = ? WHERE org = ? AND service = ? AND env = ?",
            (now_ns + _LONGEST_PAUSE_SECONDS * SECOND_NS, *_name(key)),
        )


def read_parked(cursor: Cursor, org: Organisation) -> Sequence[Parked]:
    """The organisation's parked sequences, the one parked for longest first."""
    rows = cursor.execute(
        "SELECT service, env, since_ns, tried_at_ns, next_at_ns, tries, error "
        "FROM parked_sequences WHERE org = ? ORDER BY since_ns, service, env LIMIT ?",
        (org.key, _LOOKED_AT),
    )
    return [Parked(service, env or None, *columns) for service, env, *columns in rows]


def count_parked(cursor: Cursor) -> int:
    """The number of parked sequences in all organisations."""
    row = cursor.execute("SELECT count(*) FROM parked_sequences").fetchone()
    return row[0] if row else 0


def _name(key: SequenceKey) -> tuple[int, str, str]:
    return key.org.key, key.service, key.env or ""
