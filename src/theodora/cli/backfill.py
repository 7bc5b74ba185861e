"""`theodora backfill`: history from a provider's API, in the inbox of its source."""

import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from theodora.cli.import_queue import recorded
from theodora.cli.invocation import command_actor
from theodora.cli.options import organisation_option, setting_options
from theodora.cli.pending_note import tell_what_waits
from theodora.cli.progress import ProgressBars
from theodora.cli.stores import existing_store
from theodora.events.values import DAY_NS, SECOND_NS
from theodora.report.wording import counted, visible
from theodora.sources.backfill.client import ApiError, ApiLimit, Client
from theodora.sources.backfill.github import (
    GITHUB_LIMIT,
    GITHUB_URL,
    github_headers,
    github_streams,
)
from theodora.sources.backfill.gitlab import (
    GITLAB_LIMIT,
    GITLAB_URL,
    gitlab_headers,
    gitlab_streams,
)
from theodora.sources.backfill.pagerduty import (
    PAGERDUTY_LIMIT,
    PAGERDUTY_URL,
    pagerduty_headers,
    pagerduty_streams,
)
from theodora.sources.backfill.run import Backfill, BackfillSummary, ResumePlace
from theodora.sources.backfill.streams import Extent, HistoryPage, HistoryStream
from theodora.sources.webhooks.common_settings import settings_of
from theodora.storage import Organisation, Store, WebhookSource
from theodora.storage.engine.audit import AuditValues

