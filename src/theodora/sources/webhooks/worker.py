"""The worker that reads the inbox of webhooks, in turn for each organisation."""

import secrets
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import NamedTuple, TypeAlias

import structlog

from theodora.errors import Invalid, NotFound, OrganisationBusy, OverQuota, Unavailable
from theodora.events.values import DAY_NS, SECOND_NS
from theodora.sources.webhooks.common_settings import common_settings, followed_settings
from theodora.sources.webhooks.counting import fold_counted
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS, SourceSettings
from theodora.sources.webhooks.read import decode_settings, read_received
from theodora.storage import DeliveryReading, Organisation, Store, StoredDelivery
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.worker import Worker

log = structlog.get_logger()

_Read: TypeAlias = tuple[StoredDelivery, DeliveryReading]
"""A delivery and what it says."""

_ACTOR = Actor("worker", "inbox")
_LOOK_SECONDS = 1.0
"""How long a delivery that another process received may wait before it is found."""
_AT_ONCE = 256
"""Most deliveries of one organisation that are read before it is the turn of the next. Those of one
source are stored in one transaction, for which ingest waits."""
_AT_ONCE_IN_ALL = 1_024
"""Most deliveries that are read before all leases end, but one of each organisation."""
_LEASE_SECONDS = 10
"""More than so many deliveries take, and how long those of a killed process wait."""
_REST_FOR_WORK = 2
"""The thread that writes works about as long as the one that reads."""
_LONGEST_REST_SECONDS = 0.5
_PRUNE_SECONDS = 3_600.0
_CORRELATION_DAYS = 400
"""How long a correlation is kept that no deployment refers to: images may be deployed late."""


