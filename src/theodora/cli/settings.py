"""`theodora settings`: rules, teams and production, for the organisation and for services."""

from collections.abc import Collection
from typing import IO

import click

from theodora.cli.invocation import command_actor
from theodora.cli.options import organisation_option, setting_options
from theodora.cli.stores import existing_store
from theodora.cli.terminal import json_text
from theodora.dora.derivation.settings_input import read_settings
from theodora.errors import NotFound
from theodora.events import Deployment, match_key, repository_id
from theodora.report.text_table import aligned
from theodora.report.wording import visible
from theodora.storage.derivation.run import Preview
from theodora.storage.facts.settings import Given, KnownService, merged
from theodora.web.api.wire import decode_body

_SHOWN = 50
_SAID = {True: "failed", False: "fine", None: "pending"}

_service = click.option(
    "--service", default="", help="The service they apply to; default: all services."
)
_replace = click.option(
    "--replace", is_flag=True, help="Drop what FILE does not set, instead of keeping it."
)
_file = click.argument("file", type=click.File("rb"), metavar="FILE")


@click.group()
def settings() -> None:
    """Show, set or preview settings, globally or per service.

    Rules that mark change failures, how lead times are measured, the team, and which
    environments are production.
    """


@settings.command()
@_service
@organisation_option
@setting_options(["database"])
def show(service: str, org: str, **flags: str | None) -> None:
    """Show what was set, and what applies with the defaults, as JSON."""
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        shown = {
            "given": store.settings.given(org_, service),
            "effective": store.settings.effective(org_, service),
        }
    click.echo(json_text(shown))


@settings.command("set")
@_file
@_service
@_replace
@organisation_option
@setting_options(["database"])
def set_(file: IO[bytes], service: str, replace: bool, org: str, **flags: str | None) -> None:
    """Set the members of the JSON object in FILE; - is standard input.

    \b
    {"path_globs": ["web/**", "!**/*.md"],
     "exclude_authors": ["*[bot]"], "exclude_labels": ["dependencies"],
     "lead_time_clock": "author_time", "lead_time_gap_days": 60,
     "sequence_tag": "region", "detect_rollbacks": true, "rollback_lookback": 20,
     "linked_rules": [{"id": "fixes", "fields": ["version"], "pattern": ".*-fixes-$version"}],
     "static_rules": [{"id": "hotfix", "fields": ["pr_title"], "pattern": "hotfix"}],
     "incident_marks_failure": false,
     "production_envs": ["production", "prod", "prd", "live"],
     "team": "storefront", "languages": ["python"], "tags": ["tier:1"],
     "service_files": true, "bots": ["release-robot", "*@ci.example.org"],
     "repository_aliases": {"git.example.com/old/app": "github.com/acme/app"}}

    A member that is left out stays as it was set. One that is null is cleared: the organisation's
    value applies again, or the default (null for rollback_lookback means any distance). The team
    applies to deployments and failures that were sent without one. The server derives deployments
    again, or theodora derive does.
    """
    given, cleared = _given(file, service)
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        before = store.settings.given(org_, service)
        if replace:
            store.settings.put(org_, given, service, actor=command_actor()).result()
        else:
            store.settings.merge(org_, given, cleared, service, actor=command_actor()).result()
        after = store.settings.given(org_, service)
    _show_change(before, after, given, service)


@settings.command()
@_file
@_service
@_replace
@organisation_option
@setting_options(["database"])
def preview(file: IO[bytes], service: str, replace: bool, org: str, **flags: str | None) -> None:
    """Show which deployments `set` with FILE would change, and change nothing."""
    given, cleared = _given(file, service)
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        if not replace:
            given = merged(store.settings.given(org_, service), given, cleared)
        found = store.derivations.preview(org_, given, service)
    _show(found)


@settings.command()
@click.argument("old")
@click.argument("new", required=False)
@click.option("--remove", is_flag=True, help="Remove the alias of OLD.")
@organisation_option
@setting_options(["database"])
def alias(old: str, new: str | None, remove: bool, org: str, **flags: str | None) -> None:
    """Treat repository OLD as NEW, for a repository that moved, or a mirror.

    Both are named by URL or id. From now on, their commits, deployments and pull requests belong
    together; events are not changed.
    """
    if remove == (new is not None):
        raise click.UsageError("give either NEW or --remove")
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        given = _with_alias(store.settings.given(org_), old, new)
        store.settings.put(org_, given, actor=command_actor()).result()
    id_ = repository_id(old)
    click.echo(f"{id_} is now the same as {repository_id(new)}" if new else f"{id_} has no alias")


@settings.command()
@organisation_option
@setting_options(["database"])
def services(org: str, **flags: str | None) -> None:
    """List the services known, with their teams and production environments."""
    with existing_store(flags) as store:
        known = store.settings.services(store.keys.organisation(org), limit=_MOST_SERVICES)
    for line in aligned([_COLUMNS, *(_line(each) for each in known)]):
        click.echo(line)


_COLUMNS = ("service", "team", "production", "set")
_MOST_SERVICES = 10_000


def _line(service: KnownService) -> tuple[str, ...]:
    effective = service.effective
    envs = " ".join(effective.production_envs)
    return service.name, effective.team or "", envs, " ".join(service.given)


def _given(file: IO[bytes], service: str) -> tuple[Given, Collection[str]]:
    """The settings in the file, and the members that it clears."""
    written = decode_body(file.read())
    given = read_settings(written, of_service=bool(service))
    return given, written.keys() - given.keys()


def _show_change(before: Given, after: Given, given: Given, service: str) -> None:
    dropped = [name for name in before if name not in after]
    kept = [name for name in after if name not in given]
    click.echo(f"set {', '.join(given) or 'nothing'} for {service or 'every service'}")
    if dropped:
        click.echo(f"removed: {', '.join(dropped)}")
    if kept:
        click.echo(f"kept from before: {', '.join(kept)} (--replace drops them)")


def _with_alias(given: Given, old: str, new: str | None) -> Given:
    """The settings with one alias added, changed or removed; all of them are checked."""
    key = match_key(repository_id(old))
    aliases: dict[str, str] = given.get("repository_aliases", {})
    kept = {name: to for name, to in aliases.items() if match_key(name) != key}
    if new is None and kept == aliases:
        raise NotFound(f"there is no alias of {repository_id(old)}")
    if new is not None:
        kept[repository_id(old)] = new
    others = {name: value for name, value in given.items() if name != "repository_aliases"}
    return read_settings({**others, "repository_aliases": kept} if kept else others)


def _show(found: Preview) -> None:
    click.echo(
        f"would mark {found.failed_then:,} of {found.deployments:,} deployments as failed "
        f"(now {found.failed_now:,}); {len(found.differing):,} would differ"
    )
    for now, then in found.differing[:_SHOWN]:
        named = visible(f"{now.id} {now.service} {now.version or ''}")
        click.echo(f"  {named}: {_verdict_text(now)} -> {_verdict_text(then)}")
    more = len(found.differing) - _SHOWN
    if more > 0:
        click.echo(f"  ... and {more:,} more")


def _verdict_text(event: Deployment) -> str:
    commits = "" if event.number_of_commits is None else f", {event.number_of_commits} commits"
    return f"{_SAID[event.change_failure]}, {event.deployment_type}{commits}"
