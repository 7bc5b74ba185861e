"""`theodora link`: link a deployment as the cause of a failure, or undo the link."""

import getpass
import time
from collections.abc import Iterator, Sequence

import click

from theodora.cli.options import organisation_option, setting_options
from theodora.cli.stores import existing_store
from theodora.events import Deployment, format_rfc3339
from theodora.events.values import SECOND_NS
from theodora.report import wording
from theodora.report.text_table import aligned
from theodora.storage import Organisation, Store
from theodora.storage.engine.actor import Actor
from theodora.web.pages.parts.causes import possible_causes

_DONE = {
    False: "{deployment} counts as failed: it caused {failure}",
    True: "{deployment} has the verdict that it had before it was linked to {failure}",
}


@click.command()
@click.argument("failure", metavar="FAILURE")
@click.argument("deployment", metavar="[DEPLOYMENT]", required=False)
@click.option("--undo", is_flag=True, help="Remove the link; the verdict is what it was before.")
@click.option("--reason", default="", help="Reason, kept in the history of the deployment.")
@click.option("--by", default="", help="Who links it; default: the user of this machine.")
@organisation_option
@setting_options(["database"])
def link(
    failure: str,
    deployment: str | None,
    undo: bool,
    reason: str,
    by: str,
    org: str,
    **flags: str | None,
) -> None:
    """Mark DEPLOYMENT failed as the cause of FAILURE; without DEPLOYMENT, list possible causes.

    \b
    theodora link 3b8f1948-30ae-5811-8c4a-81cf3f597a0c
    theodora link 3b8f1948-30ae-5811-8c4a-81cf3f597a0c 64f25434490ef9c7
    theodora link 3b8f1948-30ae-5811-8c4a-81cf3f597a0c 64f25434490ef9c7 --undo

    The list shows the deployments of the same services that began in the 7 days before the
    failure, the latest first. Nothing is marked until you link it.
    """
    if undo and not deployment:
        raise click.UsageError("give the DEPLOYMENT whose link to undo")
    with existing_store(flags) as store:
        organisation = store.keys.organisation(org)
        if deployment:
            change = store.verdicts.unlink if undo else store.verdicts.link
            actor = Actor("person", by or getpass.getuser())
            now_ns = time.time_ns()
            change(
                organisation, deployment, failure, now_ns=now_ns, reason=reason, actor=actor
            ).result()
            click.echo(wording.visible(_DONE[undo].format(failure=failure, deployment=deployment)))
            return
        rows = list(_rows(store, organisation, failure))
    head = ("DEPLOYMENT", "FINISHED", "BEFORE IT", "SERVICE", "VERSION", "LINKED BY")
    for line in aligned([head, *rows]):
        click.echo(line)


def _rows(store: Store, org: Organisation, failure_id: str) -> Iterator[Sequence[str]]:
    """A row for each linked deployment, and for each possible cause."""
    failure = store.failures.get(org, failure_id)
    links = store.verdicts.links(org, failure_id)
    for each in links:
        yield (*_cells(each.deployment, failure.started_at_ns), each.author.by)
    linked = {each.deployment.id for each in links}
    for found in possible_causes(store, org, failure):
        if found.id not in linked:
            yield (*_cells(found, failure.started_at_ns), "")


def _cells(deployment: Deployment, failed_at_ns: int) -> Sequence[str]:
    before_ns = failed_at_ns - deployment.finished_at_ns
    return (
        deployment.id,
        format_rfc3339(deployment.finished_at_ns),
        wording.duration(before_ns / SECOND_NS) if before_ns >= 0 else "-",
        deployment.service,
        deployment.version or "-",
    )
