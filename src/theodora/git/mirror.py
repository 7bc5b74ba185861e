"""Mirrors of remote repositories: commits and trees of all branches and tags, and few blobs."""

import fcntl
import hashlib
import os
import re
import threading
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from shutil import rmtree

from theodora.errors import Invalid, Problem, Unavailable
from theodora.events import without_credentials
from theodora.git.backup_files import is_unfinished
from theodora.git.head_files import default_branch, files_at_head
from theodora.git.history import History
from theodora.git.process import GitError, environment_of, fetch, run

LIMIT_MIB = 4_096
"""The size of a mirror, unless the settings have another."""
_MIB = 2**20
_SECONDS = 60
_FILES = "files"
"""A file in a mirror's folder: the files at its head that were used last, by SHA and path."""
_SCHEME = re.compile(r"([a-z][a-z+.-]*)://", re.IGNORECASE)
_PROTOCOLS = frozenset(("https", "http", "ssh", "git", "file"))
_CONTROL = re.compile(r"[\x00-\x20\x7f]")

_REFERENCES = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_CONFIG = """[core]
\trepositoryformatversion = 1
\tbare = true
[extensions]
\tpartialClone = origin
[remote "origin"]
\tpromisor = true
\tpartialCloneFilter = blob:none
"""


def protocol_of(url: str) -> str:
    """The protocol of a repository's URL; `Invalid` for a URL that cannot be mirrored.

    A URL must not contain credentials, because it is stored, shown and logged.
    """
    scheme = _SCHEME.match(url)
    protocol = scheme[1].lower() if scheme else "file" if url.startswith("/") else "ssh"
    if protocol not in _PROTOCOLS:
        raise Invalid(Problem(f'repositories cannot be fetched over "{protocol}"'))
    if not scheme and protocol == "ssh" and not re.match(r"[\w.@-]+:[^:]", url):
        raise Invalid(Problem("it is neither a URL nor an absolute path"))
    if url.startswith("-") or _CONTROL.search(url):
        raise Invalid(Problem("it has characters that no URL has"))
    if without_credentials(url) != url:
        raise Invalid(
            Problem("it holds credentials; name a git credential helper in the settings instead")
        )
    return protocol


