"""Events that are too old go, and what is kept stays as it was."""

import threading
import time

import msgspec
import pytest

from actors import TESTER
from removing import made_remover
from theodora.dora import Commit
from theodora.errors import NotFound
from theodora.events import Deployment, Failure, Git
from theodora.events.activity import UserActivity
from theodora.query import parse
from theodora.query.fields import Kind, sort_key
from theodora.storage import (
    Actor,
    Organisation,
    OverrideValues,
    Selection,
    Store,
    retention,
)
from theodora.storage.access.audit import AuditQuery
from theodora.storage.activity import day_of
from theodora.storage.deletion_guards import Guards, Unconfirmed
from theodora.storage.retention import DAY_NS, MAX_DAYS, GoOn, Old, Retention

NOW_NS = 20_000 * DAY_NS
UNGUARDED = Guards(max_percent=100, clock_days=MAX_DAYS, delay_hours=0)
BY_START = sort_key("started_at", Kind.DEPLOYMENT)
assert BY_START is not None
REPOSITORY = "https://github.com/acme/web"


def sha(number: int) -> str:
    return f"{number:040x}"


def deployment(days_ago: int, service: str = "web", number: int = 0) -> Deployment:
    at_ns = NOW_NS - days_ago * DAY_NS
    return Deployment(
        id=f"{service}-{days_ago}",
        service=service,
        env="production",
        version=f"v{days_ago}",
        started_at_ns=at_ns,
        finished_at_ns=at_ns,
        git=Git(sha(number), REPOSITORY) if number else None,
        custom_tags=("region:eu",),
    )


def failure(id_: str, days_ago: int, *, is_open: bool = False) -> Failure:
    at_ns = NOW_NS - days_ago * DAY_NS
    finished_at_ns = None if is_open else at_ns
    return Failure(id=id_, services=("web",), started_at_ns=at_ns, finished_at_ns=finished_at_ns)


def add(store: Store, org: Organisation, *events: Deployment) -> None:
    for written in [store.deployments.add(org, event, 1, actor=TESTER) for event in events]:
        written.result()


def ids(store: Store, org: Organisation) -> list[str]:
    return sorted(event.id for event in store.deployments.everything(org))


@pytest.fixture(autouse=True)
def unguarded(store: Store) -> None:
    """Events of these tests were all received in 1970, and many of them are old."""
    store.retention.guards = UNGUARDED


def history(store: Store, org: Organisation) -> None:
    """Ten deployments, ten days apart, each of the commit after the one before."""
    commits = [
        Commit(
            sha=sha(number),
            parents=(sha(number - 1),) if number > 1 else (),
            author_time_ns=NOW_NS - (101 - number * 10) * DAY_NS,
            commit_time_ns=NOW_NS - (101 - number * 10) * DAY_NS,
        )
        for number in range(1, 11)
    ]
    store.commits.add_commits(org, "github.com/acme/web", commits, actor=TESTER).result()
    add(store, org, *(deployment(100 - number * 10, number=number) for number in range(1, 10)))
    store.derivations.derive_all_queued(actor=TESTER)


def test_nothing_goes_until_somebody_says_so(store: Store, org: Organisation):
    history(store, org)
    assert store.retention.days(org) is None
    assert store.retention.remove_old(NOW_NS, actor=TESTER) == Old(0, 0)
    assert len(ids(store, org)) == 9


def test_what_is_too_old_goes_with_all_that_it_is_found_by(store: Store, org: Organisation):
    history(store, org)
    store.verdicts.put(
        org, "web-80", OverrideValues(change_failure=True), now_ns=1, actor=Actor("person", "desk")
    ).result()
    store.retention.put(org, 35, actor=TESTER).result()
    assert store.retention.preview(org, 35, NOW_NS) == Old(5, 0)
    assert store.retention.remove_old(NOW_NS, actor=TESTER) == Old(5, 0)
    assert ids(store, org) == ["web-10", "web-20", "web-30", "web-40"]
    selection = Selection(query=parse("region:eu"), sort=BY_START, limit=100)
    assert len(store.deployments.select(org, selection)) == 4
    with pytest.raises(NotFound):
        store.verdicts.get(org, "web-80")
    assert list(store.verdicts.everything(org)) == []
    assert store.retention.remove_old(NOW_NS, actor=TESTER) == Old(0, 0)


def test_what_is_kept_is_derived_as_before(store: Store, org: Organisation):
    """The one before the limit stays, as a baseline; the next is still measured from it."""
    history(store, org)
    before = {event.id: event for event in store.deployments.everything(org)}
    store.retention.put(org, 35, actor=TESTER).result()
    store.retention.remove_old(NOW_NS, actor=TESTER)
    store.derivations.derive_all_queued(actor=TESTER)
    after = {event.id: event for event in store.deployments.everything(org)}
    recent = ["web-10", "web-20", "web-30"]
    assert [after[id_] for id_ in recent] == [before[id_] for id_ in recent]
    assert after["web-30"].change_lead_time is not None
    assert after["web-40"].change_lead_time is None


