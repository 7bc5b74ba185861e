"""Receivers and messages: each is queued once and claimed once, and what a kill leaves."""

import pytest

from actors import TESTER
from theodora.errors import NotFound
from theodora.events.values import DAY_NS
from theodora.storage import Organisation, Store
from theodora.storage.access.notifications import (
    INTERRUPTED,
    KEPT_DAYS,
    Message,
    MessageClaim,
    Receiver,
    ReceiverKind,
    ReceiverSettings,
    SendOutcome,
)

NOW_NS = 20_000 * DAY_NS
CLAIM_NS = 100


def receiver(store: Store, org: Organisation, kind: ReceiverKind = "slack") -> Receiver:
    return store.notifications.add(
        org, kind, "desk", f"{kind}://x", ReceiverSettings(team="web"), NOW_NS, actor=TESTER
    ).result()


def queue(store: Store, org: Organisation, to: Receiver, *keys: str) -> int:
    messages = [Message(to.id, key, f"about {key}", "text") for key in keys]
    return store.notifications.queue(org, messages, NOW_NS, actor=TESTER).result()


def claim(store: Store, org: Organisation, now_ns: int = NOW_NS) -> MessageClaim | None:
    until_ns = now_ns + CLAIM_NS
    return store.notifications.claim(org, now_ns, until_ns, actor=TESTER).result()


def states(store: Store, org: Organisation) -> dict[str, tuple[str, str]]:
    log = store.notifications.log(org, 99)
    return {each.message.key: (each.state, each.reason) for each in log}


def test_a_message_is_queued_once_whatever_became_of_it(store: Store, org: Organisation) -> None:
    to = receiver(store, org)
    assert to.settings == ReceiverSettings(team="web")
    assert queue(store, org, to, "a", "a", "b") == 2
    claimed = claim(store, org)
    assert claimed
    assert (claimed.receiver, claimed.message.key, claimed.tries) == (to, "a", 0)
    store.notifications.settle(org, claimed, SendOutcome("sent"), NOW_NS, actor=TESTER).result()
    assert queue(store, org, to, "a", "b") == 0
    assert states(store, org) == {"a": ("sent", ""), "b": ("waiting", "")}
    assert store.notifications.is_queued(org, to.id, "a")
    asked = [Message(to.id, key, "", "") for key in "abc"]
    assert store.notifications.never_queued(org, asked) == asked[2:]


def test_two_servers_never_have_the_same_message(
    store: Store, org: Organisation, database: str
) -> None:
    to = receiver(store, org)
    queue(store, org, to, "a", "b")
    with Store(database) as other:
        claims = [claim(store, org), claim(other, org), claim(store, org), claim(other, org)]
    assert [each.message.key if each else None for each in claims] == ["a", "b", None, None]


def test_after_a_kill_only_a_webhook_is_sent_again(store: Store, org: Organisation) -> None:
    for kind in ("slack", "teams", "email", "webhook"):
        queue(store, org, receiver(store, org, kind), kind)
    assert all(claim(store, org) for _ in range(4))
    assert store.notifications.due(NOW_NS + CLAIM_NS - 1) == []
    later_ns = NOW_NS + CLAIM_NS
    assert store.notifications.due(later_ns) == [org]
    again = claim(store, org, later_ns)
    assert again
    assert (again.message.key, again.tries) == ("webhook", 1)
    assert claim(store, org, later_ns) is None
    unknown = ("unknown", INTERRUPTED)
    assert states(store, org) == {
        **dict.fromkeys(("slack", "teams", "email"), unknown),
        "webhook": ("sending", ""),
    }


def test_a_late_sender_still_notes_that_it_sent(store: Store, org: Organisation) -> None:
    to = receiver(store, org)
    queue(store, org, to, "a")
    claimed = claim(store, org)
    assert claimed
    assert claim(store, org, NOW_NS + CLAIM_NS) is None
    store.notifications.settle(org, claimed, SendOutcome("sent"), NOW_NS, actor=TESTER).result()
    assert states(store, org) == {"a": ("sent", "")}


def test_a_refused_message_waits_and_can_be_sent_again(store: Store, org: Organisation) -> None:
    to = receiver(store, org)
    queue(store, org, to, "a")
    for outcome in (
        SendOutcome("waiting", "refused", NOW_NS + 50),
        SendOutcome("failed", "refused"),
    ):
        claimed = claim(store, org, NOW_NS + (50 if states(store, org)["a"][1] else 0))
        assert claimed
        store.notifications.settle(org, claimed, outcome, NOW_NS, actor=TESTER).result()
        assert claim(store, org) is None
    assert states(store, org) == {"a": ("failed", "refused")}
    store.notifications.retry(org, to.id, "a", actor=TESTER).result()
    assert claim(store, org)
    with pytest.raises(NotFound):
        store.notifications.retry(org, to.id, "a", actor=TESTER).result()


def test_a_receiver_goes_with_its_messages(store: Store, org: Organisation) -> None:
    to = receiver(store, org, "webhook")
    assert to.secret.startswith("whsec_")
    queue(store, org, to, "a")
    assert store.notifications.served() == [org]
    store.notifications.remove(org, to.id, actor=TESTER).result()
    assert (store.notifications.receivers(org), states(store, org)) == ([], {})
    assert store.notifications.served() == []
    assert queue(store, org, to, "b") == 0
    with pytest.raises(NotFound):
        store.notifications.receiver(org, to.id)


def test_old_messages_leave_the_log_once_they_are_settled(store: Store, org: Organisation) -> None:
    to = receiver(store, org)
    queue(store, org, to, "a", "b")
    claimed = claim(store, org)
    assert claimed
    store.notifications.settle(org, claimed, SendOutcome("sent"), NOW_NS, actor=TESTER).result()
    for days, left in ((KEPT_DAYS, {"a", "b"}), (KEPT_DAYS + 1, {"b"})):
        now_ns = NOW_NS + days * DAY_NS
        store.notifications.queue(org, [], now_ns, actor=TESTER).result()
        assert states(store, org).keys() == left
