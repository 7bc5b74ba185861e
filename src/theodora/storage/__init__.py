"""The store: events, keys and organisations in a database. All SQL is in this package."""

from theodora.storage.database import ReplicaUse, TakesLong
from theodora.storage.judgements import Judged
from theodora.storage.keys import Key
from theodora.storage.mirrors import Mirror
from theodora.storage.organisations import Organisation
from theodora.storage.rows import Placed
from theodora.storage.selection import Document, DocumentPage, Position, Selection
from theodora.storage.sessions import Session, SessionLimits
from theodora.storage.store import Store
from theodora.storage.verdict_history import Giver, Verdict, VerdictAct

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
