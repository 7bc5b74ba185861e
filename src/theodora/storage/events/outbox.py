"""The outbox: changes of events, written in their transaction, that wait to be sent to Datadog."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from theodora.events import Deployment, Failure
from theodora.events.values import texts_of
from theodora.storage.engine.actor import Actor, ActorKind
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.rows import Upserted, next_receipt

MOST_QUEUED = 100_000
"""Changes of an organisation in the outbox; later ones are counted and left out."""

_FORWARDED: frozenset[ActorKind] = frozenset({"key", "person", "source"})
"""Imports stay here, so that nothing goes back to where it is imported from, and so do the
deletions of retention."""


def queue_put(
    cursor: Cursor,
    org: Organisation,
    placed: Upserted[Deployment] | Upserted[Failure],
    actor: Actor,
) -> None:
    """Queues an event that was added or replaced."""
    queue_puts(cursor, org, [(placed, actor)])


def queue_puts(
    cursor: Cursor,
    org: Organisation,
    placed: Iterable[tuple[Upserted[Deployment] | Upserted[Failure], Actor]],
) -> None:
    """Queues events that were added or replaced, each by someone."""
    forwarded = [
        each.now.event
        for each, actor in placed
        if each.outcome != "unchanged" and actor.kind in _FORWARDED
    ]
    if forwarded and _forwards(cursor, org):
        for event in forwarded:
            _queue(cursor, org, event, "put", sent_attributes(event))


def queue_delete(
    cursor: Cursor, org: Organisation, event: Deployment | Failure, actor: Actor
) -> None:
    if actor.kind in _FORWARDED and _forwards(cursor, org):
        _queue(cursor, org, event, "delete")


def queue_patch(
    cursor: Cursor,
    org: Organisation,
    deployment: Deployment,
    attributes: Mapping[str, Any],
    actor: Actor,
) -> None:
    """Queues the override of a verdict, with the attributes of a patch."""
    if attributes and actor.kind in _FORWARDED and _forwards(cursor, org):
        _queue(cursor, org, deployment, "patch", attributes)


def queue_again(
    cursor: Cursor, org: Organisation, event: Deployment | Failure, patch: Mapping[str, Any]
) -> bool:
    """Queues an event as it is stored, and the patch of its override if there is one.

    Returns False where there is no room for both.
    """
    changes = [("put", sent_attributes(event)), *([("patch", patch)] if patch else [])]
    counted = cursor.execute(
        "UPDATE forwarding SET queued = queued + ?1 WHERE org = ?2 AND queued <= ?3 - ?1 "
        "RETURNING queued",
        (len(changes), org.key, MOST_QUEUED),
    ).fetchone()
    if counted is None:
        return False
    for operation, attributes in changes:
        _insert(cursor, org, event, operation, attributes)
    return True


def sent_attributes(event: Deployment | Failure) -> dict[str, Any]:
    """The attributes of a request that creates the event: its own, without derived ones."""
    attributes: dict[str, Any] = {"id": event.id}
    if isinstance(event, Deployment):
        attributes["service"] = event.service
    elif event.services:
        attributes["services"] = event.services
    attributes["started_at"] = event.started_at_ns
    if event.finished_at_ns is not None:
        attributes["finished_at"] = event.finished_at_ns
    texts = {name: text for name, text in texts_of(event).items() if text is not None}
    if event.team_is_filled_in:
        texts.pop("team", None)
    attributes.update(texts)
    if event.git:
        git = event.git
        attributes["git"] = {"commit_sha": git.commit_sha, "repository_url": git.repository_url}
    if event.custom_tags:
        attributes["custom_tags"] = event.custom_tags
    return attributes


def _forwards(cursor: Cursor, org: Organisation) -> bool:
    """Whether the organisation forwards: most do not.

    SQLite takes several times as long for an update that returns what it has changed, even if that
    is nothing, so that this is asked first.
    """
    statement = "SELECT 1 FROM forwarding WHERE org = ?"
    return cursor.execute(statement, (org.key,)).fetchone() is not None


def _queue(
    cursor: Cursor,
    org: Organisation,
    event: Deployment | Failure,
    operation: str,
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Queues a change if there is room."""
    counted = cursor.execute(
        "UPDATE forwarding SET "
        "queued = queued + CASE WHEN queued < ?2 THEN 1 ELSE 0 END, "
        "omitted = omitted + CASE WHEN queued < ?2 THEN 0 ELSE 1 END, "
        "is_full = CASE WHEN queued < ?2 THEN 0 ELSE 1 END "
        "WHERE org = ?1 RETURNING is_full",
        (org.key, MOST_QUEUED),
    ).fetchone()
    if counted is not None and not counted[0]:
        _insert(cursor, org, event, operation, attributes)


def _insert(
    cursor: Cursor,
    org: Organisation,
    event: Deployment | Failure,
    operation: str,
    attributes: Mapping[str, Any] | None,
) -> None:
    cursor.execute(
        "INSERT INTO outbox "
        "(org, number, kind, event, operation, document, queued_at_ns, state, reason) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, 'waiting', '')",
        (
            *(org.key, next_receipt(cursor, org)),
            *("deployment" if isinstance(event, Deployment) else "failure", event.id, operation),
            "" if attributes is None else msgspec.json.encode(attributes).decode(),
            time.time_ns(),
        ),
    )
