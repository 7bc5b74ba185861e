"""Stores that commands open, existing or new."""

from collections.abc import Mapping
from typing import Any

import click

from theodora.app import guards_of
from theodora.cli.garbage import collect_seldom
from theodora.cli.options import config_from, names_database
from theodora.storage import Store
from theodora.storage.open import holds_store, sqlite_file

_NAME_IT = (
    "Run this in the folder the server was started in, or name the server's database with "
    "--database or THEODORA_DATABASE."
)


def existing_store(flags: Mapping[str, str | None], **options: Any) -> Store:
    """The existing store of the settings; ends the command without one."""
    url = config_from(flags).database
    if not holds_store(url):
        raise click.ClickException(f"{_nothing_at(url)} {_NAME_IT}")
    collect_seldom("command")
    return Store(url, **options)


def guarded_store(flags: Mapping[str, str | None]) -> Store:
    """The existing store, with what the settings ask before something is deleted."""
    return existing_store(flags, guards=guards_of(config_from(flags)))


def new_or_existing_store(flags: Mapping[str, str | None]) -> Store:
    """The store of the settings, created if needed; prints its path if no setting named it."""
    url = config_from(flags).database
    if not names_database(flags) and not holds_store(url):
        click.echo(f"{_nothing_at(url)} Making one.", err=True)
    collect_seldom("command")
    return Store(url)


def _nothing_at(url: str) -> str:
    """A URL of PostgreSQL is not shown: it may hold a password."""
    file = sqlite_file(url)
    return f"There is no database at {file}." if file else "That database holds no store yet."
