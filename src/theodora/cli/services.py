"""`theodora services`: settings of services from files that teams keep in their repositories."""

import os
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import click

from theodora.cli.invocation import command_actor
from theodora.cli.options import organisation_option, setting_options
from theodora.cli.stores import existing_store
from theodora.errors import Invalid, Problem
from theodora.report.wording import visible
from theodora.sources.service_files import (
    MOST_BYTES,
    OWNER_FILES,
    SERVICE_FILES,
    CodeOwners,
    DescribedService,
    read_service_file,
)
from theodora.storage import Organisation, Store
from theodora.storage.facts.settings import Given

_SKIPPED = frozenset((".git", "node_modules", "vendor", ".venv"))
"""Folders of others."""


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
                click.echo(visible(_set(store, org_, _with_team(service, file, top), dry_run)))
    if rejected:
        raise click.ClickException(f"files rejected: {rejected:,}")


def _files(paths: Sequence[Path]) -> Iterator[tuple[Path, Path | None]]:
    """Files that describe services, each with the folder that was named."""
    for path in paths:
        if path.is_file():
            yield path, None
            continue
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(each for each in folders if each not in _SKIPPED)
            yield from ((Path(folder) / name, path) for name in SERVICE_FILES if name in names)


def _text(file: Path) -> str:
    if file.stat().st_size > MOST_BYTES:
        raise Invalid(Problem(f"it has more than {MOST_BYTES:,} bytes"))
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Invalid(Problem("not UTF-8")) from None


def _with_team(service: DescribedService, file: Path, top: Path | None) -> DescribedService:
    """The service with the team that owns it, if its description names none."""
    if top is None or "team" in service.given:
        return service
    owners = next((top / name for name in OWNER_FILES if (top / name).is_file()), None)
    if owners is None:
        return service
    path = file.relative_to(top).as_posix()
    team = CodeOwners(_text(owners)).team_of_service(service, path)
    return DescribedService(service.name, {**service.given, "team": team}) if team else service


def _set(store: Store, org: Organisation, service: DescribedService, dry_run: bool) -> str:
    """Sets what differs; a line about it."""
    now: Given = store.settings.given(org, service.name)
    changed = {name: value for name, value in service.given.items() if now.get(name) != value}
    if not changed:
        return f"{service.name}: unchanged"
    if not dry_run:
        store.settings.merge(org, changed, (), service.name, actor=command_actor()).result()
    listed = "; ".join(f"{name} {_shown(value)}" for name, value in changed.items())
    return f"{service.name}: {listed}"


def _shown(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)
