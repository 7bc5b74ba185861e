"""Saving of event columns in files: which organisations' are due, and when."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from theodora.events.values import DAY_NS
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.change_log import KEPT, count_changes_since, mark_history, reach
from theodora.storage.metrics.cache import (
    ColumnCache,
    StaleRead,
    StoredOrganisation,
    is_usable,
    read_stored,
)
from theodora.storage.metrics.column_file import FileHead
from theodora.storage.metrics.column_files import ColumnFiles
from theodora.storage.metrics.columns import TooLarge

_FEWEST_CHANGES = 1_000
_SHARE_CHANGED = 100
"""Changes that make a file due, as a number and as a share of its rows."""
_MOST_BEHIND = KEPT // 2
"""Changes after which the log may soon not reach back to a file."""


class ColumnSaver:
    """Keeps the files of one folder up to date with one database."""

    def __init__(self, database: Database, cache: ColumnCache, files: ColumnFiles) -> None:
        self._database = database
        self._cache = cache
        self._files = files

    def save_due(self, now_ns: int, actor: Actor) -> int:
        """Saves what is due, unless another process is saving; returns how many files.

        From then on questions of this process are answered from the new files, also from those
        that another process has written.
        """
        organisations = self._database.read(_organisations)
        saved = 0
        if any(self._is_due(org, now_ns) for org in organisations):
            with self._files.saving() as is_alone:
                # Looked at again: another process may have saved them a moment ago.
                due = [org for org in organisations if is_alone and self._is_due(org, now_ns)]
                saved = sum(self._save(org, now_ns, actor) for org in due)
        self._database.read(partial(self._drop_replaced, organisations))
        return saved

    def _is_due(self, org: Organisation, now_ns: int) -> bool:
        """Whether the file is missing or old, and worth it."""
        head = self._files.head(org)

        def read(cursor: Cursor) -> bool:
            oldest, newest = reach(cursor, org)
            if head is None or not is_usable(cursor, org, head, oldest):
                return self._cache.is_worth_file(org)
            if _is_old(head, now_ns) or newest - head.number >= _MOST_BEHIND:
                return True
            changes = count_changes_since(cursor, org, head.number)
            return changes >= max(_FEWEST_CHANGES, head.rows // _SHARE_CHANGED)

        return self._database.read(read)

    def _save(self, org: Organisation, now_ns: int, actor: Actor) -> bool:
        try:
            stored = self._database.read(partial(self._stored, org, now_ns))
        except StaleRead:
            return False
        # Logged after the columns were read: a database with the mark has all that they have.
        mark = self._database.write(
            lambda cursor: mark_history(cursor, org), actor, org=org.key
        ).result()
        head = FileHead(org.uuid, stored.number, mark, stored.count, stored.read_at_ns)
        self._files.save(head, stored.events)
        return True

    def _stored(self, org: Organisation, now_ns: int, cursor: Cursor) -> StoredOrganisation:
        head = self._files.head(org)
        if head is None or not _is_old(head, now_ns):
            with suppress(TooLarge):
                return self._cache.stored(cursor, org)
        return read_stored(cursor, org, self._files.allocate)

    def _drop_replaced(self, organisations: Sequence[Organisation], cursor: Cursor) -> None:
        for org in organisations:
            head = self._files.head(org)
            if head is not None and is_usable(cursor, org, head, reach(cursor, org).oldest):
                self._cache.drop_replaced(org, head.mark)


def _is_old(head: FileHead, now_ns: int) -> bool:
    """Columns keep names and deleted rows for a while: a file shall not do so for long."""
    return now_ns - head.read_at_ns > DAY_NS


def _organisations(cursor: Cursor) -> list[Organisation]:
    """Those that are not to be deleted."""
    rows = cursor.execute(
        "SELECT o.org, o.uuid, o.name FROM organisations o "
        "LEFT JOIN organisation_deletions d USING (org) WHERE d.org IS NULL ORDER BY o.org"
    )
    return [Organisation(*row) for row in rows]
