"""`theodora export`: write events and commits as JSON Lines or Parquet."""

import gzip
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeVar, cast

import click

from theodora.cli.export_parquet import (
    COMMIT_COLUMNS,
    DEPLOYMENT_COLUMNS,
    FAILURE_COLUMNS,
    ParquetColumn,
    write_parquet,
)
from theodora.cli.invocation import command_actor
from theodora.cli.options import organisation_option, setting_options
from theodora.cli.stores import existing_store
from theodora.sources.commit_lines import CommitLine, line_from_commit
from theodora.sources.json_lines import line_from_event
from theodora.sources.verdict_lines import line_from_act
from theodora.storage import Organisation, Store
from theodora.storage.event_store import Events

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


_output = click.option(
    "-o",
    "--output",
    type=click.File("wb"),
    default="-",
    help="File to write, compressed if its name ends in .gz; default: standard output.",
)


def _options(command: F) -> F:
    """Options that every kind of export has."""
    form = click.option(
        "--format",
        "form",
        type=click.Choice(("jsonl", "parquet")),
        default="jsonl",
        show_default=True,
        help="Lines that theodora import reads back, or typed columns.",
    )
    return _output(form(organisation_option(setting_options(["database"])(command))))


@click.group("export")
def export_() -> None:
    """Export as JSON Lines, which theodora import reads back, or as Parquet."""


@export_.command()
@_options
def deployments(output: BinaryIO, form: str, org: str, **flags: str | None) -> None:
    """Write every deployment, in order of first receipt."""
    with _opened(org, flags) as (store, organisation):
        _write_events(store.deployments, organisation, DEPLOYMENT_COLUMNS, output, form)


@export_.command()
@_options
def failures(output: BinaryIO, form: str, org: str, **flags: str | None) -> None:
    """Write every failure, in order of first receipt."""
    with _opened(org, flags) as (store, organisation):
        _write_events(store.failures, organisation, FAILURE_COLUMNS, output, form)


@export_.command()
@_options
def commits(output: BinaryIO, form: str, org: str, **flags: str | None) -> None:
    """Write every commit, by repository and SHA."""
    with _opened(org, flags) as (store, organisation):
        found = (CommitLine(*each) for each in store.commits.everything(organisation))
        count = store.commits.count(organisation)
        _write(found, count, line_from_commit, COMMIT_COLUMNS, output, form)


@export_.command()
@_output
@organisation_option
@setting_options(["database"])
def verdicts(output: BinaryIO, org: str, **flags: str | None) -> None:
    """Write every verdict override and removal, in the order of recording, as JSON Lines."""
    with _opened(org, flags) as (store, organisation), _packed(output) as packed:
        packed.writelines(map(line_from_act, store.verdicts.everything(organisation)))


@contextmanager
def _opened(org: str, flags: dict[str, str | None]) -> Generator[tuple[Store, Organisation]]:
    with existing_store(flags) as store:
        organisation, actor = store.keys.organisation(org), command_actor()
        # Before the first line, so that nothing is exported without an entry.
        store.audit.note(organisation, "data.exported", actor.name, actor=actor).result()
        yield store, organisation


def _write_events(
    events: Events[Any],
    organisation: Organisation,
    columns: Sequence[ParquetColumn],
    output: BinaryIO,
    form: str,
) -> None:
    found, count = events.everything(organisation), events.count(organisation)
    _write(found, count, line_from_event, columns, output, form)


def _write(
    rows: Iterable[T],
    count: int,
    line_of: Callable[[T], bytes],
    columns: Sequence[ParquetColumn],
    output: BinaryIO,
    form: str,
) -> None:
    """Shows a progress bar unless the output is the terminal."""
    hidden = not sys.stderr.isatty() or output.isatty()
    with (
        _packed(output) as packed,
        click.progressbar(
            rows, length=count, label="exporting", file=sys.stderr, hidden=hidden
        ) as bar,
    ):
        if form == "parquet":
            write_parquet(bar, columns, packed)
        else:
            packed.writelines(line_of(row) for row in bar)


@contextmanager
def _packed(output: BinaryIO) -> Generator[BinaryIO]:
    """The output, compressed where its name ends in .gz; equal events give equal bytes."""
    if not str(getattr(output, "name", "")).endswith(".gz"):
        yield output
        return
    with gzip.GzipFile("", "wb", fileobj=output, mtime=0) as packed:
        yield cast("BinaryIO", packed)
