"""Computes again what a store can be without: its index, what is derived, and counters."""

from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

from theodora.storage.derivation.run import Derivations
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import Recorder, audited
from theodora.storage.engine.cursor import Cursor, only_value
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation
from theodora.storage.engine.writer import no_upkeep
from theodora.storage.events.change_log import forget_marks
from theodora.storage.events.index import clear_index, index_some
from theodora.storage.events.rows import Rows
from theodora.storage.events.tables import DEPLOYMENTS, FAILURES
from theodora.storage.events.usage import renew_usage
from theodora.storage.facts.derivation_queue import queue_organisation
from theodora.storage.open import open_database

_AT_ONCE = 256
_TABLES: tuple[Rows[Any], ...] = (Rows(DEPLOYMENTS), Rows(FAILURES))


def repair_store(url: str, on_step: Callable[[str], None], actor: Actor) -> None:
    """Makes the index and derives everything again; servers may run, and their writes wait."""
    with closing(open_database(url, no_upkeep, lambda _: None)) as database:
        audited(database, _record, actor).result()
        for rows in _TABLES:
            on_step(f"indexing {rows.table.name}")
            database.write(partial(clear_index, table=rows.table), actor).result()
            _put_elements(database, rows, actor)
            for org in database.primary.read(_organisations):
                index = partial(index_some, table=rows.table, org=org.key)
                while database.write(index, actor, org=org.key).result():
                    pass
        on_step("deriving")
        database.write(_queue_everything, actor).result()
        Derivations(database, Rows(DEPLOYMENTS)).derive_all_queued(actor=actor)
        database.write(renew_usage, actor).result()


def _record(_: Cursor, recorder: Recorder) -> None:
    recorder.record(None, "store.repaired")


def _put_elements(database: Database, rows: Rows[Any], actor: Actor) -> None:
    after = -1
    while True:
        last = database.write(
            partial(rows.renew_elements, after=after, limit=_AT_ONCE), actor
        ).result()
        if last is None:
            return
        after = last


def _queue_everything(cursor: Cursor) -> None:
    # Files of columns may have been made from what is repaired now.
    forget_marks(cursor)
    cursor.execute("DELETE FROM parked_sequences")
    cursor.execute("DELETE FROM deployment_measures")
    cursor.execute("DELETE FROM deployment_commits")
    cursor.execute("DELETE FROM pull_request_deployments")
    # A number that no process remembers: each reads the sequence again.
    highest = only_value(cursor.execute("SELECT coalesce(max(generation), 0) FROM sequences"))
    cursor.execute("DELETE FROM sequences")
    cursor.execute(
        "INSERT INTO sequences (org, service, env, generation) "
        "SELECT DISTINCT org, service, coalesce(env, ''), CAST(? AS BIGINT) FROM deployments",
        (highest + 1,),
    )
    for org in _organisations(cursor):
        queue_organisation(cursor, org)


def _organisations(cursor: Cursor) -> list[Organisation]:
    rows = cursor.execute("SELECT org, uuid, name FROM organisations ORDER BY org").fetchall()
    return [Organisation(*row) for row in rows]
