"""The worker of the audit log: a line for each entry, once."""

import time

import structlog.testing

from actors import TESTER
from databases import ON_SQLITE
from theodora.storage import Organisation, Store
from theodora.storage.access.audit import AuditQuery
from theodora.storage.access.audit_worker import AuditWorker


@ON_SQLITE
def test_each_entry_is_logged_once_and_old_ones_are_removed(
    store: Store, org: Organisation
) -> None:
    store.audit.note(org, "data.exported", "a.jsonl", actor=TESTER).result()
    entry = store.audit.entries(org, AuditQuery())[0]
    with structlog.testing.capture_logs() as lines:
        for _ in range(2):
            worker = AuditWorker(store.audit, 0)
            worker.start()
            time.sleep(0.1)
            worker.stop()
    logged = [line for line in lines if line.get("hash") == entry.hash]
    assert [(line["event"], line["organisation"]) for line in logged] == [("audit", org.name)]
    kept = [each.action for each in store.audit.entries(org, AuditQuery())]
    assert "organisation.created" not in kept
    assert kept[0] == "audit.shortened"
