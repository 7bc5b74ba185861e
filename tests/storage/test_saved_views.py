"""Saved views in a store."""

import pytest

from actors import TESTER
from databases import ON_SQLITE
from theodora.errors import Invalid, NotFound
from theodora.storage import Organisation, Store, saved_views
from theodora.storage.access.audit import AuditQuery
from theodora.storage.saved_views import EVERYBODY, SavedView

pytestmark = ON_SQLITE
ADA, BO = "person:ada", "person:bo"


def save(
    store: Store, org: Organisation, owner: str, name: str, query: str = "", *, start: bool = False
) -> SavedView:
    view = SavedView(owner, name, "/deployments", query, start)
    store.saved_views.put(org, view, 1_000, actor=TESTER).result()
    return view


def test_a_view_saved_again_is_replaced(store: Store, org: Organisation) -> None:
    save(store, org, ADA, "Pay", "range=1y", start=True)
    again = save(store, org, ADA, "Pay", "query=team%3Apay")
    assert store.saved_views.seen_by(org, ADA) == [again]
    assert store.saved_views.start(org, ADA) is None
    entry = store.audit.entries(org, AuditQuery(action="view"))[0]
    assert (entry.action, entry.target) == ("view.saved", "Pay")
    assert '"query":"range=1y"' in entry.before
    assert '"query":"query=team%3Apay"' in entry.after


def test_views_of_one_name_are_each_their_owners(store: Store, org: Organisation) -> None:
    hers, his, everybodys = (
        save(store, org, owner, "Pay", f"range={weeks}w")
        for weeks, owner in enumerate((ADA, BO, EVERYBODY), 1)
    )
    assert store.saved_views.seen_by(org, ADA) == [hers, everybodys]
    store.saved_views.remove(org, ADA, "Pay", actor=TESTER).result()
    assert store.saved_views.seen_by(org, ADA) == [everybodys]
    assert store.saved_views.seen_by(org, BO) == [his, everybodys]
    with pytest.raises(NotFound, match='no saved view "Pay"'):
        store.saved_views.remove(org, ADA, "Pay", actor=TESTER).result()


def test_each_owner_has_one_start(store: Store, org: Organisation) -> None:
    everybodys = save(store, org, EVERYBODY, "Year", start=True)
    save(store, org, ADA, "A", start=True)
    last = save(store, org, ADA, "B", start=True)
    assert store.saved_views.start(org, ADA) == last
    assert store.saved_views.start(org, BO) == everybodys
    assert [each.is_start for each in store.saved_views.seen_by(org, ADA)] == [False, True, True]


def test_a_full_owner_changes_views_but_saves_no_more(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_views, "MAX_SAVED_VIEWS", 2)
    for name in ("A", "B", "A"):
        save(store, org, ADA, name)
    with pytest.raises(Invalid, match="2 saved views"):
        save(store, org, ADA, "C")
    save(store, org, BO, "C")
