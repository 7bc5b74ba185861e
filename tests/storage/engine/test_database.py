"""The database as a file."""

from contextlib import closing
from pathlib import Path

import pytest

from actors import TESTER
from theodora.events import Deployment
from theodora.query import Kind, sort_key
from theodora.storage import Selection, Store
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import TakesLong
from theodora.storage.engine.sqlite import database
from theodora.storage.engine.sqlite.database import SqliteDatabase


def test_after_closing_the_file_alone_is_the_database(tmp_path: Path) -> None:
    """The log is folded back, although readers were open to the end."""
    path = tmp_path / "theodora.db"
    started_at = sort_key("started_at", Kind.DEPLOYMENT)
    assert started_at is not None
    with Store(f"sqlite:///{path}") as store:
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        event = Deployment(service="web", started_at_ns=1, finished_at_ns=1)
        store.deployments.add(org, event, 1, actor=TESTER).result()
        assert store.deployments.select(org, Selection(sort=started_at, limit=1))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["theodora.db"]
    copy = tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())
    with Store(f"sqlite:///{copy}") as store:
        assert store.deployments.count() == 1


def test_a_read_that_is_given_up_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock is looked at in every statement, in the one that ends the read too."""
    monkeypatch.setattr(database, "_STEPS_BETWEEN_LOOKS", 1)

    def count(cursor: Cursor, up_to: int) -> list[tuple[int]]:
        return cursor.execute(
            "WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL "
            "SELECT number + 1 FROM numbers WHERE number < ?) SELECT count(*) FROM numbers",
            (up_to,),
        ).fetchall()

    opened = SqliteDatabase(tmp_path / "theodora.db", lambda _: False, lambda _: None)
    with closing(opened):
        opened.answer_briefly()
        for _ in range(3):
            with pytest.raises(TakesLong):
                opened.read(lambda cursor: count(cursor, 100_000_000))
            opened.state()
            assert opened.read(lambda cursor: count(cursor, 3)) == [(3,)]
