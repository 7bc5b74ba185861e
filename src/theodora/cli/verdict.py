"""`theodora verdict`: override a deployment's verdict, or remove the override."""

import getpass
import time
from concurrent.futures import Future
from typing import Any, cast

import click

from theodora.cli.options import organisation_option, setting_options
from theodora.cli.stores import existing_store
from theodora.cli.terminal import json_text
from theodora.events import RemediationType
from theodora.events.values import REMEDIATION_TYPES
from theodora.storage import Organisation, OverrideValues, Store
from theodora.storage.engine.actor import Actor
from theodora.web.api.overrides import override_attributes

_REMEDIATION = (click.Choice(REMEDIATION_TYPES), str)


@click.command()
@click.argument("id_", metavar="ID")
@click.option(
    "--failed/--not-failed", "failed", default=None, help="Whether the deployment failed."
)
@click.option(
    "--remediation",
    type=_REMEDIATION,
    metavar="TYPE ID",
    help="What fixed it: rollback or rollforward, and the id of the deployment.",
)
@click.option(
    "--remediation-version",
    type=_REMEDIATION,
    metavar="TYPE VERSION",
    help="The same by the version that was deployed.",
)
@click.option("--reason", default="", help="Reason, kept in the history.")
@click.option("--by", default="", help="Who gives the verdict; default: the user of this machine.")
@click.option("--remove", is_flag=True, help="Remove the verdict, so that the rules decide.")
@organisation_option
@setting_options(["database"])
def verdict(
    id_: str,
    failed: bool | None,
    remediation: tuple[str, str] | None,
    remediation_version: tuple[str, str] | None,
    reason: str,
    by: str,
    remove: bool,
    org: str,
    **flags: str | None,
) -> None:
    """Mark deployment ID failed or not; without options, show the current verdict.

    \b
    theodora verdict 64f25434490ef9c7 --failed --remediation rollback 8be30d7f0c1ac2e4 \\
      --reason "half of the payments were refused"
    theodora verdict 64f25434490ef9c7 --remove

    A verdict overrides every rule until it is removed. Its history keeps who gave it, when and why.
    """
    if remediation and remediation_version:
        raise click.UsageError("give either --remediation or --remediation-version, not both")
    said = OverrideValues(failed, *_remedy(remediation, remediation_version))
    if remove and said != OverrideValues():
        raise click.UsageError("--remove cannot be combined with a verdict")
    if said != OverrideValues() and failed is None:
        raise click.UsageError("give --failed or --not-failed")
    actor = Actor("person", by or getpass.getuser())
    with existing_store(flags) as store:
        organisation = store.keys.organisation(org)
        written = _write(store, organisation, id_, None if remove else said, reason, actor)
        if written:
            written.result()
        shown = override_attributes(store.verdicts.get(organisation, id_))
    click.echo(json_text(shown))


def _write(
    store: Store,
    org: Organisation,
    id_: str,
    said: OverrideValues | None,
    reason: str,
    actor: Actor,
) -> Future[Any] | None:
    now_ns = time.time_ns()
    if said is None:
        return store.verdicts.delete(org, id_, now_ns=now_ns, reason=reason, actor=actor)
    if said == OverrideValues():
        return None
    verdict = OverrideValues().patched(said)
    return store.verdicts.put(org, id_, verdict, now_ns=now_ns, reason=reason, actor=actor)


def _remedy(
    by_id: tuple[str, str] | None, by_version: tuple[str, str] | None
) -> tuple[str | None, str | None, RemediationType | None]:
    """The id, version and type of the remediation."""
    named = by_id or by_version
    if named is None:
        return None, None, None
    type_ = cast("RemediationType", named[0])
    return (named[1], None, type_) if by_id else (None, named[1], type_)
