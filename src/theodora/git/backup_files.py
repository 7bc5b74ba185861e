"""The files of a folder of packs and mirrors that a backup takes, read while git uses them."""

import fcntl
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

LOCKS = {"mirrors": "fetching", "packs": "lock"}
"""The lock file that is held while a mirror is fetched, or packs are put together."""


def backup_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Relative names and paths; each repository is locked while its files are being read.

    The lock keeps files from being removed. New ones may come: a pack without its index is not
    listed, as git does not see it yet.
    """
    for kind, lock in LOCKS.items():
        for repository in sorted((folder / kind).glob("*/HEAD")):
            with _locked(repository.with_name(lock)):
                for path in _files(repository.parent, lock):
                    yield path.relative_to(folder).as_posix(), path


def _files(repository: Path, lock: str) -> list[Path]:
    files = {
        path
        for path in repository.rglob("*")
        if path.is_file() and not is_unfinished(path, repository)
    }
    # An index may have been listed that came after its folder had been looked at for the pack.
    files |= {path.with_suffix(".pack") for path in files if path.suffix == ".idx"}
    return sorted(path for path in files if path.name != lock)


def is_unfinished(path: Path, repository: Path) -> bool:
    """Whether git removes the file by itself: a lock, or an object that it is still writing."""
    if path.suffix == ".lock":
        return True
    # A branch may have any other name, and a file of that name.
    if not path.is_relative_to(repository / "objects"):
        return False
    is_pack_without_index = path.suffix == ".pack" and not path.with_suffix(".idx").exists()
    # From a server without a protocol of git's own, objects come as `….temp`.
    return path.suffix == ".temp" or path.name.startswith("tmp_") or is_pack_without_index


@contextmanager
def _locked(path: Path) -> Generator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
