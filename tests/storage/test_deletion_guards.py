"""Old events are not deleted by accident: wrong clocks, large shares, limits typed wrongly."""

import pytest

from actors import TESTER
from theodora.events import Deployment, Failure
from theodora.storage import Organisation, Store
from theodora.storage.deletion_guards import DAY_NS, Guards, Plan, Unconfirmed
from theodora.storage.retention import Old, RetentionSettings

NOW_NS = 20_000 * DAY_NS
HOUR_NS = 3_600 * 10**9
YEARS_NS = 5 * 365 * DAY_NS
KEPT_DAYS = 365


@pytest.fixture(autouse=True)
def events(store: Store, org: Organisation) -> None:
    """Of 60 events, one a day, the newest of today; received as they happened."""
    writes = [
        store.deployments.add(org, deployment(days), at(days), actor=TESTER) for days in range(40)
    ]
    for write in writes:
        write.result()
    for days in range(20):
        failure = Failure(
            id=f"failure-{days}", services=("web",), started_at_ns=at(days), finished_at_ns=at(days)
        )
        store.failures.add(org, failure, at(days), actor=TESTER).result()


def at(days_ago: int) -> int:
    return NOW_NS - days_ago * DAY_NS


def deployment(days_ago: int) -> Deployment:
    return Deployment(
        id=f"deployment-{days_ago}",
        service="web",
        started_at_ns=at(days_ago),
        finished_at_ns=at(days_ago),
    )


def count(store: Store, org: Organisation) -> int:
    return store.deployments.count(org) + store.failures.count(org)


def reason(store: Store, org: Organisation) -> str:
    refusal = store.retention.settings(org).refusal
    return refusal.reason if refusal else ""


@pytest.mark.parametrize("shift_ns", [YEARS_NS, -YEARS_NS, 31 * DAY_NS])
@pytest.mark.parametrize("has_run", [True, False], ids=["running before", "never run"])
def test_a_clock_far_from_the_last_round_deletes_nothing(
    store: Store, org: Organisation, shift_ns: int, has_run: bool
) -> None:
    store.retention.put(org, KEPT_DAYS, actor=TESTER).result()
    if has_run:
        store.retention.remove_old(NOW_NS, actor=TESTER)
    for later_ns in (0, HOUR_NS):
        wrong_ns = NOW_NS + shift_ns + later_ns
        assert store.retention.remove_old(wrong_ns, actor=TESTER) == Old(0, 0)
        assert count(store, org) == 60 + (later_ns > 0)
        assert "run theodora retention confirm-clock" in reason(store, org)
        assert store.retention.count_refusals() == 1
        # What is received now is dated by the same clock.
        store.deployments.add(org, deployment(-1), wrong_ns, actor=TESTER).result()
    store.retention.remove_old(NOW_NS + HOUR_NS, actor=TESTER)
    assert reason(store, org) == ""
    assert store.retention.count_refusals() == 0


def test_a_clock_that_is_right_after_a_long_pause_is_confirmed(
    store: Store, org: Organisation
) -> None:
    store.retention.guards = Guards(max_percent=100)
    store.retention.put(org, KEPT_DAYS, actor=TESTER).result()
    store.retention.remove_old(NOW_NS, actor=TESTER)
    later_ns = NOW_NS + YEARS_NS
    assert store.retention.remove_old(later_ns, actor=TESTER) == Old(0, 0)
    store.retention.confirm_clock(later_ns, actor=TESTER).result()
    assert store.retention.remove_old(later_ns + HOUR_NS, actor=TESTER) == Old(39, 20)
    assert reason(store, org) == ""


def test_rounds_that_follow_one_another_need_no_confirmation(
    store: Store, org: Organisation
) -> None:
    store.retention.put(org, 38, actor=TESTER).result()
    for days in range(60):
        store.retention.remove_old(NOW_NS + days * DAY_NS, actor=TESTER)
        assert reason(store, org) == ""
    assert count(store, org) == 1


def test_a_large_share_is_deleted_only_once_it_is_confirmed(
    store: Store, org: Organisation
) -> None:
    store.retention.put(org, 10, actor=TESTER).result()
    assert store.retention.remove_old(NOW_NS, actor=TESTER) == Old(0, 0)
    assert reason(store, org).startswith(
        "37 of 60 events would be deleted in one round, more than 10 %"
    )
    assert reason(store, org).endswith("theodora retention confirm 37 --org default")
    store.retention.confirm(org, 20, actor=TESTER).result()
    assert store.retention.remove_old(NOW_NS, actor=TESTER) == Old(0, 0)
    store.retention.confirm(org, 37, actor=TESTER).result()
    assert store.retention.remove_old(NOW_NS, actor=TESTER) == Old(28, 9)
    limit = store.retention.settings(org)
    assert (limit.refusal, limit.confirmed) == (None, 0)


def test_a_share_counts_what_the_rounds_that_follow_would_delete(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("theodora.storage.retention._LOOKED_AT_IN_A_ROUND", 4)
    store.retention.put(org, 10, actor=TESTER).result()
    assert store.retention.remove_old(NOW_NS, actor=TESTER) == Old(0, 0)
    assert reason(store, org).startswith("37 of 60 events")


def test_a_shorter_limit_is_confirmed_and_begins_later(store: Store, org: Organisation) -> None:
    for wrong in (None, 0, 36, 38, 10**9):
        assert store.retention.change(org, 10, NOW_NS, wrong, actor=TESTER).result() == Unconfirmed(
            37
        )
    planned = Plan(10, NOW_NS + DAY_NS)
    assert store.retention.change(org, 10, NOW_NS, 37, actor=TESTER).result() == RetentionSettings(
        None, planned
    )
    assert store.retention.settings(org) == RetentionSettings(None, planned)
    assert store.retention.remove_old(NOW_NS + DAY_NS - 1, actor=TESTER) == Old(0, 0)
    assert count(store, org) == 60
    removed = store.retention.remove_old(NOW_NS + DAY_NS, actor=TESTER)
    assert store.retention.settings(org)[:2] == (10, None)
    assert sum(removed) >= 37


def test_a_shorter_limit_is_taken_back_until_it_begins(store: Store, org: Organisation) -> None:
    store.retention.put(org, 100, actor=TESTER).result()
    store.retention.change(org, 10, NOW_NS, 37, actor=TESTER).result()
    assert store.retention.settings(org).days == 100
    assert store.retention.change(org, 100, NOW_NS, actor=TESTER).result() == RetentionSettings(100)
    assert store.retention.settings(org) == RetentionSettings(100)
    store.retention.remove_old(NOW_NS + 2 * DAY_NS, actor=TESTER)
    assert count(store, org) == 60


@pytest.mark.parametrize("days", [100, 200, None])
def test_a_longer_limit_begins_at_once(store: Store, org: Organisation, days: int | None) -> None:
    store.retention.put(org, 100, actor=TESTER).result()
    assert store.retention.change(org, days, NOW_NS, actor=TESTER).result() == RetentionSettings(
        days
    )
    assert store.retention.settings(org) == RetentionSettings(days)


def test_a_plan_does_not_begin_by_a_wrong_clock(store: Store, org: Organisation) -> None:
    store.retention.remove_old(NOW_NS, actor=TESTER)
    store.retention.change(org, 10, NOW_NS, 37, actor=TESTER).result()
    store.retention.remove_old(NOW_NS + YEARS_NS, actor=TESTER)
    assert count(store, org) == 60
    assert "the clock is at" in reason(store, org)
    assert store.retention.settings(org).plan == Plan(10, NOW_NS + DAY_NS)
