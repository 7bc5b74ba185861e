"""`theodora check`: find faults of a store, and what to do about them."""

import click

from theodora.cli.invocation import command_actor
from theodora.cli.options import config_from, setting_options
from theodora.cli.progress import ProgressBars
from theodora.storage.check.check import check_store
from theodora.storage.check.repair import repair_store


@click.command()
@setting_options(["database"])
@click.option(
    "--repair", is_flag=True, help="Rebuild the index and the derived values, then check."
)
def check(*, repair: bool, **flags: str | None) -> None:
    """Check a store: its files, rows, index and derived values.

    \b
    theodora check
    theodora check --database postgresql://theodora@db/theodora

    Prints a line for each fault, with what to do, and ends with status 1 if there is one. The
    server may run: everything is read in one snapshot. Deployments that wait to be derived are
    counted, and their derived values are not compared.
    """
    url = config_from(flags).database
    if repair:
        repair_store(url, lambda step: click.echo(step, err=True), command_actor())
    with ProgressBars() as bars:
        checked = check_store(url, bars.show)
    for finding in checked.findings:
        click.echo(finding)
    click.echo(
        f"checked {checked.deployments:,} deployments and {checked.failures:,} failures: "
        + (f"{len(checked.findings)} faults" if checked.findings else "no faults")
    )
    if checked.underived:
        click.echo(f"{checked.underived:,} deployments wait to be derived and were not compared")
    if checked.findings:
        raise SystemExit(1)
