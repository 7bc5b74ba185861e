"""The log of changes: it is bounded, and whoever keeps events in memory reads all of it."""

from functools import partial

import pytest

from actors import TESTER
from theodora.events import Deployment
from theodora.storage import Organisation, Store
from theodora.storage.engine.cursor import Cursor
from theodora.storage.events.change_log import KEPT, prune_changes, reach
from theodora.storage.events.usage import Usage, count_usage


def log_many(store: Store, org: Organisation, number: int) -> None:
    """So many changes of events that there never were."""

    def write(cursor: Cursor) -> None:
        cursor.execute(
            "WITH RECURSIVE numbers (number) AS ("
            "SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < ?) "
            "INSERT INTO changes (org, number, kind, event) "
            "SELECT ?, number, 'deployment', number FROM numbers",
            (number, org.key),
        )

    store._database.write(write, TESTER, org=org.key).result()


@pytest.mark.parametrize("index", ["nothing indexed"], indirect=True)
@pytest.mark.parametrize(
    ("events", "most", "kept"), [(0, KEPT, 1_000), (1_200, KEPT, 1_200), (1_200, 900, 900)]
)
def test_the_oldest_changes_are_pruned_and_as_many_kept_as_there_are_events(
    store: Store, org: Organisation, events: int, most: int, kept: int
) -> None:
    log_many(store, org, 3_500)
    store._database.write(
        lambda cursor: count_usage(cursor, org.key, Usage(events)), TESTER, org=org.key
    ).result()
    other = store.keys.ensure_organisation("other", 1, actor=TESTER).result()
    log_many(store, other, 3_500)
    store._database.write(partial(prune_changes, org=org, most=most), TESTER, org=org.key).result()
    oldest, newest = store._database.read(partial(reach, org=org))
    assert newest == 3_500
    assert kept <= newest - oldest + 1 <= kept + 1_000
    assert store._database.read(partial(reach, org=other)) == (1, 3_500)


@pytest.mark.parametrize("index", ["everything indexed"], indirect=True)
def test_upkeep_prunes_the_log(store: Store, org: Organisation) -> None:
    log_many(store, org, 3_500)
    store.deployments.add(
        org, Deployment(service="web", started_at_ns=1, finished_at_ns=2), 1, actor=TESTER
    ).result()
    oldest, newest = store._database.read(partial(reach, org=org))
    assert newest == 3_501
    assert 1_000 <= newest - oldest + 1 <= 2_000
