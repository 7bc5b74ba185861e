"""A store of uploaded packs, which extracts their commits.

Each repository has a folder with the objects of its packs, because a tree may come in another pack
than its commit, and the tree of a parent has come earlier. The folder is a cache: without it, only
the changed paths of the next commits are lost.

A pack is read in quarantine, as `git receive-pack` does it, and joins the others once it has
been found sound.
"""

import fcntl
import hashlib
import os
import re
import threading
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from theodora.dora import Commit
from theodora.errors import Invalid, Problem, Unavailable
from theodora.git.changes import ChangedPaths
from theodora.git.commits import read_commits, with_paths
from theodora.git.objects import ObjectSize, object_reader, sizes
from theodora.git.process import GitError, environment_of, run

_SECONDS = 10
"""Time that each of git's commands may compute for one pack."""
_MAX_OBJECTS = 1_000_000
_MAX_COMMITS = 100_000
_MAX_OBJECT_BYTES = 2 * 1024**2
"""Size limit of a commit or tree; a folder of 50,000 files is smaller."""
_READ_BYTES = 512 * 1024**2
_AT_ONCE = 2
"""Packs read at one time; others wait their turn."""
_WAIT_SECONDS = 10
_MANY_PACKS = 50
"""With more packs than this, small ones are combined."""
_REPACK_SECONDS = 60
_STALE_SECONDS = 3_600
_INDEXED = re.compile(rb"pack\t[0-9a-f]+\n")
"""The files that `git index-pack` writes; bytes after the pack's end would follow."""
_OUR_FAULTS = ("No space left", "Permission denied", "Read-only file system", "unable to create")


class PackStore:
    """The packs of every repository, in a folder; every method may be called from any thread.

    Several processes may share the folder.
    """

    def __init__(self, folder: Path) -> None:
        """The folder is made when it is needed."""
        self._folder = folder.absolute()
        self._turns = threading.BoundedSemaphore(_AT_ONCE)

    def receive(
        self, org: str, repository_id: str, head: str, pack: bytes, incomplete: Sequence[str] = ()
    ) -> list[Commit]:
        """The commits of a pack, with the paths they changed where trees suffice.

        `head` is any SHA of the repository, `incomplete` names commits of earlier packs whose
        paths were not known: those that are known now come along. Raises `Invalid` for a pack
        that is not sound, and then keeps nothing of it; `Unavailable` if too many others are
        being read.
        """
        _check_header(pack)
        with self._turn():
            repository = self._repository(org, repository_id, head)
            with self._quarantine(repository) as incoming:
                environment = environment_of(repository, incoming)
                commits = _read_pack(pack, environment, incoming, incomplete)
                _keep(incoming / "pack", repository / "objects" / "pack")
            _put_together(repository)
        return commits

    @contextmanager
    def _turn(self) -> Generator[None]:
        if not self._turns.acquire(timeout=_WAIT_SECONDS):
            raise Unavailable("too many packs are being read")
        try:
            yield
        finally:
            self._turns.release()

    def _repository(self, org: str, repository_id: str, head: str) -> Path:
        """The repository's folder, named so that no part of it is the client's choice."""
        folder = self._folder / "packs" / _pack_name(org, repository_id, len(head))
        if not (folder / "HEAD").exists():
            (folder / "objects" / "pack").mkdir(parents=True, exist_ok=True)
            (folder / "refs").mkdir(exist_ok=True)
            (folder / "config").write_text(_CONFIG[len(head)])
            (folder / "repository").write_text(f"{repository_id}\n", errors="replace")
            (folder / "HEAD").write_text("ref: refs/heads/main\n")
        return folder

    @contextmanager
    def _quarantine(self, repository: Path) -> Generator[Path]:
        """An empty folder for objects, from which those of the repository are seen too."""
        waiting_room = self._folder / "incoming"
        waiting_room.mkdir(parents=True, exist_ok=True)
        _clear_stale(waiting_room)
        incoming = Path(mkdtemp(dir=waiting_room))
        for name in ("pack", "info"):
            (incoming / name).mkdir()
        (incoming / "info" / "alternates").write_text(f"{repository / 'objects'}\n")
        try:
            yield incoming
        finally:
            rmtree(incoming, ignore_errors=True)


