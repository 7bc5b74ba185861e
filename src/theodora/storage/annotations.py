"""The store's annotations of charts."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import LiteralString, NamedTuple

from theodora.errors import Invalid, NotFound, Problem
from theodora.events import format_rfc3339
from theodora.events.annotations import Annotation
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import AuditValues, Recorder, audited
from theodora.storage.engine.cursor import Cursor, only_value
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation

MAX_ANNOTATIONS = 10_000
"""Of an organisation."""
_LAST_NS = 2**63 - 1
_SELECT: LiteralString = (
    "SELECT id, at_ns, text, service, team, env, created_at_ns, created_by FROM annotations"
)


class StoredAnnotation(NamedTuple):
    """An annotation, and who made it when."""

    id: str
    content: Annotation
    created_at_ns: int
    created_by: str


class Annotations:
    """Every method is about one organisation and sees no other."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, org: Organisation, content: Annotation, now_ns: int, *, actor: Actor
    ) -> Future[StoredAnnotation]:
        """Stores an annotation, and returns the stored one if there is the same already.

        Raises `Invalid` if the organisation has as many as it may have.
        """

        def write(cursor: Cursor, recorder: Recorder) -> StoredAnnotation:
            found = _find(cursor, org, content.id)
            if found is not None:
                return found
            held = only_value(
                cursor.execute("SELECT count(*) FROM annotations WHERE org = ?", (org.key,))
            )
            if held >= MAX_ANNOTATIONS:
                raise Invalid(Problem(f"there are {held} annotations already: remove some first"))
            made = StoredAnnotation(content.id, content, now_ns, actor.name)
            cursor.execute(
                "INSERT INTO annotations (org, id, at_ns, text, service, team, env, "
                "created_at_ns, created_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(org.key, made.id, content.at_ns, content.text),
                    *(content.service, content.team, content.env, now_ns, actor.name),
                ),
            )
            recorder.record(org, "annotation.added", made.id, after=_values(content))
            return made

        return audited(self._database, write, actor, org=org.key)

    def get(self, org: Organisation, id_: str) -> StoredAnnotation:
        """Raises `NotFound` where there is none with this id."""
        found = self._database.read(lambda cursor: _find(cursor, org, id_))
        if found is None:
            raise _unknown(id_)
        return found

    def newest(
        self, org: Organisation, limit: int, start_ns: int = 0, end_ns: int = _LAST_NS
    ) -> Sequence[StoredAnnotation]:
        """Those of a period, the newest first; `end_ns` is not included."""

        def read(cursor: Cursor) -> Sequence[StoredAnnotation]:
            rows = cursor.execute(
                f"{_SELECT} WHERE org = ? AND at_ns >= ? AND at_ns < ? "
                "ORDER BY at_ns DESC, id DESC LIMIT ?",
                (org.key, start_ns, end_ns, limit),
            )
            return [_annotation(*row) for row in rows.fetchall()]

        return self._database.read(read)

    def remove(self, org: Organisation, id_: str, *, actor: Actor) -> Future[None]:
        """Raises `NotFound` where there is none with this id."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            found = _find(cursor, org, id_)
            if found is None:
                raise _unknown(id_)
            cursor.execute("DELETE FROM annotations WHERE org = ? AND id = ?", (org.key, id_))
            recorder.record(org, "annotation.removed", id_, before=_values(found.content))

        return audited(self._database, write, actor, org=org.key)


def _find(cursor: Cursor, org: Organisation, id_: str) -> StoredAnnotation | None:
    row = cursor.execute(f"{_SELECT} WHERE org = ? AND id = ?", (org.key, id_)).fetchone()
    return _annotation(*row) if row else None


def _annotation(
    id_: str,
    at_ns: int,
    text: str,
    service: str,
    team: str,
    env: str,
    created_at_ns: int,
    created_by: str,
) -> StoredAnnotation:
    content = Annotation(at_ns=at_ns, text=text, service=service, team=team, env=env)
    return StoredAnnotation(id_, content, created_at_ns, created_by)


def _unknown(id_: str) -> NotFound:
    return NotFound(f'there is no annotation "{id_}"')


def _values(content: Annotation) -> AuditValues:
    about = {name: value for name, value in content.about.items() if value}
    return {"at": format_rfc3339(content.at_ns), "text": content.text, **about}
