"""The list of bots in an organisation's settings."""

from functools import lru_cache

import msgspec

from theodora.dora.derivation.authorship import bots_named
from theodora.dora.derivation.name_globs import NameFilter
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.default_team import WHOLE_ORGANISATION


class _Bots(msgspec.Struct):
    bots: tuple[str, ...] = ()


def own_bots(cursor: Cursor, org: Organisation) -> NameFilter | None:
    """The same value as before for as long as the settings are the same; None without a list."""
    row = cursor.execute(
        "SELECT document FROM settings WHERE org = ? AND service = ?",
        (org.key, WHOLE_ORGANISATION),
    ).fetchone()
    return _read(row[0]) if row else None


@lru_cache(maxsize=256)
def _read(document: str) -> NameFilter | None:
    return bots_named(msgspec.json.decode(document, type=_Bots).bots)


def bots_have_changed(cursor: Cursor, org: Organisation) -> None:
    """Queues the pull requests of an organisation for upkeep."""
    cursor.execute(
        "INSERT INTO stale_bots (org, repository, number) VALUES (?, -1, -1) "
        "ON CONFLICT (org) DO UPDATE SET repository = -1, number = -1",
        (org.key,),
    )


def orgs_with_stale_bots(cursor: Cursor) -> set[int]:
    """The organisations with pull requests that may not be evaluated by their list of bots."""
    return {org for (org,) in cursor.execute("SELECT org FROM stale_bots").fetchall()}
