"""The worker that fetches mirrored repositories and stores new commits."""

import time
from importlib.util import find_spec

import structlog

from theodora.errors import Invalid, TheodoraError, Unavailable
from theodora.events.values import SECOND_NS
from theodora.git import GitError, History, MirrorStore
from theodora.sources.service_files import described_services, wanted_files
from theodora.sources.service_settings import set_described
from theodora.storage import Mirror, Organisation, Store
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.worker import Worker

log = structlog.get_logger()

_AT_ONCE = 1_000
_LOOK_SECONDS = 30.0
"""How long a mirror that has just been added may wait for its first fetch."""
_PAUSE_NS = 60 * SECOND_NS
"""A repository is not fetched more often, however many unknown commits are deployed."""

_LONGEST_PAUSE_NS = 86_400 * SECOND_NS
_DOUBLINGS = 16


class Mirroring:
    """Every method may be called from any thread."""

    def __init__(self, store: Store, mirrors: MirrorStore, actor: Actor) -> None:
        self._store = store
        self._actor = actor
        self._mirrors = mirrors

    def fetch(self, mirror: Mirror) -> int:
        """Fetches one repository and returns the number of new commits.

        The result is stored with the mirror. Raises `GitError` if git fails, `Unavailable` if
        another process is fetching it.
        """
        started_at_ns = time.time_ns()
        org, id_ = mirror.organisation, mirror.repository_id
        try:
            added = self._store_new(mirror, self._mirrors.fetch(org.uuid, id_, mirror.url))
            head = self._mirrors.head(org.uuid, id_, mirror.url)
            if self._store.settings.given(org).get("service_files"):
                self._take_descriptions(mirror)
        except Unavailable:
            raise
        except TheodoraError as error:
            self._store.mirrors.note(mirror, started_at_ns, str(error), actor=self._actor).result()
            raise
        self._store.mirrors.note(mirror, started_at_ns, None, head, actor=self._actor).result()
        return added

    def stop(self) -> None:
        """Ends the fetches under way; there are no later ones."""
        self._mirrors.stop()

    def add(self, org: Organisation, repository_id: str, url: str) -> Mirror:
        """Adds a repository to be fetched."""
        self._store.mirrors.add(org, repository_id, url, actor=self._actor).result()
        return self._store.mirrors.get(org, repository_id)

    def remove(self, org: Organisation, repository_id: str) -> None:
        """Ends mirroring and keeps the commits. Raises `NotFound` if it is not mirrored."""
        mirror = self._store.mirrors.get(org, repository_id)
        self._store.mirrors.remove(org, mirror.repository_id, actor=self._actor).result()
        self._mirrors.remove(org.uuid, mirror.repository_id)

    def _take_descriptions(self, mirror: Mirror) -> None:
        """Sets what changed descriptions of services say; one that cannot be read is logged."""
        org, id_ = mirror.organisation, mirror.repository_id
        if find_spec("yaml") is None:
            log.warning("descriptions of services need PyYAML", repository=id_)
            return
        try:
            files = self._mirrors.changed_files(org.uuid, id_, mirror.url, wanted_files)
        except GitError as error:  # The commits are there all the same.
            log.warning("descriptions cannot be read", repository=id_, error=str(error))
            return
        for described in described_services(files):
            if isinstance(described, Invalid):
                log.warning("a description is rejected", repository=id_, error=str(described))
            elif changed := set_described(self._store, org, described, actor=self._actor):
                log.info("service described", service=described.name, members=[*changed])
        self._mirrors.note_files(org.uuid, id_)

    def _store_new(self, mirror: Mirror, history: History) -> int:
        org, id_ = mirror.organisation, mirror.repository_id
        known = self._store.commits.shas(org, id_)
        new = [sha for sha in history.every_sha() if sha not in known]
        for at in range(0, len(new), _AT_ONCE):
            commits = history.commits(new[at : at + _AT_ONCE])
            self._store.commits.add_commits(org, id_, commits, actor=self._actor).result()
        return len(new)


class Fetcher(Worker):
    """A thread that fetches mirrors on a schedule, and soon when one is wanted."""

    def __init__(self, store: Store, mirroring: Mirroring, every_seconds: float) -> None:
        """With `every_seconds` of 0 there is no schedule."""
        super().__init__("fetcher")
        self._store = store
        self._mirroring = mirroring
        self._every_ns = int(every_seconds * SECOND_NS)
        self._wanted: set[tuple[int, str]] = set()

    def stop(self, timeout_seconds: float | None = 5.0) -> None:
        """Ends the current fetch, and waits briefly for its commits to be stored."""
        self._mirroring.stop()
        super().stop(timeout_seconds)

    def want(self, org: Organisation, repository_id: str) -> None:
        """Asks for a fetch soon: a commit was deployed that is not known. Does nothing if the
        repository is not mirrored."""
        self._wanted.add((org.key, repository_id))
        self._wake.set()

    def fetch_due(self, now_ns: int) -> None:
        """Fetches the mirrors that are due; a failure is stored, logged and retried when next due.

        With each failure in a row the pause doubles, up to a day, until the mirror is given up.
        A request too soon after a fetch waits.
        """
        wanted, self._wanted = self._wanted, set()
        for mirror in self._store.mirrors.everything():
            if mirror.is_given_up:
                continue
            keys = self._store.settings.match_keys(mirror.organisation)
            wanted_of_it = {
                (org, id_)
                for org, id_ in wanted
                if org == mirror.organisation.key
                and keys.key(id_) == keys.key(mirror.repository_id)
            }
            is_wanted = bool(wanted_of_it)
            pause_ns = _PAUSE_NS if is_wanted else self._every_ns
            if pause_ns and self._is_due(mirror, now_ns, self._longer(mirror, pause_ns)):
                self._try(mirror)
            elif is_wanted:
                self._wanted |= wanted_of_it
            if self._stopping.is_set():
                return

    def _is_due(self, mirror: Mirror, now_ns: int, pause_ns: int) -> bool:
        return mirror.tried_at_ns is None or now_ns - mirror.tried_at_ns >= pause_ns

    def _longer(self, mirror: Mirror, pause_ns: int) -> int:
        """The pause before the next try: longer after failures, and never shorter than given."""
        doubled_ns = pause_ns * 2 ** min(mirror.failures, _DOUBLINGS)
        return max(pause_ns, min(doubled_ns, _LONGEST_PAUSE_NS))

    def _try(self, mirror: Mirror) -> None:
        try:
            self._mirroring.fetch(mirror)
        except TheodoraError as error:
            log.warning("fetching failed", repository=mirror.repository_id, error=str(error))

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                self.fetch_due(time.time_ns())
            except Exception as error:  # The server goes on serving, and the next look tries again.
                self._log_failure("fetching failed", error)
            self._wake.wait(_LOOK_SECONDS)
