"""The background worker: derives what is marked, as long as the server runs."""

import threading

import structlog

from theodora.storage.derivation import Derivations, Want

log = structlog.get_logger()

_LOOK_SECONDS = 1.0
"""How long what another process has marked may lie before it is found."""
_REST_FOR_WORK = 4
_LONGEST_REST_SECONDS = 2.0


class Deriver:
    """A thread that derives what is marked, from `start` to `stop`.

    It rests four times as long as it worked, so that under a flood of events requests keep
    most of the interpreter; a single event after a quiet time is derived at once.
    """

    def __init__(self, derivations: Derivations, due: threading.Event, want: Want) -> None:
        """`due` is set by whoever may have marked something; `want` is told what to fetch."""
        self._derivations = derivations
        self._due = due
        self._want = want
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deriver", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when the derivation under way is finished; what else is marked stays so."""
        self._stopping.set()
        self._due.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._due.clear()
            if not self._work():
                self._due.wait(_LOOK_SECONDS)

    def _work(self) -> bool:
        """Derives what is marked; whether that was anything."""
        try:
            return self._derivations.derive_marked(self._rest, self._want) > 0
        except Exception:  # The server goes on serving, and the next look tries again.
            log.exception("derivation failed")
            return False

    def _rest(self, worked_seconds: float) -> bool:
        """Whether to go on after resting."""
        return not self._stopping.wait(min(_REST_FOR_WORK * worked_seconds, _LONGEST_REST_SECONDS))
