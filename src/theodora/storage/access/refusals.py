"""A limit for refusals in the audit log, so that nobody can fill the disk with them."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

from theodora.events.values import SECOND_NS

_AGAIN_AFTER_NS = 600 * SECOND_NS
"""One refusal of the same caller for the same reason is recorded in so long."""
_HOUR_NS = 3_600 * SECOND_NS
REFUSALS_AN_HOUR = 60
"""Most refusals of an organisation that a process records."""
_KNOWN = 4_096


class _Hour(NamedTuple):
    """The running hour of an organisation."""

    hour: int
    recorded: int = 0
    omitted: int = 0
    """Refusals since the last one that was recorded."""


class RefusalLimit:
    """Decides in memory which refusals are recorded; for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recorded_at_ns: OrderedDict[Hashable, int] = OrderedDict()
        self._hours: dict[int, _Hour] = {}

    def take(self, org: int, subject: Hashable, now_ns: int) -> int | None:
        """How many were omitted before this one; None if this one is omitted too."""
        with self._lock:
            before = self._hours.get(org, _Hour(now_ns // _HOUR_NS))
            if before.hour != now_ns // _HOUR_NS:
                before = _Hour(now_ns // _HOUR_NS, omitted=before.omitted)
            last_ns = self._recorded_at_ns.get((org, subject))
            is_repeated = last_ns is not None and abs(now_ns - last_ns) < _AGAIN_AFTER_NS
            if is_repeated or before.recorded >= REFUSALS_AN_HOUR:
                self._hours[org] = before._replace(omitted=before.omitted + 1)
                return None
            self._recorded_at_ns[org, subject] = now_ns
            self._recorded_at_ns.move_to_end((org, subject))
            if len(self._recorded_at_ns) > _KNOWN:
                self._recorded_at_ns.popitem(last=False)
            self._hours[org] = _Hour(before.hour, before.recorded + 1)
            return before.omitted
