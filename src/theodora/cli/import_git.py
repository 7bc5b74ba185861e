"""`theodora import git`: import deployments and commits from a repository on this machine."""

import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from theodora.cli.import_queue import (
    COMMITS_AT_ONCE,
    DEPLOYMENTS_AT_ONCE,
    Intake,
    commits_into,
    deployments_into,
    recorded,
)
from theodora.cli.invocation import command_actor
from theodora.cli.options import organisation_option, setting_options
from theodora.cli.pending_note import tell_what_waits
from theodora.cli.stores import new_or_existing_store
from theodora.dora import Commit
from theodora.errors import Invalid
from theodora.events import Deployment, repository_id, without_credentials
from theodora.git import GitTag, History
from theodora.sources.git_tags import deployment_from_tag

_SHOWN = 20
"""Tags left out that are shown one by one."""


@click.command()
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--service", required=True, help="Service the tags release.")
@click.option("--env", required=True, help="Environment they were deployed to.")
@click.option(
    "--tags",
    "included",
    multiple=True,
    metavar="GLOB",
    default=["*"],
    show_default=True,
    help="Tags to read; may be given several times.",
)
@click.option(
    "--exclude-tags",
    "excluded",
    multiple=True,
    metavar="GLOB",
    help="Tags to leave out, such as release candidates; may be given several times.",
)
@click.option("--repository-url", help="The repository's URL. Default: that of the remote origin.")
@organisation_option
@setting_options(["database"])
def git(
    path: Path,
    service: str,
    env: str,
    included: Sequence[str],
    excluded: Sequence[str],
    repository_url: str | None,
    org: str,
    **flags: str | None,
) -> None:
    """Import a deployment for each tag of the repository at PATH, and their commits.

    A deployment happened when its annotated tag was made; for another tag, when its commit was.
    Commits come with their changed paths. The repository is only read. Importing again changes
    nothing.

    \b
    Versions without their release candidates:
      theodora import git . --service web --env production \\
        --tags 'v*' --tags 'release/*' --exclude-tags '*-rc*'
    """
    history = History(path)
    url = without_credentials(repository_url or history.remote_url() or str(path.resolve()))
    tags = _tags(path, history, included, excluded)
    _warn_of_shallow(path, history)
    with new_or_existing_store(flags) as store:
        org_ = store.keys.ensure_organisation(org, time.time_ns(), actor=command_actor()).result()
        commits = Intake(commits_into(store, org_), COMMITS_AT_ONCE)
        intake = Intake(deployments_into(store, org_), DEPLOYMENTS_AT_ONCE)
        with recorded(
            *(store, org_, str(path)),
            lambda: {"commits": commits.outcomes, "deployments": intake.outcomes},
        ):
            _import_commits(commits, history, repository_id(url), tags)
            _take_tags(intake, tags, service, env, url)
            click.echo(f"deployments: {intake.finish()}")
        tell_what_waits(store, org_)
        if intake.kept_out:
            sys.exit(1)


def _tags(
    path: Path, history: History, included: Sequence[str], excluded: Sequence[str]
) -> Sequence[GitTag]:
    """The tags of commits; those of anything else are shown. Never empty."""
    tags, others = history.tags(included, excluded)
    _show_left_out(others)
    if not tags:
        raise click.ClickException(f"no tag of a commit in {path} {_asked(included, excluded)}")
    return tags


def _take_tags(
    intake: Intake[Deployment], tags: Iterable[GitTag], service: str, env: str, url: str
) -> None:
    for tag in tags:
        try:
            intake.take(deployment_from_tag(tag, service, env, url))
        except Invalid as error:
            intake.keep_out(f"{tag.name}: {error}")


def _warn_of_shallow(path: Path, history: History) -> None:
    if edge := len(history.shallow_edge):
        commits = "1 commit" if edge == 1 else f"{edge:,} commits"
        click.echo(
            f"warning: {path} is a shallow clone, whose history is cut off at {commits}. "
            "Deployments that reach one of them have no lead times.\n"
            "Get the complete history and import again:\n"
            f"  git -C {shlex.quote(str(path))} fetch --unshallow --tags",
            err=True,
        )


def _show_left_out(names: Sequence[str]) -> None:
    for name in names[:_SHOWN]:
        click.echo(f'tag "{name}" is left out: it points at no commit', err=True)
    if len(names) > _SHOWN:
        click.echo(f"{len(names) - _SHOWN:,} more tags point at no commit", err=True)


def _asked(included: Iterable[str], excluded: Sequence[str]) -> str:
    globs = " or ".join(f'"{glob}"' for glob in included)
    but = " or ".join(f'"{glob}"' for glob in excluded)
    return f"matches {globs}" + (f" and not {but}" if but else "")


def _import_commits(
    intake: Intake[tuple[str, Commit]], history: History, id_: str, tags: Iterable[GitTag]
) -> None:
    """Adds every commit that a tag leads to, with a progress bar on a terminal."""
    shas = history.shas({tag.commit_sha: None for tag in tags})
    with click.progressbar(length=len(shas), label="commits", file=sys.stderr) as bar:
        for together in _some_at_a_time(shas):
            for commit in history.commits(together):
                intake.take((id_, commit))
            bar.update(len(together))
    click.echo(f"commits: {intake.finish()}")


def _some_at_a_time(shas: Sequence[str]) -> Iterable[Sequence[str]]:
    return (shas[at : at + COMMITS_AT_ONCE] for at in range(0, len(shas), COMMITS_AT_ONCE))