class InboxWorker(Worker):
    """A thread that reads deliveries, from `start` to `stop`.

    It takes some of each organisation in turn, so that a flood of one delays no other. It rests
    twice as long as it computed, so that requests keep half of the interpreter. A delivery that
    cannot be read is set aside with its error. Of several processes one at a time reads the
    deliveries of an organisation.
    """

    def __init__(self, store: Store, keep_days: int) -> None:
        """Deliveries are kept for so many days after they came in."""
        super().__init__("inbox", wake=store.inbox.arrived)
        self._store = store
        self._name = secrets.token_hex(8)
        """Of this worker among those of other processes."""
        self._keep_ns = keep_days * DAY_NS
        self._pruned_sec = -_PRUNE_SECONDS

    def work_off(self) -> int:
        """Reads some deliveries of each organisation that no other process reads; how many."""
        inbox = self._store.inbox
        leased = self._lease()
        limit = min(_AT_ONCE, max(1, _AT_ONCE_IN_ALL // max(1, len(leased))))
        waiting = [each for org in leased for each in inbox.waiting(org, limit)]
        self._read(waiting)
        for ended in [inbox.end_lease(org, self._name, actor=_ACTOR) for org in leased]:
            # One that cannot be ended now ends by itself.
            with suppress(OrganisationBusy):
                ended.result()
        return len(waiting)

    def prune(self) -> None:
        """Removes old deliveries, and old correlations of what was never deployed."""
        now_ns, inbox = time.time_ns(), self._store.inbox
        before_ns = now_ns - self._keep_ns
        unused_before_ns = min(before_ns, now_ns - _CORRELATION_DAYS * DAY_NS)
        for org in inbox.to_prune(before_ns, unused_before_ns):
            with suppress(OrganisationBusy):
                while inbox.prune(org, before_ns, unused_before_ns, actor=_ACTOR).result():
                    if self._stopping.wait(0.05):
                        return

    def _lease(self) -> list[Organisation]:
        """Has no other process read the deliveries of organisations that have some.

        Passes over those that another process keeps from being written.
        """
        now_ns, inbox = time.time_ns(), self._store.inbox
        until_ns = now_ns + _LEASE_SECONDS * SECOND_NS
        asked = [
            (org, inbox.lease(org, self._name, now_ns, until_ns, actor=_ACTOR))
            for org in inbox.due(self._name, now_ns)
        ]
        leased: list[Organisation] = []
        for org, future in asked:
            with suppress(OrganisationBusy):
                leased += [org] if future.result() else []
        return leased

    def _read(self, waiting: Sequence[StoredDelivery]) -> None:
        sources = _SourceReader(self._store)
        batches: dict[tuple[int, str, str], list[_Read]] = {}
        for each in waiting:
            about = each.organisation.key, each.kind, each.source
            batches.setdefault(about, []).append((each, sources.read(each)))
        settled = [(batch, self._settle(batch, sources)) for batch in batches.values()]
        for batch, future in settled:
            self._finish(batch, future, sources)

    def _settle(self, batch: Sequence[_Read], sources: "_SourceReader") -> Future[int]:
        actor, settings = sources.actor(batch[0][0]), sources.settings(batch[0][0])
        return self._store.inbox.settle(
            batch, partial(fold_counted, settings), time.time_ns(), actor=actor
        )

    def _finish(
        self, batch: Sequence[_Read], future: Future[int], sources: "_SourceReader"
    ) -> None:
        """Sets a delivery aside whose facts add up to nothing that can be stored, or to more than
        a quota allows; the others of its batch are settled."""
        try:
            if (in_vain := len(batch) - future.result()) > 0:
                # Replayed meanwhile, or the lease was shorter than the reading.
                log.info("deliveries were read in vain", deliveries=in_vain)
        except OrganisationBusy:
            # They still wait to be read.
            return
        except Unavailable:
            raise
        except Exception as error:
            if len(batch) > 1:
                for each in batch:
                    self._finish([each], self._settle([each], sources), sources)
                return
            [(received, _)] = batch
            if not isinstance(error, Invalid | OverQuota):
                log.exception("a delivery cannot be stored", number=str(received.number))
            failed = DeliveryReading("failed", str(error) or type(error).__name__)
            self._settle([(received, failed)], sources).result()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            began_sec = time.thread_time()
            if self._try() == 0:
                self._wake.wait(_LOOK_SECONDS)
            else:
                # Waiting for the writer takes nothing from requests: on a busy machine it is long.
                worked_sec = time.thread_time() - began_sec
                self._stopping.wait(min(_REST_FOR_WORK * worked_sec, _LONGEST_REST_SECONDS))

    def _try(self) -> int:
        try:
            done = self.work_off()
            if time.monotonic() - self._pruned_sec >= _PRUNE_SECONDS:
                self._pruned_sec = time.monotonic()
                self.prune()
        except Exception as error:  # The server goes on serving, and the next look tries again.
            self._log_failure("reading the inbox failed", error)
            return 0
        return done


class _Known(NamedTuple):
    """What is known of the source of a delivery."""

    actor: Actor
    settings: SourceSettings = DEFAULT_SETTINGS
    problem: str = ""
    """Why its settings cannot be used."""


class _SourceReader:
    """Reads deliveries with the settings of their sources, each looked up once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[tuple[int, str, str], _Known] = {}
        self._common: dict[int, SourceSettings] = {}
        self._teams: dict[int, Mapping[str, str]] = {}

    def read(self, received: StoredDelivery) -> DeliveryReading:
        """What a delivery says."""
        known = self._of(received)
        if known.problem:
            return DeliveryReading("failed", known.problem)
        teams = self._teams_of(received.organisation)
        try:
            return read_received(received, known.settings, teams)
        except Exception as error:  # One that nobody foresaw must not hold up all others.
            log.exception("a delivery cannot be read", number=str(received.number))
            return DeliveryReading("failed", f"an adapter's error: {type(error).__name__}")

    def actor(self, received: StoredDelivery) -> Actor:
        """Who writes what a delivery says."""
        return self._of(received).actor

    def settings(self, received: StoredDelivery) -> SourceSettings:
        """The settings of the source of a delivery."""
        return self._of(received).settings

    def _teams_of(self, org: Organisation) -> Mapping[str, str]:
        if org.key not in self._teams:
            self._teams[org.key] = self._store.settings.teams(org)
        return self._teams[org.key]

    def _common_of(self, org: Organisation) -> SourceSettings:
        """Raises `Invalid` for settings that cannot be used."""
        if org.key not in self._common:
            self._common[org.key] = common_settings(self._store, org)
        return self._common[org.key]

    def _of(self, received: StoredDelivery) -> _Known:
        about = received.organisation.key, received.kind, received.source
        found = self._known.get(about)
        if found is None:
            found = self._known[about] = self._look_up(received)
        return found

    def _look_up(self, received: StoredDelivery) -> _Known:
        org, id_ = received.organisation, received.source
        actor, settings = Actor("source", id_ or received.kind, id_), ""
        try:
            if id_:
                source = self._store.sources.get(org, id_)
                actor, settings = source.actor, source.settings
            own, common = decode_settings(settings), self._common_of(org)
            return _Known(actor, followed_settings(received.kind, own, common))
        except NotFound as error:
            return _Known(actor, problem=str(error))
        except Invalid as invalid:
            return _Known(actor, problem=f"the settings cannot be used: {invalid}")
