"""The log of changes: it is bounded, and whoever keeps events in memory reads all of it."""

import pytest

from actors import TESTER
from theodora.storage import Organisation, Store
from theodora.storage.engine.cursor import Cursor
from theodora.storage.events.change_log import KEPT, prune_changes, reach


def log_many(store: Store, org: Organisation, number: int) -> None:
    """So many changes of events that there never were."""

    def write(cursor: Cursor) -> None:
        cursor.execute(
            "WITH RECURSIVE numbers (number) AS ("
            "SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < ?) "
            "INSERT INTO changes (org, kind, event) SELECT ?, 'deployment', number FROM numbers",
            (number, org.key),
        )

    store._database.write(write, TESTER).result()


@pytest.mark.parametrize("index", ["nothing indexed"], indirect=True)
def test_the_oldest_changes_are_pruned_and_as_many_kept_as_asked(
    store: Store, org: Organisation
) -> None:
    log_many(store, org, 3_500)
    while store._database.write(lambda cursor: prune_changes(cursor, kept=1_200), TESTER).result():
        pass
    oldest, newest = store._database.read(reach)
    assert newest == 3_500
    assert 1_200 <= newest - oldest + 1 <= 2_200


@pytest.mark.parametrize("index", ["everything indexed"], indirect=True)
def test_upkeep_prunes_the_log(store: Store, org: Organisation) -> None:
    log_many(store, org, KEPT + 2_500)
    oldest, newest = store._database.read(reach)
    assert newest == KEPT + 2_500
    assert KEPT <= newest - oldest + 1 <= KEPT + 1_000
