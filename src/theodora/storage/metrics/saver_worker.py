"""The background worker that saves event columns in files."""

import time

from theodora.storage.engine.actor import Actor
from theodora.storage.engine.worker import Worker
from theodora.storage.metrics.metrics import MetricsStore

_ACTOR = Actor("worker", "columns")
_ROUND_SECONDS = 60.0


class SaverWorker(Worker):
    """A thread from `start` to `stop`; it looks once a minute, and when columns were read from the
    database."""

    def __init__(self, metrics: MetricsStore) -> None:
        super().__init__("columns", metrics.save_due)
        self._metrics = metrics
        self._failure = ""
        """The last one, which is logged once."""

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(_ROUND_SECONDS)
            if self._stopping.is_set():
                return
            self._wake.clear()
            try:
                self._metrics.save_columns(time.time_ns(), actor=_ACTOR)
                self._failure = ""
            except Exception as error:  # The next round tries again.
                if self._failure != str(error):
                    self._failure = str(error)
                    self._log_failure("columns cannot be saved in files", error)
