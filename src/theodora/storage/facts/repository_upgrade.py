"""The upgrade of stored repository URLs, ids and keys to the current rules.

A store remembers which version of the rules it has gone through. When it is opened by a process
with newer ones, URLs and ids are cleaned of credentials that older rules did not recognise, in
events with everything that they are found by, in commits and in mirrors; match keys are computed,
and everything is derived once more. What is freed on the disk is not overwritten.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, LiteralString

from theodora.events import Git, match_key, repository_id, without_credentials
from theodora.storage.engine.actor import UPKEEP
from theodora.storage.engine.cursor import Cursor, only_value
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import NO_ORGANISATION, Organisation
from theodora.storage.events.field_values import posted_values
from theodora.storage.events.lookup import events_with
from theodora.storage.events.rows import Rows
from theodora.storage.events.tables import EventTable
from theodora.storage.events.terms import Term
from theodora.storage.facts.commits import move_repository
from theodora.storage.facts.derivation_queue import queue_organisation

RULES = 1
"""The version of the rules in `events/repository.py`: raised when they change what is stored."""

_ROWS_AT_ONCE = 256
_MOST_URLS = 1_000_000


def apply_repository_rules(database: Database, kinds: tuple[Rows[Any], ...]) -> None:
    """Does nothing where the store has gone through today's rules. May be interrupted."""
    if database.primary.read(_is_current):
        return
    for org in database.primary.read(_organisations):
        for rows in kinds:
            for url in database.primary.read(partial(_outdated_urls, org, rows.table)):
                rename = partial(_rename_some, org, rows, url)
                while database.write(rename, UPKEEP, org=org.key).result():
                    pass
        database.write(partial(_finish, org), UPKEEP, org=org.key).result()
    database.write(_note_current, UPKEEP, org=NO_ORGANISATION).result()


def _is_current(cursor: Cursor) -> bool:
    statement: LiteralString = (
        "SELECT value >= ? AND NOT EXISTS (SELECT 1 FROM repositories WHERE match_key IS NULL) "
        "FROM counters WHERE org = 0 AND name = 'repository_rules'"
    )
    return bool(only_value(cursor.execute(statement, (RULES,))))


def _organisations(cursor: Cursor) -> list[Organisation]:
    rows = cursor.execute("SELECT org, uuid, name FROM organisations ORDER BY org")
    return [Organisation(*row) for row in rows]


def _outdated_urls(org: Organisation, table: EventTable[Any], cursor: Cursor) -> list[str]:
    """The URLs of events that today's rules would store otherwise, or under another id.

    All events with one URL are alike, so one of each is looked at.
    """
    urls = posted_values(cursor, table, org, "repository_url", limit=_MOST_URLS)
    return [url for url in urls if any(_outdated(cursor, table, org, url, 1))]


def _outdated(
    cursor: Cursor, table: EventTable[Any], org: Organisation, url: str, limit: int
) -> Iterator[tuple[int, str]]:
    """Keys and stored ids of some events with the URL, those that are up to date left out."""
    clean = without_credentials(url)
    found = events_with(table, org, Term("repository_url", url))
    joined = cursor.dialect.join_in_order(table.name, "e", "e.key = p.event AND +e.org = ?")
    rows = cursor.execute(
        f"SELECT e.key, e.repository_id FROM ({found.sql}) p {joined} LIMIT ?",
        (*found.values, org.key, limit),
    )
    for key, stored_id in rows.fetchall():
        if clean != url or stored_id != repository_id(clean):
            yield key, stored_id


def _rename_some(org: Organisation, rows: Rows[Any], url: str, cursor: Cursor) -> bool:
    """Writes some events with the URL by today's rules; whether there may be more."""
    is_clean = without_credentials(url) == url
    # Of a clean URL the id alone is wrong: those that have been seen to are still found by it.
    limit = _MOST_URLS if is_clean else _ROWS_AT_ONCE
    found = dict(_outdated(cursor, rows.table, org, url, limit))
    for key, stored in rows.get_all(cursor, org, list(found)).items():
        git = Git(stored.event.git.commit_sha, without_credentials(url))
        rows.rename_repository(cursor, org, stored, found[key], git)
    return bool(found) and not is_clean


def _finish(org: Organisation, cursor: Cursor) -> None:
    _clean_repositories(cursor, org.key)
    _clean_mirrors(cursor, org.key)
    # They may name repositories as before; everything is marked instead.
    cursor.execute("DELETE FROM marks WHERE org = ? AND kind = 'repository'", (org.key,))
    queue_organisation(cursor, org)


def _note_current(cursor: Cursor) -> None:
    cursor.execute(
        "UPDATE counters SET value = ? WHERE org = 0 AND name = 'repository_rules'", (RULES,)
    )


def _clean_repositories(cursor: Cursor, org: int) -> None:
    rows = cursor.execute(
        "SELECT key, repository_id FROM repositories WHERE org = ? ORDER BY key", (org,)
    )
    for key, id_ in rows.fetchall():
        clean = _clean_id(id_)
        if clean != id_:
            move_repository(cursor, org, key, clean)
        else:
            cursor.execute(
                "UPDATE repositories SET match_key = ? WHERE org = ? AND key = ?",
                (match_key(id_), org, key),
            )


def _clean_id(id_: str) -> str:
    """The id by today's rules for one that older rules made from a URL that is not stored."""
    if id_.startswith("[") and "]" not in id_.partition("/")[0]:
        # An IPv6 address in brackets was cut at its first colon.
        return repository_id(id_.replace("/", ":", 1))
    return id_ if without_credentials(id_) == id_ else repository_id(id_)


def _clean_mirrors(cursor: Cursor, org: int) -> None:
    rows = cursor.execute("SELECT repository_id, url FROM mirrors WHERE org = ?", (org,))
    for id_, url in rows.fetchall():
        clean = without_credentials(url)
        if clean == url and repository_id(url) == id_:
            continue
        cursor.execute("DELETE FROM mirrors WHERE org = ? AND repository_id = ?", (org, id_))
        cursor.execute(
            "INSERT INTO mirrors (org, repository_id, url) VALUES (?, ?, ?) "
            "ON CONFLICT (org, repository_id) DO NOTHING",
            (org, repository_id(clean), clean),
        )
