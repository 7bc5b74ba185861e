"""Organisations: made once for each name, under keys that are never given twice."""

from contextlib import closing
from pathlib import Path

import pytest

from actors import TESTER
from theodora.storage import Organisation, Store
from theodora.storage.engine import migrate
from theodora.storage.engine.sqlite.connection import connect_writer
from theodora.storage.engine.sqlite.database import migrate_file

KEYS_OF_ORGANISATIONS = 24
"""The migration that made the counter of keys."""


def made(store: Store, name: str) -> Organisation:
    return store.keys.ensure_organisation(name, 1, actor=TESTER).result()


def test_an_organisation_is_made_once_for_each_name(store: Store) -> None:
    first, second = made(store, "first"), made(store, "second")
    assert made(store, "first") == first
    assert (first.key, second.key) == (1, 2)


def test_the_key_of_a_deleted_organisation_is_not_given_again(database: str, store: Store) -> None:
    """Caches, of other processes too, know an organisation by its key alone."""
    made(store, "first")
    last = made(store, "last")
    store._database.write(
        lambda cursor: cursor.execute("DELETE FROM organisations WHERE org = ?", (last.key,)),
        TESTER,
        org=last.key,
    ).result()
    assert made(store, "next").key == last.key + 1
    with Store(database) as another:
        assert made(another, "last").key == last.key + 2


def test_keys_go_on_after_those_of_an_older_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "theodora.db"
    older = tuple(each for each in migrate.migrations() if each.number < KEYS_OF_ORGANISATIONS)
    with monkeypatch.context() as patched:
        patched.setattr(migrate, "migrations", lambda _: older)
        migrate_file(path)
    with closing(connect_writer(path)) as connection:
        connection.execute(
            "INSERT INTO organisations (org, uuid, name, created_at_ns) VALUES (7, 'x', 'old', 1)"
        )
    with Store(f"sqlite:///{path}") as store:
        assert made(store, "new").key == 8