def test_a_rollback_stays_one_however_far_it_went_back(store: Store, org: Organisation):
    versions = {90: "v1", 80: "v2", 70: "v3", 60: "v4", 30: "v1"}
    add(
        store,
        org,
        *(
            msgspec.structs.replace(deployment(days), version=version)
            for days, version in versions.items()
        ),
        *(deployment(days, "cart") for days in (90, 80, 70)),
    )
    store.derivations.derive_all_queued(actor=TESTER)
    before = {event.id: event for event in store.deployments.everything(org)}
    assert before["web-30"].deployment_type == "rollback"
    store.retention.put(org, 35, actor=TESTER).result()
    assert store.retention.remove_old(NOW_NS, actor=TESTER) == Old(3, 0)
    store.derivations.derive_all_queued(actor=TESTER)
    after = {event.id: event for event in store.deployments.everything(org)}
    assert {id_: event for id_, event in before.items() if id_ in after} == after
    assert sorted(after) == ["cart-70", "web-30", "web-60", "web-80", "web-90"]


def test_of_each_value_of_the_tag_that_divides_a_sequence_the_last_one_stays(
    store: Store, org: Organisation
):
    add(
        store,
        org,
        *(
            msgspec.structs.replace(deployment(days), custom_tags=(f"region:{region}",))
            for days, region in ((90, "eu"), (80, "us"), (70, "eu"), (60, "eu"), (30, "us"))
        ),
    )
    store.settings.put(org, {"sequence_tag": "region"}, "web", actor=TESTER).result()
    store.retention.put(org, 35, actor=TESTER).result()
    assert store.retention.remove_old(NOW_NS, actor=TESTER) == Old(2, 0)
    assert ids(store, org) == ["web-30", "web-60", "web-80"]


def test_as_time_passes_the_next_one_takes_the_place(store: Store, org: Organisation):
    history(store, org)
    store.retention.put(org, 35, actor=TESTER).result()
    store.retention.remove_old(NOW_NS, actor=TESTER)
    store.retention.remove_old(NOW_NS + 10 * DAY_NS, actor=TESTER)
    assert ids(store, org) == ["web-10", "web-20", "web-30"]


def test_each_service_keeps_its_last_one(store: Store, org: Organisation):
    add(store, org, *(deployment(days, name) for name in ("a", "b") for days in (70, 80, 90)))
    store.retention.put(org, 35, actor=TESTER).result()
    store.retention.remove_old(NOW_NS, actor=TESTER)
    assert ids(store, org) == ["a-70", "b-70"]


def test_failures_go_once_they_are_over(store: Store, org: Organisation):
    for each in (failure("old", 40), failure("new", 30), failure("open", 40, is_open=True)):
        store.failures.add(org, each, 1, actor=TESTER).result()
    store.retention.put(org, 35, actor=TESTER).result()
    assert store.retention.preview(org, 35, NOW_NS) == Old(0, 1)
    assert store.retention.remove_old(NOW_NS, actor=TESTER) == Old(0, 1)
    assert sorted(each.id for each in store.failures.everything(org)) == ["new", "open"]


def test_another_organisation_keeps_what_it_has(store: Store, org: Organisation):
    other = store.keys.ensure_organisation("other", 1, actor=TESTER).result()
    for each in (org, other):
        add(store, each, *(deployment(days) for days in (70, 80, 90)))
    store.retention.put(org, 35, actor=TESTER).result()
    store.retention.remove_old(NOW_NS, actor=TESTER)
    assert (len(ids(store, org)), len(ids(store, other))) == (1, 3)


