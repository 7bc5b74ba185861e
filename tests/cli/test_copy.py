"""`theodora copy`: from a file to a server and back, and what it says."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import run
from databases import Databases


@pytest.fixture
def in_file(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'theodora.db'}"


@pytest.fixture
def on_server(postgresql_databases: Databases, tmp_path: Path) -> Iterator[str]:
    with postgresql_databases.new(tmp_path) as url:
        yield url


def imported(url: str, *services: str) -> None:
    lines = "".join(
        f'{{"service": "{service}", "started_at": 1693491974, "finished_at": 1693491984}}\n'
        for service in services
    )
    result = run("import", "deployments", "-", "--database", url, given=lines.encode())
    assert result.exit_code == 0, result.output


def exported(url: str) -> str:
    result = run("export", "deployments", "--database", url)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_store_goes_to_a_server_and_comes_back(in_file: str, on_server: str, tmp_path: Path):
    imported(in_file, "web", "cart")
    before = exported(in_file)
    back = f"sqlite:///{tmp_path / 'back.db'}"
    for each in ((in_file, on_server), (on_server, back)):
        result = run("copy", *each)
        assert (result.exit_code, result.stderr) == (0, "")
        assert "rows, each compared with what it is a copy of" in result.stdout
        assert exported(each[1]) == before
    assert exported(in_file) == before


def test_one_organisation_is_copied_and_the_log_names_it(in_file: str, on_server: str):
    imported(in_file, "web", "cart")
    assert run("orgs", "create", "acme", "--database", in_file).exit_code == 0
    result = run("copy", "--org", "acme", in_file, on_server)
    assert (result.exit_code, result.stderr) == (0, "")
    listed = run("orgs", "list", "--database", on_server).stdout
    assert "acme" in listed
    assert "default" not in listed
    [entry] = run("audit", "--server", "--database", in_file).stdout.splitlines()[1:2]
    assert "store.copied" in entry


def test_it_says_where_packs_and_mirrors_are(in_file: str, on_server: str, tmp_path: Path):
    imported(in_file, "web")
    folder = tmp_path / "theodora.db-git"
    folder.mkdir()
    said = run("copy", in_file, on_server).stdout
    assert f"not in the database but in {folder}: set THEODORA_GIT_FOLDER to that folder" in said


def test_a_copy_that_cannot_be_made_ends_in_a_plain_sentence(in_file: str, on_server: str):
    for url, service in ((in_file, "web"), (on_server, "cart")):
        imported(url, service)
    result = run("copy", in_file, on_server)
    assert result.exit_code == 1
    assert re.search("is not empty, it holds .*organisations", result.stderr)
    assert '"cart"' in exported(on_server)


def test_a_database_of_another_form_ends_in_a_plain_sentence(in_file: str):
    imported(in_file, "web")
    result = run("copy", in_file, "mysql://x")
    assert (result.exit_code, "must have the form sqlite:///" in result.stderr) == (1, True)
