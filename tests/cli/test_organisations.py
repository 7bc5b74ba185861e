"""`theodora orgs`: listing, creating and deleting organisations."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from theodora.cli import main
from theodora.storage import Store

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    environment = {
        "THEODORA_DATABASE": f"sqlite:///{tmp_path / 'theodora.db'}",
        "THEODORA_GIT_FOLDER": str(tmp_path / "git"),
    }

    def run(*arguments: str, given: bytes = b"") -> Result:
        return CliRunner().invoke(main, list(arguments), input=given, env=environment)

    return run


@pytest.fixture(autouse=True)
def acme(run: Run) -> None:
    """An organisation with two deployments and a key, and another with nothing."""
    run("orgs", "create", "acme")
    run("keys", "create", "api", "--org", "acme")
    run("orgs", "create", "it's mine")
    lines = "".join(
        f'{{"service": "web", "started_at": {at}, "finished_at": {at}}}\n'
        for at in (1_700_000_000, 1_700_000_100)
    )
    sent = run("import", "deployments", "-", "--org", "acme", given=lines.encode())
    assert sent.exit_code == 0, sent.output


def test_organisations_are_listed_with_what_they_have(run: Run) -> None:
    assert run("orgs", "list").stdout == (
        "acme  2 deployments, no failures, no commits and 1 key\n"
        "it's mine  no deployments, no failures, no commits and no keys\n"
    )


def test_what_is_created_is_told_how_to_go_on(run: Run) -> None:
    created = run("orgs", "create", "new org")
    assert created.stdout == (
        "created new org; make its first key with:\n"
        "theodora keys create application --org 'new org'\n"
    )
    again = run("orgs", "create", "new org")
    assert (again.exit_code, again.stderr) == (
        1,
        'Error: there is an organisation "new org" already\n',
    )


@pytest.mark.parametrize("confirm", [[], ["--confirm", "1"], ["--confirm", "0"]])
def test_a_deletion_is_confirmed_by_the_number_of_events(run: Run, confirm: list[str]) -> None:
    refused = run("orgs", "delete", "acme", *confirm)
    assert refused.exit_code == 1
    assert refused.stderr == (
        "Error: acme with 2 deployments, no failures, no commits and 1 key would be deleted for "
        "good: confirm that with --confirm 2\n"
    )
    assert "to be deleted" not in run("orgs", "list").stdout


def test_a_closed_organisation_is_used_by_no_command_until_that_is_taken_back(run: Run) -> None:
    deleted = run("orgs", "delete", "acme", "--confirm", "2")
    assert re.fullmatch(
        r"acme is closed, and deleted from \d{4}-\d\d-\d\d \d\d:\d\d UTC on: "
        r"2 deployments, no failures, no commits and 1 key\n"
        r"take it back with: theodora orgs undelete acme\n",
        deleted.stdout,
    )
    assert "to be deleted from " in run("orgs", "list").stdout
    for arguments in (
        ("export", "deployments"),
        ("import", "deployments", "-"),
        ("keys", "create", "api"),
        ("search", "service:web"),
    ):
        refused = run(*arguments, "--org", "acme")
        assert refused.exit_code == 1, refused.output
        assert 'organisation "acme" is to be deleted on ' in refused.stderr
    assert run("orgs", "undelete", "acme").stdout == "acme is kept, with everything it had\n"
    assert len(run("export", "deployments", "--org", "acme").stdout.splitlines()) == 2
    assert "is not to be deleted" in run("orgs", "undelete", "acme").stderr


def test_once_the_delay_has_passed_it_is_deleted(run: Run, tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path / 'theodora.db'}") as store:
        uuid = store.keys.organisation("acme").uuid
    folder = tmp_path / "theodora.db-columns"
    folder.mkdir()
    for name in (uuid, "another"):
        (folder / f"{name}.columns").touch()
    run("orgs", "delete", "acme", "--confirm", "2", "--organisation-deletion-days", "0")
    assert run("orgs", "apply").stdout.endswith("deleted 1 organisation\n")
    assert [file.name for file in folder.iterdir()] == ["another.columns"]
    assert run("orgs", "apply").stdout == "deleted no organisations\n"
    assert run("orgs", "list").stdout.startswith("it's mine  ")
    for command in ("delete", "undelete"):
        assert "there is no organisation" in run("orgs", command, "acme").stderr


def test_before_the_delay_has_passed_nothing_is_deleted(run: Run) -> None:
    run("orgs", "delete", "acme", "--confirm", "2")
    assert run("orgs", "apply").stdout == "deleted no organisations\n"
    assert "2 deployments" in run("orgs", "list").stdout
