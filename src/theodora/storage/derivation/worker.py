"""The background worker of derivation."""

import math
import threading
import time
from functools import partial

from theodora.errors import TooSlow
from theodora.storage.derivation.run import Derivations, Want
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.deadline import Deadline, run_under
from theodora.storage.engine.worker import Worker
from theodora.storage.facts.derivation_queue import Changed, SequenceKey

_DERIVER = Actor("worker", "derivation")
_LOOK_SECONDS = 1.0
"""How long the mark of another process may wait before it is found."""
_REST_FOR_WORK = 4
_LONGEST_REST_SECONDS = 2.0
_PAUSE_SECONDS = 0.5
"""How long no deployment of a growing sequence has to come before it is derived."""
_LONGEST_WAIT_SECONDS = 30.0
"""Longest wait of a sequence that keeps growing."""
_FLOOD = 64
"""Deployments of one sequence that wait to be derived when more are likely to follow."""


class Growth:
    """Delays the derivation of sequences that are growing fast.

    An import brings thousands of deployments of a sequence; derived at each look they would be
    derived again and again. A few are derived at once.
    """

    def __init__(self) -> None:
        self._growing: dict[SequenceKey, tuple[int, float, float]] = {}
        """Up to which mark, since when, and when that was last found to have risen."""

    def is_ripe(self, key: SequenceKey, changed: Changed, now_sec: float) -> bool:
        """Whether the sequence is to be derived now; `now_sec` never goes back."""
        if len(changed.deployments) < _FLOOD:
            self._growing.pop(key, None)
            return True
        up_to, since_sec, risen_sec = self._growing.get(key, (-1, now_sec, now_sec))
        if changed.up_to > up_to:
            risen_sec = now_sec
        waited_long = now_sec - since_sec >= _LONGEST_WAIT_SECONDS
        if now_sec - risen_sec >= _PAUSE_SECONDS or waited_long:
            self._growing.pop(key, None)
            return True
        self._growing[key] = changed.up_to, since_sec, risen_sec
        return False

    @property
    def is_any(self) -> bool:
        return bool(self._growing)


class Deriver(Worker):
    """A thread that derives marked sequences, from `start` to `stop`.

    It rests four times as long as it worked, so that under a flood of events requests keep
    most of the interpreter; a single event after a quiet time is derived at once. When it is
    stopped, it ends the current derivation, however long the sequence is, and its marks stay.

    Organisations take turns. A single deployment waits for the sequence under way, for one of each
    other organisation that has marks, and after each for a rest of at most two seconds.
    """

    def __init__(self, derivations: Derivations, due: threading.Event, want: Want) -> None:
        """`due` is set by whoever may have marked something; `want` receives what to fetch."""
        super().__init__("deriver", wake=due)
        self._derivations = derivations
        self._want = want
        self._growth = Growth()
        self._deadline = Deadline(math.inf)
        """Over once the worker is stopped."""

    def stop(self, timeout_seconds: float | None = None) -> None:
        self._stopping.set()
        self._deadline.stop()
        super().stop(timeout_seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            if self._work():
                continue
            if self._growth.is_any:
                # Looking on every commit of a flood would take what the flood needs.
                self._stopping.wait(_PAUSE_SECONDS)
            else:
                self._wake.wait(_LOOK_SECONDS)

    def _work(self) -> bool:
        """Derives the marked sequences; returns whether there were any."""
        derive = partial(self._derivations.derive_queued, actor=_DERIVER)
        try:
            return run_under(self._deadline, derive, self._rest, self._want, self._is_ripe) > 0
        except TooSlow:
            return False
        except Exception as error:  # The server goes on serving, and the next look tries again.
            self._log_failure("derivation failed", error)
            return False

    def _is_ripe(self, key: SequenceKey, changed: Changed) -> bool:
        return self._growth.is_ripe(key, changed, time.monotonic())

    def _rest(self, worked_seconds: float) -> bool:
        """Whether to go on after resting."""
        return not self._stopping.wait(min(_REST_FOR_WORK * worked_seconds, _LONGEST_REST_SECONDS))
