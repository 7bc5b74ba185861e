"""The worker that sends changes on to Datadog, in turn for each organisation.

A change is removed from the outbox after it has arrived, so a killed server sends some again. As
events have their ids, and the changes of an event are sent in order, the result is the same.
"""

import secrets
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import structlog

from theodora.errors import NoAnswer, OrganisationBusy
from theodora.events.values import SECOND_NS
from theodora.sources.datadog.client import (
    DatadogClient,
    DatadogKeys,
    complaint,
    is_passing,
    pause_seconds,
    rest_seconds,
)
from theodora.sources.http_client import HttpAnswer
from theodora.storage import Actor, ForwardingState, Organisation, OutboxItem, Sending, Store
from theodora.storage.engine.worker import Worker

log = structlog.get_logger()

_ACTOR = Actor("worker", "forwarding")
_LOOK_SECONDS = 1.0
_AT_ONCE = 100
"""Changes of one organisation that are sent before it is the turn of the next."""
_TURN_SECONDS = 1.0
_TIMEOUT_SECONDS = 8.0
_LEASE_SECONDS = 30
"""More than a turn and a request that gets no answer take together."""
_MOST_TRIES = 12
"""After so many errors of the server a change is parked, as it may be the reason for them."""
_PATCH_TYPE = "dora_deployment_patch_request"


class DatadogRequest(NamedTuple):
    """What a change is at Datadog."""

    method: str
    path: str
    document: Any = None


class _Address(NamedTuple):
    """Where an organisation forwards to; a change of it needs another client."""

    url: str
    keys: DatadogKeys


class Forwarder(Worker):
    """A thread that sends, from `start` to `stop`."""

    def __init__(self, store: Store) -> None:
        super().__init__("forwarding")
        self._store = store
        self._name = secrets.token_hex(8)
        """Of this worker among those of other processes."""
        self._clients: dict[int, tuple[_Address, DatadogClient]] = {}

    def work_off(self) -> int:
        """Sends some changes of each organisation; how many have arrived."""
        arrived = 0
        for org in self._store.forwarding.due(self._name, time.time_ns()):
            if self._stopping.is_set():
                break
            arrived += self._take_turn(org)
        return arrived

    def close(self) -> None:
        for _, client in self._clients.values():
            client.close()
        self._clients.clear()

    def _take_turn(self, org: Organisation) -> int:
        forwarding = self._store.forwarding
        now_ns = time.time_ns()
        until_ns = now_ns + _LEASE_SECONDS * SECOND_NS
        try:
            if not forwarding.lease(org, self._name, now_ns, until_ns, actor=_ACTOR).result():
                return 0
        except OrganisationBusy:
            return 0
        # Read under the lease: another process may have sent what this one saw before.
        state = forwarding.get(org)
        sending = Sending()
        if state is not None:
            sending = self._send_some(org, state)
        forwarding.settle(org, self._name, sending, time.time_ns(), actor=_ACTOR).result()
        if sending.paused:
            log.warning("forwarding is paused", organisation=org.name, reason=sending.paused)
        return len(sending.sent)

    def _send_some(self, org: Organisation, state: ForwardingState) -> Sending:
        client = self._client(org, state)
        sent: list[int] = []
        parked: list[tuple[int, str]] = []
        held: set[tuple[str, str]] = set()
        ends_sec = time.monotonic() + _TURN_SECONDS
        for item in self._store.forwarding.waiting(org, _AT_ONCE):
            if self._stopping.is_set() or time.monotonic() >= ends_sec:
                break
            if (item.kind, item.event) in held:
                continue
            outcome = client.ask(*request_of(item))
            tries = state.tries if not (sent or parked) else 0
            if self._has_arrived(org, item, outcome):
                sent.append(item.number)
                if isinstance(outcome, HttpAnswer) and (rest := rest_seconds(outcome)):
                    return Sending(sent, parked, not_before_ns=_after(rest))
            elif is_passing(outcome) and not _is_hopeless(outcome, tries):
                pause = pause_seconds(outcome, tries)
                return Sending(sent, parked, complaint(outcome), tries + 1, _after(pause))
            elif reason := _reason_to_pause(item, outcome):
                return Sending(sent, parked, paused=reason)
            else:
                parked.append((item.number, complaint(outcome)))
                held.add((item.kind, item.event))
        return Sending(sent, parked)

    def _has_arrived(
        self, org: Organisation, item: OutboxItem, outcome: HttpAnswer | NoAnswer
    ) -> bool:
        if isinstance(outcome, NoAnswer):
            return False
        if outcome.status != 404:
            return 200 <= outcome.status < 300
        # Sent again after a kill, the event may be deleted already.
        return item.operation == "delete" or (
            item.operation == "patch" and self._store.forwarding.is_deleted_later(org, item)
        )

    def _client(self, org: Organisation, state: ForwardingState) -> DatadogClient:
        """The client of the organisation, with an open connection from its last turn."""
        address = _Address(state.url, DatadogKeys(state.api_key, state.app_key))
        if known := self._clients.get(org.key):
            known_address, client = known
            if known_address == address:
                return client
            client.close()
        client = DatadogClient(address.url, address.keys, _TIMEOUT_SECONDS)
        self._clients[org.key] = address, client
        return client

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                arrived = self.work_off()
            except Exception as error:  # The server goes on serving, and the next look tries again.
                self._log_failure("forwarding failed", error)
                arrived = 0
            if not arrived:
                self._stopping.wait(_LOOK_SECONDS)
        self.close()


def request_of(item: OutboxItem) -> DatadogRequest:
    """The request that a change is sent with."""
    one = f"/api/v2/dora/{item.kind}"
    if item.operation == "delete":
        return DatadogRequest("DELETE", f"{one}/{item.event}")
    attributes: Mapping[str, Any] = msgspec.json.decode(item.document)
    if item.operation == "put":
        return DatadogRequest("POST", one, {"data": {"attributes": attributes}})
    data = {"id": item.event, "type": _PATCH_TYPE, "attributes": attributes}
    return DatadogRequest("PATCH", f"{one}s/{item.event}", {"data": data})


def _after(seconds: float) -> int:
    return time.time_ns() + int(seconds * SECOND_NS)


def _is_hopeless(outcome: HttpAnswer | NoAnswer, tries: int) -> bool:
    """Whether a server fails on this very change, and not for a moment."""
    return isinstance(outcome, HttpAnswer) and outcome.status == 500 and tries + 1 >= _MOST_TRIES


def _reason_to_pause(item: OutboxItem, outcome: HttpAnswer | NoAnswer) -> str:
    """Why every other change would be refused too; empty if only this one is."""
    if isinstance(outcome, NoAnswer):
        return ""
    if outcome.status in {401, 403}:
        return f"the keys were refused ({complaint(outcome)})"
    if 300 <= outcome.status < 400 or (outcome.status == 404 and item.operation == "put"):
        return f"there is no DORA API at this URL ({complaint(outcome)})"
    return ""
