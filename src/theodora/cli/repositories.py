"""`theodora repositories`: manage the repositories that the server mirrors."""

import time

import click

from theodora.app import mirror_store
from theodora.cli.invocation import command_actor
from theodora.cli.options import config_from, organisation_option, setting_options
from theodora.cli.stores import existing_store, new_or_existing_store
from theodora.config import Config
from theodora.errors import TheodoraError
from theodora.events import format_second, repository_id
from theodora.git import protocol_of
from theodora.report.wording import visible
from theodora.sources.mirroring import Mirroring
from theodora.storage import Mirror, Store

_settings = setting_options(["database", "git_folder", "git_credential_helper", "git_mirror_mib"])


@click.group()
def repositories() -> None:
    """Mirror repositories: their commits are fetched on a schedule, with git, without files."""


@repositories.command()
@click.argument("url")
@organisation_option
@_settings
def add(url: str, org: str, **flags: str | None) -> None:
    """Mirror the repository at URL, and fetch it now.

    The URL must not contain credentials: name a git credential helper, for example
    --git-credential-helper "store --file=/run/secrets/git", or use ssh keys.
    """
    protocol_of(url)
    config = config_from(flags)
    with new_or_existing_store(flags) as store:
        mirroring = _mirroring(store, config)
        org_ = store.keys.ensure_organisation(org, time.time_ns(), actor=command_actor()).result()
        _fetch(mirroring, mirroring.add(org_, repository_id(url), url))


@repositories.command("list")
@organisation_option
@_settings
def list_(org: str, **flags: str | None) -> None:
    """List mirrors with the time and result of the last fetch."""
    with existing_store(flags) as store:
        for mirror in store.mirrors.everything():
            if mirror.organisation.name == org:
                click.echo(visible(_line(mirror)))


@repositories.command()
@click.argument("repository")
@organisation_option
@_settings
def remove(repository: str, org: str, **flags: str | None) -> None:
    """End mirroring REPOSITORY, named by URL or id; its commits stay."""
    config = config_from(flags)
    with existing_store(flags) as store:
        id_ = repository_id(repository)
        _mirroring(store, config).remove(store.keys.organisation(org), id_)
    click.echo(f"{id_}: no longer mirrored")


@repositories.command()
@click.argument("repository", required=False)
@organisation_option
@_settings
def fetch(repository: str | None, org: str, **flags: str | None) -> None:
    """Fetch REPOSITORY, named by URL or id, or everything that is mirrored, now."""
    config = config_from(flags)
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        if repository:
            mirrors = [store.mirrors.get(org_, repository_id(repository))]
        else:
            mirrors = [each for each in store.mirrors.everything() if each.organisation == org_]
        for mirror in mirrors:
            _fetch(_mirroring(store, config), mirror)


def _mirroring(store: Store, config: Config) -> Mirroring:
    return Mirroring(store, mirror_store(config), command_actor())


def _fetch(mirroring: Mirroring, mirror: Mirror) -> None:
    try:
        added = mirroring.fetch(mirror)
    except TheodoraError as error:
        raise click.ClickException(f"{mirror.repository_id}: {error}") from error
    click.echo(f"{mirror.repository_id}: {added:,} new commits")


def _line(mirror: Mirror) -> str:
    if mirror.tried_at_ns is None:
        state = "not fetched yet"
    else:
        at = format_second(mirror.tried_at_ns)
        failed = "failed"
        if mirror.is_given_up:
            failed = f"given up after {mirror.failures} failures, the last"
        state = f"{failed} {at}: {mirror.error}" if mirror.error else f"fetched {at}"
    return f"{mirror.repository_id}  {mirror.url}  {state}"
