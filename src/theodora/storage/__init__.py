"""The store: events, keys and organisations in a database. All SQL is in this package."""

from theodora.storage.access.keys import Key
from theodora.storage.access.sessions import Session, SessionLimits
from theodora.storage.engine.database import ReplicaUse, TakesLong
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.rows import Placed
from theodora.storage.facts.mirrors import Mirror
from theodora.storage.facts.override_history import Giver, Verdict, VerdictAct
from theodora.storage.facts.overrides import Judged
from theodora.storage.search.planner import Document, DocumentPage, Position, Selection
from theodora.storage.store import Store

__all__ = [
    "Document",
    "DocumentPage",
    "Giver",
    "Judged",
    "Key",
    "Mirror",
    "Organisation",
    "Placed",
    "Position",
    "ReplicaUse",
    "Selection",
    "Session",
    "SessionLimits",
    "Store",
    "TakesLong",
    "Verdict",
    "VerdictAct",
]
