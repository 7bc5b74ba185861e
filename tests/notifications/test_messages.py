"""What digests and alerts say, and that each is said once."""

import time

from actors import TESTER
from theodora.events import Deployment, Failure
from theodora.events.values import DAY_NS, HOUR_NS
from theodora.notifications.alerts import due_alerts
from theodora.notifications.digest import due_digest
from theodora.notifications.schedule import last_week
from theodora.notifications.worker import Notifier
from theodora.storage import Organisation, OverrideValues, Store
from theodora.storage.access.notifications import Receiver, ReceiverSettings

NOW_NS = time.time_ns()
EVERY_DAY = tuple(range(7))
URL = "https://dora.example"


def receiver(
    store: Store, org: Organisation, created_ns: int = NOW_NS - 2 * DAY_NS, **settings: object
) -> Receiver:
    made = ReceiverSettings(days=EVERY_DAY)._replace(**settings)
    return store.notifications.add(
        org, "slack", "desk", "slack://x", made, created_ns, actor=TESTER
    ).result()


def deploy(store: Store, org: Organisation, version: str, at_ns: int, team: str = "web") -> None:
    event = Deployment(
        id=f"id-of-{version}",
        service=f"of-{team}",
        env="production",
        team=team,
        version=version,
        started_at_ns=at_ns,
        finished_at_ns=at_ns,
    )
    store.deployments.add(org, event, at_ns, actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)


def fail(store: Store, org: Organisation, name: str, at_ns: int, **others: object) -> None:
    event = Failure(
        id=f"id-of-{name}", services=("of-web",), env="production", name=name, team="web",
        started_at_ns=at_ns, finished_at_ns=None,
    )  # fmt: skip
    store.failures.add(org, event, at_ns, actor=TESTER).result()


def test_a_digest_has_the_week_of_the_team_with_links(store: Store, org: Organisation) -> None:
    to = receiver(store, org, NOW_NS - 30 * DAY_NS, team="web", hour=0)
    week = last_week(to.settings, NOW_NS)
    for number in range(3):
        deploy(store, org, f"v{number}", week.start_ns + number * HOUR_NS)
    deploy(store, org, "other", week.start_ns, team="search")
    digest = due_digest(store, org, to, NOW_NS, URL)
    assert digest
    assert digest.title.startswith("Team web: ")
    assert "Deployment frequency" in digest.body
    assert "3 deployments" in digest.body
    assert "No change beyond chance" in digest.body
    assert f"{URL}/?" in digest.body
    without = due_digest(store, org, to, NOW_NS, "")
    assert without
    assert "http" not in without.body
    store.notifications.queue(org, [digest], NOW_NS, actor=TESTER).result()
    assert due_digest(store, org, to, NOW_NS, URL) is None, "it is made once"


def test_an_alert_is_given_of_what_began_since_and_of_what_is_open_too_long(
    store: Store, org: Organisation
) -> None:
    to = receiver(store, org)
    fail(store, org, "old", NOW_NS - 3 * DAY_NS)
    fail(store, org, "new", NOW_NS - HOUR_NS)
    for version, at_ns in (("v1", NOW_NS - 3 * DAY_NS), ("v2", NOW_NS - HOUR_NS)):
        deploy(store, org, version, at_ns)
        failed = OverrideValues(True)
        store.verdicts.put(org, f"id-of-{version}", failed, now_ns=1, actor=TESTER).result()
    alerts = due_alerts(store, org, to, NOW_NS, URL)
    assert sorted(each.title for each in alerts) == [
        "Failed deployment: of-web v2",
        "Failure: new",
        "Open for 3\u202fd: old",
    ]
    [new] = [each for each in alerts if each.title == "Failure: new"]
    assert new.body.endswith(f"{URL}/failures/id-of-new")
    assert "of-web" in new.body
    assert due_alerts(store, org, receiver(store, org, team="search"), NOW_NS, "") == []
    assert due_alerts(store, org, receiver(store, org, days=()), NOW_NS, "") == []
    assert due_alerts(store, org, receiver(store, org, alerts=False), NOW_NS, "") == []


def test_what_is_due_is_queued_once_by_all_servers(
    store: Store, org: Organisation, database: str
) -> None:
    to = receiver(store, org, digests=False)
    fail(store, org, "new", NOW_NS - HOUR_NS)
    assert Notifier(store, URL).compose(NOW_NS) == 1
    with Store(database) as other:
        assert Notifier(other, URL).compose(NOW_NS) == 0
    assert due_alerts(store, org, to, NOW_NS, URL) == []
    [logged] = store.notifications.log(org, 9)
    assert logged.message.title == "Failure: new"
