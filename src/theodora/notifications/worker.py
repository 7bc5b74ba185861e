"""The worker that queues digests and alerts that are due, and sends what is queued."""

import time
from contextlib import suppress

import structlog

from theodora.errors import OrganisationBusy
from theodora.events.values import SECOND_NS
from theodora.notifications.alerts import due_alerts
from theodora.notifications.channels import send
from theodora.notifications.digest import due_digest
from theodora.storage import Actor, Organisation, Store
from theodora.storage.access.notifications import Message, MessageClaim, SendOutcome
from theodora.storage.engine.worker import Worker

log = structlog.get_logger()

_ACTOR = Actor("worker", "notifications")
_LOOK_SECONDS = 1.0
_COMPOSE_SECONDS = 60.0
CLAIM_SECONDS = 300
"""More than any receiver takes to answer."""
MOST_TRIES = 8
_FIRST_PAUSE_SECONDS = 30
"""Doubles with every try: the last one is about an hour after the first."""


class Notifier(Worker):
    """A thread that works from `start` to `stop`; several servers of a store share the work."""

    def __init__(self, store: Store, url: str) -> None:
        """`url` is the dashboard's, for links; empty for none."""
        super().__init__("notifications")
        self._store = store
        self._url = url

    def compose(self, now_ns: int) -> int:
        """Queues what is due for each receiver; how many messages those are."""
        store, queued = self._store, 0
        for org in store.notifications.served():
            if messages := self._due(org, now_ns):
                queuing = store.notifications.queue(org, messages, now_ns, actor=_ACTOR)
                with suppress(OrganisationBusy):
                    queued += queuing.result()
        return queued

    def _due(self, org: Organisation, now_ns: int) -> list[Message]:
        found: list[Message] = []
        for receiver in self._store.notifications.receivers(org):
            found += due_alerts(self._store, org, receiver, now_ns, self._url)
            digest = due_digest(self._store, org, receiver, now_ns, self._url)
            found += [digest] if digest else []
        return found

    def send_due(self, now_ns: int | None = None) -> int:
        """Sends what is queued; how many messages were sent. `now_ns` is the time of a test."""
        sent = 0
        for org in self._store.notifications.due(now_ns or time.time_ns()):
            while not self._stopping.is_set():
                at_ns = now_ns or time.time_ns()
                until_ns = at_ns + CLAIM_SECONDS * SECOND_NS
                claiming = self._store.notifications.claim(org, at_ns, until_ns, actor=_ACTOR)
                claim: MessageClaim | None = None
                with suppress(OrganisationBusy):
                    claim = claiming.result()
                if claim is None:
                    break
                sent += self._send(org, claim, at_ns)
        return sent

    def _send(self, org: Organisation, claim: MessageClaim, now_ns: int) -> bool:
        reason = send(claim, now_ns)
        outcome = _outcome(claim, reason, now_ns)
        self._store.notifications.settle(org, claim, outcome, now_ns, actor=_ACTOR).result()
        if outcome.state == "failed":
            log.warning(
                "message not sent", organisation=org.name, receiver=claim.receiver.id, reason=reason
            )
        return not reason

    def _run(self) -> None:
        compose_at_sec = time.monotonic()
        while not self._stopping.is_set():
            try:
                if time.monotonic() >= compose_at_sec:
                    compose_at_sec = time.monotonic() + _COMPOSE_SECONDS
                    self.compose(time.time_ns())
                self.send_due()
            except Exception as error:  # The server goes on serving, and the next look tries again.
                self._log_failure("notifications failed", error)
            self._stopping.wait(_LOOK_SECONDS)


def _outcome(claim: MessageClaim, reason: str, now_ns: int) -> SendOutcome:
    if not reason:
        return SendOutcome("sent")
    if claim.tries + 1 >= MOST_TRIES:
        return SendOutcome("failed", reason)
    pause_seconds = _FIRST_PAUSE_SECONDS * 2**claim.tries
    return SendOutcome("waiting", reason, now_ns + pause_seconds * SECOND_NS)
