"""The store's saved views: pages with their parameters, by name."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

from theodora.errors import Invalid, NotFound, Problem
from theodora.events.values import content_id
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import Recorder, audited
from theodora.storage.engine.cursor import Cursor, only_value
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation

MAX_SAVED_VIEWS = 100
"""Of an owner."""
EVERYBODY = ""
"""The owner of views that everybody of the organisation sees."""


class SavedView(NamedTuple):
    """A page with its parameters."""

    owner: str
    """As `owner_of` names it, or `EVERYBODY`."""
    name: str
    path: str
    """The page's, without the prefix of the server."""
    query: str
    """As in an address, without the question mark."""
    is_start: bool
    """Whether signing in leads to it."""

    @property
    def id(self) -> str:
        """The same for the same owner and name."""
        return content_id(self.owner, self.name)

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path


def owner_of(actor: Actor) -> str:
    """The owner of what a person or key saves alone."""
    return f"{actor.kind}:{actor.id}"


class SavedViews:
    """Every method is about one organisation and sees no other."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, org: Organisation, view: SavedView, now_ns: int, *, actor: Actor) -> Future[None]:
        """Saves a view, in place of one of the same owner and name.

        Raises `Invalid` if its owner has as many as it may have.
        """

        def write(cursor: Cursor, recorder: Recorder) -> None:
            before = _found(cursor, org, view.owner, view.name)
            count = "SELECT count(*) FROM saved_views WHERE org = ? AND owner = ?"
            held = only_value(cursor.execute(count, (org.key, view.owner)))
            if before is None and held >= MAX_SAVED_VIEWS:
                raise Invalid(Problem(f"there are {held} saved views already: delete some first"))
            if view.is_start:
                cursor.execute(
                    "UPDATE saved_views SET is_start = 0 WHERE org = ? AND owner = ?",
                    (org.key, view.owner),
                )
            cursor.execute(
                "INSERT INTO saved_views (org, owner, name, path, query, is_start, saved_at_ns, "
                "saved_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (org, owner, name) "
                "DO UPDATE SET path = excluded.path, query = excluded.query, "
                "is_start = excluded.is_start, saved_at_ns = excluded.saved_at_ns, "
                "saved_by = excluded.saved_by",
                (
                    *(org.key, view.owner, view.name, view.path, view.query),
                    *(int(view.is_start), now_ns, actor.name),
                ),
            )
            recorder.record(
                org,
                "view.saved",
                view.name,
                before=before._asdict() if before else {},
                after=view._asdict(),
            )

        return audited(self._database, write, actor, org=org.key)

    def remove(self, org: Organisation, owner: str, name: str, *, actor: Actor) -> Future[None]:
        """Raises `NotFound` where there is no such view."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            found = _found(cursor, org, owner, name)
            if found is None:
                raise NotFound(f'there is no saved view "{name}"')
            cursor.execute(
                "DELETE FROM saved_views WHERE org = ? AND owner = ? AND name = ?",
                (org.key, owner, name),
            )
            recorder.record(org, "view.deleted", name, before=found._asdict())

        return audited(self._database, write, actor, org=org.key)

    def seen_by(self, org: Organisation, owner: str) -> Sequence[SavedView]:
        """The owner's and everybody's, in order of their names, the owner's first."""

        def read(cursor: Cursor) -> Sequence[SavedView]:
            rows = cursor.execute(
                "SELECT owner, name, path, query, is_start FROM saved_views WHERE org = ? "
                "AND owner IN (?, '') ORDER BY owner DESC, name",
                (org.key, owner),
            )
            return [_view(*row) for row in rows]

        return self._database.read(read)

    def start(self, org: Organisation, owner: str) -> SavedView | None:
        """Where signing in leads: the owner's own start, else everybody's."""
        return next((each for each in self.seen_by(org, owner) if each.is_start), None)


def _found(cursor: Cursor, org: Organisation, owner: str, name: str) -> SavedView | None:
    row = cursor.execute(
        "SELECT owner, name, path, query, is_start FROM saved_views "
        "WHERE org = ? AND owner = ? AND name = ?",
        (org.key, owner, name),
    ).fetchone()
    return _view(*row) if row else None


def _view(owner: str, name: str, path: str, query: str, is_start: int) -> SavedView:
    return SavedView(owner, name, path, query, bool(is_start))