class MirrorStore:
    """The mirrors, each a bare repository in one folder, which several processes may share."""

    def __init__(
        self, folder: Path, credential_helper: str = "", limit_mib: int = LIMIT_MIB
    ) -> None:
        """`credential_helper` is as in git's settings: `store --file=/run/secrets/git`. A mirror
        that is larger than the limit is not fetched, and a fetch that makes it larger is stopped.
        """
        self._limit_mib = limit_mib
        self._stopped = threading.Event()
        self._folder = folder.absolute() / "mirrors"
        self._credential_helper = credential_helper

    def fetch(self, org: str, repository_id: str, url: str) -> History:
        """Brings the mirror up to date, making it if there is none.

        Raises `GitError` if git fails or the mirror is too large, `Unavailable` if another
        process is updating it, or after `stop`.
        """
        protocol_of(url)
        directory = self._directory(org, repository_id)
        with self._fetching(directory, repository_id):
            command = ["fetch", "--quiet", "--prune", "--no-tags", "--update-shallow"]
            # A remote that is a shallow clone is taken as it is, until it has more history.
            unshallow = ["--unshallow"] if (directory / "shallow").exists() else []
            self._ask(directory, url, [*command, *unshallow], _REFERENCES)
        return History(directory)

    def head(self, org: str, repository_id: str, url: str) -> str | None:
        """The commit that the default branch had at the last fetch.

        None if the remote names none, or has begun it since. Raises as `fetch` does.
        """
        directory = self._directory(org, repository_id)
        branch = default_branch(partial(self._ask, directory, url))
        if branch is None:
            return None
        arguments = ["for-each-ref", "--format=%(objectname)", branch]
        found = run(arguments, seconds=_SECONDS, environment=environment_of(directory))
        return found.decode("ascii").strip() or None

    def changed_files(
        self,
        org: str,
        repository_id: str,
        url: str,
        wanted: Callable[[Collection[str]], Collection[str]],
    ) -> Mapping[str, bytes]:
        """The wanted files at the head of the default branch, of a mirror that has been fetched.

        Empty if none of them has changed since `note_files`. Raises as `fetch` does.
        """
        directory = self._directory(org, repository_id)
        noted = directory / _FILES
        known = noted.read_text("utf-8") if noted.exists() else ""
        with self._fetching(directory, repository_id):
            ask = partial(self._ask, directory, url)
            state, files = files_at_head(directory, ask, wanted, known)
            noted.with_suffix(".read").write_text(state, "utf-8")
        return files

    def note_files(self, org: str, repository_id: str) -> None:
        """Notes that the files that were read last have been used."""
        noted = self._directory(org, repository_id) / _FILES
        noted.with_suffix(".read").replace(noted)

    @contextmanager
    def _fetching(self, directory: Path, repository_id: str) -> Generator[None]:
        """Keeps others from fetching into the mirror, whose size is checked before and after."""
        with (directory / "fetching").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Unavailable(f"{repository_id} is just being fetched") from None
            with _cleared(directory):
                self._check(directory)
                yield
                self._check(directory)

    def _ask(
        self, directory: Path, url: str, arguments: Sequence[str], references: Sequence[str]
    ) -> str:
        answer = fetch(
            ["-c", f"remote.origin.url={url}", *arguments],
            references,
            protocol=protocol_of(url),
            credential_helper=self._credential_helper,
            environment=environment_of(directory),
            check=partial(self._check, directory),
        )
        return answer.decode(errors="replace")

    def _check(self, directory: Path) -> None:
        """Raises what ends a fetch: `Unavailable` after `stop`, `GitError` for a large mirror."""
        if self._stopped.is_set():
            raise Unavailable("the server is stopping")
        if _size(directory) > self._limit_mib * _MIB:
            raise GitError(f"it is larger than {self._limit_mib:,} MiB (git_mirror_mib)")

    def stop(self) -> None:
        """Ends the fetches under way; there are no later ones."""
        self._stopped.set()

    def remove(self, org: str, repository_id: str) -> None:
        """Removes the mirror's folder, if there is one."""
        rmtree(self._directory(org, repository_id), ignore_errors=True)

    def _directory(self, org: str, repository_id: str) -> Path:
        directory = self._folder / mirror_name(org, repository_id)
        if not (directory / "HEAD").exists():
            for part in ("objects", "refs"):
                (directory / part).mkdir(parents=True, exist_ok=True)
            (directory / "config").write_text(_CONFIG)
            (directory / "HEAD").write_text("ref: refs/heads/main\n")
        if not (directory / "repository").exists():  # Mirrors of older versions have none.
            (directory / "repository").write_text(f"{repository_id}\n", errors="replace")
        return directory


def _size(directory: Path) -> int:
    """Bytes of its files, which git may be renaming and removing."""
    size = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(OSError):
                size += Path(folder, name).lstat().st_size
    return size


@contextmanager
def _cleared(directory: Path) -> Generator[None]:
    """Removes what a git that was killed has left, before and after: locks stop every later
    fetch. Nobody else fetches meanwhile."""
    _remove_unfinished(directory)
    try:
        yield
    finally:
        _remove_unfinished(directory)


def _remove_unfinished(directory: Path) -> None:
    for path in directory.rglob("*"):
        if path.is_file() and is_unfinished(path, directory):
            path.unlink(missing_ok=True)


def mirror_name(org: str, repository_id: str) -> str:
    """The name of a mirror's folder."""
    return hashlib.sha256(f"{org}\n{repository_id}".encode()).hexdigest()[:32]
