"""`theodora audit`: show who changed what."""

from collections.abc import Callable, Mapping, Sequence

import click
import msgspec

from theodora.cli.options import organisation_option, setting_options
from theodora.cli.stores import existing_store
from theodora.events import format_second
from theodora.report.audit_table import (
    AUDIT_FILTERS,
    MAX_AUDIT_ENTRIES,
    audit_csv,
    audit_document,
    read_audit_filters,
)
from theodora.report.parameters import Parameters
from theodora.report.text_table import aligned
from theodora.storage.engine.audit import AuditEntry

_PAGE = 50


@click.command()
@click.option("--from", "from_", help="Start, included: RFC 3339 or a date in UTC.")
@click.option("--to", help="End, not included.")
@click.option("--actor", help="Name, id or IP address.")
@click.option("--action", help="An action, or its first part: key finds key.created.")
@click.option("--target", help="What it was done to.")
@click.option("--outcome", help="done or refused.")
@click.option("--query", help="A search, such as 'action:key.* -actor:alice'.")
@click.option(
    "--limit",
    type=click.IntRange(1, MAX_AUDIT_ENTRIES),
    default=_PAGE,
    show_default=True,
    help="Most entries to show, the newest first.",
)
@click.option(
    "--before", type=click.IntRange(1), help="Only entries with smaller numbers: the next page."
)
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table",
    show_default=True, help="JSON is a line for each entry.",
)  # fmt: skip
@click.option("--server", is_flag=True, help="What concerns no organisation.")
@organisation_option
@setting_options(["database"])
def audit(
    limit: int, before: int | None, form: str, *, server: bool, org: str, **flags: str | None
) -> None:
    """Show the audit log: who changed what, when and from where.

    \b
    theodora audit --action key --from 2026-11-01
    theodora audit --actor alice --format csv
    theodora audit --query 'action:key.* (outcome:refused OR address:192.0.2.*)'

    theodora check shows whether entries were changed or removed.
    """
    parameters = Parameters(
        {name: flags.pop("from_" if name == "from" else name) or "" for name in AUDIT_FILTERS}
    )
    query = read_audit_filters(parameters)
    parameters.check()
    with existing_store(flags) as store:
        entries = store.audit.entries(
            None if server else store.keys.organisation(org),
            query._replace(limit=limit, before_number=before),
        )
    _WRITERS[form](entries)


def _write_table(entries: Sequence[AuditEntry]) -> None:
    if not entries:
        click.echo("no entries")
        return
    head = ("number", "time", "who", "from", "action", "target", "")
    for line in aligned([head, *map(_row, entries)], right={0}):
        click.echo(line)


def _row(entry: AuditEntry) -> tuple[str, ...]:
    who = f"{entry.actor.kind} {entry.actor.name or entry.actor.id}".rstrip()
    outcome = f"refused: {entry.reason}" if entry.outcome == "refused" else entry.reason
    values = " → ".join(filter(None, (entry.before, entry.after)))
    return (
        *(str(entry.number), format_second(entry.at_ns), who, entry.actor.address),
        *(entry.action, entry.target, "  ".join(filter(None, (values, outcome)))),
    )


def _write_json(entries: Sequence[AuditEntry]) -> None:
    for entry in entries:
        click.echo(msgspec.json.encode(audit_document(entry)))


def _write_csv(entries: Sequence[AuditEntry]) -> None:
    click.echo(audit_csv(entries), nl=False)


_WRITERS: Mapping[str, Callable[[Sequence[AuditEntry]], None]] = {
    "table": _write_table,
    "json": _write_json,
    "csv": _write_csv,
}