_TOKEN = "THEODORA_BACKFILL_TOKEN"  # noqa: S105 - the name of a variable
_DEFAULT_DAYS = 730
_SHOWN_REASONS = 20
_STEPS = 1_000
_RESUME = "run the same command with --resume to continue"


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider whose history can be read."""

    kind: str
    """Of its source."""
    url: str
    limit: ApiLimit
    headers: Callable[[str], Mapping[str, str]]
    """The headers of a request, with the token."""
    streams: Callable[[Client, Extent], Iterator[HistoryStream]]


_GITHUB = Provider("github", GITHUB_URL, GITHUB_LIMIT, github_headers, github_streams)
_GITLAB = Provider("gitlab", GITLAB_URL, GITLAB_LIMIT, gitlab_headers, gitlab_streams)
_PAGERDUTY = Provider(
    "pagerduty", PAGERDUTY_URL, PAGERDUTY_LIMIT, pagerduty_headers, pagerduty_streams
)


@click.group()
def backfill() -> None:
    """Read the history of a source from its provider's API.

    \b
    export THEODORA_BACKFILL_TOKEN=…
    theodora sources add github
    theodora backfill github acme/shop --since 2025-01-01

    What the API has is read as if its webhooks had come, with the settings of the source. So it may
    overlap with webhooks, and be repeated. Theodora waits as long as the provider's limits ask.
    """


def _options(provider: Provider) -> Callable[[Callable[..., None]], Callable[..., None]]:
    options = (
        click.option("--source", default="", help="The source's id; default: the only one."),
        click.option(
            "--since",
            type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]),
            help=f"How far back, in UTC; default: {_DEFAULT_DAYS} days.",
        ),
        click.option("--resume", is_flag=True, help="Continue where the last run stopped."),
        click.option("--url", default=provider.url, show_default=True, help="The API's address."),
        click.option(
            "--token-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help=f"A file with the token; default: {_TOKEN} in the environment.",
        ),
        organisation_option,
        setting_options(["database"]),
    )

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@backfill.command()
@click.argument("repositories", metavar="OWNER/REPOSITORY...", nargs=-1, required=True)
@click.option(
    "--ready-times",
    "with_ready_times",
    is_flag=True,
    help="Ask when drafts became ready: a request more for each pull request.",
)
@_options(_GITHUB)
def github(repositories: tuple[str, ...], **options: Any) -> None:
    """Read pull requests, reviews and deployments of repositories on GitHub.

    Workflow runs and releases too, if the settings of the source name them.
    """
    _backfill(_GITHUB, repositories, **options)


@backfill.command()
@click.argument("projects", metavar="PROJECT...", nargs=-1, required=True)
@click.option(
    "--commits",
    "with_commits",
    is_flag=True,
    help="Read the commits of the default branch too, for a project without a mirror.",
)
@_options(_GITLAB)
def gitlab(projects: tuple[str, ...], **options: Any) -> None:
    """Read merge requests, approvals, deployments and incidents of projects on GitLab.

    Pipelines and releases too, if the settings of the source name them. PROJECT is a path, or a
    number.
    """
    _backfill(_GITLAB, projects, **options)


@backfill.command()
@click.argument("services", metavar="[SERVICE]...", nargs=-1)
@_options(_PAGERDUTY)
def pagerduty(services: tuple[str, ...], **options: Any) -> None:
    """Read incidents of PagerDuty with their log, of the account or of services by their ids."""
    _backfill(_PAGERDUTY, services or ("",), **options)


def _backfill(
    provider: Provider,
    targets: Sequence[str],
    *,
    source: str,
    since: datetime | None,
    resume: bool,
    url: str,
    token_file: Path | None,
    org: str,
    with_ready_times: bool = False,
    with_commits: bool = False,
    **flags: str | None,
) -> None:
    client = Client(url, provider.headers(_token(token_file)), provider.limit, _show_wait)
    now_ns = time.time_ns()
    since_ns = (
        int(since.replace(tzinfo=UTC).timestamp()) * SECOND_NS
        if since
        else now_ns - _DEFAULT_DAYS * DAY_NS
    )
    with closing(client), existing_store(flags) as store:
        organisation = store.keys.organisation(org)
        found = _source(store, organisation, provider.kind, source)
        run = Backfill(store, found, actor=command_actor())
        settings = settings_of(store, found)
        asked = Extent("", settings, since_ns, now_ns, with_ready_times, with_commits)
        with (
            _shown(run.summary),
            recorded(store, organisation, " ".join(targets), lambda: _counts(run.summary)),
        ):
            for target in targets:
                extent = asked._replace(target=target)
                place = run.last_place(target) if resume else None
                if place:
                    extent = extent._replace(since_ns=place.since_ns, until_ns=place.until_ns)
                _show_pages(run, client, provider, extent, place)
        tell_what_waits(store, organisation)


@contextmanager
def _shown(summary: BackfillSummary) -> Generator[None]:
    """Shows the summary at the end, and how to continue where the backfill was stopped."""
    try:
        yield
    except ApiError as error:
        raise click.ClickException(f"{error}; {_RESUME}") from None
    except KeyboardInterrupt:
        raise click.ClickException(f"stopped; {_RESUME}") from None
    finally:
        _show_summary(summary)


def _show_pages(
    run: Backfill, client: Client, provider: Provider, extent: Extent, place: ResumePlace | None
) -> None:
    with ProgressBars() as bars:
        for page in run.run(client, provider.streams, extent, place):
            bars.show(visible(f"{extent.target} {page.stream}"), _steps(extent, page), _STEPS)


def _steps(extent: Extent, page: HistoryPage) -> int:
    """How much of the time is done, where the list goes back in time."""
    if page.reached_ns is None:
        return _STEPS
    share = (extent.until_ns - page.reached_ns) / max(1, extent.until_ns - extent.since_ns)
    return round(_STEPS * min(max(share, 0.0), 1.0))


def _token(file: Path | None) -> str:
    token = (file.read_text() if file else os.environ.get(_TOKEN, "")).strip()
    if not token:
        raise click.UsageError(f"set {_TOKEN}, or give --token-file")
    if not token.isascii() or not token.isprintable():
        raise click.UsageError("the token has characters that no token has")
    return token


def _source(store: Store, org: Organisation, kind: str, id_: str) -> WebhookSource:
    if id_:
        found = store.sources.get(org, id_)
        if found.kind != kind:
            raise click.UsageError(f"source {id_} is of the kind {found.kind}")
        return found
    of_kind = [each for each in store.sources.all_of(org) if each.kind == kind]
    if not of_kind:
        raise click.ClickException(f"there is no source yet: `theodora sources add {kind}`")
    if len(of_kind) > 1:
        ids = ", ".join(each.id for each in of_kind)
        raise click.UsageError(f"give --source: there are {ids}")
    return of_kind[0]


def _show_wait(seconds: float) -> None:
    click.echo(f"The provider limits requests: waiting {seconds:.0f} s.", err=True)


def _counts(summary: BackfillSummary) -> AuditValues:
    ignored, failed = summary.ignored.total(), summary.failed.total()
    return {"read": summary.done, "ignored": ignored, "failed": failed}


def _show_summary(summary: BackfillSummary) -> None:
    ignored, failed = summary.ignored.total(), summary.failed.total()
    click.echo(f"{summary.done:,} read, {ignored:,} ignored, {failed:,} failed")
    _show_reasons("ignored", summary.ignored)
    _show_reasons("failed", summary.failed)


def _show_reasons(state: str, reasons: Counter[str]) -> None:
    for reason, count in reasons.most_common(_SHOWN_REASONS):
        click.echo(visible(f"  {count:,} {state}: {reason}"))
    if (more := len(reasons) - _SHOWN_REASONS) > 0:
        click.echo(f"  and {counted(more, 'more reason')}")
