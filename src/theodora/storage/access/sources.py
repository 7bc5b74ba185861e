"""Webhook sources: where deliveries come from, with the secrets that verify them."""

import secrets
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import msgspec

from theodora.errors import NotFound
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import AuditValues, Recorder, audited, changed
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation

_ID_BYTES = 12
_SECRET_BYTES = 32
_SELECT = (
    "SELECT s.id, s.kind, s.name, s.secret, s.settings, s.created_at_ns, s.disabled_at_ns, "
    "o.org, o.uuid, o.name FROM sources s JOIN organisations o USING (org)"
)


class WebhookSource(NamedTuple):
    """A source of webhooks."""

    id: str
    kind: str
    name: str
    secret: str
    settings: str
    """A JSON object."""
    created_at_ns: int
    disabled_at_ns: int | None
    organisation: Organisation

    @property
    def actor(self) -> Actor:
        """Who writes what this source sends."""
        return Actor("source", self.name or self.id, self.id)


class Sources:
    """Every method but `find` is about one organisation and sees no other."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, id_: str) -> WebhookSource | None:
        """The source with this id, of whichever organisation, unless it is disabled.

        None also for an organisation that is to be deleted.
        """

        def read(cursor: Cursor) -> WebhookSource | None:
            row = cursor.execute(
                f"{_SELECT} WHERE s.id = ? AND s.disabled_at_ns IS NULL AND NOT EXISTS "
                "(SELECT 1 FROM organisation_deletions d WHERE d.org = s.org)",
                (id_,),
            ).fetchone()
            return _source(row) if row else None

        return self._database.read(read)

    def add(
        self, org: Organisation, kind: str, name: str, settings: str, now_ns: int, *, actor: Actor
    ) -> Future[WebhookSource]:
        """A new source with a new id and a new secret."""
        id_, secret = secrets.token_hex(_ID_BYTES), secrets.token_hex(_SECRET_BYTES)

        def write(cursor: Cursor, recorder: Recorder) -> WebhookSource:
            cursor.execute(
                "INSERT INTO sources (org, id, kind, name, secret, settings, created_at_ns) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (org.key, id_, kind, name, secret, settings, now_ns),
            )
            source = _found(cursor, org, id_)
            recorder.record(org, "source.created", id_, after=_values(source))
            return source

        return audited(self._database, write, actor, org=org.key)

    def get(self, org: Organisation, id_: str) -> WebhookSource:
        """Raises `NotFound` where there is no such source."""
        return self._database.read(lambda cursor: _found(cursor, org, id_))

    def all_of(self, org: Organisation) -> Sequence[WebhookSource]:
        """The organisation's sources, oldest first."""

        def read(cursor: Cursor) -> Sequence[WebhookSource]:
            rows = cursor.execute(
                f"{_SELECT} WHERE s.org = ? ORDER BY s.created_at_ns, s.id", (org.key,)
            )
            return [_source(row) for row in rows]

        return self._database.read(read)

    def change_secret(
        self, org: Organisation, id_: str, secret: str, *, actor: Actor
    ) -> Future[None]:
        """Stores the secret that the provider gave. Raises `NotFound` for an unknown source."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            found = _found(cursor, org, id_)
            recorder.record(org, "source.secret_changed", found.id)
            cursor.execute(
                "UPDATE sources SET secret = ? WHERE org = ? AND id = ?",
                (secret, org.key, found.id),
            )

        return audited(self._database, write, actor, org=org.key)

    def change_settings(
        self, org: Organisation, id_: str, settings: str, *, actor: Actor
    ) -> Future[None]:
        """Deliveries read from now on follow them. Raises `NotFound` for an unknown source."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            found = _found(cursor, org, id_)
            _record_settings(recorder, org, found.id, found.settings, settings)
            cursor.execute(
                "UPDATE sources SET settings = ? WHERE org = ? AND id = ?",
                (settings, org.key, found.id),
            )

        return audited(self._database, write, actor, org=org.key)

    def common_settings(self, org: Organisation) -> str:
        """Those that all sources of the organisation follow; empty while there are none."""
        return self._database.read(lambda cursor: _common_settings(cursor, org))

    def change_common_settings(
        self, org: Organisation, settings: str, *, actor: Actor
    ) -> Future[None]:
        """Deliveries of all sources that are read from now on follow them."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            _record_settings(recorder, org, "all", _common_settings(cursor, org), settings)
            cursor.execute(
                "INSERT INTO common_source_settings (org, settings) VALUES (?, ?) "
                "ON CONFLICT (org) DO UPDATE SET settings = excluded.settings",
                (org.key, settings),
            )

        return audited(self._database, write, actor, org=org.key)

    def remove(self, org: Organisation, id_: str, *, actor: Actor) -> Future[None]:
        """Ends a source; its events stay, what is in its inbox does not.

        Raises `NotFound` for an unknown source.
        """

        def write(cursor: Cursor, recorder: Recorder) -> None:
            found = _found(cursor, org, id_)
            recorder.record(org, "source.removed", found.id, before=_values(found))
            cursor.execute(
                "DELETE FROM inbox WHERE org = ? AND kind = ? AND source = ?",
                (org.key, found.kind, found.id),
            )
            cursor.execute("DELETE FROM sources WHERE org = ? AND id = ?", (org.key, found.id))

        return audited(self._database, write, actor, org=org.key)


def _found(cursor: Cursor, org: Organisation, id_: str) -> WebhookSource:
    row = cursor.execute(f"{_SELECT} WHERE s.org = ? AND s.id = ?", (org.key, id_)).fetchone()
    if row is None:
        raise NotFound(f'there is no source "{id_}"')
    return _source(row)


def _common_settings(cursor: Cursor, org: Organisation) -> str:
    row = cursor.execute(
        "SELECT settings FROM common_source_settings WHERE org = ?", (org.key,)
    ).fetchone()
    return row[0] if row else ""


def _record_settings(
    recorder: Recorder, org: Organisation, target: str, settings_before: str, settings: str
) -> None:
    """Records the members that differ; nothing if none does."""
    before, after = changed(_decoded(settings_before), _decoded(settings))
    if before or after:
        recorder.record(org, "source.changed", target, before=before, after=after)


def _decoded(settings: str) -> AuditValues:
    return msgspec.json.decode(settings) if settings else {}


def _values(source: WebhookSource) -> AuditValues:
    """What the audit log has of it: everything but the secret."""
    return {
        "kind": source.kind,
        "name": source.name,
        "settings": _decoded(source.settings),
    }


def _source(row: tuple[Any, ...]) -> WebhookSource:
    id_, kind, name, secret, settings, created_at_ns, disabled_at_ns, *organisation = row
    return WebhookSource(
        id=id_,
        kind=kind,
        name=name,
        secret=secret,
        settings=settings,
        created_at_ns=created_at_ns,
        disabled_at_ns=disabled_at_ns,
        organisation=Organisation(*organisation),
    )
