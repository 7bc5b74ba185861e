"""A real server for tests: `theodora serve` in a process of its own, on a free port."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

API_KEY = "0123456789abcdef0123456789abcdef"
APPLICATION_KEY = "0123456789abcdef0123456789abcdef01234567"
KEYS = {"DD-API-KEY": API_KEY, "DD-APPLICATION-KEY": APPLICATION_KEY}

_LISTENING = re.compile(r"is listening on (\S+)")


@dataclass
class Server:
    """A server that listens at `url`; its bootstrap keys are the constants above."""

    process: subprocess.Popen[str]
    url: str
    database: Path
    """Where its data is, if that is SQLite."""
    database_url: str

    def stop(self) -> int:
        """Asks the server to stop; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        # The server gives running requests 30 seconds; it must not look stuck when it uses them.
        return self.process.wait(timeout=60)

    def kill(self) -> None:
        """Ends the server as a power cut would end it."""
        self.process.kill()
        self.process.wait(timeout=30)


Run = Callable[[list[str], Mapping[str, str], Path], "subprocess.Popen[str]"]
"""Starts a server with these arguments and variables; its log goes to the file."""


def run_program(
    arguments: list[str], environment: Mapping[str, str], log: Path
) -> subprocess.Popen[str]:
    with log.open("a") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "theodora", *arguments],
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        )


def start(
    folder: Path,
    *flags: str,
    environment: Mapping[str, str] = {},
    database: str = "",
    run: Run = run_program,
) -> Server:
    """Starts a server and waits until it is ready.

    Without the URL of a database its data is in `folder`.
    """
    path, log = folder / "theodora.db", folder / "server.log"
    database = database or f"sqlite:///{path}"
    variables = {
        **{name: value for name, value in os.environ.items() if "THEODORA" not in name},
        "THEODORA_DATABASE": database,
        "THEODORA_GIT_FOLDER": str(folder / "git"),
        "THEODORA_METRICS_FOLDER": str(folder / "columns"),
        "THEODORA_BOOTSTRAP_API_KEY": API_KEY,
        "THEODORA_BOOTSTRAP_APP_KEY": APPLICATION_KEY,
        **environment,
    }
    process = run(["serve", "--port", "0", *flags], variables, log)
    assert process.stdout is not None
    for line in process.stdout:
        if listening := _LISTENING.search(line):
            return Server(process, listening[1], path, database)
    raise AssertionError(log.read_text())


@contextmanager
def serving(
    folder: Path,
    *flags: str,
    environment: Mapping[str, str] = {},
    database: str = "",
    run: Run = run_program,
) -> Iterator[Server]:
    """A server for the length of a `with`."""
    server = start(folder, *flags, environment=environment, database=database, run=run)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()
        if server.process.stdout:
            server.process.stdout.close()
