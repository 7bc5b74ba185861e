"""`theodora keys`: make, list and revoke keys."""

import time

import click

from theodora.cli.invocation import command_actor
from theodora.cli.options import organisation_option, setting_options
from theodora.cli.stores import existing_store, new_or_existing_store
from theodora.events import format_second
from theodora.report.wording import visible
from theodora.storage.access.keys import KEY_KINDS, PERMISSIONS_OF, Key, KeyKind, new_secret


@click.group()
def keys() -> None:
    """Make, list and revoke API keys and application keys."""


@keys.command(
    help="""Make a key of KIND api or application and print it (it is not shown again).

    An organisation that does not exist yet is created. Permissions of application keys:
    """
    + ", ".join(PERMISSIONS_OF["application"])
    + "."
)
@click.argument("kind", type=click.Choice(KEY_KINDS))
@click.option("--name", default="", help="What the key is for.")
@click.option(
    "--permission",
    "permissions",
    multiple=True,
    help="For application keys; repeat for several. Default: all.",
)
@organisation_option
@setting_options(["database"])
def create(
    kind: KeyKind, name: str, permissions: tuple[str, ...], org: str, **flags: str | None
) -> None:
    secret = new_secret(kind)
    with new_or_existing_store(flags) as store:
        store.keys.add(
            org,
            kind,
            secret,
            name=name,
            permissions=frozenset(permissions or PERMISSIONS_OF[kind]),
            now_ns=time.time_ns(),
            actor=command_actor(),
        ).result()
    click.echo(secret)


@keys.command("list")
@organisation_option
@setting_options(["database"])
def list_(org: str, **flags: str | None) -> None:
    """List the keys of an organisation; the keys themselves are never stored."""
    with existing_store(flags) as store:
        for key in store.keys.all_of(org):
            click.echo(_line(key))


@keys.command()
@click.argument("key_id")
@organisation_option
@setting_options(["database"])
def revoke(key_id: str, org: str, **flags: str | None) -> None:
    """Revoke the key with this id, at once and for good."""
    with existing_store(flags) as store:
        store.keys.revoke(org, key_id, time.time_ns(), actor=command_actor()).result()
    click.echo(f"revoked {key_id}")


def _line(key: Key) -> str:
    state = f"revoked {format_second(key.revoked_at_ns)}" if key.revoked_at_ns else "active"
    columns = (
        key.id,
        key.kind,
        format_second(key.created_at_ns),
        state,
        " ".join(sorted(key.permissions)),
    )
    return "  ".join((*columns, visible(key.name))).rstrip()
