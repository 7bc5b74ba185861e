"""`theodora services`: settings of services from files that teams keep in their repositories."""

import os
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import click

from theodora.cli.invocation import command_actor
from theodora.cli.options import organisation_option, setting_options
from theodora.cli.stores import existing_store
from theodora.errors import Invalid
from theodora.report.wording import visible
from theodora.sources.service_files import (
    MOST_BYTES,
    OTHERS,
    OWNER_FILES,
    SERVICE_FILES,
    CodeOwners,
    DescribedService,
    decoded,
    read_service_file,
    with_team,
)
from theodora.sources.service_settings import changes, set_described
from theodora.storage import Organisation, Store


@click.group()
def services() -> None:
    """Take settings of services from service.datadog.yaml and CODEOWNERS."""


@services.command("import")
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    metavar="PATH...",
    type=click.Path(exists=True, path_type=Path),
)
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@organisation_option
@setting_options(["database"])
def import_(paths: Sequence[Path], dry_run: bool, org: str, **flags: str | None) -> None:
    """Set team, languages, tags and path globs of the services that PATH describes.

    PATH is a service.datadog.yaml (schemas v2 to v2.2 and v3), or a checkout of a repository with
    some. There, CODEOWNERS gives the team of a service whose description names none. Other
    settings of the services stay.
    """
    if find_spec("yaml") is None:
        raise click.ClickException(
            'Descriptions need PyYAML, which is not installed: pip install "theodora[yaml]"'
        )
    rejected = 0
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        for file, top in _files(paths):
            try:
                described = read_service_file(_text(file))
            except Invalid as invalid:
                rejected += 1
                click.echo(visible(f"{file}: rejected: {invalid}"), err=True)
                continue
            for service in described:
                click.echo(visible(_set(store, org_, _owned(service, file, top), dry_run)))
    if rejected:
        raise click.ClickException(f"files rejected: {rejected:,}")


def _files(paths: Sequence[Path]) -> Iterator[tuple[Path, Path | None]]:
    """Files that describe services, each with the folder that was named."""
    for path in paths:
        if path.is_file():
            yield path, None
            continue
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(each for each in folders if each not in OTHERS)
            yield from ((Path(folder) / name, path) for name in SERVICE_FILES if name in names)


def _text(file: Path) -> str:
    with file.open("rb") as opened:
        return decoded(opened.read(MOST_BYTES + 1))


def _owned(service: DescribedService, file: Path, top: Path | None) -> DescribedService:
    """The service with the team that owns it in the checkout at `top`."""
    if top is None:
        return service
    owners = next((top / name for name in OWNER_FILES if (top / name).is_file()), None)
    if owners is None:
        return service
    return with_team(service, CodeOwners(_text(owners)), file.relative_to(top).as_posix())


def _set(store: Store, org: Organisation, service: DescribedService, dry_run: bool) -> str:
    """Sets what differs; a line about it."""
    changed = (
        changes(store, org, service)
        if dry_run
        else set_described(store, org, service, actor=command_actor())
    )
    listed = "; ".join(f"{name} {_shown(value)}" for name, value in changed.items())
    return f"{service.name}: {listed or 'unchanged'}"


def _shown(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)
