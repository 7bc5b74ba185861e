"""The `theodora` command."""

import click

from theodora.cli.annotate import annotate
from theodora.cli.audit import audit
from theodora.cli.backfill import backfill
from theodora.cli.backup import backup
from theodora.cli.check import check
from theodora.cli.copy import copy
from theodora.cli.demo import demo
from theodora.cli.derive import derive
from theodora.cli.erase_activity import erase_activity
from theodora.cli.explain import explain
from theodora.cli.export_ import export_
from theodora.cli.forwarding import forwarding
from theodora.cli.goals import goals
from theodora.cli.import_ import import_
from theodora.cli.import_datadog import datadog
from theodora.cli.import_git import git
from theodora.cli.invocation import with_pasteable_help
from theodora.cli.keys import keys
from theodora.cli.link import link
from theodora.cli.mcp import mcp
from theodora.cli.metrics import metrics
from theodora.cli.migrate import migrate
from theodora.cli.notifications import notifications
from theodora.cli.organisations import orgs
from theodora.cli.people import people, sessions
from theodora.cli.report import report
from theodora.cli.repositories import repositories
from theodora.cli.restore import restore
from theodora.cli.retention import retention
from theodora.cli.search import search
from theodora.cli.serve import serve
from theodora.cli.services import services
from theodora.cli.settings import settings
from theodora.cli.share_links import links
from theodora.cli.sources import sources
from theodora.cli.terminal import safe_lines
from theodora.cli.tls import tls
from theodora.cli.verdict import verdict
from theodora.errors import TheodoraError
from theodora.version import version_line


class _Plain(click.Group):
    """A group whose commands print our errors as plain sentences."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except TheodoraError as error:
            raise click.ClickException(safe_lines(str(error))) from error


def _show_version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        click.echo(version_line())
        context.exit()


@click.group(cls=_Plain, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version, its commit and when it was built.",
)
def main() -> None:
    """Theodora: a self-hosted DORA metrics server that speaks Datadog's DORA Metrics API v2.

    \b
    theodora serve                       start the server
    theodora keys create api             make a key
    theodora import deployments F.jsonl  import existing deployments
    theodora search 'service:web'        find events
    theodora metrics --group-by service  the DORA metrics of twelve weeks
    theodora search --help               everything about a command

    Commands can run beside a server. They use the database of make serve if this folder has one,
    else theodora.db; --database and THEODORA_DATABASE name another.
    """


for command in (serve, keys, import_, export_, search, derive, explain, migrate, tls, demo):
    main.add_command(command)
main.add_command(repositories)
main.add_command(sources)
main.add_command(people)
main.add_command(sessions)
main.add_command(links)
main.add_command(backfill)
main.add_command(forwarding)
main.add_command(goals)
main.add_command(erase_activity)
main.add_command(notifications)
main.add_command(settings)
main.add_command(services)
main.add_command(verdict)
main.add_command(link)
main.add_command(annotate)
main.add_command(metrics)
main.add_command(mcp)
main.add_command(report)
main.add_command(copy)
main.add_command(backup)
main.add_command(restore)
main.add_command(check)
main.add_command(audit)
main.add_command(retention)
main.add_command(orgs)
import_.add_command(git)
import_.add_command(datadog)
with_pasteable_help(main)