def test_one_round_looks_at_so_many_and_the_next_ones_at_the_rest(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(retention, "_LOOKED_AT_IN_A_ROUND", 4)
    add(store, org, *(deployment(days) for days in range(40, 50)))
    store.retention.put(org, 35, actor=TESTER).result()
    removed = [store.retention.remove_old(NOW_NS, actor=TESTER).deployments for _ in range(4)]
    assert removed == [3, 3, 3, 0]
    assert ids(store, org) == ["web-40"]


def test_a_limit_that_is_lifted_meanwhile_holds_no_more(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(retention, "_REMOVED_AT_ONCE", 2)
    add(store, org, *(deployment(days) for days in range(40, 50)))
    store.retention.put(org, 35, actor=TESTER).result()

    def lift(_: float) -> bool:
        store.retention.put(org, None, actor=TESTER).result()
        return True

    assert store.retention.remove_old(NOW_NS, lift, actor=TESTER) == Old(2, 0)
    assert len(ids(store, org)) == 8


def test_what_is_sent_again_meanwhile_with_a_newer_end_stays(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(retention, "_REMOVED_AT_ONCE", 1)
    add(store, org, *(deployment(days) for days in (70, 80, 90)))
    store.retention.put(org, 35, actor=TESTER).result()

    def send_again(_: float) -> bool:
        for days in (80, 90):
            if f"web-{days}" in ids(store, org):
                newer = msgspec.structs.replace(deployment(1), id=f"web-{days}")
                store.deployments.add(org, newer, 2, actor=TESTER).result()
        return True

    assert store.retention.remove_old(NOW_NS, send_again, actor=TESTER) == Old(1, 0)
    assert len(ids(store, org)) == 2


def test_it_pauses_between_small_transactions_and_ends_when_told(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(retention, "_REMOVED_AT_ONCE", 2)
    add(store, org, *(deployment(days) for days in range(40, 50)))
    store.retention.put(org, 35, actor=TESTER).result()
    worked: list[float] = []

    def go_on(seconds: float) -> bool:
        worked.append(seconds)
        return len(worked) < 2

    assert store.retention.remove_old(NOW_NS, go_on, actor=TESTER) == Old(4, 0)


def test_a_server_removes_what_is_too_old_by_itself(store: Store, org: Organisation):
    """Days before the clock's own time, as the thread reads the clock."""
    add(store, org, *(deployment(days) for days in (70, 80, 90)))
    removed = threading.Event()

    class Watched(Retention):
        def remove_old(self, now_ns: int, go_on: GoOn = lambda _: True, *, actor: Actor) -> Old:
            try:
                return super().remove_old(now_ns, go_on, actor=actor)
            finally:
                removed.set()

    store.retention.put(org, 1, actor=TESTER).result()
    remover = made_remover(store, Watched(store._database, UNGUARDED))
    remover.start()
    assert removed.wait(30)
    remover.stop()
    assert ids(store, org) == ["web-70"]


def test_deployments_under_another_form_of_the_repository_follow_on_the_others(
    store: Store, org: Organisation
) -> None:
    history(store, org)
    other = msgspec.structs.replace(deployment(5), git=Git(sha(9), "git@github.com:Acme/Web"))
    add(store, org, other)
    kept_days = 2
    store.retention.put(org, kept_days, actor=TESTER).result()
    store.retention.remove_old(NOW_NS, actor=TESTER)
    kept = ids(store, org)
    assert kept == ["web-5"]


def test_a_remover_rests_four_times_as_long_as_it_worked_and_not_once_it_has_to_stop(
    store: Store,
):
    remover = made_remover(store)
    began = time.monotonic()
    assert remover._rest(0.05)
    assert 0.2 <= time.monotonic() - began < 2
    remover.stop()
    assert not remover._rest(1_000)


def test_a_remover_that_is_stopped_has_ended(store: Store):
    remover = made_remover(store)
    remover.start()
    remover.stop()
    assert not remover._thread.is_alive()


def activity_on(days_ago: int, person: str = "ada") -> UserActivity:
    return UserActivity(
        user_email=f"{person}@example.com",
        day=day_of(NOW_NS - days_ago * DAY_NS),
        tool="cursor",
        is_active=True,
        models=(),
    )


def test_activity_goes_with_the_events_of_its_day(store: Store, org: Organisation):
    """Of every person, and of this organisation alone; rows of the day of the limit stay."""
    other = store.organisations.create("other", NOW_NS, actor=TESTER).result()
    rows = [activity_on(days) for days in (40, 36, 35, 1)] + [activity_on(40, "bo")]
    for each in (org, other):
        store.activity.add(each, rows, actor=TESTER).result()
    assert store.retention.remove_old(NOW_NS, actor=TESTER) == Old(0, 0)
    assert store.retention.preview(org, 35, NOW_NS) == Old(0, 0, 3)
    assert store.retention.preview(org, None, NOW_NS) == Old(0, 0, 0)
    store.retention.put(org, 35, actor=TESTER).result()
    assert store.retention.remove_old(NOW_NS, lambda _: False, actor=TESTER) == Old(0, 0, 2)
    assert store.retention.remove_old(NOW_NS, actor=TESTER) == Old(0, 0, 1)
    kept = [each.day for each in store.activity.everything(org)]
    assert kept == [day_of(NOW_NS - days * DAY_NS) for days in (35, 1)]
    assert len(store.activity.everything(other)) == 5
    [entry, first] = store.audit.entries(org, AuditQuery(action="retention.removing"))
    assert [msgspec.json.decode(each.after)["user_activity"] for each in (first, entry)] == [3, 1]


def test_activity_needs_no_number_and_no_share(store: Store, org: Organisation):
    """A limit that deletes no event is accepted without a number, and begins."""
    store.retention.guards = Guards(max_percent=10, clock_days=MAX_DAYS, delay_hours=0)
    add(store, org, deployment(1))
    store.activity.add(org, [activity_on(40, f"p{n}") for n in range(30)], actor=TESTER).result()
    changed = store.retention.change(org, 35, NOW_NS, actor=TESTER).result()
    assert not isinstance(changed, Unconfirmed)
    store.retention.put(org, 35, actor=TESTER).result()
    assert store.retention.remove_old(NOW_NS, actor=TESTER) == Old(0, 0, 30)
