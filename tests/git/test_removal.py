"""Folders of an organisation's repositories are removed, and those of others stay."""

import fcntl
from pathlib import Path

import pytest

from repositories import GitRepository, make_repository
from theodora.errors import Unavailable
from theodora.git import MirrorStore, PackStore, remove_folders

ID = "example.org/app"


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    repository = make_repository(tmp_path / "repository")
    repository.git("config", "uploadpack.allowFilter", "true")
    repository.commit("Begin", {"README": "1"})
    return repository


@pytest.fixture
def folder(tmp_path: Path, repository: GitRepository) -> Path:
    """With a mirror and packs of two organisations."""
    folder = tmp_path / "git"
    pack = repository.pack(repository.objects())
    for org in ("ours", "theirs"):
        MirrorStore(folder).fetch(org, ID, f"file://{repository.path}")
        PackStore(folder).receive(org, ID, repository.sha("HEAD"), pack)
    return folder


def names(folder: Path) -> set[str]:
    return {each.parent.name for each in folder.glob("*/*/HEAD")}


def test_packs_and_mirrors_of_one_organisation_are_removed(
    folder: Path, repository: GitRepository
) -> None:
    before = names(folder)
    remove_folders(folder, "theirs")
    assert len(before) == 4
    assert len(names(folder)) == 2
    assert not (folder / "removed").exists()
    remove_folders(folder, "ours")
    assert names(folder) == set()


def test_what_a_killed_process_has_moved_aside_is_removed(folder: Path) -> None:
    (folder / "removed").mkdir()
    (folder / "mirrors" / next(iter((folder / "mirrors").iterdir())).name).rename(
        folder / "removed" / "half"
    )
    remove_folders(folder, "nobody")
    assert not (folder / "removed").exists()


def test_a_mirror_that_is_being_fetched_is_left_for_the_next_time(folder: Path) -> None:
    locks = [(mirror / "fetching").open("w") for mirror in (folder / "mirrors").iterdir()]
    for lock in locks:
        fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(Unavailable):
        remove_folders(folder, "theirs")
    assert len(names(folder)) == 3
    for lock in locks:
        lock.close()
    remove_folders(folder, "theirs")
    assert len(names(folder)) == 2


def test_a_mirror_of_an_older_version_is_known_once_it_was_fetched(
    folder: Path, repository: GitRepository
) -> None:
    for mirror in (folder / "mirrors").iterdir():
        (mirror / "repository").unlink()
    remove_folders(folder, "theirs")
    assert len([*(folder / "mirrors").iterdir()]) == 2
    MirrorStore(folder).fetch("theirs", ID, f"file://{repository.path}")
    remove_folders(folder, "theirs")
    assert len([*(folder / "mirrors").iterdir()]) == 1


def test_without_a_folder_there_is_nothing_to_do(tmp_path: Path) -> None:
    remove_folders(tmp_path / "none", "theirs")
