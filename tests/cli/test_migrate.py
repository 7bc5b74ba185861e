"""`theodora migrate`, and databases that no command can use."""

from pathlib import Path

import pytest

from commands import Run
from theodora.storage.engine.migrate import migrations


def test_migrate_says_what_it_applied_and_does_so_once(run: Run) -> None:
    assert run("migrate").stdout.splitlines() == [
        f"applied {migration.number:04d} {migration.title}" for migration in migrations()
    ]
    assert run("migrate").stdout == "the database is up to date\n"


@pytest.mark.parametrize("command", [("migrate",), ("keys", "list"), ("export", "deployments")])
def test_a_file_that_is_no_database_ends_in_a_plain_sentence(
    run: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "theodora.db").write_bytes(b"no database at all " * 500)
    result = run(*command)
    assert result.exit_code == 1
    assert "theodora.db is not a sound SQLite database" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("url_", ["mysql:///x", "x.db", "sqlite:///"])
def test_a_database_of_another_form_ends_in_a_plain_sentence(run: Run, url_: str) -> None:
    result = run("migrate", "--database", url_)
    assert (result.exit_code, "must have the form sqlite:///" in result.stderr) == (1, True)
