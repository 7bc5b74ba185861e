"""`theodora export`: write events as JSON Lines."""

import sys
from collections.abc import Iterable
from typing import BinaryIO

import click

from theodora.cli.options import config_from, organisation_option, setting_options
from theodora.events import Deployment, Failure
from theodora.sources.json_lines import line_from_event
from theodora.storage import Store
from theodora.web.wire import render

_output = click.option(
    "-o",
    "--output",
    type=click.File("wb"),
    default="-",
    help="File to write; default: standard output.",
)


@click.group("export")
def export_() -> None:
    """Write events as JSON Lines that `theodora import` reads back."""


@export_.command()
@_output
@organisation_option
@setting_options(["database"])
def deployments(output: BinaryIO, org: str, **flags: str | None) -> None:
    """Write every deployment, a line each, in order of first receipt."""
    with Store(config_from(flags).database, render) as store:
        _write(store.deployments.everything(store.keys.organisation(org)), output)


@export_.command()
@_output
@organisation_option
@setting_options(["database"])
def failures(output: BinaryIO, org: str, **flags: str | None) -> None:
    """Write every failure, a line each, in order of first receipt."""
    with Store(config_from(flags).database, render) as store:
        _write(store.failures.everything(store.keys.organisation(org)), output)


def _write(events: Iterable[Deployment | Failure], output: BinaryIO) -> None:
    """Shows a progress bar where the lines themselves do not go to the terminal."""
    hidden = not sys.stderr.isatty() or output.isatty()
    with click.progressbar(events, label="exporting", file=sys.stderr, hidden=hidden) as bar:
        output.writelines(line_from_event(event) for event in bar)
