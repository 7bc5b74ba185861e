"""The lockout after too many failed attempts to sign in."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import NamedTuple


class _Attempts(NamedTuple):
    failed: int
    locked_until: float
    """Unix time; 0 while there have been few."""


class Lockout:
    """Failed attempts in this process, by address and by the beginning of the key shown.

    After some, the next is not looked at before a time that doubles with each further one.
    Memory is bounded: whoever has not tried for longest is forgotten first.
    """

    FREE_ATTEMPTS = 5
    FIRST_LOCK_SEC = 60
    LONGEST_LOCK_SEC = 3_600
    REMEMBERED = 4_096

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._attempts: OrderedDict[str, _Attempts] = OrderedDict()

    def locked_until(self, subjects: Iterable[str]) -> float | None:
        """Unix time until which none of `subjects` may try; None if they may now."""
        untils = [self._attempts[mark].locked_until for mark in subjects if mark in self._attempts]
        until = max(untils, default=0.0)
        return until if until > self._clock() else None

    def note_failure(self, subjects: Iterable[str]) -> None:
        for mark in subjects:
            former = self._attempts.pop(mark, _Attempts(0, 0.0))
            failed = former.failed + 1
            self._attempts[mark] = _Attempts(failed, self._lock(failed))
            if len(self._attempts) > self.REMEMBERED:
                self._attempts.popitem(last=False)

    def note_success(self, subjects: Iterable[str]) -> None:
        for mark in subjects:
            self._attempts.pop(mark, None)

    def _lock(self, failed: int) -> float:
        over = failed - self.FREE_ATTEMPTS
        if over < 0:
            return 0.0
        return self._clock() + min(
            self.FIRST_LOCK_SEC * 2.0 ** min(over, 16), self.LONGEST_LOCK_SEC
        )
