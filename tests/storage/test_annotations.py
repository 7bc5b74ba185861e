"""Annotations in a store."""

import pytest

from actors import TESTER
from theodora.errors import Invalid, NotFound
from theodora.events.annotations import Annotation
from theodora.storage import Organisation, Store, annotations
from theodora.storage.access.audit import AuditQuery


def add(store: Store, org: Organisation, at_ns: int, **about: str) -> str:
    content = Annotation(at_ns=at_ns, text=f"number {at_ns}", **about)
    return store.annotations.add(org, content, 1_000, actor=TESTER).result().id


def test_the_same_is_stored_once_and_recorded_once(store: Store, org: Organisation) -> None:
    assert add(store, org, 5, service="web") == add(store, org, 5, service="web")
    [stored] = store.annotations.newest(org, 9)
    assert stored.content == Annotation(at_ns=5, text="number 5", service="web")
    assert (stored.created_at_ns, stored.created_by) == (1_000, TESTER.name)
    actions = [each.action for each in store.audit.entries(org, AuditQuery())]
    assert actions.count("annotation.added") == 1


def test_a_period_has_its_start_and_not_its_end(store: Store, org: Organisation) -> None:
    for at_ns in (10, 20, 30, 40):
        add(store, org, at_ns)

    def found(*period: int, limit: int = 9) -> list[int]:
        return [each.content.at_ns for each in store.annotations.newest(org, limit, *period)]

    assert found() == [40, 30, 20, 10]
    assert found(20, 40) == [30, 20]
    assert found(limit=1) == [40]


def test_what_is_removed_is_gone_and_recorded(store: Store, org: Organisation) -> None:
    id_ = add(store, org, 5, team="payments")
    store.annotations.remove(org, id_, actor=TESTER).result()
    assert not store.annotations.newest(org, 9)
    entry = store.audit.entries(org, AuditQuery())[0]
    assert (entry.action, entry.target) == ("annotation.removed", id_)
    assert '"team":"payments"' in entry.before
    with pytest.raises(NotFound):
        store.annotations.get(org, id_)
    with pytest.raises(NotFound):
        store.annotations.remove(org, id_, actor=TESTER).result()


def test_an_organisation_has_at_most_so_many(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotations, "MAX_ANNOTATIONS", 2)
    for at_ns in (1, 2, 2):
        add(store, org, at_ns)
    with pytest.raises(Invalid, match="2 annotations"):
        add(store, org, 3)
