"""Stored use of AI coding tools: one row a person, day and tool, in one organisation."""

import pytest
from msgspec.structs import replace

from actors import TESTER
from theodora.errors import NotFound
from theodora.events.activity import UserActivity
from theodora.storage import Organisation, Store
from theodora.storage.access.audit import AuditQuery

ACTIVITY = UserActivity(
    user_email="dev@example.com",
    day="2026-01-31",
    tool="claude_code",
    is_active=True,
    models=("gpt-5", "opus"),
)


def test_what_is_added_comes_back_in_order(store: Store, org: Organisation) -> None:
    later = replace(ACTIVITY, day="2026-02-01", models=())
    other = replace(ACTIVITY, user_email="ann@example.com", is_active=False)

    store.activity.add(org, [later, ACTIVITY, other], actor=TESTER).result()

    assert store.activity.everything(org) == [other, ACTIVITY, later]


def test_what_is_said_later_of_a_person_day_and_tool_replaces_what_was_said_before(
    store: Store, org: Organisation
) -> None:
    store.activity.add(org, [ACTIVITY], actor=TESTER).result()
    later = replace(ACTIVITY, is_active=False, models=("sonnet",))

    store.activity.add(org, [replace(ACTIVITY, models=()), later], actor=TESTER).result()

    assert store.activity.everything(org) == [later]


def test_an_organisation_sees_its_own_alone(store: Store, org: Organisation) -> None:
    other = store.keys.ensure_organisation("other", 1, actor=TESTER).result()

    store.activity.add(other, [ACTIVITY], actor=TESTER).result()

    assert store.activity.everything(org) == []
    assert store.activity.everything(other) == [ACTIVITY]


def test_a_person_is_erased_without_being_named_in_the_audit_log(
    store: Store, org: Organisation
) -> None:
    later = replace(ACTIVITY, day="2026-02-01")
    other = replace(ACTIVITY, user_email="ann@example.com")
    store.activity.add(org, [ACTIVITY, later, other], actor=TESTER).result()

    assert store.activity.erase(org, "Dev@Example.com", actor=TESTER).result() == 2

    assert store.activity.everything(org) == [other]
    [entry] = store.audit.entries(org, AuditQuery(action="activity.erased"))
    assert (entry.target, entry.after) == ("", '{"rows":2}')
    with pytest.raises(NotFound):
        store.activity.erase(org, "dev@example.com", actor=TESTER).result()
