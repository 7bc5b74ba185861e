"""Reads objects of a repository, many at a time, through one `git cat-file`."""

import subprocess
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, NamedTuple

from theodora.git.process import GitError, run, started

_AT_ONCE = 800
"""SHAs that fit into a pipe at once, so that neither side waits for the other."""


class ObjectSize(NamedTuple):
    """The kind and size of an object, known before it is read."""

    sha: str
    kind: str
    bytes: int


def sizes(shas: Sequence[str], environment: Mapping[str, str], seconds: int) -> list[ObjectSize]:
    """The kinds and sizes of objects; those that are missing are left out."""
    answer = run(
        ["cat-file", "--batch-check", "--buffer"],
        seconds=seconds,
        environment=environment,
        stdin=_request(shas),
    )
    fields = (line.split(" ") for line in answer.decode().splitlines())
    return [ObjectSize(each[0], each[1], int(each[2])) for each in fields if len(each) == 3]


class ObjectReader:
    """Reads objects until `budget_bytes` have been read; then every object is missing."""

    def __init__(self, process: subprocess.Popen[bytes], budget_bytes: int) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin: IO[bytes] = process.stdin
        self._stdout: IO[bytes] = process.stdout
        self._budget_bytes = budget_bytes

    def read(self, shas: Collection[str], kind: str) -> dict[str, bytes]:
        """The objects of one kind among `shas`, by SHA; those that are missing are left out."""
        found: dict[str, bytes] = {}
        pending = list(shas)
        while pending and self._budget_bytes > 0:
            asked, pending = pending[:_AT_ONCE], pending[_AT_ONCE:]
            self._ask(asked)
            found.update(
                (sha, data) for sha, of_kind, data in self._answers(asked) if of_kind == kind
            )
        return found

    def _ask(self, shas: Sequence[str]) -> None:
        try:
            self._stdin.write(_request(shas))
            self._stdin.flush()
        except BrokenPipeError:
            raise GitError("git cannot read its objects") from None

    def _answers(self, asked: Sequence[str]) -> Iterator[tuple[str, str, bytes]]:
        for sha in asked:
            fields = self._stdout.readline().decode(errors="replace").split()
            if len(fields) == 2:
                continue
            if len(fields) != 3:
                raise GitError("git cannot read its objects")
            data = self._stdout.read(int(fields[2]) + 1)[:-1]
            self._budget_bytes -= len(data)
            yield sha, fields[1], data


@contextmanager
def object_reader(
    environment: Mapping[str, str], *, seconds: int, budget_bytes: int
) -> Generator[ObjectReader]:
    """A reader for the length of a `with`; `seconds` limits the time that git computes."""
    command = ["cat-file", "--batch"]
    with started(
        command, seconds=seconds, environment=environment, stderr=subprocess.DEVNULL
    ) as process:
        yield ObjectReader(process, budget_bytes)


def _request(shas: Sequence[str]) -> bytes:
    return "".join(f"{sha}\n" for sha in shas).encode()
