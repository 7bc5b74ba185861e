"""Checks a store, on either database, in one snapshot: servers may write meanwhile."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from theodora.errors import UnusableStore
from theodora.storage.check.audit import check_audit
from theodora.storage.check.derived import check_derived
from theodora.storage.check.events import EventCheck
from theodora.storage.check.findings import REPAIR, RESTORE, Finding, Findings
from theodora.storage.check.rules import apply_rules
from theodora.storage.check.values import check_values
from theodora.storage.engine.cursor import Cursor, only_value
from theodora.storage.engine.migrate import UNFINISHED_COPY, Schema, migrations
from theodora.storage.engine.progress import Progress
from theodora.storage.events.tables import DEPLOYMENTS, FAILURES
from theodora.storage.events.usage import differing_usage
from theodora.storage.open import open_original

_COUNTERS = ("organisation", "repository_rules", "retention_round")
"""Those of the store; the others are each organisation's."""
_COUNTERS_OF_ONE = ("commits", "deployments_indexed", "failures_indexed", "receipt", "settings")
_MIGRATE = "run theodora migrate"


class Checked(NamedTuple):
    """The result of a check."""

    deployments: int
    failures: int
    underived: int
    """Deployments that wait to be derived, whose derived values could not be checked."""
    findings: Sequence[Finding]


def check_store(url: str, progress: Progress) -> Checked:
    """Raises `UnusableStore` where there is no store, or one so damaged that it cannot be read."""
    with open_original(url) as original:
        cursor, findings = original.cursor, Findings()
        if not original.schema.has_table("migrations"):
            raise UnusableStore("the database is no store of Theodora")
        if original.schema.has_table(UNFINISHED_COPY):
            raise UnusableStore("the database is an unfinished copy: finish it with theodora copy")
        _check_file(cursor, original.schema, findings)
        if _check_migrations(cursor, original.schema, findings):
            return Checked(0, 0, 0, findings.all())
        _check_counters(cursor, findings)
        apply_rules(cursor, findings)
        check_values(cursor, findings)
        check_audit(cursor, findings)
        for org in differing_usage(cursor):
            findings.add("usage", "the counters differ from what is stored", REPAIR, org)
        counts = [
            only_value(cursor.execute(f"SELECT count(*) FROM {table.name}"))
            for table in (DEPLOYMENTS, FAILURES)
        ]
        for table, count in zip((DEPLOYMENTS, FAILURES), counts, strict=True):
            EventCheck(cursor, table, findings).run(_counted(progress, table.name, count))
        underived = check_derived(cursor, findings, _counted(progress, "deriving", counts[0]))
        return Checked(counts[0], counts[1], underived, findings.all())


def _counted(progress: Progress, what: str, of: int) -> Callable[[int], None]:
    done = 0

    def note(count: int) -> None:
        nonlocal done
        done += count
        progress(what, min(done, of), of)

    return note


def _check_file(cursor: Cursor, schema: Schema, findings: Findings) -> None:
    """Adds what the database itself reports: a damaged file, a row whose reference is missing."""
    if schema.kind == "sqlite":
        for (line,) in cursor.execute("PRAGMA integrity_check").fetchall():
            if line != "ok":
                findings.add("database", line, RESTORE)
        for table, row, parent, _ in cursor.execute("PRAGMA foreign_key_check").fetchall():
            findings.add(table, f"it refers to a row of {parent} that is not there", RESTORE, row)
        return
    for (name,) in cursor.execute(
        "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "WHERE NOT i.indisvalid AND c.relnamespace = current_schema()::regnamespace"
    ).fetchall():
        findings.add("database", f"the index {name} is not valid", f"run REINDEX INDEX {name}")


def _check_migrations(cursor: Cursor, schema: Schema, findings: Findings) -> bool:
    """Whether the schema is not this version's, so that nothing else can be checked."""
    known = {migration.number for migration in migrations(schema.kind)}
    applied = {number for (number,) in cursor.execute("SELECT number FROM migrations").fetchall()}
    for number in sorted(known - applied):
        findings.add("migrations", "it has not been applied", _MIGRATE, number)
    for number in sorted(applied - known):
        findings.add("migrations", "this version does not know it", "use the newer version", number)
    return applied != known


def _check_counters(cursor: Cursor, findings: Findings) -> None:
    there = set(cursor.execute("SELECT org, name FROM counters").fetchall())
    orgs = cursor.execute("SELECT org FROM organisations ORDER BY org").fetchall()
    due = [(0, name) for name in _COUNTERS]
    due += [(org, name) for (org,) in orgs for name in _COUNTERS_OF_ONE]
    for counter in due:
        if counter not in there:
            findings.add("counters", "the counter is missing", RESTORE, counter)
