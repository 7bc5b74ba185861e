"""Files at the head of a remote's default branch: a mirror has their names alone."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

from theodora.git.objects import object_reader, sizes
from theodora.git.process import environment_of, run

Network = Callable[[Sequence[str], Sequence[str]], str]
"""Runs a command of git at the remote, with what it asks for; returns its output."""

_SECONDS = 60
_MOST_FILES = 500
_MOST_BYTES = 8 * 2**20
"""Of all of them together; the others are left out."""
_MOST_BYTES_OF_ONE = 2**20
"""Longer files are left out: they would be held in memory."""
_HEAD = re.compile(r"^ref: (refs/heads/\S+)\tHEAD$", re.MULTILINE)
_FILE = "100"
"""How the mode of a regular file begins; links are not followed."""


def default_branch(network: Network) -> str | None:
    """The full name of the remote's default branch; None if it names none. Raises as `run` does."""
    head = _HEAD.search(network(["ls-remote", "--symref"], ["HEAD"]))
    return head[1] if head else None


def files_at_head(
    directory: Path,
    network: Network,
    wanted: Callable[[Collection[str]], Collection[str]],
    known: str,
) -> tuple[str, Mapping[str, bytes]]:
    """The wanted paths among those at the head, with their content, and what they are all in all.

    Empty if that is `known`, so that unchanged files are not read again, and if the remote names no
    default branch. Raises as `run` does.
    """
    git = partial(run, seconds=_SECONDS, environment=environment_of(directory))
    head = default_branch(network)
    if head is None:
        return known, {}
    listed = git(["ls-tree", "-r", "-z", "--full-tree", head]).decode(errors="replace")
    entries = (line.partition("\t") for line in listed.split("\0") if line.startswith(_FILE))
    shas = {path: about.split(" ")[2] for about, _, path in entries}
    chosen = {path: shas[path] for path in sorted(wanted(shas.keys()))[:_MOST_FILES]}
    state = "\n".join(f"{sha} {path}" for path, sha in chosen.items())
    if state == known or not chosen:
        return state, {}
    shas_of_files = [*dict.fromkeys(chosen.values())]
    network(
        ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--filter=blob:none"],
        shas_of_files,
    )
    environment = environment_of(directory)
    short = {
        each.sha
        for each in sizes(shas_of_files, environment, _SECONDS)
        if each.bytes <= _MOST_BYTES_OF_ONE
    }
    with object_reader(environment, seconds=_SECONDS, budget_bytes=_MOST_BYTES) as reader:
        found = reader.read(short, "blob")
    return state, {path: found[sha] for path, sha in chosen.items() if sha in found}
