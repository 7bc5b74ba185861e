"""`theodora settings` and `theodora derive`, beside each other on one database."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from actors import TESTER
from theodora.cli import main
from theodora.events import Deployment
from theodora.storage import Store


@pytest.fixture
def database(tmp_path: Path) -> str:
    """A database with v1, v2 and v1 again, not derived yet."""
    url = f"sqlite:///{tmp_path / 'theodora.db'}"
    with Store(url) as store:
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        for hour, version in enumerate(("v1", "v2", "v1"), 1):
            at = hour * 3_600 * 10**9
            event = Deployment(
                id=f"d{hour}", service="web", version=version, started_at_ns=at, finished_at_ns=at
            )
            store.deployments.add(org, event, 1, actor=TESTER).result()
    return url


def run(*arguments: str, given: Any = None) -> Result:
    return CliRunner().invoke(main, arguments, input=given and json.dumps(given))


def failed(database: str) -> list[str]:
    with Store(database) as store:
        events = store.deployments.everything(store.keys.organisation("default"))
        return [event.id for event in events if event.change_failure]


def test_derive_works_off_what_is_marked_and_then_finds_nothing(database: str):
    assert run("derive", "--database", database).output == "derived 1 sequence\n"
    assert failed(database) == ["d2"]
    assert run("derive", "--database", database).output == "derived 0 sequences\n"


def test_preview_changes_nothing_and_set_does(database: str):
    run("derive", "--database", database)
    given = {"detect_rollbacks": False}
    preview = run("settings", "preview", "-", "--database", database, given=given)
    assert "would mark 0 of 3 deployments as failed (now 1); 2 would differ" in preview.output
    assert "d2 web v2: failed, standard -> fine, standard" in preview.output
    assert run("derive", "--database", database).output == "derived 0 sequences\n"
    run("settings", "set", "-", "--service", "web", "--database", database, given=given)
    run("derive", "--database", database)
    assert failed(database) == []


def test_show_tells_what_was_set_and_what_holds(database: str):
    given = {"rollback_lookback": 3}
    run("settings", "set", "-", "--service", "web", "--database", database, given=given)
    shown = json.loads(run("settings", "show", "--service", "web", "--database", database).output)
    assert shown["given"] == given
    assert shown["effective"]["rollback_lookback"] == 3
    assert shown["effective"]["linked_rules"][0]["id"] == "revert"
    assert json.loads(run("settings", "show", "--database", database).output)["given"] == {}


def test_a_wrong_rule_is_refused_with_its_place(database: str):
    rule = {"id": "slow", "fields": ["version"], "pattern": "fix(?=ed)"}
    answer = run("settings", "set", "-", "--database", database, given={"static_rules": [rule]})
    assert answer.exit_code == 1
    assert "/static_rules/0/pattern: is not a regular expression" in answer.output


def test_set_keeps_what_it_does_not_name_unless_told_to_replace(database: str):
    place = ("--service", "web", "--database", database)

    def given() -> Any:
        return json.loads(run("settings", "show", *place).output)["given"]

    run("settings", "set", "-", *place, given={"detect_rollbacks": False, "path_globs": ["web/**"]})
    said = run("settings", "set", "-", *place, given={"team": "storefront"}).output
    assert given() == {
        "detect_rollbacks": False,
        "path_globs": ["web/**"],
        "team": "storefront",
    }
    assert said == (
        "set team for web\nkept from before: detect_rollbacks, path_globs (--replace drops them)\n"
    )
    run("settings", "set", "-", *place, given={"path_globs": None})
    assert given() == {"detect_rollbacks": False, "team": "storefront"}
    said = run("settings", "set", "-", "--replace", *place, given={"team": "shop"}).output
    assert given() == {"team": "shop"}
    assert said == "set team for web\nremoved: detect_rollbacks\n"


def test_preview_shows_what_set_would_do(database: str):
    """With the rollback detection that was switched off before, unless that is dropped."""
    run("settings", "set", "-", "--database", database, given={"detect_rollbacks": False})
    run("derive", "--database", database)
    given = {"team": "storefront"}
    assert "would mark 0 of 3" in (
        run("settings", "preview", "-", "--database", database, given=given).output
    )
    replaced = run("settings", "preview", "-", "--replace", "--database", database, given=given)
    assert "would mark 1 of 3" in replaced.output


def test_an_alias_is_added_beside_other_settings_and_removed_again(database: str):
    run("settings", "set", "-", "--database", database, given={"rollback_lookback": 3})
    alias = ("settings", "alias", "--database", database)
    added = run(*alias, "https://git.example.com/old/app.git", "git@github.com:acme/app.git")
    assert added.output == "git.example.com/old/app is now the same as github.com/acme/app\n"
    shown = json.loads(run("settings", "show", "--database", database).output)["given"]
    assert shown == {
        "rollback_lookback": 3,
        "repository_aliases": {"git.example.com/old/app": "github.com/acme/app"},
    }
    back = run(*alias, "github.com/acme/app", "git.example.com/old/app")
    assert back.exit_code == 1
    assert "leads back to itself" in back.output
    assert run(*alias, "github.com/acme/app").exit_code == 2
    assert run(*alias, "--remove", "git.example.com/old/app").exit_code == 0
    shown = json.loads(run("settings", "show", "--database", database).output)["given"]
    assert shown == {"rollback_lookback": 3}
    assert "no alias" in run(*alias, "--remove", "git.example.com/old/app").output
