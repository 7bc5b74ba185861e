"""`theodora verdict`, and verdicts written out and brought in again."""

import json
from pathlib import Path
from typing import Any

import pytest

from actors import TESTER
from commands import run
from theodora.events import Deployment
from theodora.storage import Store


def new_database(path: Path) -> str:
    """A database with v1, v2 and v3, one an hour."""
    url = f"sqlite:///{path}"
    with Store(url) as store:
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        for hour, version in enumerate(("v1", "v2", "v3"), 1):
            at = hour * 3_600 * 10**9
            event = Deployment(
                id=f"d{hour}", service="web", version=version, started_at_ns=at, finished_at_ns=at
            )
            store.deployments.add(org, event, 1, actor=TESTER).result()
        store.derivations.derive_all_queued(actor=TESTER)
    return url


@pytest.fixture
def database(tmp_path: Path) -> str:
    return new_database(tmp_path / "theodora.db")


def shown(database: str, *arguments: str) -> dict[str, Any]:
    result = run("verdict", *arguments, "--database", database)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def failed(database: str) -> dict[str, tuple[bool | None, int | None]]:
    run("derive", "--database", database)
    with Store(database) as store:
        events = store.deployments.everything(store.keys.organisation("default"))
        return {event.id: (event.change_failure, event.recovery_time_sec) for event in events}


def test_a_verdict_is_given_with_its_remedy_and_taken_back(database: str):
    said = shown(
        database,
        *("d1", "--failed", "--remediation", "rollforward", "d3"),
        *("--reason", "carts were lost", "--by", "release desk"),
    )
    assert said["verdict"] == {
        "change_failure": True,
        "remediation": {"type": "rollforward", "id": "d3", "version": None},
        "failure_ids": [],
        "by": "release desk",
        "at": said["verdict"]["at"],
        "reason": "carts were lost",
    }
    assert failed(database)["d1"] == (True, 7_200)
    assert shown(database, "d1") == said
    assert shown(database, "d1", "--remove")["verdict"] is None
    assert failed(database)["d1"] == (False, None)


def test_a_remedy_may_be_named_by_its_version(database: str):
    shown(database, "d1", "--failed", "--remediation-version", "rollback", "v2")
    assert failed(database)["d1"] == (True, 3_600)
    shown(database, "d1", "--not-failed")
    assert failed(database)["d1"] == (False, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere", "--failed"), "deployment does not exist"),
        (("d1", "--remove"), "verdict does not exist"),
        (("d1", "--remediation", "rollback", "d2"), "give --failed or --not-failed"),
        (("d1", "--failed", "--remove"), "--remove cannot be combined with a verdict"),
        (
            (
                *("d1", "--failed", "--remediation", "rollback", "d2"),
                *("--remediation-version", "rollback", "v2"),
            ),
            "not both",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(database: str, arguments: tuple[str, ...], message: str):
    result = run("verdict", *arguments, "--database", database)
    assert result.exit_code != 0
    assert message in result.output


def test_verdicts_are_brought_in_as_they_were_written_out(database: str, tmp_path: Path):
    shown(database, "d1", "--failed", "--remediation", "rollback", "d2", "--reason", "first")
    shown(database, "d2", "--not-failed", "--by", "somebody else")
    shown(database, "d2", "--remove")
    shown(database, "d1", "--failed", "--reason", "second")
    lines = run("export", "verdicts", "--database", database).stdout_bytes
    assert len(lines.splitlines()) == 4
    other = new_database(tmp_path / "other.db")
    brought = run("import", "verdicts", "-", "--database", other, given=lines)
    assert brought.stdout == "4 added, 0 replaced, 0 unchanged, 0 rejected\n"
    again = run("import", "verdicts", "-", "--database", other, given=lines)
    assert again.stdout == "0 added, 0 replaced, 4 unchanged, 0 rejected\n"
    assert [shown(other, id_) for id_ in ("d1", "d2")] == [
        shown(database, id_) for id_ in ("d1", "d2")
    ]
    assert failed(other) == failed(database)
    assert run("export", "verdicts", "--database", other).stdout_bytes == lines


def test_an_older_verdict_is_kept_but_does_not_count(database: str):
    shown(database, "d1", "--failed", "--reason", "now")
    line = {"deployment": "d1", "at": "2020-01-01T00:00:00Z", "change_failure": False}
    run("import", "verdicts", "-", "--database", database, given=json.dumps(line).encode())
    said = shown(database, "d1")
    assert said["verdict"]["reason"] == "now"
    assert [act["change_failure"] for act in said["history"]] == [True, False]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"at": 1_700_000_000, "change_failure": True}, "missing required field `deployment`"),
        ({"deployment": "d1", "at": "soon", "change_failure": True}, 'member "at" must be'),
        ({"deployment": "d1", "at": 1_700_000_000}, '"change_failure" is required'),
        (
            {"deployment": "d1", "at": 1_700_000_000, "remediation": {"type": "rollback"}},
            'either "id" or "version"',
        ),
        (
            {"deployment": "d9", "at": 1_700_000_000, "change_failure": True},
            "deployment d9 does not exist",
        ),
    ],
)
def test_a_wrong_line_is_shown_and_kept_out(database: str, line: dict[str, Any], message: str):
    given = json.dumps(line).encode()
    result = run("import", "verdicts", "-", "--database", database, given=given)
    assert result.exit_code == 1
    assert message in result.output
    assert "1 rejected" in result.output