def pack_names(org: str, repository_id: str) -> tuple[str, ...]:
    """The names that the folders of a repository's packs may have."""
    return tuple(_pack_name(org, repository_id, digits) for digits in _CONFIG)


def _pack_name(org: str, repository_id: str, sha_digits: int) -> str:
    return hashlib.sha256(f"{org}\n{repository_id}\n{sha_digits}".encode()).hexdigest()[:32]


_CONFIG = {
    40: "[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
    64: "[core]\n\trepositoryformatversion = 1\n\tbare = true\n"
    "[extensions]\n\tobjectformat = sha256\n",
}


def _check_header(pack: bytes) -> None:
    if pack[:4] != b"PACK":
        raise Invalid(Problem("it is not a pack"))
    if int.from_bytes(pack[4:8], "big") != 2:
        raise Invalid(Problem("it is not of version 2"))
    if int.from_bytes(pack[8:12], "big") > _MAX_OBJECTS:
        raise Invalid(Problem(f"it has more than {_MAX_OBJECTS} objects"))


def _read_pack(
    pack: bytes, environment: Mapping[str, str], incoming: Path, incomplete: Sequence[str]
) -> list[Commit]:
    try:
        index = ["index-pack", "--stdin", "--fix-thin"]
        output = run(index, seconds=_SECONDS, environment=environment, stdin=pack)
        if not _INDEXED.fullmatch(output):
            raise Invalid(Problem("there is more after its end"))
        shas = _commits_of(_objects_of(incoming / "pack", environment))
        with object_reader(environment, seconds=_SECONDS, budget_bytes=_READ_BYTES) as reader:
            changed_paths = ChangedPaths(reader)
            commits = read_commits(reader, shas)
            received = with_paths(commits, changed_paths)
            earlier = read_commits(reader, [sha for sha in incomplete if sha not in set(shas)])
            completed = [
                commit for commit in with_paths(earlier, changed_paths) if commit.paths is not None
            ]
    except GitError as error:
        raise _refused(error) from error
    return received + completed


def _refused(error: GitError) -> Invalid | Unavailable:
    """A write error of git is a server error; every other error is the pack's."""
    if any(fault in str(error) for fault in _OUR_FAULTS):
        return Unavailable(str(error))
    return Invalid(Problem(str(error)))


def _objects_of(folder: Path, environment: Mapping[str, str]) -> list[ObjectSize]:
    """The objects of the pack in a folder, in the order they have in it."""
    (index,) = folder.glob("*.idx")
    listed = run(
        ["show-index"], seconds=_SECONDS, environment=environment, stdin=index.read_bytes()
    )
    places = sorted(
        (int(line[0]), line[1]) for line in map(str.split, listed.decode().splitlines())
    )
    return sizes([sha for _, sha in places], environment, _SECONDS)


def _commits_of(objects: Iterable[ObjectSize]) -> list[str]:
    commits: list[str] = []
    for each in objects:
        if each.kind != "blob" and each.bytes > _MAX_OBJECT_BYTES:
            detail = f"{each.kind} {each.sha} is longer than {_MAX_OBJECT_BYTES} bytes"
            raise Invalid(Problem(detail))
        if each.kind == "commit":
            commits.append(each.sha)
    if len(commits) > _MAX_COMMITS:
        raise Invalid(Problem(f"it has more than {_MAX_COMMITS} commits"))
    return commits


def _keep(incoming: Path, kept: Path) -> None:
    """Moves a pack to the others, its index last: with it, git sees the pack."""
    for file in sorted(incoming.iterdir(), key=lambda file: file.suffix == ".idx"):
        file.replace(kept / file.name)


def _put_together(repository: Path) -> None:
    """Combines small packs once there are many, unless another process is doing so."""
    packs = repository / "objects" / "pack"
    if sum(1 for _ in packs.glob("*.pack")) <= _MANY_PACKS:
        return
    with (repository / "lock").open("w") as lock, suppress(BlockingIOError, GitError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        repack = ["repack", "-d", "-q", "--geometric=2"]
        run(repack, seconds=_REPACK_SECONDS, environment=environment_of(repository))


def _clear_stale(folder: Path) -> None:
    """Removes the leftovers of killed processes."""
    oldest = time.time() - _STALE_SECONDS
    for left in os.scandir(folder):
        if left.stat().st_mtime < oldest:
            rmtree(left.path, ignore_errors=True)
