"""A list that is asked for again is not planned again, and has what was written meanwhile."""

import pytest

import settling
from actors import TESTER
from theodora.events import Deployment
from theodora.query import Kind, parse, sort_key
from theodora.storage import Organisation, Selection, Store
from theodora.storage.search import recent_choices
from theodora.storage.search.planner import Search

pytestmark = pytest.mark.parametrize("index", ["everything indexed"], indirect=True)


@pytest.fixture
def org(store: Store) -> Organisation:
    return store.keys.ensure_organisation("default", 1, actor=TESTER).result()


def add(store: Store, org: Organisation, id_: str, service: str = "web") -> None:
    event = Deployment(id=id_, service=service, env="prod", started_at_ns=1, finished_at_ns=2)
    store.deployments.add(org, event, 1, actor=TESTER).result()


def listed(store: Store, org: Organisation, query: str) -> list[str]:
    sort = sort_key("started_at", Kind.DEPLOYMENT)
    assert sort
    page = store.deployments.documents(org, Selection(query=parse(query), sort=sort, limit=10))
    return [id_ for id_, *_ in page.documents]


@pytest.mark.parametrize("query", ["service:web", "service:(web OR api) env:prod", ""])
def test_a_list_is_planned_once_and_has_what_came_since(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch, query: str
):
    other = store.keys.ensure_organisation("other", 1, actor=TESTER).result()
    for id_ in ("a", "c"):
        add(store, org, id_)
    assert listed(store, org, query) == ["a", "c"]
    planned: list[Search] = []
    choose = Search.choose
    monkeypatch.setattr(Search, "choose", lambda *its: (planned.append(its[0]), choose(*its))[1])
    monkeypatch.setattr(settling.Settled, "is_on", False)
    settling.hold_index(monkeypatch, "nothing indexed")
    add(store, org, "b")
    store.deployments.delete(org, "c", actor=TESTER).result()
    assert listed(store, org, query) == ["a", "b"]
    assert not planned
    assert listed(store, other, query) == []
    assert planned, "the list of another organisation is another list"


def test_a_list_whose_choice_names_values_that_were_stored_is_planned_each_time(
    store: Store, org: Organisation
):
    add(store, org, "a", "web-xyz")
    assert listed(store, org, "*b-xy*") == ["a"]
    add(store, org, "b", "lab-xyz")
    assert listed(store, org, "*b-xy*") == ["a", "b"]


def test_a_choice_is_made_again_after_some_seconds(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch
):
    listed(store, org, "service:web")
    monkeypatch.setattr(recent_choices, "_SECONDS", -1.0)
    monkeypatch.setattr(Search, "choose", None)
    with pytest.raises(TypeError):
        listed(store, org, "service:web")
