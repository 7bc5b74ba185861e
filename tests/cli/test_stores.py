"""Which database a command works on, and which commands may make one."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from actors import TESTER
from postgresql import PostgresqlServer
from theodora.cli import main
from theodora.storage import Store

NEEDS_A_STORE: Sequence[Sequence[str]] = (
    ("search",),
    ("metrics",),
    ("report",),
    ("explain", "id"),
    ("verdict", "id"),
    ("verdict", "id", "--failed"),
    ("derive",),
    ("export", "deployments"),
    ("export", "verdicts"),
    ("import", "verdicts", "-"),
    ("keys", "list"),
    ("keys", "revoke", "id"),
    ("settings", "show"),
    ("settings", "services"),
    ("settings", "set", "-"),
    ("settings", "preview", "-"),
    ("retention", "show"),
    ("retention", "set", "30"),
    ("retention", "apply"),
    ("repositories", "list"),
    ("repositories", "fetch"),
    ("repositories", "remove", "github.com/acme/web"),
)
MAKES_A_STORE: Sequence[Sequence[str]] = (
    ("keys", "create", "api"),
    ("import", "deployments", "-"),
    ("import", "failures", "-"),
    ("import", "commits", "-"),
    ("import", "pull-requests", "-"),
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that commands run in; the environment names no database."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("THEODORA_DATABASE", raising=False)
    return tmp_path


def run(*command: str, **environment: str) -> Result:
    text = "{}" if command[0] == "settings" else ""
    return CliRunner().invoke(main, command, input=text, env=environment)


def make_store(path: Path, org: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with Store(f"sqlite:///{path}") as store:
        store.keys.ensure_organisation(org, 1, actor=TESTER).result()


@pytest.mark.parametrize("command", NEEDS_A_STORE, ids=" ".join)
def test_a_command_that_needs_a_store_makes_none_and_says_what_to_name(
    folder: Path, command: Sequence[str]
) -> None:
    done = run(*command)
    assert done.exit_code == 1
    assert "There is no database at theodora.db. Run this in the folder the server" in done.output
    assert "--database or THEODORA_DATABASE" in done.output
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("command", MAKES_A_STORE, ids=" ".join)
def test_a_command_that_makes_a_store_says_so(folder: Path, command: Sequence[str]) -> None:
    done = run(*command)
    assert done.exit_code == 0, done.output
    assert "There is no database at theodora.db. Making one." in done.stderr
    assert (folder / "theodora.db").exists()
    assert "Making one" not in run(*command).stderr


def test_a_database_that_is_named_is_used_and_no_other(folder: Path) -> None:
    make_store(folder / "theodora.db", "default")
    make_store(folder / ".theodora" / "theodora.db", "of make serve")
    make_store(folder / "other.db", "of the environment")
    named = "sqlite:///other.db"
    assert (
        run("keys", "list", "--org", "of the environment", THEODORA_DATABASE=named).exit_code == 0
    )
    both = ("--org", "of make serve", "--database", "sqlite:///.theodora/theodora.db")
    assert run("keys", "list", *both, THEODORA_DATABASE=named).exit_code == 0


def test_commands_find_the_database_of_make_serve(folder: Path) -> None:
    make_store(folder / ".theodora" / "theodora.db", "of make serve")
    assert run("keys", "list", "--org", "of make serve").exit_code == 0
    assert run("keys", "create", "api").exit_code == 0
    assert not (folder / "theodora.db").exists()


@pytest.mark.parametrize("command", [("search",), ("keys", "create", "api"), ("serve",)])
def test_of_two_databases_none_is_guessed(folder: Path, command: Sequence[str]) -> None:
    make_store(folder / "theodora.db", "default")
    make_store(folder / ".theodora" / "theodora.db", "default")
    done = run(*command)
    assert done.exit_code == 1
    assert "--database sqlite:///.theodora/theodora.db or --database sqlite:///theodora.db" in (
        done.output
    )


def test_an_empty_database_of_postgresql_stays_empty(
    postgresql_server: PostgresqlServer, worker_id: str
) -> None:
    name = f"empty_{worker_id}"
    postgresql_server.execute(f"CREATE DATABASE {name}")
    url = postgresql_server.url(name)
    done = run("search", "--database", url)
    assert done.exit_code == 1
    assert "That database holds no store yet. Run this" in done.output
    assert url not in done.output
    run("keys", "create", "api", "--database", url)
    assert run("search", "--database", url).exit_code == 0
    postgresql_server.execute(f"DROP DATABASE {name}")
