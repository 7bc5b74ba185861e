"""The worker that deletes what is due, as a server has it."""

from theodora.storage import Store
from theodora.storage.access.sessions import SessionLimits
from theodora.storage.remover import Remover
from theodora.storage.retention import Retention

LIMITS = SessionLimits(idle_ns=1_000_000_000, absolute_ns=1_000_000_000)


def made_remover(store: Store, retention: Retention | None = None) -> Remover:
    return Remover(
        retention or store.retention,
        store.organisations,
        store.share_links,
        store.sessions,
        LIMITS,
        lambda _: None,
    )
