"""Deletion survives the end of its process at any moment. With real servers, killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from actors import TESTER
from forked_serving import forked
from theodora.events import Deployment
from theodora.storage import Organisation, Store
from theodora.storage.check.check import check_store
from theodora.storage.deletion_guards import DAY_NS, Guards

pytestmark = pytest.mark.slow

EVENTS = 600
PATIENCE_SECONDS = 120


def add_old(store: Store, org: Organisation) -> None:
    """Deployments of one service, a minute apart, all of them older than a year."""
    start_ns = time.time_ns() - 500 * DAY_NS
    instants = (start_ns + number * 60 * 10**9 for number in range(EVENTS))
    writes = [
        store.deployments.add(
            org,
            Deployment(service="web", started_at_ns=at_ns, finished_at_ns=at_ns),
            time.time_ns(),
            actor=TESTER,
        )
        for at_ns in instants
    ]
    for write in writes:
        write.result()


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.01)


def test_a_killed_round_of_retention_goes_on_with_right_counts(
    database: str, tmp_path: Path
) -> None:
    """What was confirmed is used up by exactly as many events as were deleted."""
    with Store(database) as store:
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        add_old(store, org)
        store.derivations.derive_all_queued(actor=TESTER)
        store.retention.put(org, 365, actor=TESTER).result()
        store.retention.confirm(org, 2 * EVENTS, actor=TESTER).result()

        def count() -> int:
            return store.deployments.count(org)

        def confirmed() -> int:
            return store.retention.settings(org).confirmed

        with forked(tmp_path, database=database) as server:
            wait_until(lambda: count() < EVENTS)
            server.kill()
        assert 1 < count() < EVENTS, "the round was over before it was killed"
        assert confirmed() == EVENTS + count()
        assert check_store(database, lambda *_: None).findings == []
        with forked(tmp_path, database=database):
            wait_until(lambda: count() == 1)
        assert confirmed() == EVENTS + 1


_APPLY = """
import sys
from theodora.cli import main
from theodora.storage import erasure
erasure._EVENTS_AT_ONCE = 8
main(["orgs", "apply"])
"""


def test_a_killed_deletion_of_an_organisation_goes_on(database: str, tmp_path: Path) -> None:
    with Store(database, guards=Guards(organisation_days=0)) as store:
        other = store.keys.ensure_organisation("other", 1, actor=TESTER).result()
        org = store.keys.ensure_organisation("acme", 1, actor=TESTER).result()
        for each in (other, org):
            add_old(store, each)
        store.derivations.derive_all_queued(actor=TESTER)
        store.organisations.plan_deletion(org, time.time_ns(), EVENTS, actor=TESTER).result()

        def count() -> int:
            return store.deployments.count(org)

        environment = {**os.environ, "THEODORA_DATABASE": database}
        environment["THEODORA_GIT_FOLDER"] = str(tmp_path / "git")
        process = subprocess.Popen([sys.executable, "-c", _APPLY], env=environment)
        wait_until(lambda: count() < EVENTS)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=PATIENCE_SECONDS)
        assert 0 < count() < EVENTS, "the deletion was over before it was killed"
        assert check_store(database, lambda *_: None).findings == []
        with forked(tmp_path, database=database):
            wait_until(lambda: store.organisations.deleted() == [org.uuid])
        assert store.deployments.count(other) == EVENTS
        assert check_store(database, lambda *_: None).findings == []
