"""Audit entries for what is done to a complete store: backups, restores and copies."""

from theodora.errors import TheodoraError
from theodora.storage.access.audit import AuditLog
from theodora.storage.copy.copy import Original
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import AuditValues
from theodora.storage.engine.audit_actions import ActionName
from theodora.storage.engine.migrate import UNFINISHED_COPY, applied_number, migrations
from theodora.storage.engine.writer import no_upkeep
from theodora.storage.open import open_database, open_original


def record_in_store(
    url: str,
    action: ActionName,
    target: str,
    *,
    after: AuditValues | None = None,
    actor: Actor,
) -> str:
    """Adds an entry to the server's own audit log; why it could not, empty if it could.

    A store that another version has migrated, or that cannot be written, stays as it is.
    """
    try:
        with open_original(url) as original:
            if not _is_of_this_version(original):
                return "its schema is that of another version"
        database = open_database(url, no_upkeep, _no_count)
        try:
            AuditLog(database).note(None, action, target, after=after, actor=actor).result()
        finally:
            database.close()
    except TheodoraError as error:
        return str(error)
    return ""


def _is_of_this_version(original: Original) -> bool:
    schema = original.schema
    if not schema.has_table("migrations") or schema.has_table(UNFINISHED_COPY):
        return False
    return applied_number(schema) == migrations(schema.kind)[-1].number


def _no_count(_: int) -> None:
    """Nobody counts this commit."""
