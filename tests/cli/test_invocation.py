"""How printed commands are typed: the program's path, and the database where it has to be named."""

import subprocess
import sys
from pathlib import Path

import pytest

from theodora.cli.invocation import invocation, program

BIN = Path(sys.executable).parent


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the program in .venv/bin, which is not on the PATH."""
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(BIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(sys, "argv", [str(tmp_path / ".venv/bin/theodora"), "serve"])
    return tmp_path


def test_the_program_is_named_by_its_path_where_no_shell_finds_it(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert program() == ".venv/bin/theodora"
    monkeypatch.chdir("/")
    assert program() == str(checkout / ".venv/bin/theodora")


@pytest.mark.usefixtures("checkout")
def test_the_program_is_named_shortly_where_a_shell_finds_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(BIN))
    assert program() == "theodora"


def test_the_database_is_named_where_a_command_would_take_another(checkout: Path) -> None:
    plain = ".venv/bin/theodora"
    of_make_serve, default = "sqlite:///.theodora/theodora.db", "sqlite:///theodora.db"
    assert invocation(of_make_serve).command == invocation(default).command == plain
    elsewhere = invocation("sqlite:////var/a b.db").command
    assert elsewhere == f"THEODORA_DATABASE='sqlite:////var/a b.db' {plain}"
    (checkout / "theodora.db").touch()
    assert invocation(of_make_serve).command == f"THEODORA_DATABASE={of_make_serve} {plain}"
    assert invocation(default).command == plain


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:s3cret@db/name", "postgresql://me@db/name"),
        (
            "postgresql://me@a,b/name?password=s3cret&sslmode=require",
            "'postgresql://me@a,b/name?sslmode=require'",
        ),
    ],
)
def test_no_password_is_shown(url: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [sys.argv[0], "serve", "--database", url])
    shown_commands = invocation(url)
    assert shown_commands.command == f"THEODORA_DATABASE={shown} .venv/bin/theodora"
    assert shown in shown_commands.serve_https
    assert "s3cret" not in "".join(shown_commands)


@pytest.mark.parametrize("command", [(), ("search",), ("report",)])
def test_examples_of_help_can_be_pasted(checkout: Path, command: tuple[str, ...]) -> None:
    done = subprocess.run(
        [".venv/bin/theodora", *command, "--help"],
        check=True,
        cwd=checkout,
        capture_output=True,
        text=True,
    )
    assert "\n  .venv/bin/theodora " in done.stdout
    assert "\n  theodora " not in done.stdout
