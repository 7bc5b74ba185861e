"""Computes again what a store can be without: its index, what is derived, and counters."""

from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any, LiteralString

from theodora.storage.derivation.run import Derivations
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import Recorder, audited
from theodora.storage.engine.cursor import Cursor, only_value
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import NO_ORGANISATION, Organisation
from theodora.storage.engine.writer import no_upkeep
from theodora.storage.erasure import erase_sequences
from theodora.storage.events.change_log import forget_marks
from theodora.storage.events.index import clear_index, index_some, index_tables
from theodora.storage.events.rows import Rows
from theodora.storage.events.tables import DEPLOYMENTS, FAILURES
from theodora.storage.events.usage import renew_usage
from theodora.storage.facts.derivation_queue import queue_organisation
from theodora.storage.open import open_database

_AT_ONCE = 256
_TABLES: tuple[Rows[Any], ...] = (Rows(DEPLOYMENTS), Rows(FAILURES))
_DERIVED: tuple[LiteralString, ...] = (
    *("parked_sequences", "deployment_measures", "deployment_commits", "pull_request_deployments"),
)
_REPAIRED: tuple[LiteralString, ...] = (
    *(*_DERIVED, "sequences", "usage"),
    *(name for rows in _TABLES for name in (*index_tables(rows.table), rows.table.elements)),
)
"""The tables whose rows are all made again."""


def repair_store(url: str, on_step: Callable[[str], None], actor: Actor) -> None:
    """Makes the index and derives everything again, one organisation after another.

    Servers may run; their writes wait while it is the turn of their organisation.
    """
    with closing(open_database(url, no_upkeep, lambda _: None)) as database:
        audited(database, _record, actor, org=NO_ORGANISATION).result()
        database.write(_delete_unowned, actor, org=NO_ORGANISATION).result()
        organisations = database.primary.read(_organisations)
        for rows in _TABLES:
            on_step(f"indexing {rows.table.name}")
            for org in organisations:
                _index(database, rows, org, actor)
        on_step("deriving")
        for org in organisations:
            database.write(partial(_queue_everything, org), actor, org=org.key).result()
        Derivations(database, Rows(DEPLOYMENTS)).derive_all_queued(actor=actor)
        for org in organisations:
            database.write(partial(renew_usage, org=org.key), actor, org=org.key).result()


def _record(_: Cursor, recorder: Recorder) -> None:
    recorder.record(None, "store.repaired")


def _delete_unowned(cursor: Cursor) -> None:
    """Deletes rows of organisations that do not exist, which no other step finds."""
    for name in _REPAIRED:
        cursor.execute(
            f"DELETE FROM {name} WHERE NOT EXISTS "
            f"(SELECT 1 FROM organisations o WHERE o.org = {name}.org)"
        )


def _index(database: Database, rows: Rows[Any], org: Organisation, actor: Actor) -> None:
    clear = partial(clear_index, table=rows.table, org=org.key)
    database.write(clear, actor, org=org.key).result()
    after: int | None = -1
    while after is not None:
        renew = partial(rows.renew_elements, org=org.key, after=after, limit=_AT_ONCE)
        after = database.write(renew, actor, org=org.key).result()
    index = partial(index_some, table=rows.table, org=org.key)
    while database.write(index, actor, org=org.key).result():
        pass


def _queue_everything(org: Organisation, cursor: Cursor) -> None:
    # Files of columns may have been made from what is repaired now.
    forget_marks(cursor, org)
    of_org = (org.key,)
    for name in _DERIVED:
        cursor.execute(f"DELETE FROM {name} WHERE org = ?", of_org)
    # A number that no process remembers: each reads the sequence again.
    highest = only_value(
        cursor.execute("SELECT coalesce(max(generation), 0) FROM sequences WHERE org = ?", of_org)
    )
    erase_sequences(cursor, org)
    cursor.execute(
        "INSERT INTO sequences (org, service, env, generation) SELECT DISTINCT org, service, "
        "coalesce(env, ''), CAST(? AS BIGINT) FROM deployments WHERE org = ?",
        (highest + 1, org.key),
    )
    queue_organisation(cursor, org)


def _organisations(cursor: Cursor) -> list[Organisation]:
    rows = cursor.execute("SELECT org, uuid, name FROM organisations ORDER BY org").fetchall()
    return [Organisation(*row) for row in rows]
