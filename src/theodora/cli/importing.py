"""`theodora import`: bring in events from files of JSON Lines."""

import gzip
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

import click

from theodora.cli.options import config_from, organisation_option, setting_options
from theodora.errors import Invalid
from theodora.events import Deployment, Failure
from theodora.sources.json_lines import deployment_from_line, failure_from_line
from theodora.storage import Organisation, Placed, Store
from theodora.web.wire import render

E = TypeVar("E", Deployment, Failure)

_IN_FLIGHT = 2_000
"""Events handed to the store and not yet known to be durable."""
_SHOWN = 20
"""Lines kept out that are shown one by one."""


@click.group("import")
def import_() -> None:
    """Bring in events from files; doing so again changes nothing."""


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
    with Store(config_from(flags).database, render) as store:
        org_ = store.keys.ensure_organisation(org, time.time_ns()).result()
        _Import(deployment_from_line, store.deployments.add, org_).run(files)


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
    with Store(config_from(flags).database, render) as store:
        org_ = store.keys.ensure_organisation(org, time.time_ns()).result()
        _Import(failure_from_line, store.failures.add, org_).run(files)


class _Import(Generic[E]):
    """Reads files line by line and hands their events to the store."""

    def __init__(
        self,
        read: Callable[[bytes], E],
        add: Callable[[Organisation, E, int], Future[Placed[E]]],
        org: Organisation,
    ) -> None:
        self._read = read
        self._add = add
        self._org = org
        self._in_flight: deque[Future[Placed[E]]] = deque()
        self._outcomes: Counter[str] = Counter()

    def run(self, files: Sequence[str]) -> None:
        """Imports every file, says what became of its lines, and ends the command."""
        for file in files:
            with _opened(file) as lines:
                for number, line in enumerate(lines, 1):
                    self._take(file, number, line)
        while self._in_flight:
            self._settle()
        click.echo(self._summary())
        if self._outcomes["kept out"]:
            sys.exit(1)

    def _take(self, file: str, number: int, line: bytes) -> None:
        if not line.strip():
            return
        try:
            event = self._read(line)
        except Invalid as error:
            self._keep_out(f"{file}:{number}: {error}")
            return
        self._in_flight.append(self._add(self._org, event, time.time_ns()))
        if len(self._in_flight) >= _IN_FLIGHT:
            self._settle()

    def _settle(self) -> None:
        self._outcomes[self._in_flight.popleft().result().outcome] += 1

    def _keep_out(self, message: str) -> None:
        self._outcomes["kept out"] += 1
        if self._outcomes["kept out"] <= _SHOWN:
            click.echo(message, err=True)
        elif self._outcomes["kept out"] == _SHOWN + 1:
            click.echo("further lines are kept out without being shown", err=True)

    def _summary(self) -> str:
        kinds = ("added", "replaced", "unchanged", "kept out")
        return ", ".join(f"{self._outcomes[kind]:,} {kind}" for kind in kinds)


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
