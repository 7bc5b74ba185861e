"""`theodora search`: find events with the search language, in the store or in a file."""

import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import click

from theodora.cli.options import instant_option, organisation_option, setting_options
from theodora.cli.queries import read_query
from theodora.cli.stores import existing_store
from theodora.cli.terminal import safe_json
from theodora.errors import Invalid, Problem
from theodora.events.document import TimestampForm
from theodora.query import SORT_KEYS, Event, Field, Kind, matches, sort_key
from theodora.report.csv_text import csv_bytes
from theodora.report.event_columns import COLUMNS, cells_of
from theodora.report.text_table import aligned
from theodora.sources.json_lines import deployment_from_line, failure_from_line
from theodora.storage import Selection
from theodora.web.api.wire import encode_resource

_MAX_LIMIT = 1_000_000


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[QUERY]")
@click.option("--failures", is_flag=True, help="Search failures instead of deployments.")
@click.option("--from", "from_", metavar="TIME", help="Earliest start, included: RFC 3339.")
@click.option("--to", metavar="TIME", help="Latest start, included: RFC 3339.")
@click.option(
    "--limit",
    default=10,
    show_default=True,
    type=click.IntRange(1, _MAX_LIMIT),
    help="Maximum number of events.",
)
@click.option(
    "--sort", default="-started_at", show_default=True, help="A field; - in front: descending."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(("table", "json", "csv")),
    default="table",
    show_default=True,
    help="json prints a resource a line, as the API has it.",
)
@click.option("--file", metavar="FILE", help="Search a file that theodora export wrote, .gz too.")
@organisation_option
@setting_options(["database"])
def search(
    words: tuple[str, ...],
    failures: bool,
    from_: str | None,
    to: str | None,
    limit: int,
    sort: str,
    form: str,
    file: str | None,
    org: str,
    **flags: str | None,
) -> None:
    """Find events with the search language; without a QUERY, all of them.

    A search without results prints that and exits with 0.

    \b
    theodora search 'service:checkout is:production -team:payments'
    theodora search 'change_failure:true' --from 2026-01-01T00:00:00Z --sort -duration
    """
    kind = Kind.FAILURE if failures else Kind.DEPLOYMENT
    selection = Selection(
        query=read_query(" ".join(words)),
        from_ns=instant_option(from_, "--from"),
        to_ns=instant_option(to, "--to"),
        sort=_sort_field(sort, kind),
        descending=sort.startswith("-"),
        limit=limit,
    )
    if file is None:
        found = _in_store(selection, kind, org, flags)
    else:
        found = _in_file(selection, kind, Path(file))
    _WRITERS[form](found, kind)


def _sort_field(sort: str, kind: Kind) -> Field:
    field = sort_key(sort.removeprefix("-"), kind)
    if field is None:
        detail = f"must be one of {' '.join(SORT_KEYS[kind])}"
        raise Invalid(Problem(detail, parameter="--sort"))
    return field


def _in_store(
    selection: Selection, kind: Kind, org: str, flags: dict[str, str | None]
) -> Sequence[Event]:
    with existing_store(flags) as store:
        events = store.failures if kind is Kind.FAILURE else store.deployments
        return events.select(store.keys.organisation(org), selection)


def _in_file(selection: Selection, kind: Kind, path: Path) -> Sequence[Event]:
    """The same search in memory, with the matcher."""
    low, high = selection.window
    found = [
        event
        for event in _lines(path, kind)
        if low <= event.started_at_ns <= high and matches(selection.query, event)
    ]
    found.sort(key=lambda event: event.id)
    valued = [event for event in found if selection.sort.values(event)]
    without = [event for event in found if not selection.sort.values(event)]
    valued.sort(key=lambda event: selection.sort.values(event)[0], reverse=selection.descending)
    return [*valued, *without][: selection.limit]


def _lines(path: Path, kind: Kind) -> Iterator[Event]:
    read: Callable[[bytes], Event] = (
        failure_from_line if kind is Kind.FAILURE else deployment_from_line
    )
    opened = gzip.open if path.suffix == ".gz" else Path.open
    try:
        with opened(path, "rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield read(line)
                except Invalid as error:
                    raise click.ClickException(f"{path}:{number}: {error}") from error
    except OSError as error:
        raise click.ClickException(f"cannot read {path}: {error}") from error


def _write_json(events: Iterable[Event], _: Kind) -> None:
    for event in events:
        click.echo(safe_json(encode_resource(event, TimestampForm.RFC3339)))


def _write_csv(events: Iterable[Event], kind: Kind) -> None:
    click.echo(
        csv_bytes(COLUMNS[kind], (cells_of(event, COLUMNS[kind]) for event in events)), nl=False
    )


def _write_table(events: Iterable[Event], kind: Kind) -> None:
    rows = [cells_of(event, COLUMNS[kind]) for event in events]
    if not rows:
        click.echo(f"No {kind.value}s match.")
        return
    for line in aligned([COLUMNS[kind], *rows]):
        click.echo(line)


_WRITERS: dict[str, Callable[[Iterable[Event], Kind], None]] = {
    "json": _write_json,
    "csv": _write_csv,
    "table": _write_table,
}
