"""`theodora keys`: make, list, rotate and revoke keys."""

import time
from typing import Any

import click

from theodora.cli.invocation import command_actor
from theodora.cli.options import duration_ns, organisation_option, setting_options
from theodora.cli.stores import existing_store, new_or_existing_store
from theodora.events import format_second
from theodora.report.wording import visible
from theodora.storage.access.key_limits import (
    NAMED_LIMITS,
    OPERATION_NAMES,
    KeyLimits,
)
from theodora.storage.access.key_secrets import KEY_FORMS, KEY_KINDS, KeyForm, KeyKind, new_secret
from theodora.storage.access.keys import PERMISSIONS_OF, Key

_LIMITS = (*NAMED_LIMITS, "operations", "networks")
_format_option = click.option(
    "--format",
    "form",
    type=click.Choice(KEY_FORMS),
    default="theodora",
    show_default=True,
    help="Form of the key; datadog: 32 or 40 hexadecimal digits.",
)


@click.group()
def keys() -> None:
    """Make, list, rotate and revoke API keys and application keys."""


@keys.command()
@click.argument("kind", type=click.Choice(KEY_KINDS))
@click.option("--name", default="", help="What the key is for.")
@click.option(
    "--permission",
    "permissions",
    multiple=True,
    help="For application keys; repeat for several. Default: all.",
)
@click.option("--service", "services", multiple=True, help="For API keys: send for no other.")
@click.option("--env", "environments", multiple=True, help="For API keys: send for no other.")
@click.option(
    "--repository",
    "repositories",
    multiple=True,
    help="For API keys: upload commits of no other, such as github.com/acme/*.",
)
@click.option(
    "--send",
    "operations",
    type=click.Choice(OPERATION_NAMES),
    multiple=True,
    help="For API keys: send nothing else.",
)
@click.option("--from", "networks", multiple=True, help="Address or network to be used from.")
@click.option("--expires", metavar="DURATION", help="Refuse the key after so long, such as 90d.")
@_format_option
@organisation_option
@setting_options(["database"])
def create(
    kind: KeyKind,
    name: str,
    permissions: tuple[str, ...],
    expires: str | None,
    form: KeyForm,
    org: str,
    **others: Any,
) -> None:
    """Make a key of KIND api or application and print it (it is not shown again).

    An organisation that does not exist yet is created. Without limits an API key may send
    everything; repeat an option for several. In names, * matches any characters: see
    docs/keys.md.
    """
    limits = KeyLimits(**{name: others.pop(name) for name in _LIMITS})
    secret = new_secret(kind, form)
    now_ns = time.time_ns()
    lasts_ns = None if expires is None else duration_ns(expires, "--expires")
    with new_or_existing_store(others) as store:
        store.keys.add(
            org,
            kind,
            secret,
            name=name,
            permissions=frozenset(permissions or PERMISSIONS_OF[kind]),
            limits=limits,
            expires_at_ns=None if lasts_ns is None else now_ns + lasts_ns,
            now_ns=now_ns,
            actor=command_actor(),
        ).result()
    click.echo(secret)


@keys.command("list")
@organisation_option
@setting_options(["database"])
def list_(org: str, **flags: str | None) -> None:
    """List the keys of an organisation; of the keys themselves only the beginning is stored."""
    now_ns = time.time_ns()
    with existing_store(flags) as store:
        for key in store.keys.all_of(org):
            click.echo(_line(key, now_ns))


@keys.command()
@click.argument("key_id")
@click.option(
    "--overlap", default="7d", show_default=True, help="How long the old key stays valid."
)
@_format_option
@organisation_option
@setting_options(["database"])
def rotate(key_id: str, overlap: str, form: KeyForm, org: str, **flags: str | None) -> None:
    """Make a key with the same limits as the one with this id, which soon ends; print it."""
    overlap_ns, now_ns = duration_ns(overlap, "--overlap"), time.time_ns()
    with existing_store(flags) as store:
        kinds: dict[str, KeyKind] = {key.id: key.kind for key in store.keys.all_of(org)}
        secret = new_secret(kinds.get(key_id, "api"), form)
        store.keys.rotate(org, key_id, secret, overlap_ns, now_ns, actor=command_actor()).result()
        old = next(key for key in store.keys.all_of(org) if key.id == key_id)
    click.echo(f"the old key {_state(old, now_ns)}", err=True)
    click.echo(secret)


@keys.command()
@click.argument("key_id")
@organisation_option
@setting_options(["database"])
def revoke(key_id: str, org: str, **flags: str | None) -> None:
    """Revoke the key with this id, at once and for good."""
    with existing_store(flags) as store:
        store.keys.revoke(org, key_id, time.time_ns(), actor=command_actor()).result()
    click.echo(f"revoked {key_id}")


def _line(key: Key, now_ns: int) -> str:
    columns = (
        key.id,
        key.kind,
        f"{key.beginning or '?'}…",
        format_second(key.created_at_ns),
        _state(key, now_ns),
        " ".join(sorted(key.permissions)),
        *_limits(key.limits),
    )
    return "  ".join((*columns, visible(key.name))).rstrip()


def _state(key: Key, now_ns: int) -> str:
    if key.revoked_at_ns:
        return f"revoked {format_second(key.revoked_at_ns)}"
    if key.expires_at_ns is None:
        return "active"
    word = "expired" if key.has_expired(now_ns) else "expires"
    return f"{word} {format_second(key.expires_at_ns)}"


def _limits(limits: KeyLimits) -> list[str]:
    """Each limit that the key has, as `services=checkout-*,cart`."""
    values = [(name, getattr(limits, name)) for name in _LIMITS]
    return [f"{name}={visible(','.join(value))}" for name, value in values if value]
