"""The usage of each organisation and its quotas: events, bytes of their documents, repositories.

Every write that changes what is counted changes the counters in its own transaction. Since
transactions that write come one after another, two writers cannot pass a quota together.
"""

from collections.abc import Iterator, Sequence
from typing import LiteralString, NamedTuple

from theodora.errors import OverQuota
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import Organisation

WARNING_PERCENT = 80
"""The share of a quota from which on it needs attention."""


def _counted(condition: LiteralString) -> LiteralString:
    """What organisations use by their rows for which the condition is true."""
    return (
        "SELECT org, sum(events), sum(bytes), sum(repositories) FROM (SELECT org, 1 AS events, "
        f"octet_length(document) AS bytes, 0 AS repositories FROM deployments WHERE {condition} "
        f"UNION ALL SELECT org, 1, octet_length(document), 0 FROM failures WHERE {condition} "
        f"UNION ALL SELECT org, 0, 0, 1 FROM repositories WHERE {condition}) stored GROUP BY org"
    )


_COUNTED: LiteralString = _counted("1 = 1")
_COUNTED_OF_ONE: LiteralString = _counted("org = ?1")

_REMEDIES = {
    "events": "Delete events, shorten the retention",
    "bytes": "Send shorter events, delete events, shorten the retention",
    "repositories": "Send commits of known repositories only",
}
_NOUNS = {"events": "events", "bytes": "bytes of events", "repositories": "repositories"}


class Usage(NamedTuple):
    """What an organisation has, or by how much that changes."""

    events: int = 0
    bytes: int = 0
    repositories: int = 0


class QuotaUse(NamedTuple):
    """A quota, and how much of it an organisation uses."""

    noun: str
    used: int
    limit: int

    @property
    def percent(self) -> int:
        return self.used * 100 // self.limit


class Quotas(NamedTuple):
    """The most that each organisation may have; 0 for any number."""

    events: int = 0
    bytes: int = 0
    repositories: int = 0

    def add(self, cursor: Cursor, org: Organisation, change: Usage) -> None:
        """Adds `change` to what the organisation uses; raises `OverQuota`."""
        count_usage(cursor, org.key, change)
        # Read only then: an upsert that returns what it has written takes several times as long.
        if any(self):
            self.refuse_beyond(org, change, read_usage(cursor, org))

    def refuse_beyond(self, org: Organisation, change: Usage, used: Usage) -> None:
        """Raises `OverQuota` if `change`, which is counted in `used`, passes a quota.

        What does not grow is not refused: an organisation may be beyond a quota that was lowered.
        """
        if not any(self):
            return
        for name, limit, more, now in zip(self._fields, self, change, used, strict=True):
            if limit and more > 0 and now > limit:
                raise OverQuota(
                    f'organisation "{org.name}" would pass a quota: it has {now - more:,} of '
                    f"{limit:,} {_NOUNS[name]}, and this adds {more:,}. {_REMEDIES[name]}, or ask "
                    f"whoever runs this server to raise quota_{name}"
                )

    def nearly_used(self, used: Usage) -> Iterator[QuotaUse]:
        """The quotas that need attention."""
        for name, limit, now in zip(self._fields, self, used, strict=True):
            if limit and now * 100 >= limit * WARNING_PERCENT:
                yield QuotaUse(_NOUNS[name], now, limit)


UNLIMITED = Quotas()


def count_usage(cursor: Cursor, org: int, change: Usage) -> None:
    """Adds `change` to what the organisation uses."""
    cursor.execute(
        "INSERT INTO usage (org, events, bytes, repositories) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (org) DO UPDATE SET events = usage.events + excluded.events, "
        "bytes = usage.bytes + excluded.bytes, "
        "repositories = usage.repositories + excluded.repositories",
        (org, *change),
    )


def read_usage(cursor: Cursor, org: Organisation) -> Usage:
    """What the organisation uses, by its counters."""
    row = cursor.execute(
        "SELECT events, bytes, repositories FROM usage WHERE org = ?", (org.key,)
    ).fetchone()
    return Usage(*row) if row else Usage()


def differing_usage(cursor: Cursor) -> Sequence[int]:
    """The keys of organisations whose counters differ from what is stored.

    Those that are being deleted are left out: their counters may be gone before the rest.
    """
    counted = {row[0]: Usage(*map(int, row[1:])) for row in cursor.execute(_COUNTED).fetchall()}
    rows = cursor.execute("SELECT org, events, bytes, repositories FROM usage").fetchall()
    noted = {row[0]: Usage(*row[1:]) for row in rows}
    deleted = cursor.execute(
        "SELECT org FROM organisation_deletions WHERE begun_at_ns IS NOT NULL"
    ).fetchall()
    orgs = (counted.keys() | noted.keys()) - {org for (org,) in deleted}
    return sorted(org for org in orgs if counted.get(org, Usage()) != noted.get(org, Usage()))


def renew_usage(cursor: Cursor, org: int) -> None:
    """Counts again what the organisation uses."""
    cursor.execute("DELETE FROM usage WHERE org = ?", (org,))
    cursor.execute(
        f"INSERT INTO usage (org, events, bytes, repositories) {_COUNTED_OF_ONE}", (org,)
    )
