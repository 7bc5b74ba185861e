"""The store: events, keys and organisations in a database. All SQL is in this package."""

from theodora.storage.access.keys import Key
from theodora.storage.access.sessions import Session, SessionLimits
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.database import ReplicaUse, TakesLong
from theodora.storage.engine.deadline import Deadline, patiently, run_under
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.rows import Upserted
from theodora.storage.facts.mirrors import Mirror
from theodora.storage.facts.override_history import OverrideAuthor, OverrideRecord, OverrideValues
from theodora.storage.facts.overrides import OverrideHistory
from theodora.storage.search.planner import Document, DocumentPage, Position, Selection
from theodora.storage.store import Store

__all__ = [
    "Actor",
    "Deadline",
    "Document",
    "DocumentPage",
    "Key",
    "Mirror",
    "Organisation",
    "OverrideAuthor",
    "OverrideHistory",
    "OverrideRecord",
    "OverrideValues",
    "Position",
    "ReplicaUse",
    "Selection",
    "Session",
    "SessionLimits",
    "Store",
    "TakesLong",
    "Upserted",
    "patiently",
    "run_under",
]
