"""The table of actions of the audit log."""

from typing import Literal, NamedTuple

ActionName = Literal[
    "session.started",
    "session.refused",
    "session.ended",
    "permission.refused",
    "organisation.created",
    "organisation.deletion_planned",
    "organisation.deletion_withdrawn",
    "organisation.deletion_begun",
    "organisation.deleted",
    "key.created",
    "key.revoked",
    "key.rotated",
    "person.added",
    "person.role_changed",
    "person.teams_changed",
    "person.disabled",
    "person.enabled",
    "settings.changed",
    "verdict.set",
    "verdict.removed",
    "deployment.deleted",
    "failure.closed",
    "failure.deleted",
    "source.created",
    "source.changed",
    "source.secret_changed",
    "source.replayed",
    "source.removed",
    "mirror.added",
    "mirror.removed",
    "forwarding.begun",
    "forwarding.ended",
    "forwarding.paused",
    "forwarding.resumed",
    "forwarding.retried",
    "forwarding.dropped",
    "forwarding.sent_again",
    "retention.changed",
    "retention.begun",
    "retention.confirmed",
    "retention.clock_confirmed",
    "retention.removing",
    "audit.shortened",
    "data.exported",
    "data.imported",
    "store.repaired",
]


class AuditAction(NamedTuple):
    """A kind of entry."""

    name: ActionName
    target: str
    """What the entry's target names."""
    meaning: str


AUDIT_ACTIONS: tuple[AuditAction, ...] = (
    AuditAction("session.started", "session", "a key or a person signed in to the dashboard"),
    AuditAction("session.refused", "nothing", "a sign-in was refused"),
    AuditAction("session.ended", "session", "a session was ended by signing out"),
    AuditAction("permission.refused", "operation", "a key or a person lacked the permission"),
    AuditAction("organisation.created", "organisation", "an organisation was created"),
    AuditAction("organisation.deletion_planned", "organisation", "its deletion was planned"),
    AuditAction("organisation.deletion_withdrawn", "organisation", "its deletion was withdrawn"),
    AuditAction("organisation.deletion_begun", "organisation", "its data is being deleted"),
    AuditAction("organisation.deleted", "organisation", "all of its data is gone"),
    AuditAction("key.created", "key", "an API key or an application key was created"),
    AuditAction("key.revoked", "key", "a key was revoked"),
    AuditAction("key.rotated", "key", "a key was given a successor, and soon ends"),
    AuditAction("person.added", "person", "a person signed in for the first time"),
    AuditAction(
        "person.role_changed", "person", "the role changed: an owner set it, or groups did"
    ),
    AuditAction("person.teams_changed", "person", "the teams of an editor changed"),
    AuditAction("person.disabled", "person", "a person was switched off, and signed out"),
    AuditAction("person.enabled", "person", "a person may sign in again"),
    AuditAction("settings.changed", "service", "settings or failure rules changed"),
    AuditAction("verdict.set", "deployment", "a verdict was overridden, or a failure linked"),
    AuditAction("verdict.removed", "deployment", "an override or a link was removed"),
    AuditAction("deployment.deleted", "deployment", "a deployment was deleted"),
    AuditAction("failure.closed", "failure", "a failure was closed on its page"),
    AuditAction("failure.deleted", "failure", "a failure was deleted"),
    AuditAction("source.created", "source", "a webhook source was created"),
    AuditAction("source.changed", "source", "the settings of a source changed"),
    AuditAction("source.secret_changed", "source", "the secret of a source changed"),
    AuditAction("source.replayed", "source", "deliveries of a source were read again"),
    AuditAction("source.removed", "source", "a source was removed with its inbox"),
    AuditAction("mirror.added", "repository", "a mirror of a repository was added or changed"),
    AuditAction("mirror.removed", "repository", "a mirror was removed"),
    AuditAction("forwarding.begun", "site", "forwarding to Datadog began, or changed"),
    AuditAction("forwarding.ended", "site", "forwarding ended"),
    AuditAction("forwarding.paused", "site", "forwarding was paused"),
    AuditAction("forwarding.resumed", "site", "forwarding was resumed"),
    AuditAction("forwarding.retried", "change", "parked changes were sent again"),
    AuditAction("forwarding.dropped", "change", "parked changes were removed without being sent"),
    AuditAction("forwarding.sent_again", "site", "stored events were queued to be sent again"),
    AuditAction("retention.changed", "organisation", "the retention limit changed, or is planned"),
    AuditAction("retention.begun", "organisation", "a planned retention limit took effect"),
    AuditAction("retention.confirmed", "organisation", "a large deletion was confirmed"),
    AuditAction("retention.clock_confirmed", "server", "the clock was confirmed to be right"),
    AuditAction("retention.removing", "organisation", "a round of retention deletes old events"),
    AuditAction("audit.shortened", "audit log", "the oldest entries of the audit log were removed"),
    AuditAction("data.exported", "file", "events were exported"),
    AuditAction("data.imported", "file", "events, commits or verdicts were imported"),
    AuditAction("store.repaired", "store", "the store was repaired"),
)
"""Every action; nothing else can be recorded. A new one is a row here and a name above."""
