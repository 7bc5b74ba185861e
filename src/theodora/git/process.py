"""A runner of git commands, without a shell or user settings, and within limits."""

import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from theodora.errors import TheodoraError, Unavailable

_SETTINGS = {
    # Overrides the repository's own settings: no program is run, nothing is fetched.
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.pager": "cat",
    "protocol.allow": "never",
    "gc.auto": "0",
    "maintenance.auto": "false",
    # Large blobs are passed through rather than held in memory.
    "core.bigFileThreshold": "4m",
    "pack.threads": "2",
    # Large packs are looked at through small windows.
    "core.packedGitWindowSize": "32m",
    "core.packedGitLimit": "256m",
}

_ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_LITERAL_PATHSPECS": "1",
}

_OF_USER = ("HOME", "SSH_AUTH_SOCK", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
"""Environment variables of ssh and credential helpers."""

_FETCH_SECONDS = 3_600
_CHECK_SECONDS = 0.25
_MEMORY_BYTES = 2 * 1024**3
_FILE_BYTES = 1024**3


class GitError(TheodoraError):
    """Git could not do what it was asked; the message is git's own."""


def run(
    arguments: Sequence[str],
    *,
    seconds: int,
    environment: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    is_bounded: bool = True,
    check: Callable[[], None] | None = None,
) -> bytes:
    """Runs git and returns its standard output.

    Memory and file sizes are limited by default. Raises `GitError` if git fails or takes more than
    `seconds`, `Unavailable` if git is missing.
    """
    with started(
        arguments, seconds=seconds, environment=environment, is_bounded=is_bounded
    ) as process:
        output, errors = _communicate(process, stdin, seconds, check)
    if process.returncode:
        raise GitError(_reason(process.returncode, errors))
    return output


def _communicate(
    process: subprocess.Popen[bytes], stdin: bytes, seconds: int, check: Callable[[], None] | None
) -> tuple[bytes, bytes]:
    # Python 3.11 does not go on writing the input of a call that timed out.
    assert not (stdin and check), "a git with input is waited for in one call"
    until_sec = time.monotonic() + seconds
    while True:
        try:
            return process.communicate(stdin, timeout=_CHECK_SECONDS if check else seconds)
        except subprocess.TimeoutExpired:
            if check:
                check()
            if time.monotonic() >= until_sec:
                raise GitError(f"it takes more than {seconds} seconds") from None


def fetch(
    arguments: Sequence[str],
    references: Sequence[str],
    *,
    protocol: str,
    credential_helper: str,
    environment: Mapping[str, str],
    check: Callable[[], None],
) -> bytes:
    """Runs `git fetch` or `git ls-remote` on `origin`: nothing else may reach other machines.

    It may do so over `protocol` alone, and follows no redirect, which could lead to a machine
    that nobody named, with the credentials of the first. Raises as `run` does; `check` is called
    a few times a second, and ends the fetch with what it raises.
    """
    helper = ["-c", f"credential.helper={credential_helper}"] if credential_helper else []
    of_user = {name: os.environ[name] for name in _OF_USER if name in os.environ}
    return run(
        [*helper, "-c", "http.followRedirects=false", *arguments, "--", "origin", *references],
        seconds=_FETCH_SECONDS,
        environment={
            **of_user,
            **environment,
            "GIT_ALLOW_PROTOCOL": protocol,
            # Fails at once instead of asking for a password, which nobody would type.
            "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        },
        is_bounded=False,
        check=check,
    )


@contextmanager
def started(
    arguments: Sequence[str],
    *,
    seconds: int,
    environment: Mapping[str, str] | None = None,
    stderr: int | IO[bytes] = subprocess.PIPE,
    is_bounded: bool = True,
) -> Generator[subprocess.Popen[bytes]]:
    """A running git with pipes to and from it, stopped at the end of the `with`, and with it
    every program that it has started.

    `seconds` limits the time that it computes.
    """
    settings = [part for item in _SETTINGS.items() for part in ("-c", "=".join(item))]
    try:
        process = subprocess.Popen(  # noqa: S603 - no shell, and arguments are made here
            ["git", *settings, *arguments],  # noqa: S607 - where git is differs by machine
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            # Not the server's own: its variables have secrets, and some, such as GIT_DIR, redirect
            # git.
            env=_environment(environment or {}),
            # Git starts others, such as the one that speaks https: they are stopped with it.
            start_new_session=True,
        )
    except FileNotFoundError:
        raise Unavailable("git is not installed") from None
    with process:
        try:
            if is_bounded:
                _limit(process.pid, seconds)
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            if process.stdin:
                # Closing flushes what git, now killed, can no longer read.
                with suppress(BrokenPipeError):
                    process.stdin.close()


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return {**inherited, **_ENVIRONMENT, **more}


def _limit(pid: int, seconds: int) -> None:
    """Limits a process that waits for input; one that has ended reports its own error."""
    limits = (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, _FILE_BYTES),
    )
    with suppress(ProcessLookupError):
        for kind, limit in limits:
            # The machine may have set a lower hard limit, which cannot be raised.
            _, most = resource.prlimit(pid, kind)
            bounded = limit if most == resource.RLIM_INFINITY else min(limit, most)
            resource.prlimit(pid, kind, (bounded, most))


def _reason(status: int, errors: bytes) -> str:
    lines = errors.decode(errors="replace").strip().splitlines()
    # Ended by a signal, as the limits do.
    if status < 0:
        return "it takes too much time or memory"
    if not lines:
        return f"git ended with status {status}"
    # The first such line names the cause; advice and further ones may follow.
    reason = next((line for line in lines if line.startswith("fatal: ")), lines[-1])
    return reason.removeprefix("fatal: ").removeprefix("error: ")


def environment_of(directory: Path, incoming: Path | None = None) -> dict[str, str]:
    """Makes git work on a bare repository; new objects are written to `incoming`."""
    environment = {"GIT_DIR": str(directory)}
    if incoming is not None:
        environment["GIT_OBJECT_DIRECTORY"] = str(incoming)
    return environment
