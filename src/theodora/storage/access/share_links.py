"""Share links: whoever has one reads one page, with its parameters, without signing in.

The link holds a secret, the store its hash. It is good until it expires or is revoked, and while
its maker may still make one. Some days after it has ended it is removed.
"""

import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, LiteralString, NamedTuple

from theodora.errors import NotFound, OrganisationBusy
from theodora.events.values import DAY_NS, SECOND_NS
from theodora.storage.access.key_rows import KEY_COLUMNS, key_of_row
from theodora.storage.access.key_secrets import hash_of
from theodora.storage.access.people import PERSON_COLUMNS, person_of_row
from theodora.storage.access.permissions import READ
from theodora.storage.access.principals import Principal, key_principal, person_principal
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import Recorder, audited
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation

KEPT_DAYS = 7
"""So long an ended link stays in the list."""
_NOTED_EVERY_NS = 60 * SECOND_NS


class ShareLink(NamedTuple):
    """A link as it is stored: everything but the secret."""

    id: str
    path: str
    """The page's, without the prefix of the server."""
    query: str
    """Its parameters, as in an address, without the question mark."""
    maker: Principal | None
    """None once whoever made it cannot make links any more."""
    created_at_ns: int
    expires_at_ns: int
    revoked_at_ns: int | None
    last_used_at_ns: int | None
    """Up to a minute old; None for one that nobody has opened."""

    def is_due_to_be_noted(self, now_ns: int) -> bool:
        """Whether a use is worth a write."""
        last_ns = self.last_used_at_ns
        return last_ns is None or now_ns - last_ns > _NOTED_EVERY_NS

    def is_good(self, now_ns: int) -> bool:
        """Whether it opens its page."""
        return self.state(now_ns) == "active"

    def state(self, now_ns: int) -> str:
        """`active`, or why it opens nothing."""
        if self.revoked_at_ns is not None:
            return "revoked"
        if self.expires_at_ns <= now_ns:
            return "expired"
        if self.maker is None or self.maker.deletion_at_ns is not None:
            return "without its maker"
        return "active"

    @property
    def reader(self) -> Principal:
        """Whoever opens a good link: the organisation's data can be read, and nothing else."""
        assert self.maker is not None, "the link is not good"
        return self.maker._replace(name="", permissions=frozenset({READ}), key=None, person=None)


class ShareLinks:
    """Found by their secrets alone, so no organisation needs to be named.

    Every other method but `remove_ended` is about one organisation.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        maker: Principal,
        secret: str,
        path: str,
        query: str,
        *,
        expires_at_ns: int,
        now_ns: int,
        actor: Actor,
    ) -> Future[str]:
        """Stores a link and returns its id."""

        def write(cursor: Cursor, recorder: Recorder) -> str:
            id_ = str(uuid.uuid4())
            cursor.execute(
                "INSERT INTO share_links (org, id, hash, path, query, key_id, person_id, "
                "created_at_ns, expires_at_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(maker.organisation.key, id_, hash_of(secret), path, query),
                    *(*maker.key_and_person, now_ns, expires_at_ns),
                ),
            )
            after = {"path": path, "query": query, "expires_at_ns": expires_at_ns}
            recorder.record(maker.organisation, "link.created", id_, after=after)
            return id_

        return audited(self._database, write, actor, org=maker.organisation.key)

    def find(self, secret: str, now_ns: int) -> ShareLink | None:
        """The link with this secret; None if it is not good."""

        def read(cursor: Cursor) -> ShareLink | None:
            row = cursor.execute(f"{_SELECT} WHERE l.hash = ?", (hash_of(secret),)).fetchone()
            return _link(row, now_ns) if row else None

        link = self._database.read(read)
        return link if link is not None and link.is_good(now_ns) else None

    def all_of(self, org: Organisation, now_ns: int) -> Sequence[ShareLink]:
        """Every link of the organisation, good or not, the newest first."""

        def read(cursor: Cursor) -> Sequence[ShareLink]:
            rows = cursor.execute(
                f"{_SELECT} WHERE l.org = ? ORDER BY l.created_at_ns DESC, l.id", (org.key,)
            ).fetchall()
            return [_link(row, now_ns) for row in rows]

        return self._database.read(read)

    def revoke(self, org: Organisation, id_: str, now_ns: int, *, actor: Actor) -> Future[None]:
        """Raises `NotFound` for the id of no link of the organisation, or of a revoked one."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            revoked = cursor.execute(
                "UPDATE share_links SET revoked_at_ns = ? "
                "WHERE org = ? AND id = ? AND revoked_at_ns IS NULL RETURNING path",
                (now_ns, org.key, id_),
            ).fetchone()
            if revoked is None:
                raise NotFound(f'there is no share link "{id_}" that is not revoked')
            recorder.record(org, "link.revoked", id_, before={"path": revoked[0]})

        return audited(self._database, write, actor, org=org.key)

    def note_used(self, link: ShareLink, now_ns: int, *, actor: Actor) -> Future[None]:
        org = link.reader.organisation
        return self._database.write(
            lambda cursor: _note_used(cursor, org, link.id, now_ns), actor, org=org.key
        )

    def remove_ended(self, now_ns: int, *, actor: Actor) -> None:
        """Removes the links of all organisations that ended `KEPT_DAYS` ago or earlier."""
        until_ns = now_ns - KEPT_DAYS * DAY_NS
        for org in self._database.primary.read(partial(_orgs_with_ended, until_ns)):
            remove = partial(_remove_ended, org, until_ns)
            with suppress(OrganisationBusy):
                self._database.write(remove, actor, org=org, if_free=True).result()


