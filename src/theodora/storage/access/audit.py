"""The audit log as it is read, and the entries that belong to no other write."""

from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from itertools import takewhile
from typing import Any, LiteralString, NamedTuple

from theodora.errors import OrganisationBusy
from theodora.query import Query
from theodora.storage.access.audit_search import entry_matches
from theodora.storage.access.refusals import RefusalLimit
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import (
    SELECT_AUDIT_ENTRIES,
    SERVER,
    AuditChain,
    AuditEntry,
    AuditOutcome,
    AuditValues,
    Recorder,
    audit_entry,
    audited,
    chain_of,
    put_chain,
    shortened_to,
)
from theodora.storage.engine.audit_actions import ActionName
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.deadline import check_deadline
from theodora.storage.engine.organisations import Organisation, organisation_by_key

_REMOVED_AT_ONCE = 1_000
_LOGGED_AT_ONCE = 200
_SEARCHED_AT_ONCE = 1_000


class AuditQuery(NamedTuple):
    """Which entries are asked for; None and empty texts ask for all."""

    from_ns: int | None = None
    to_ns: int | None = None
    """Exclusive."""
    actor: str = ""
    """A name, an id or an IP address."""
    action: str = ""
    """An action, or its first part: `key` finds `key.created`."""
    target: str = ""
    outcome: AuditOutcome | None = None
    search: Query | None = None
    """As `read_audit_search` reads it."""
    before_number: int | None = None
    """Only older entries."""
    limit: int = 100

    @property
    def conditions(self) -> list[tuple[LiteralString, Sequence[Any]]]:
        """Conditions of those that are asked for, with their values."""
        all_: list[tuple[LiteralString, Sequence[Any], bool]] = [
            ("at_ns >= ?", (self.from_ns,), self.from_ns is not None),
            ("at_ns < ?", (self.to_ns,), self.to_ns is not None),
            ("number < ?", (self.before_number,), self.before_number is not None),
            (
                "(actor_name = ? OR actor_id = ? OR address = ?)",
                (self.actor, self.actor, self.actor),
                self.actor != "",
            ),
            (
                # Not LIKE, in which _ and % are wildcards.
                "(action = ? OR substr(action, 1, CAST(? AS INTEGER)) = ?)",
                (self.action, len(self.action) + 1, f"{self.action}."),
                self.action != "",
            ),
            ("target = ?", (self.target,), self.target != ""),
            ("outcome = ?", (self.outcome,), self.outcome is not None),
        ]
        return [(condition, values) for condition, values, is_given in all_ if is_given]


