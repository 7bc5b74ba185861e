"""`theodora import`: bring in events, commits and verdicts from files of JSON Lines."""

import gzip
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import click

from theodora.cli.intake import (
    COMMITS_AT_ONCE,
    Intake,
    commits_into,
    events_into,
    pull_requests_into,
    verdicts_into,
)
from theodora.cli.options import organisation_option, setting_options
from theodora.cli.stores import existing_store, new_or_existing_store
from theodora.errors import Invalid, Problem
from theodora.sources.commit_lines import commit_from_line, pull_request_from_line
from theodora.sources.json_lines import deployment_from_line, failure_from_line
from theodora.sources.verdict_lines import act_from_line
from theodora.storage import VerdictAct

T = TypeVar("T")


@click.group("import")
def import_() -> None:
    """Bring in what you have; doing so again changes nothing."""


_files = click.argument("files", nargs=-1, required=True, metavar="FILE...")


@import_.command()
@_files
@organisation_option
@setting_options(["database"])
def deployments(files: Sequence[str], org: str, **flags: str | None) -> None:
    """Bring in deployments from FILEs of JSON Lines, .gz too; - is standard input.

    \b
    A line: {"service": "web", "env": "production", "version": "1.2.0",
             "started_at": 1693491974, "finished_at": 1693491984,
             "commit_sha": "...", "repository_url": "...", "custom_tags": ["k:v"]}

    The members are those of the API. A line that breaks its rules is shown and kept out, and
    the command then ends with status 1.
    """
    with new_or_existing_store(flags) as store:
        org_ = store.keys.ensure_organisation(org, time.time_ns()).result()
        intake = Intake(events_into(store.deployments.add, org_))
        _import(files, deployment_from_line, intake)


@import_.command()
@_files
@organisation_option
@setting_options(["database"])
def failures(files: Sequence[str], org: str, **flags: str | None) -> None:
    """Bring in failures from FILEs of JSON Lines, .gz too; - is standard input.

    \b
    A line: {"services": ["web"], "env": "production", "name": "checkout is down",
             "started_at": 1693491974, "finished_at": 1693495574, "severity": "SEV-1"}

    The members are those of the API. A line that breaks its rules is shown and kept out, and
    the command then ends with status 1.
    """
    with new_or_existing_store(flags) as store:
        org_ = store.keys.ensure_organisation(org, time.time_ns()).result()
        _import(files, failure_from_line, Intake(events_into(store.failures.add, org_)))


@import_.command()
@_files
@organisation_option
@setting_options(["database"])
def commits(files: Sequence[str], org: str, **flags: str | None) -> None:
    """Bring in commits from FILEs of JSON Lines, .gz too; - is standard input.

    \b
    A line: {"repository": "github.com/acme/web", "sha": "...", "parents": ["..."],
             "author_time": 1693491974, "commit_time": 1693491980,
             "subject": "Mend the door (#12)", "paths": ["web/door.py"],
             "author_name": "Ada", "author_email": "ada@example.org"}

    Instants are Unix timestamps or date-times. A line that cannot be read is shown and kept
    out, and the command then ends with status 1.
    """
    with new_or_existing_store(flags) as store:
        org_ = store.keys.ensure_organisation(org, time.time_ns()).result()
        intake = Intake(commits_into(store, org_), COMMITS_AT_ONCE)
        _import(files, commit_from_line, intake)


@import_.command("pull-requests")
@_files
@organisation_option
@setting_options(["database"])
def pull_requests(files: Sequence[str], org: str, **flags: str | None) -> None:
    """Bring in pull requests from FILEs of JSON Lines, .gz too; - is standard input.

    \b
    A line: {"repository": "github.com/acme/web", "number": 12, "title": "Mend the door",
             "labels": ["bug"], "branch": "mend", "merge_commit_sha": "...",
             "merge_method": "squash", "commits": [{"sha": "...", "author_time": 1693491974}],
             "created_at": 1693491974, "ready_at": 1693492000,
             "last_approved_at": "2023-08-31T15:00:00Z", "merged_at": "2023-08-31T15:10:00Z"}

    Instants are Unix timestamps or date-times. A line that cannot be read is shown and kept
    out, and the command then ends with status 1.
    """
    with new_or_existing_store(flags) as store:
        org_ = store.keys.ensure_organisation(org, time.time_ns()).result()
        intake = Intake(pull_requests_into(store, org_), COMMITS_AT_ONCE)
        _import(files, pull_request_from_line, intake)


@import_.command()
@_files
@organisation_option
@setting_options(["database"])
def verdicts(files: Sequence[str], org: str, **flags: str | None) -> None:
    """Bring in verdicts by hand from FILEs of JSON Lines, .gz too; - is standard input.

    \b
    A line: {"deployment": "64f25434490ef9c7", "at": "2023-08-31T15:00:00Z", "by": "release desk",
             "change_failure": true, "remediation": {"type": "rollback", "id": "..."},
             "reason": "half of the payments were refused"}

    Deployments have to be there. A verdict counts unless a later one is known. A line that
    cannot be taken is shown and kept out, and the command then ends with status 1.
    """
    with existing_store(flags) as store:
        organisation = store.keys.organisation(org)

        def read(line: bytes) -> VerdictAct:
            act = act_from_line(line)
            if not store.deployments.exists(organisation, act.deployment_id):
                raise Invalid(Problem(f"deployment {act.deployment_id} does not exist"))
            return act

        _import(files, read, Intake(verdicts_into(store, organisation)))


def _import(files: Sequence[str], read: Callable[[bytes], T], intake: Intake[T]) -> None:
    """Imports every file, says what became of its lines, and ends the command."""
    for file in files:
        with _opened(file) as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    intake.take(read(line))
                except Invalid as error:
                    intake.keep_out(f"{file}:{number}: {error}")
    click.echo(intake.finish())
    if intake.kept_out:
        sys.exit(1)


@contextmanager
def _opened(file: str) -> Generator[Iterator[bytes]]:
    """The lines of a file, with a progress bar on a terminal."""
    if file == "-":
        yield iter(sys.stdin.buffer)
        return
    path = Path(file)
    try:
        raw = path.open("rb")
    except OSError as error:
        raise click.ClickException(f"cannot read {file}: {error.strerror}") from error
    with raw:
        lines = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
        bar = click.progressbar(length=path.stat().st_size, label=path.name, file=sys.stderr)
        with bar:
            yield _watched(lines, raw, bar.update)


def _watched(
    lines: Iterable[bytes], raw: IO[bytes], update: Callable[[int], Any]
) -> Iterator[bytes]:
    """The lines, telling the bar how far into the file they have got."""
    done = 0
    try:
        for line in lines:
            yield line
            if raw.tell() != done:
                update(raw.tell() - done)
                done = raw.tell()
    except (EOFError, gzip.BadGzipFile) as error:
        raise click.ClickException(f"the file ends too early or is not gzip: {error}") from error
