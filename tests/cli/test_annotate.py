"""`theodora annotate`."""

from pathlib import Path

import pytest

from actors import TESTER
from commands import run
from databases import ON_SQLITE
from theodora.storage import Store

pytestmark = ON_SQLITE


@pytest.fixture
def database(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'theodora.db'}"
    with Store(url) as store:
        store.keys.ensure_organisation("default", 1, actor=TESTER).result()
    return url


def printed(database: str, *arguments: str) -> str:
    ended = run("annotate", *arguments, "--database", database)
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def test_one_is_added_listed_and_removed(database: str) -> None:
    options = ("--at", "2026-11-09T14:00:00Z", "--service", "web", "--by", "release desk")
    id_ = printed(database, "Moved to Argo CD", *options).strip()
    line = printed(database).splitlines()[1]
    assert line.split("  ") == [
        *(id_, "2026-11-09T14:00:00Z", "Moved to Argo CD", "service:web", "release desk"),
    ]
    assert printed(database, "--remove", id_) == f"removed {id_}\n"
    assert len(printed(database).splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--service", "web"), "give the TEXT"),
        (("--remove", "x", "text"), "cannot be combined"),
        (("--remove", "x"), 'there is no annotation "x"'),
        (("text", "--at", "soon"), 'attribute "at" must be'),
    ],
)
def test_what_cannot_be_done_is_said(
    database: str, arguments: tuple[str, ...], problem: str
) -> None:
    ended = run("annotate", *arguments, "--database", database)
    assert ended.exit_code != 0
    assert problem in ended.output