class AuditLog:
    """Every method but `remove_old` and `take_unlogged` is about one organisation, or the server
    itself where that is None, and sees no other."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._refusals = RefusalLimit()

    def entries(self, org: Organisation | None, query: AuditQuery) -> list[AuditEntry]:
        """The newest first."""
        return self._database.read(partial(_entries, org, query))

    def chain(self, org: Organisation | None) -> AuditChain:
        """The ends of the chain."""
        return self._database.read(lambda cursor: chain_of(cursor, _key(org)))

    def note(
        self,
        org: Organisation | None,
        action: ActionName,
        target: str,
        *,
        after: AuditValues | None = None,
        actor: Actor,
    ) -> Future[None]:
        """Records what changes nothing in the store, such as an export."""

        def write(_: Cursor, recorder: Recorder) -> None:
            recorder.record(org, action, target, after=after)

        return audited(self._database, write, actor, org=_key(org))

    def refuse(
        self,
        org: Organisation | None,
        action: ActionName,
        target: str,
        reason: str,
        now_ns: int,
        *,
        actor: Actor,
    ) -> Future[None] | None:
        """Records a refusal, unless the same has just been recorded, or too many have.

        Without an organisation it goes to the only one that the server has, if there is one, for
        its administrators to see.
        """
        subject = (actor.kind, actor.id or actor.name, actor.address, action, target, reason)
        omitted = self._refusals.take(_key(org), subject, now_ns)
        if omitted is None:
            return None
        after = {"omitted_before": omitted} if omitted else None
        whose = org or self._database.read(_only_organisation)

        def write(cursor: Cursor, recorder: Recorder) -> None:
            if whose is None or organisation_by_key(cursor, whose.key):
                recorder.record(
                    whose, action, target, after=after, outcome="refused", reason=reason
                )

        return audited(self._database, write, actor, org=_key(whose))

    def remove_old(self, before_ns: int, *, actor: Actor) -> int:
        """Removes the entries of all chains that are older; how many those were."""
        orgs = self._database.primary.read(partial(_chains_with_older, before_ns))
        return sum(self._shorten(org, before_ns, actor) for org in orgs)

    def _shorten(self, org: int, before_ns: int, actor: Actor) -> int:
        """Ends early where another process keeps the organisation from being written."""
        removed, count = 0, _REMOVED_AT_ONCE
        write = partial(_remove_some, org, before_ns)
        with suppress(OrganisationBusy):
            while count == _REMOVED_AT_ONCE:
                count = audited(self._database, write, actor, org=org, if_free=True).result()
                removed += count
        return removed

    def take_unlogged(self, *, actor: Actor) -> list[tuple[str, AuditEntry]]:
        """Some entries that no process has written to its log, which this one has to do now.

        Each with the name of its organisation; empty for those of the server.
        """
        taken: list[tuple[str, AuditEntry]] = []
        for org, name in self._database.primary.read(_chains_with_unlogged):
            take = partial(_take_unlogged, org)
            with suppress(OrganisationBusy):
                entries = self._database.write(take, actor, org=org, if_free=True).result()
                taken += [(name, entry) for entry in entries]
        return taken


def _key(org: Organisation | None) -> int:
    return SERVER if org is None else org.key


def _entries(org: Organisation | None, query: AuditQuery, cursor: Cursor) -> list[AuditEntry]:
    """A search reads on until it has found enough, or its deadline ends it."""
    if query.search is None:
        return _read_entries(org, query, cursor)
    found: list[AuditEntry] = []
    part = query._replace(limit=_SEARCHED_AT_ONCE)
    while entries := _read_entries(org, part, cursor):
        check_deadline()
        found += (each for each in entries if entry_matches(query.search, each))
        if len(found) >= query.limit:
            return found[: query.limit]
        part = part._replace(before_number=entries[-1].number)
    return found


def _read_entries(org: Organisation | None, query: AuditQuery, cursor: Cursor) -> list[AuditEntry]:
    conditions = query.conditions
    condition: LiteralString = " AND ".join(["org = ?", *(each for each, _ in conditions)])
    values = [value for _, each in conditions for value in each]
    rows = cursor.execute(
        f"{SELECT_AUDIT_ENTRIES} WHERE {condition} ORDER BY number DESC LIMIT ?",
        (_key(org), *values, query.limit),
    )
    return [audit_entry(row) for row in rows]


def _only_organisation(cursor: Cursor) -> Organisation | None:
    rows = cursor.execute("SELECT org, uuid, name FROM organisations LIMIT 2").fetchall()
    return Organisation(*rows[0]) if len(rows) == 1 else None


def _chains_with_older(before_ns: int, cursor: Cursor) -> list[int]:
    rows = cursor.execute(
        "SELECT c.org FROM audit_chains c JOIN audit_entries e ON e.org = c.org "
        # The newest always stays: the next one continues from it.
        "AND e.number = c.removed_number + 1 AND e.number < c.last_number "
        "WHERE e.at_ns < ? ORDER BY c.org",
        (before_ns,),
    ).fetchall()
    return [org for (org,) in rows]


def _remove_some(org: int, before_ns: int, cursor: Cursor, recorder: Recorder) -> int:
    """Removes the oldest entries and keeps the hash that the next one continues from."""
    chain = chain_of(cursor, org)
    rows = cursor.execute(
        "SELECT number, hash, at_ns FROM audit_entries WHERE org = ? AND number < ? "
        "ORDER BY number LIMIT ?",
        (org, chain.last_number, _REMOVED_AT_ONCE),
    ).fetchall()
    old = [*takewhile(lambda row: row[2] < before_ns, rows)]
    if not old:
        return 0
    number, hash_, _ = old[-1]
    cursor.execute("DELETE FROM audit_entries WHERE org = ? AND number <= ?", (org, number))
    put_chain(cursor, org, chain._replace(removed_number=number, removed_hash=hash_))
    recorder.record(org, "audit.shortened", shortened_to(number), after={"entries": len(old)})
    return len(old)


def _chains_with_unlogged(cursor: Cursor) -> list[tuple[int, str]]:
    rows = cursor.execute(
        "SELECT c.org, coalesce(o.name, '') FROM audit_chains c LEFT JOIN organisations o "
        "USING (org) WHERE c.last_number > c.logged_number ORDER BY c.org"
    ).fetchall()
    return [(org, name) for org, name in rows]


def _take_unlogged(org: int, cursor: Cursor) -> list[AuditEntry]:
    rows = cursor.execute(
        f"{SELECT_AUDIT_ENTRIES} WHERE org = ?1 AND number > "
        "(SELECT logged_number FROM audit_chains WHERE org = ?1) ORDER BY number LIMIT ?2",
        (org, _LOGGED_AT_ONCE),
    ).fetchall()
    if rows:
        cursor.execute(
            "UPDATE audit_chains SET logged_number = ? WHERE org = ?",
            (audit_entry(rows[-1]).number, org),
        )
    return [*map(audit_entry, rows)]