_COLUMNS: tuple[LiteralString, ...] = (
    *("l.id", "l.path", "l.query", "l.created_at_ns", "l.expires_at_ns", "l.revoked_at_ns"),
    "l.last_used_at_ns",
)
_SELECT: LiteralString = (
    f"SELECT {', '.join((*_COLUMNS, *KEY_COLUMNS, *PERSON_COLUMNS))} "
    "FROM share_links l JOIN organisations o ON o.org = l.org "
    "LEFT JOIN organisation_deletions d ON d.org = l.org "
    "LEFT JOIN keys k ON k.org = l.org AND k.id = l.key_id AND k.revoked_at_ns IS NULL "
    "LEFT JOIN people p ON p.org = l.org AND p.id = l.person_id"
)


def _link(row: Sequence[Any], now_ns: int) -> ShareLink:
    id_, path, query, *instants_ns = row[: len(_COLUMNS)]
    of_maker = row[len(_COLUMNS) :]
    maker = _maker(of_maker[: len(KEY_COLUMNS)], of_maker[len(KEY_COLUMNS) :], now_ns)
    return ShareLink(id_, path, query, maker, *instants_ns)


def _maker(key_row: Sequence[Any], person_row: Sequence[Any], now_ns: int) -> Principal | None:
    """Whoever made a link, unless they may not any more; a row without an id is nobody's."""
    maker: Principal | None = None
    if person_row[0] is not None:
        person = person_of_row(person_row)
        maker = person_principal(person) if person.disabled_at_ns is None else None
    elif key_row[0] is not None:
        key = key_of_row(key_row)
        maker = None if key.has_expired(now_ns) else key_principal(key)
    return maker if maker is not None and maker.may_make_links else None


def _note_used(cursor: Cursor, org: Organisation, id_: str, now_ns: int) -> None:
    cursor.execute(
        "UPDATE share_links SET last_used_at_ns = ? WHERE org = ? AND id = ? "
        "AND (last_used_at_ns IS NULL OR last_used_at_ns < ?)",
        (now_ns, org.key, id_, now_ns),
    )


def _orgs_with_ended(until_ns: int, cursor: Cursor) -> list[int]:
    rows = cursor.execute(
        "SELECT DISTINCT org FROM share_links WHERE expires_at_ns <= ? OR revoked_at_ns <= ?",
        (until_ns, until_ns),
    ).fetchall()
    return [org for (org,) in rows]


def _remove_ended(org: int, until_ns: int, cursor: Cursor) -> None:
    cursor.execute(
        "DELETE FROM share_links WHERE org = ? AND (expires_at_ns <= ? OR revoked_at_ns <= ?)",
        (org, until_ns, until_ns),
    )
