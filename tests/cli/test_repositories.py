"""`theodora repositories`: adding, listing, fetching and removing mirrors."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from repositories import GitRepository, make_repository
from theodora.cli import main
from theodora.storage.facts.mirrors import GIVEN_UP_AFTER


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    repository = make_repository(tmp_path / "app")
    repository.git("config", "uploadpack.allowFilter", "true")
    repository.commit("Begin", {"README": "1"})
    return repository


def run(tmp_path: Path, command: str, *arguments: str) -> Result:
    database = f"sqlite:///{tmp_path / 'theodora.db'}"
    return CliRunner().invoke(main, ["repositories", command, "--database", database, *arguments])


def test_a_repository_is_added_and_fetched(tmp_path: Path, repository: GitRepository) -> None:
    result = run(tmp_path, "add", str(repository.path))
    assert result.output == f"{repository.path}: 1 new commits\n"
    listed = run(tmp_path, "list").output
    assert listed.startswith(f"{repository.path}  {repository.path}  fetched 20")


def test_everything_is_fetched_unless_one_is_named(
    tmp_path: Path, repository: GitRepository
) -> None:
    run(tmp_path, "add", str(repository.path))
    repository.commit("Go on", {"README": "2"})
    assert run(tmp_path, "fetch").output == f"{repository.path}: 1 new commits\n"
    again = run(tmp_path, "fetch", f"{repository.path}.git")
    assert again.output == f"{repository.path}: 0 new commits\n"


def test_a_repository_that_cannot_be_fetched_says_why(tmp_path: Path) -> None:
    result = run(tmp_path, "add", str(tmp_path / "nothing"))
    assert result.exit_code == 1
    assert "nothing: " in result.output
    assert "failed 20" in run(tmp_path, "list").output


def test_the_list_shows_which_mirrors_were_given_up(tmp_path: Path) -> None:
    run(tmp_path, "add", str(tmp_path / "nothing"))
    with closing(sqlite3.connect(tmp_path / "theodora.db")) as database, database:
        database.execute("UPDATE mirrors SET failures = ?", (GIVEN_UP_AFTER,))
    listed = run(tmp_path, "list").output
    assert f"given up after {GIVEN_UP_AFTER} failures, the last 20" in listed


def test_a_repository_that_is_too_large_is_not_fetched(
    tmp_path: Path, repository: GitRepository
) -> None:
    message = random.randbytes(2**20).hex().encode()
    repository.git("commit", "--quiet", "--amend", "-F", "-", stdin=message)
    result = run(tmp_path, "add", str(repository.path), "--git-mirror-mib", "1")
    assert "it is larger than 1 MiB (git_mirror_mib)" in result.output
    assert "it is larger than 1 MiB (git_mirror_mib)" in run(tmp_path, "list").output
    assert run(tmp_path, "fetch").output == f"{repository.path}: 1 new commits\n"


def test_a_url_with_credentials_is_refused_and_not_stored(tmp_path: Path) -> None:
    result = run(tmp_path, "add", "https://user:secret@github.com/acme/app.git")
    assert result.exit_code == 1
    assert "credentials" in result.output
    assert "secret" not in result.output
    assert not (tmp_path / "theodora.db").exists()


def test_a_removed_repository_is_gone(tmp_path: Path, repository: GitRepository) -> None:
    run(tmp_path, "add", str(repository.path))
    assert run(tmp_path, "remove", str(repository.path)).exit_code == 0
    assert run(tmp_path, "list").output == ""
    assert run(tmp_path, "remove", str(repository.path)).exit_code == 1
