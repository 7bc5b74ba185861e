"""Real servers for tests that start many: forked from a process that has imported Theodora.

To import it takes a second of processor time, and to start a server a tenth of that.
What is forked ends by itself, on a signal or killed, as what is started; a program of its own needs
who sets variables that are not ours, as those of a library that is preloaded.
"""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any, cast

import serving
import theodora

_PROGRAM = str(Path(theodora.__file__).with_name("__main__.py"))
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["theodora.cli", "psycopg_pool", "uvloop", __name__])


class _Forked:
    """A process with what `serving.Server` uses of `subprocess.Popen`."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], log: Path) -> None:
        reading, writing = _CONTEXT.Pipe(duplex=False)
        self._process = _CONTEXT.Process(
            target=_serve, args=(arguments, dict(environment), str(log), writing)
        )
        self._process.start()
        writing.close()
        self.stdout: IO[str] = os.fdopen(os.dup(reading.fileno()))
        reading.close()

    @property
    def pid(self) -> int:
        assert self._process.pid
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def terminate(self) -> None:
        self._process.terminate()

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("theodora serve", timeout or 0)
        return self._process.exitcode


def run_forked(
    arguments: list[str], environment: Mapping[str, str], log: Path
) -> "subprocess.Popen[str]":
    """The same as `serving.run_program`, of a forked process."""
    return cast("Any", _Forked(arguments, environment, log))


def start_forked(
    folder: Path, *flags: str, environment: Mapping[str, str] = {}, database: str = ""
) -> serving.Server:
    """The same as `serving.start`, of a forked process."""
    return serving.start(folder, *flags, environment=environment, database=database, run=run_forked)


def forked(
    folder: Path, *flags: str, environment: Mapping[str, str] = {}, database: str = ""
) -> AbstractContextManager[serving.Server]:
    """The same as `serving.serving`, of a forked process."""
    return serving.serving(
        folder, *flags, environment=environment, database=database, run=run_forked
    )


def _serve(
    arguments: list[str], environment: Mapping[str, str], log: str, output: Connection
) -> None:
    """Serves in this process, as the program would with these arguments and variables."""
    from theodora.cli import main  # noqa: PLC0415  The process that starts servers does not need it.

    os.dup2(output.fileno(), 1)
    with Path(log).open("a") as file:
        os.dup2(file.fileno(), 2)
    sys.stdout, sys.stderr = (os.fdopen(each, "w", buffering=1) for each in (1, 2))
    os.environ.clear()
    os.environ.update(environment)
    # Servers tell how they were started.
    sys.argv = [_PROGRAM, *arguments]
    cast("Any", main)(arguments)
