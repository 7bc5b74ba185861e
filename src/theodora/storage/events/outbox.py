"""The outbox: changes of events, written in their transaction, that wait to be sent to Datadog."""

import time
from collections.abc import Callable, Mapping
from functools import partial
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
    if placed.outcome != "unchanged":
        event = placed.now.event
        _queue(cursor, org, actor, event, "put", partial(sent_attributes, event))


def queue_delete(
    cursor: Cursor, org: Organisation, event: Deployment | Failure, actor: Actor
) -> None:
    _queue(cursor, org, actor, event, "delete")


def queue_patch(
    cursor: Cursor,
    org: Organisation,
    deployment: Deployment,
    attributes: Mapping[str, Any],
    actor: Actor,
) -> None:
    """Queues the override of a verdict, with the attributes of a patch."""
    if attributes:
        _queue(cursor, org, actor, deployment, "patch", lambda: attributes)


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


def _queue(
    cursor: Cursor,
    org: Organisation,
    actor: Actor,
    event: Deployment | Failure,
    operation: str,
    attributes: Callable[[], Mapping[str, Any]] | None = None,
) -> None:
    """Queues a change if the organisation forwards and there is room.

    The attributes are asked for only then: every create comes here.
    """
    if actor.kind not in _FORWARDED:
        return
    # Most organisations do not forward, and SQLite takes several times as long for an update that
    # returns what it has changed, even if that is nothing.
    if cursor.execute("SELECT 1 FROM forwarding WHERE org = ?", (org.key,)).fetchone() is None:
        return
    counted = cursor.execute(
        "UPDATE forwarding SET "
        "queued = queued + CASE WHEN queued < ?2 THEN 1 ELSE 0 END, "
        "omitted = omitted + CASE WHEN queued < ?2 THEN 0 ELSE 1 END, "
        "is_full = CASE WHEN queued < ?2 THEN 0 ELSE 1 END "
        "WHERE org = ?1 RETURNING is_full",
        (org.key, MOST_QUEUED),
    ).fetchone()
    if counted is None or counted[0]:
        return
    _insert(cursor, org, event, operation, attributes() if attributes else None)


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
