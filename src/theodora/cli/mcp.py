"""`theodora mcp`: the MCP server on standard input and output."""

import time

import click

from theodora.cli.logs import configure_logs
from theodora.cli.options import config_from, organisation_option, setting_options
from theodora.cli.stores import existing_store
from theodora.web.mcp.caller import ToolCaller
from theodora.web.mcp.protocol import serve_stdio


@click.command()
@click.option("--url", default="", help="Address of the dashboard, for links in answers.")
@organisation_option
@setting_options(["database"])
def mcp(url: str, org: str, **flags: str | None) -> None:
    """Serve assistants that speak MCP on standard input and output.

    Tools only read. An assistant starts this command itself, as docs/mcp.md shows.

    \b
    theodora mcp --url https://theodora.example.com
    """
    configure_logs(config_from(flags))
    with existing_store(flags) as store:
        organisation = store.keys.organisation(org)
        serve_stdio(lambda: ToolCaller(store, organisation, time.time_ns(), url.rstrip("/")))
