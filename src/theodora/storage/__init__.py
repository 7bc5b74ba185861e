"""The store: events, keys and organisations in a database. All SQL is in this package."""

from theodora.storage.access.forwarding import (
    ForwardingState,
    ForwardingTotals,
    OutboxItem,
    Sending,
)
from theodora.storage.access.key_rows import Key
from theodora.storage.access.people import Person, PersonIdentity
from theodora.storage.access.principals import Principal
from theodora.storage.access.sessions import Session, SessionLimits
from theodora.storage.access.sources import WebhookSource
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.database import ReplicaUse, TakesLong
from theodora.storage.engine.deadline import Deadline, check_deadline, patiently, run_under
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.rows import Upserted
from theodora.storage.facts.correlations import Correlation
from theodora.storage.facts.mirrors import Mirror
from theodora.storage.facts.override_history import (
    MAX_LINKED_FAILURES,
    OverrideAuthor,
    OverrideRecord,
    OverrideValues,
)
from theodora.storage.facts.overrides import OverrideHistory
from theodora.storage.facts.source_facts import (
    Fold,
    Folded,
    KnownThing,
    RepositoryCommits,
    RepositoryPullRequest,
    SourceFact,
    Uncounted,
)
from theodora.storage.inbox import DeliveryReading, InboxQuery, StoredDelivery
from theodora.storage.search.planner import Document, DocumentPage, Position, Selection
from theodora.storage.store import Store

__all__ = [
    "MAX_LINKED_FAILURES",
    "Actor",
    "Correlation",
    "Deadline",
    "DeliveryReading",
    "Document",
    "DocumentPage",
    "Fold",
    "Folded",
    "ForwardingState",
    "ForwardingTotals",
    "InboxQuery",
    "Key",
    "KnownThing",
    "Mirror",
    "Organisation",
    "OutboxItem",
    "OverrideAuthor",
    "OverrideHistory",
    "OverrideRecord",
    "OverrideValues",
    "Person",
    "PersonIdentity",
    "Position",
    "Principal",
    "ReplicaUse",
    "RepositoryCommits",
    "RepositoryPullRequest",
    "Selection",
    "Sending",
    "Session",
    "SessionLimits",
    "SourceFact",
    "Store",
    "StoredDelivery",
    "TakesLong",
    "Uncounted",
    "Upserted",
    "WebhookSource",
    "check_deadline",
    "patiently",
    "run_under",
]
