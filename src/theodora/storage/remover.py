"""The background worker of deletion: old events, what has ended, organisations that are due."""

import time
from collections.abc import Callable

from theodora.storage.access.sessions import SessionLimits, Sessions
from theodora.storage.access.share_links import ShareLinks
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.worker import Worker
from theodora.storage.organisations import Organisations
from theodora.storage.retention import Retention

_REMOVER = Actor("worker", "retention")
_ROUND_SECONDS = 3_600.0
_REST_FOR_WORK = 4


class Remover(Worker):
    """A thread that deletes what is due once an hour, from `start` to `stop`.

    It rests four times as long as it worked. Of several processes each does so; what one has
    removed the others do not find. When it is stopped, it finishes the transaction under way.
    """

    def __init__(
        self,
        retention: Retention,
        organisations: Organisations,
        share_links: ShareLinks,
        sessions: Sessions,
        session_limits: SessionLimits,
        remove_folders: Callable[[str], None],
    ) -> None:
        """`remove_folders` receives the UUID of each organisation that is gone."""
        super().__init__("remover")
        self._retention = retention
        self._organisations = organisations
        self._share_links = share_links
        self._sessions = sessions
        self._session_limits = session_limits
        self._remove_folders = remove_folders
        self._removed: set[str] = set()
        """UUIDs of organisations whose folders this process has removed."""

    def _run(self) -> None:
        while not self._stopping.is_set():
            for remove in (
                self._remove_old,
                self._remove_ended_links,
                self._remove_ended_sessions,
                self._delete_due,
                self._remove_all_folders,
            ):
                try:
                    remove()
                except Exception as error:  # The next round tries again.
                    self._log_failure("deleting what is due failed", error)
            self._stopping.wait(_ROUND_SECONDS)

    def _remove_old(self) -> None:
        self._retention.remove_old(time.time_ns(), self._rest, actor=_REMOVER)

    def _remove_ended_links(self) -> None:
        self._share_links.remove_ended(time.time_ns(), actor=_REMOVER)

    def _remove_ended_sessions(self) -> None:
        self._sessions.remove_ended(time.time_ns(), self._session_limits, actor=_REMOVER)

    def _delete_due(self) -> None:
        self._organisations.delete_due(time.time_ns(), self._rest, actor=_REMOVER)

    def _remove_all_folders(self) -> None:
        """Those of organisations that another process deleted, or this one before it was killed,
        among them."""
        for uuid in self._organisations.deleted():
            if uuid not in self._removed:
                self._remove_folders(uuid)
                self._removed.add(uuid)

    def _rest(self, worked_seconds: float) -> bool:
        return not self._stopping.wait(_REST_FOR_WORK * worked_seconds)
