"""Goals in a store."""

from collections.abc import Sequence

import pytest

from actors import TESTER
from databases import ON_SQLITE
from theodora.errors import Invalid, NotFound
from theodora.storage import Actor, Organisation, Store, goals
from theodora.storage.access.audit import AuditQuery
from theodora.storage.goals import Goal, GoalSubject

pytestmark = ON_SQLITE
METRIC = "change_lead_time"
WEB, TEAM = GoalSubject(METRIC, service="web"), GoalSubject(METRIC, team="web")


def put(store: Store, org: Organisation, subject: GoalSubject, value: float = 1.0) -> None:
    store.goals.put(org, subject, value, 1_000, actor=TESTER).result()


def changes(store: Store, org: Organisation) -> Sequence[tuple[str, str, str, str]]:
    """The entries about goals, newest first."""
    entries = store.audit.entries(org, AuditQuery(action="goal"))
    return [(each.action, each.target, each.before, each.after) for each in entries]


def test_a_goal_has_its_last_value_and_who_gave_it_when(store: Store, org: Organisation) -> None:
    put(store, org, WEB)
    put(store, org, TEAM, 7.0)
    bo = Actor("person", "bo")
    store.goals.put(org, WEB, 0.5, 2_000, actor=bo).result()
    of_team, of_service = store.goals.all_of(org)
    assert of_team == Goal(TEAM, 7.0, 1_000, TESTER.name)
    assert of_service == Goal(WEB, 0.5, 2_000, "bo")
    assert changes(store, org)[0] == (
        *("goal.set", f"{METRIC} service:web"),
        *('{"value":1.0}', '{"value":0.5}'),
    )


def test_the_goal_of_a_team_is_not_that_of_a_service(store: Store, org: Organisation) -> None:
    put(store, org, WEB)
    put(store, org, TEAM, 7.0)
    store.goals.remove(org, TEAM, actor=TESTER).result()
    assert [each.subject for each in store.goals.all_of(org)] == [WEB]
    assert changes(store, org)[0][:3] == ("goal.removed", f"{METRIC} team:web", '{"value":7.0}')
    with pytest.raises(NotFound, match=f"no goal for {METRIC} team:web"):
        store.goals.remove(org, TEAM, actor=TESTER).result()


def test_a_full_organisation_changes_its_goals_but_sets_no_more(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(goals, "MAX_GOALS", 2)
    put(store, org, WEB)
    put(store, org, TEAM)
    put(store, org, WEB, 2.0)
    with pytest.raises(Invalid, match="2 goals"):
        put(store, org, GoalSubject(METRIC))
    assert [each.value for each in store.goals.all_of(org)] == [1.0, 2.0]
