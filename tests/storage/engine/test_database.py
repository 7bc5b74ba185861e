"""The database as a file."""

from collections.abc import Collection
from contextlib import closing, suppress
from pathlib import Path
from queue import SimpleQueue

import apsw
import pytest

from actors import TESTER
from theodora.events import Deployment
from theodora.query import Kind, sort_key
from theodora.storage import Selection, Store
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import TakesLong
from theodora.storage.engine.sqlite import database
from theodora.storage.engine.sqlite.database import SqliteDatabase

MIB = 2**20


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


def test_the_end_of_work_has_upkeep_look_at_its_organisation_and_not_at_all(
    tmp_path: Path,
) -> None:
    """Each look at all takes the turn of indexing, and derivation ends work all the time."""
    looks = SimpleQueue[Collection[int] | None]()

    def upkeep(_: Cursor, orgs: Collection[int] | None) -> Collection[int]:
        looks.put(orgs)
        return ()

    opened = SqliteDatabase(tmp_path / "theodora.db", upkeep, lambda _: None)
    with closing(opened):
        assert looks.get(timeout=30) is None, "the first look at a store"
        with opened.claim(lambda _: True, org=7) as claim:
            assert claim
            claim.finish(lambda _: None, TESTER)
        assert looks.get(timeout=30) == [7]


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

    opened = SqliteDatabase(tmp_path / "theodora.db", lambda *_: (), lambda _: None)
    with closing(opened):
        opened.answer_briefly()
        for _ in range(3):
            with pytest.raises(TakesLong):
                opened.read(lambda cursor: count(cursor, 100_000_000))
            opened.state()
            assert opened.read(lambda cursor: count(cursor, 3)) == [(3,)]


@pytest.mark.parametrize(("is_brief", "most_mib"), [(False, 3), (True, 9)])
def test_a_thread_that_reads_caches_little_of_the_file(
    tmp_path: Path, *, is_brief: bool, most_mib: int
) -> None:
    """There are many such threads; the one that answers most reads may cache more."""

    def fill(cursor: Cursor) -> None:
        cursor.execute("CREATE TABLE filler (content BLOB)")
        for _ in range(16):
            cursor.execute("INSERT INTO filler VALUES (zeroblob(?))", (MIB,))

    def read(cursor: Cursor) -> None:
        # The end of a value is on the last of its pages.
        cursor.execute("SELECT count(*) FROM filler WHERE substr(content, -1) = x'01'").fetchall()

    with closing(SqliteDatabase(tmp_path / "theodora.db", lambda *_: (), lambda _: None)) as file:
        file.write(fill, TESTER, org=0).result()
        if is_brief:
            file.answer_briefly()
        before = apsw.status(apsw.SQLITE_STATUS_MEMORY_USED)[0]
        with suppress(TakesLong):
            file.read(read)
        grown = apsw.status(apsw.SQLITE_STATUS_MEMORY_USED)[0] - before
    assert (most_mib - 2) * MIB < grown < most_mib * MIB
