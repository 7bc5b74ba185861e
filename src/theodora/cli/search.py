"""`theodora search`: find events and pull requests, in the store, and events in a file."""

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
from theodora.query import Event, Field, Kind, matches
from theodora.query.fields import Searched
from theodora.query.pull_request_fields import sort_field, sort_keys_of
from theodora.report.csv_text import csv_bytes
from theodora.report.event_columns import COLUMNS, cells_of
from theodora.report.text_table import aligned
from theodora.sources.json_lines import deployment_from_line, failure_from_line
from theodora.storage import Selection
from theodora.web.api.list_requests import DEFAULT_SORTS
from theodora.web.api.pull_requests import encode_searched

_MAX_LIMIT = 1_000_000


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[QUERY]")
@click.option("--failures", is_flag=True, help="Search failures instead of deployments.")
@click.option("--pull-requests", is_flag=True, help="Search pull requests instead of deployments.")
@click.option(
    "--from",
    "from_",
    metavar="TIME",
    help="Earliest start, of pull requests last update, included: RFC 3339.",
)
@click.option("--to", metavar="TIME", help="Latest, included.")
@click.option(
    "--limit",
    default=10,
    show_default=True,
    type=click.IntRange(1, _MAX_LIMIT),
    help="Maximum number of results.",
)
@click.option(
    "--sort",
    metavar="FIELD",
    help="- in front: descending; default: -started_at, of pull requests -updated_at.",
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
    pull_requests: bool,
    from_: str | None,
    to: str | None,
    limit: int,
    sort: str | None,
    form: str,
    file: str | None,
    org: str,
    **flags: str | None,
) -> None:
    """Find events or pull requests with the search language; without a QUERY, all of them.

    A search without results prints that and exits with 0.

    \b
    theodora search 'service:checkout is:production -team:payments'
    theodora search 'change_failure:true' --from 2026-01-01T00:00:00Z --sort -duration
    theodora search --pull-requests 'service:checkout cycle_time:>3d -is_bot:true'
    """
    kind = _kind(failures=failures, pull_requests=pull_requests, in_file=file is not None)
    sort = sort or DEFAULT_SORTS[kind]
    selection = Selection(
        query=read_query(" ".join(words), kind),
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


def _kind(*, failures: bool, pull_requests: bool, in_file: bool) -> Kind:
    if not pull_requests:
        return Kind.FAILURE if failures else Kind.DEPLOYMENT
    for other, is_given in (("--failures", failures), ("--file", in_file)):
        if is_given:
            detail = f"must not be given together with {other}"
            raise Invalid(Problem(detail, parameter="--pull-requests"))
    return Kind.PULL_REQUEST


def _sort_field(sort: str, kind: Kind) -> Field:
    field = sort_field(sort.removeprefix("-"), kind)
    if field is None:
        detail = f"must be one of {' '.join(sort_keys_of(kind))}"
        raise Invalid(Problem(detail, parameter="--sort"))
    return field


def _in_store(
    selection: Selection, kind: Kind, org: str, flags: dict[str, str | None]
) -> Sequence[Searched]:
    with existing_store(flags) as store:
        return store.listed(kind).select(store.keys.organisation(org), selection)


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


def _write_json(events: Iterable[Searched], _: Kind) -> None:
    for event in events:
        click.echo(safe_json(encode_searched(event, TimestampForm.RFC3339)))


def _write_csv(events: Iterable[Searched], kind: Kind) -> None:
    click.echo(
        csv_bytes(COLUMNS[kind], (cells_of(event, COLUMNS[kind]) for event in events)), nl=False
    )


def _write_table(events: Iterable[Searched], kind: Kind) -> None:
    rows = [cells_of(event, COLUMNS[kind]) for event in events]
    if not rows:
        click.echo(f"No {kind.words}s match.")
        return
    for line in aligned([COLUMNS[kind], *rows]):
        click.echo(line)


_WRITERS: dict[str, Callable[[Iterable[Searched], Kind], None]] = {
    "json": _write_json,
    "csv": _write_csv,
    "table": _write_table,
}
