"""`theodora import`: import events, commits and verdicts from files."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Generic, NamedTuple, TypeVar

import click

from theodora.cli.import_files import opened_lines
from theodora.cli.import_queue import (
    COMMITS_AT_ONCE,
    DEPLOYMENTS_AT_ONCE,
    HandOver,
    Intake,
    commits_into,
    deployments_into,
    failures_into,
    pull_requests_into,
    recorded,
    verdicts_into,
)
from theodora.cli.invocation import command_actor
from theodora.cli.options import organisation_option, setting_options
from theodora.cli.stores import existing_store, new_or_existing_store
from theodora.errors import Invalid, Problem
from theodora.events.json_values import JsonObject
from theodora.events.members import Members, Place, likely_meant, shown_name, unknown_members
from theodora.sources import csv_tables
from theodora.sources.commit_lines import (
    COMMIT_LINE,
    PULL_REQUEST_LINE,
    commit_from_document,
    pull_request_from_document,
)
from theodora.sources.formats import format_of, formats_of
from theodora.sources.json_lines import (
    DEPLOYMENT_LINE,
    FAILURE_LINE,
    deployment_from_document,
    failure_from_document,
)
from theodora.sources.rows import Contents
from theodora.sources.verdict_lines import VERDICT_LINE, act_from_document
from theodora.storage import Organisation, OverrideRecord, Store

T = TypeVar("T")

_SHOWN = 20
"""Unknown members that are shown one by one."""
_TOLD_APART = 1_000
"""Unknown members that are counted one by one."""


@click.group("import")
def import_() -> None:
    """Import events, commits and verdicts; importing again changes nothing."""


@dataclass(frozen=True, slots=True)
class _Kind(Generic[T]):
    """How the lines of one kind are read and stored."""

    read: Callable[[JsonObject], T]
    members: Members
    into: Callable[[Store, Organisation], HandOver[T]]
    at_once: int = 1
    """Items that are handed over together."""
    columns: csv_tables.Columns = csv_tables.NO_COLUMNS


_DEPLOYMENTS = _Kind(
    deployment_from_document,
    DEPLOYMENT_LINE,
    deployments_into,
    DEPLOYMENTS_AT_ONCE,
    csv_tables.DEPLOYMENTS,
)
_FAILURES = _Kind(
    failure_from_document,
    FAILURE_LINE,
    failures_into,
    columns=csv_tables.FAILURES,
)
_COMMITS = _Kind(
    commit_from_document, COMMIT_LINE, commits_into, COMMITS_AT_ONCE, csv_tables.COMMITS
)
_PULL_REQUESTS = _Kind(
    pull_request_from_document,
    PULL_REQUEST_LINE,
    pull_requests_into,
    COMMITS_AT_ONCE,
    csv_tables.PULL_REQUESTS,
)


class _Files(NamedTuple):
    """The files and their options on the command line."""

    names: Sequence[str]
    format: str | None = "jsonl"
    mapped: Sequence[str] = ()

    def mapping(self) -> dict[str, str]:
        """The column of each member that was given one."""
        pairs = [each.partition("=") for each in self.mapped]
        for member, equals, column in pairs:
            if not (member and equals and column):
                raise click.ClickException(
                    f"--map {member}{equals}{column}: write MEMBER=COLUMN, as in service=app"
                )
        return {member.strip(): column for member, _, column in pairs}


_Flags = Mapping[str, str | None]
_Command = Callable[[_Files, str, _Flags], None]


_files = click.argument("files", nargs=-1, required=True, metavar="FILE...")


def _options(kind: str) -> Callable[[_Command], Callable[..., None]]:
    """Options of a kind that may also come as a table; the command gets them in three values."""

    columns = click.option(
        "--map",
        "mapped",
        multiple=True,
        metavar="MEMBER=COLUMN",
        help="CSV: the column of a member, as in --map service=app; may be given several times.",
    )
    format_option = click.option(
        "--format",
        "format_",
        type=click.Choice(formats_of(kind)),
        help="Format of the files. Default: csv for names with .csv or .tsv, else jsonl.",
    )

    def add(command: _Command) -> Callable[..., None]:
        @wraps(command)
        def run(
            files: Sequence[str],
            format_: str | None,
            mapped: Sequence[str],
            org: str,
            **flags: str | None,
        ) -> None:
            command(_Files(files, format_, mapped), org, flags)

        with_store = organisation_option(setting_options(["database"])(run))
        return _files(format_option(columns(with_store)))

    return add


@import_.command()
@_options("deployments")
def deployments(files: _Files, org: str, flags: _Flags) -> None:
    """Import deployments from FILEs of JSON Lines or CSV, gzip too; - is standard input.

    \b
    A line: {"service": "web", "env": "production", "version": "1.2.0",
             "started_at": 1693491974, "finished_at": 1693491984,
             "commit_sha": "...", "repository_url": "...", "custom_tags": ["k:v"]}

    \b
    A table with the same: service,env,version,started_at,finished_at,custom_tags
                           web,production,1.2.0,2023-08-31T14:26:14Z,...,"k:v, k2:v2"

    The members are those of the API. Instants are Unix timestamps or date-times with an offset.
    CSV may be separated by commas, semicolons or tabs, and names its columns as the members;
    several values of a cell are separated by commas. A line that breaks the rules is shown and
    rejected, and the command then ends with status 1.
    """
    _import_into_store(files, _DEPLOYMENTS, org, flags)


@import_.command()
@_options("failures")
def failures(files: _Files, org: str, flags: _Flags) -> None:
    """Import failures from FILEs of JSON Lines or CSV, gzip too; - is standard input.

    \b
    A line: {"services": ["web"], "env": "production", "name": "checkout is down",
             "started_at": 1693491974, "finished_at": 1693495574, "severity": "SEV-1"}

    \b
    A table with the same: services,env,name,started_at,finished_at,severity
                           "web, cart",production,checkout is down,2023-08-31T14:26:14Z,,SEV-1

    The members are those of the API. Instants are Unix timestamps or date-times with an offset.
    A line may have "periods", for a failure that was reopened: objects of "started_at" and
    "finished_at". A line without an end does not reopen a failure that was restored later.
    CSV may be separated by commas, semicolons or tabs, and names its columns as the members;
    several values of a cell are separated by commas. A line that breaks the rules is shown and
    rejected, and the command then ends with status 1.
    """
    _import_into_store(files, _FAILURES, org, flags)


@import_.command()
@_options("commits")
def commits(files: _Files, org: str, flags: _Flags) -> None:
    """Import commits from FILEs of JSON Lines or CSV, gzip too; - is standard input.

    \b
    A line: {"repository": "github.com/acme/web", "sha": "...", "parents": ["..."],
             "author_time": 1693491974, "commit_time": 1693491980,
             "subject": "Fix the door (#12)", "paths": ["web/door.py"],
             "author_name": "Ada", "author_email": "ada@example.org"}

    Instants are Unix timestamps or date-times. CSV names its columns as the members; parents
    are separated by spaces, paths by line breaks. A line that cannot be read is shown and
    rejected, and the command then ends with status 1.
    """
    _import_into_store(files, _COMMITS, org, flags)


@import_.command("pull-requests")
@_options("pull-requests")
def pull_requests(files: _Files, org: str, flags: _Flags) -> None:
    """Import pull requests from FILEs of JSON Lines or CSV, gzip too; - is standard input.

    \b
    A line: {"repository": "github.com/acme/web", "number": 12, "title": "Fix the door",
             "labels": ["bug"], "branch": "fix", "merge_commit_sha": "...",
             "merge_method": "squash", "commits": [{"sha": "...", "author_time": 1693491974}],
             "created_at": 1693491974, "ready_at": 1693492000,
             "last_approved_at": "2023-08-31T15:00:00Z", "merged_at": "2023-08-31T15:10:00Z",
             "author": "ada", "base": "main", "reviewers": ["bo"], "additions": 12, "deletions": 3}

    Instants are Unix timestamps or date-times. CSV names its columns as the members, and has
    all of them but commits and draft. A line that cannot be read is shown and rejected, and the
    command then ends with status 1.
    """
    _import_into_store(files, _PULL_REQUESTS, org, flags)


@import_.command()
@_files
@organisation_option
@setting_options(["database"])
def verdicts(files: Sequence[str], org: str, **flags: str | None) -> None:
    """Import verdict overrides from FILEs of JSON Lines, gzip too; - is standard input.

    \b
    A line: {"deployment": "64f25434490ef9c7", "at": "2023-08-31T15:00:00Z", "by": "release desk",
             "change_failure": true, "remediation": {"type": "rollback", "id": "..."},
             "reason": "half of the payments were refused"}

    Import the deployments first. A verdict counts unless a later one is known. A line that is
    invalid is shown and rejected, and the command then ends with status 1.
    """
    with existing_store(flags) as store:
        organisation = store.keys.organisation(org)

        def read(document: JsonObject) -> OverrideRecord:
            act = act_from_document(document)
            if not store.deployments.exists(organisation, act.deployment_id):
                raise Invalid(Problem(f"deployment {act.deployment_id} does not exist"))
            return act

        _import(_Files(files), _Kind(read, VERDICT_LINE, verdicts_into), store, organisation)


def _import_into_store(files: _Files, kind: _Kind[Any], org: str, flags: _Flags) -> None:
    """Makes the store and the organisation if needed."""
    with new_or_existing_store(flags) as store:
        org_ = store.keys.ensure_organisation(org, time.time_ns(), actor=command_actor()).result()
        _import(files, kind, store, org_)


def _import(files: _Files, kind: _Kind[Any], store: Store, org: Organisation) -> None:
    """Imports every file, prints what became of its lines, and ends the command."""
    intake = Intake(kind.into(store, org), kind.at_once)
    with recorded(store, org, " ".join(files.names), lambda: intake.outcomes):
        try:
            unknown = _take_lines(intake, files, kind)
        finally:
            # The lines before the place where a file breaks off are imported too.
            summary = intake.finish()
    _show_unknown(unknown, kind.members)
    click.echo(summary)
    if intake.kept_out:
        sys.exit(1)


def _take_lines(intake: Intake[Any], files: _Files, kind: _Kind[Any]) -> Counter[Place]:
    """Hands over the lines of every file; how often each unknown member occurs."""
    unknown: Counter[Place] = Counter()
    for name in files.names:
        with opened_lines(name) as lines:
            contents = _contents(name, lines, files, kind)
            for row in contents.rows:
                try:
                    if row.error:
                        raise row.error
                    assert row.document is not None
                    _count_unknown(row.document, kind.members, unknown)
                    intake.take(kind.read(row.document))
                except Invalid as error:
                    intake.keep_out(_complaint(f"{name}:{row.line}", error, contents))
    return unknown


def _contents(name: str, lines: Iterable[str], files: _Files, kind: _Kind[Any]) -> Contents:
    try:
        contents = format_of(name, files.format).read(lines, kind.columns, files.mapping())
    except Invalid as error:
        raise click.ClickException(f"{name}: {error}") from error
    for column in contents.unread:
        meant = likely_meant((column,), dict.fromkeys(kind.columns.cells))
        click.echo(f'{name}: column "{column}" is not read{_suggestion(meant)}', err=True)
    return contents


def _complaint(place: str, error: Invalid, contents: Contents) -> str:
    """The problems, with the line and, in a table, the column."""
    column_of = contents.column_of
    if column_of is None:
        return f"{place}: {error}"

    def place_of(problem: Problem) -> str:
        names = (column_of(step) for step in problem.path if isinstance(step, str))
        column = next(filter(None, names), None)
        return f'{place}, column "{column}"' if column else place

    return "; ".join(f"{place_of(problem)}: {problem.detail}" for problem in error.problems)


def _count_unknown(document: JsonObject, known: Members, unknown: Counter[Place]) -> None:
    for place in unknown_members(document, known):
        if place in unknown or len(unknown) < _TOLD_APART:
            unknown[place] += 1


def _show_unknown(unknown: Counter[Place], known: Members) -> None:
    for place, count in unknown.most_common(_SHOWN):
        name = shown_name(".".join(place))
        lines = f"{count:,} line" + ("" if count == 1 else "s")
        meant = _suggestion(likely_meant(place, known))
        click.echo(f'unknown member "{name}" in {lines}{meant}', err=True)
    if len(unknown) > _SHOWN:
        click.echo(f"{len(unknown) - _SHOWN:,} more unknown members", err=True)


def _suggestion(meant: Place | None) -> str:
    return f' (did you mean "{".".join(meant)}"?)' if meant else ""
