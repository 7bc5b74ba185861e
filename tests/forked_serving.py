"""Real servers and commands for tests that start many, forked from a process with Theodora in it.

To import Theodora takes a second of processor time, and to start a server a tenth of that.
What is forked ends by itself, on a signal or killed, as what is started; a program of its own needs
who sets variables that are not ours, as those of a library that is preloaded.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
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

    def __init__(
        self,
        arguments: list[str],
        environment: Mapping[str, str],
        log: Path,
        given: str = os.devnull,
    ) -> None:
        """Its standard input is the file `given`."""
        reading, writing = _CONTEXT.Pipe(duplex=False)
        self._process = _CONTEXT.Process(
            target=_run, args=(arguments, dict(environment), given, str(log), writing)
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


def command_forked(
    *arguments: str, environment: Mapping[str, str] = {}, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Runs a command of `theodora` in a forked process; `given` is its standard input."""
    with tempfile.TemporaryDirectory() as folder:
        log, file = Path(folder, "log"), Path(folder, "given")
        file.write_text(given)
        process = _Forked([*arguments], environment, log, str(file))
        with process.stdout:
            output = process.stdout.read()
        return subprocess.CompletedProcess(
            arguments, process.wait(timeout=60), output, log.read_text()
        )


def together_forked(
    number: int, function: Callable[..., Any], *arguments: Any, **options: Any
) -> list[Any]:
    """What a function of a module of Theodora returns in so many forked processes at once."""
    results, processes = [], []
    for _ in range(number):
        reading, writing = _CONTEXT.Pipe(duplex=False)
        process = _CONTEXT.Process(target=_call, args=(writing, function, arguments, options))
        process.start()
        writing.close()
        results.append(reading)
        processes.append(process)
    returned = [each.recv() for each in results]
    for process in processes:
        process.join()
    return returned


def code_forked(code: str, *arguments: str) -> int | None:
    """The exit status of a forked process that runs this code, with the arguments as a program."""
    process = _CONTEXT.Process(target=_execute, args=(code, arguments))
    process.start()
    process.join()
    return process.exitcode


def _execute(code: str, arguments: tuple[str, ...]) -> None:
    sys.argv = ["-c", *arguments]
    exec(code, {"__name__": "__main__"})


def _call(
    result: Connection,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    options: Mapping[str, Any],
) -> None:
    result.send(function(*arguments, **options))


def _run(
    arguments: list[str], environment: Mapping[str, str], given: str, log: str, output: Connection
) -> None:
    """Runs in this process what the program would run with these arguments and variables."""
    from theodora.cli import main  # noqa: PLC0415  The process that starts servers does not need it.

    os.dup2(output.fileno(), 1)
    with Path(given).open() as read, Path(log).open("a") as file:
        os.dup2(read.fileno(), 0)
        os.dup2(file.fileno(), 2)
    sys.stdin = os.fdopen(0)
    sys.stdout, sys.stderr = (os.fdopen(each, "w", buffering=1) for each in (1, 2))
    os.environ.clear()
    os.environ.update(environment)
    # Servers tell how they were started.
    sys.argv = [_PROGRAM, *arguments]
    cast("Any", main)(arguments)
