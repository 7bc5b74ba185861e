"""The keys of an organisation's repositories, under the aliases in its settings."""

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from theodora.events import MatchKeys
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.default_team import WHOLE_ORGANISATION


class _Aliases(msgspec.Struct):
    repository_aliases: Mapping[str, str] = {}


def match_keys(cursor: Cursor, org: Organisation) -> MatchKeys:
    """The same value as before for as long as the settings are the same."""
    row = cursor.execute(
        "SELECT document FROM settings WHERE org = ? AND service = ?",
        (org.key, WHOLE_ORGANISATION),
    ).fetchone()
    return _read(row[0] if row else "{}")


@lru_cache(maxsize=256)
def _read(document: str) -> MatchKeys:
    return MatchKeys(msgspec.json.decode(document, type=_Aliases).repository_aliases)
