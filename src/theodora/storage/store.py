"""The store as other layers see it."""

import time
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from theodora.events import Failure
from theodora.query import Kind
from theodora.storage.access.audit import AuditLog
from theodora.storage.access.forwarding import Forwarding
from theodora.storage.access.key_usage import Reception
from theodora.storage.access.keys import Keys
from theodora.storage.access.notifications import Notifications
from theodora.storage.access.people import People
from theodora.storage.access.sessions import Sessions
from theodora.storage.access.share_links import ShareLinks
from theodora.storage.access.sources import Sources
from theodora.storage.activity import Activity
from theodora.storage.annotations import Annotations
from theodora.storage.assistance import Assistance
from theodora.storage.deletion_guards import Guards
from theodora.storage.deployments import Deployments
from theodora.storage.derivation.run import Derivations
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import ReplicaUse
from theodora.storage.engine.organisations import lock_if_free, organisation_by_key
from theodora.storage.events.change_log import prune_changes
from theodora.storage.events.default_team import give_teams, orgs_with_stale_teams
from theodora.storage.events.index import index_some, orgs_to_index
from theodora.storage.events.rows import Rows
from theodora.storage.events.tables import DEPLOYMENTS, FAILURES
from theodora.storage.events.usage import UNLIMITED, Quotas
from theodora.storage.facts.commits import Commits
from theodora.storage.facts.mirrors import Mirrors
from theodora.storage.facts.overrides import Overrides
from theodora.storage.facts.own_bots import orgs_with_stale_bots
from theodora.storage.facts.pull_request_rows import fill_in_old, find_bots
from theodora.storage.facts.repository_upgrade import apply_repository_rules
from theodora.storage.facts.settings import ProductionTrees, Settings
from theodora.storage.failures import Failures
from theodora.storage.goals import Goals
from theodora.storage.health import DataHealth
from theodora.storage.inbox import Inbox
from theodora.storage.metrics.metrics import MEMORY_MIB, MetricsStore
from theodora.storage.open import open_database
from theodora.storage.organisations import Organisations
from theodora.storage.pull_requests import PullRequestStore
from theodora.storage.retention import Retention
from theodora.storage.saved_views import SavedViews

T = TypeVar("T")

_UPKEEP_SECONDS = 0.02
"""After which upkeep leaves further organisations to another transaction: those that it has been at
cannot be written for until it is committed."""


class Store:
    """Open from construction until `close`, or for the length of a `with`.

    `read_url` names a replica of it to read from. `on_commit` is given how many writes each
    commit held. `metrics_memory_mib` bounds the event columns that metrics are computed from;
    `columns_folder` is where they are kept over a restart.
    `guards` are the checks before events and organisations are deleted, `quotas` bound what
    each organisation may add.
    """

    def __init__(
        self,
        url: str,
        *,
        on_commit: Callable[[int], None] = lambda _: None,
        read_url: str = "",
        metrics_memory_mib: int = MEMORY_MIB,
        columns_folder: Path | None = None,
        guards: Guards | None = None,
        quotas: Quotas = UNLIMITED,
    ) -> None:
        """Opens the database at `url`, created and migrated if needed.

        Raises `UnusableStore` for a database that is not ours, not sound, or from a newer
        version.
        """
        failures = Rows(FAILURES)
        self._database = open_database(url, partial(_keep_up, failures), on_commit, read_url)
        apply_repository_rules(self._database, (Rows(DEPLOYMENTS), failures))
        fill_in_old(self._database)
        production = ProductionTrees()
        self.deployments = Deployments(self._database, production, quotas)
        self.failures = Failures(self._database, production, quotas)
        self.derivations = Derivations(self._database, Rows(DEPLOYMENTS))
        self.settings = Settings(self._database, production)
        self.verdicts = Overrides(self._database, Rows(DEPLOYMENTS))
        self.audit = AuditLog(self._database)
        self.activity = Activity(self._database)
        self.annotations = Annotations(self._database)
        self.assistance = Assistance(self._database, production)
        self.goals = Goals(self._database)
        self.saved_views = SavedViews(self._database)
        self.commits = Commits(self._database, quotas)
        self.pull_requests = PullRequestStore(self._database)
        self.mirrors = Mirrors(self._database)
        self.metrics = MetricsStore(self._database, production, metrics_memory_mib, columns_folder)
        self.health = DataHealth(self._database, quotas)
        self.keys = Keys(self._database)
        self.reception = Reception(self._database)
        self.people = People(self._database)
        self.sessions = Sessions(self._database)
        self.share_links = ShareLinks(self._database)
        self.retention = Retention(self._database, guards)
        self.sources = Sources(self._database)
        self.forwarding = Forwarding(self._database)
        self.notifications = Notifications(self._database)
        self.inbox = Inbox(self._database, quotas)
        self.organisations = Organisations(self._database, guards)

    def listed(self, kind: Kind) -> Deployments | Failures | PullRequestStore:
        """What lists of this kind are selected from."""
        match kind:
            case Kind.DEPLOYMENT:
                return self.deployments
            case Kind.FAILURE:
                return self.failures
            case Kind.PULL_REQUEST:
                return self.pull_requests

    @property
    def waiting_writes(self) -> int:
        """Writes accepted that no commit has taken up yet."""
        return self._database.waiting_writes

    @property
    def replica(self) -> ReplicaUse | None:
        """How a replica shares in answering reads; None where there is none."""
        return self._database.replica

    def answer_briefly(self) -> None:
        """From now on reads on this thread raise `TakesLong` rather than take milliseconds."""
        self._database.answer_briefly()

    def at_one_moment(self, work: Callable[[], T]) -> T:
        """Runs `work` on this thread; all that it reads is of one snapshot of the store.

        What it writes it does not see. It may be run again from its beginning.
        """
        return self.metrics.at_one_moment(work)

    def check(self) -> None:
        """Raises `Unavailable` if the database cannot be read or written now."""
        self._database.read(lambda cursor: cursor.execute("SELECT 1 FROM migrations").fetchone())
        self._database.check_writing()

    def close(self) -> None:
        """Commits what was accepted, then closes."""
        self._database.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def orgs_to_upkeep(cursor: Cursor) -> set[int]:
    """The organisations for which there is upkeep."""
    return orgs_to_index(cursor) | orgs_with_stale_teams(cursor) | orgs_with_stale_bots(cursor)


def _keep_up(
    failures: Rows[Failure], cursor: Cursor, orgs: Collection[int] | None
) -> Collection[int]:
    """Indexes some events of organisations, gives some failures their teams, prunes logs.

    See `Upkeep`. One that is just being written is left for later.
    """
    if orgs is None:
        return orgs_to_upkeep(cursor)
    until_sec = time.monotonic() + _UPKEEP_SECONDS
    return [
        org for org in orgs if time.monotonic() >= until_sec or _keep_up_one(failures, cursor, org)
    ]


def _keep_up_one(failures: Rows[Failure], cursor: Cursor, key: int) -> bool:
    """Whether there is more."""
    org = organisation_by_key(cursor, key)
    if org is None:
        return False
    if not lock_if_free(cursor, org):
        return True
    more = [index_some(cursor, table, key) for table in (DEPLOYMENTS, FAILURES)]
    prune_changes(cursor, org)
    more += [give_teams(cursor, failures, org), find_bots(cursor, org)]
    return any(more)
