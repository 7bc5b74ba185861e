"""`theodora link`: the possible causes of a failure, and links to one of them."""

import json
import shlex
from pathlib import Path

import pytest

from actors import TESTER
from cli.test_verdict import failed, new_database, shown
from commands import run
from theodora.events import Deployment, Failure
from theodora.storage import Store

HOUR_NS = 3_600 * 10**9
DOCS = Path(__file__).parents[2] / "docs" / "sources.md"


@pytest.fixture
def database(tmp_path: Path) -> str:
    """v1, v2 and v3 of web, one an hour, and a failure half an hour after v2."""
    url = new_database(tmp_path / "theodora.db")
    with Store(url) as store:
        org = store.keys.organisation("default")
        failure = Failure(id="down", services=("web",), started_at_ns=5 * HOUR_NS // 2)
        store.failures.add(org, failure, 1, actor=TESTER).result()
    return url


def lines(database: str, *arguments: str) -> list[list[str]]:
    result = run("link", *arguments, "--database", database)
    assert result.exit_code == 0, result.output
    return [line.split() for line in result.stdout.splitlines()]


def test_causes_are_listed_linked_and_undone(database: str):
    assert [row[0] for row in lines(database, "down")] == ["DEPLOYMENT", "d2", "d1"]
    assert lines(database, "down")[1][2:5] == ["30", "min", "web"]
    assert failed(database)["d2"] == (False, None)
    (said,) = lines(database, "down", "d1", "--by", "desk", "--reason", "seen")
    assert " ".join(said) == "d1 counts as failed: it caused down"
    assert [(row[0], row[-1]) for row in lines(database, "down")[1:]] == [
        ("d1", "desk"),
        ("d2", "v2"),
    ]
    assert failed(database)["d1"] == (True, None)
    assert "it caused failure down" in run("explain", "d1", "--database", database).stdout
    lines(database, "down", "d1", "--undo")
    assert failed(database)["d1"] == (False, None)


def test_links_are_exported_and_imported_with_verdicts(database: str, tmp_path: Path):
    lines(database, "down", "d1", "--by", "desk")
    exported = run("export", "verdicts", "--database", database).stdout_bytes
    assert json.loads(exported)["failure_ids"] == ["down"]
    other = new_database(tmp_path / "other.db")
    assert run("import", "verdicts", "-", "--database", other, given=exported).exit_code == 0
    assert shown(other, "d1") == shown(database, "d1")
    assert failed(other) == failed(database)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "failure does not exist"),
        (("nowhere", "d1"), "failure does not exist"),
        (("down", "nowhere"), "deployment does not exist"),
        (("down", "d1", "--undo"), "link does not exist"),
        (("down", "--undo"), "give the DEPLOYMENT"),
    ],
)
def test_what_does_not_exist_is_refused(database: str, arguments: tuple[str, ...], message: str):
    result = run("link", *arguments, "--database", database)
    assert result.exit_code != 0
    assert message in result.output


def test_the_commands_of_the_documentation_can_be_pasted(database: str):
    section = DOCS.read_text().partition("## Link a failure to its deployment")[2]
    commands = [shlex.split(line)[1:] for line in section.split("```")[1].strip().splitlines()]
    (_, failure_id), (_, _, deployment_id, *_), _ = commands
    with Store(database) as store:
        org = store.keys.organisation("default")
        at = 4 * HOUR_NS
        deployment = Deployment(
            id=deployment_id, service="web", started_at_ns=at, finished_at_ns=at
        )
        store.deployments.add(org, deployment, 1, actor=TESTER)
        failure = Failure(id=failure_id, services=("web",), started_at_ns=at + 1)
        store.failures.add(org, failure, 1, actor=TESTER).result()
    printed = [run(*command, "--database", database) for command in commands]
    assert [each.exit_code for each in printed] == [0, 0, 0]
    assert [row.split()[0] for row in printed[0].stdout.splitlines()][1] == deployment_id
    assert "counts as failed" in printed[1].stdout
    assert "had before" in printed[2].stdout
