"""The background worker of the audit log: a log line for each entry, and the end of old ones."""

import time

import structlog

from theodora.events.values import DAY_NS
from theodora.storage.access.audit import AuditLog
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import AuditEntry
from theodora.storage.engine.worker import Worker

log = structlog.get_logger()

_ACTOR = Actor("worker", "audit")
_PAUSE_SECONDS = 2.0
_AFTER_ERROR_SECONDS = 60.0
_ROUND_SECONDS = 3_600.0


class AuditWorker(Worker):
    """A thread from `start` to `stop`. Of several processes, one logs each entry."""

    def __init__(self, audit: AuditLog, days: int) -> None:
        """Entries older than so many days are removed."""
        super().__init__("audit")
        self._audit = audit
        self._days = days

    def _run(self) -> None:
        next_round_sec = 0.0
        while not self._stopping.is_set():
            pause_sec = _PAUSE_SECONDS
            try:
                for organisation, entry in self._audit.take_unlogged(actor=_ACTOR):
                    log.info("audit", **_fields(organisation, entry))
                if time.monotonic() >= next_round_sec:
                    next_round_sec = time.monotonic() + _ROUND_SECONDS
                    self._audit.remove_old(time.time_ns() - self._days * DAY_NS, actor=_ACTOR)
            except Exception as error:  # The next round tries again.
                pause_sec = _AFTER_ERROR_SECONDS
                self._log_failure("the audit log cannot be followed", error)
            self._stopping.wait(pause_sec)


def _fields(organisation: str, entry: AuditEntry) -> dict[str, object]:
    return {
        "organisation": organisation,
        "number": entry.number,
        "at_ns": entry.at_ns,
        "action": entry.action,
        "target": entry.target,
        "outcome": entry.outcome,
        "reason": entry.reason,
        "actor_kind": entry.actor.kind,
        "actor": entry.actor.name,
        "actor_id": entry.actor.id,
        "address": entry.actor.address,
        "before": entry.before,
        "after": entry.after,
        "hash": entry.hash,
    }
