"""`theodora explain`: explain the verdict and lead time of a deployment."""

import click

from theodora.cli.options import organisation_option, setting_options
from theodora.cli.stores import existing_store
from theodora.cli.terminal import json_text
from theodora.dora.derivation.explanation import explain as explain_derived
from theodora.report.explanation_text import explanation_lines

_SHOWN_COMMITS = 50


@click.command()
@click.argument("id_", metavar="ID")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="text for people; json has every commit.",
)
@organisation_option
@setting_options(["database"])
def explain(id_: str, format_: str, org: str, **flags: str | None) -> None:
    """Explain why deployment ID counts as failed or OK.

    Shows its commits and their lead times, the rules that were tried and what they matched,
    overrides, and missing data.
    """
    with existing_store(flags) as store:
        found = store.derivations.explain(store.keys.organisation(org), id_)
    explanation = explain_derived(found.derived, found.preceding, found.repository, found.settings)
    if format_ == "json":
        click.echo(json_text(explanation))
    else:
        click.echo("\n".join(explanation_lines(explanation, _SHOWN_COMMITS)))
