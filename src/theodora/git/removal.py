"""Removal of the packs and mirrors of an organisation."""

import fcntl
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree

from theodora.errors import Unavailable
from theodora.git.backup_files import LOCKS
from theodora.git.mirror import mirror_name
from theodora.git.packs import pack_names

_NAMES: Mapping[str, Callable[[str, str], tuple[str, ...]]] = {
    "mirrors": lambda org, id_: (mirror_name(org, id_),),
    "packs": pack_names,
}
"""The names that folders of a repository have, by organisation and id."""


def remove_folders(folder: Path, org: str) -> None:
    """Removes the packs and mirrors of an organisation, which `org` is the UUID of.

    Raises `Unavailable` if another process is using one; the others are removed all the same.
    """
    # Moved aside first: half a folder would no longer show whose it is.
    removed = folder / "removed"
    in_use = 0
    for kind, names in _NAMES.items():
        for repository in sorted((folder / kind).glob("*")):
            if repository.name in names(org, _repository_id(repository)):
                with _locked(repository / LOCKS[kind]) as is_free:
                    in_use += not is_free
                    if is_free:
                        removed.mkdir(exist_ok=True)
                        repository.rename(removed / repository.name)
    rmtree(removed, ignore_errors=True)
    if in_use:
        raise Unavailable("a repository of a deleted organisation is in use, and is removed later")


def _repository_id(repository: Path) -> str:
    """Empty for a folder of an older version that has not been used since, or no repository's."""
    with suppress(OSError):
        return (repository / "repository").read_text(errors="replace").removesuffix("\n")
    return ""


@contextmanager
def _locked(path: Path) -> Generator[bool]:
    """Whether nobody else has locked it."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
