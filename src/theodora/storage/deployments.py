"""Deployments in the store, with their overrides."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from msgspec.structs import replace

from theodora.errors import NotFound
from theodora.events import Deployment
from theodora.storage.access.key_limits import NO_LIMITS, KeyLimits
from theodora.storage.derivation.commit_times import drop_measured
from theodora.storage.derivation.shipped_requests import drop_shipped
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import Recorder, audited
from theodora.storage.engine.batched import Batched
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation
from theodora.storage.event_store import Events
from theodora.storage.events.change_log import log_remedied
from theodora.storage.events.default_team import with_teams
from theodora.storage.events.outbox import queue_delete, queue_patch, queue_puts
from theodora.storage.events.rows import Rows, Stored, Upserted
from theodora.storage.events.tables import DEPLOYMENTS
from theodora.storage.events.usage import UNLIMITED, Quotas
from theodora.storage.facts.commits import Outcomes
from theodora.storage.facts.derivation_queue import queue_deployments
from theodora.storage.facts.override_effects import (
    drop_override,
    get_override,
    latest_of_version,
    override_values,
    patch_override,
    relink,
)
from theodora.storage.facts.override_history import OverrideAuthor, OverrideValues
from theodora.storage.facts.settings import ProductionTrees
from theodora.storage.facts.source_facts import drop_facts
from theodora.storage.search.tag_values import tag_keys, tag_values


class _Added(NamedTuple):
    """A deployment to add or replace, and for whom."""

    org: Organisation
    deployment: Deployment
    limits: KeyLimits
    actor: Actor


class Deployments(Events[Deployment]):
    """See `Events`; in addition, overrides and custom tags."""

    def __init__(
        self, database: Database, production: ProductionTrees, quotas: Quotas = UNLIMITED
    ) -> None:
        super().__init__(database, production, DEPLOYMENTS, quotas)

    def add(
        self,
        org: Organisation,
        deployment: Deployment,
        now_ns: int,
        *,
        limits: KeyLimits = NO_LIMITS,
        actor: Actor,
    ) -> Future[Upserted[Deployment]]:
        """Adds or replaces; the future has the outcome once it is durable, or `OverQuota`.

        It has `KeyLimited` if it would replace an event beyond the limits.
        """

        received = replace(deployment, created_at_ns=deployment.created_at_ns or now_ns)
        added = _Added(org, received, limits, actor)
        return self._database.write(Batched(self._add_each, org.key, added), actor, org=org.key)

    def _add_each(self, cursor: Cursor, added: Sequence["_Added"]) -> list[Upserted[Deployment]]:
        """Adds or replaces deployments of one organisation, which say when they were received."""
        org = added[0].org
        deployments = [each.deployment for each in added]
        placed = put_deployments(
            cursor, self._rows, org, deployments, added[-1].deployment.created_at_ns
        )
        for each, now in zip(added, placed, strict=True):
            if now.before is not None:
                each.limits.require_event(now.before.event)
        queue_puts(cursor, org, zip(placed, (each.actor for each in added), strict=True))
        return placed

    def add_all(
        self, org: Organisation, deployments: Sequence[Deployment], now_ns: int, *, actor: Actor
    ) -> Future[Outcomes]:
        """Adds or replaces all of them, one after another, or on an error none; see `add`."""

        def write(cursor: Cursor) -> Outcomes:
            placed = put_deployments(cursor, self._rows, org, deployments, now_ns)
            queue_puts(cursor, org, ((each, actor) for each in placed))
            return Outcomes(each.outcome for each in placed)

        return self._database.write(write, actor, len(deployments), org=org.key)

    def update(
        self,
        org: Organisation,
        id_: str,
        patch: OverrideValues,
        *,
        now_ns: int,
        actor: Actor,
    ) -> Future[None]:
        """Overrides a verdict; raises `NotFound` for an unknown deployment."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            self._override(cursor, org, id_, patch, now_ns, actor, recorder)

        return audited(self._database, write, actor, org=org.key)

    def update_by_version(
        self,
        org: Organisation,
        service: str,
        env: str,
        version: str,
        patch: OverrideValues,
        *,
        now_ns: int,
        actor: Actor,
    ) -> Future[None]:
        """Overrides the verdict of the last finished deployment of this version."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            latest = latest_of_version(cursor, org, service, env, version)
            if latest is None:
                raise NotFound(
                    f'deployment of service "{service}" in env "{env}" '
                    f'with version "{version}" does not exist'
                )
            self._override(cursor, org, latest, patch, now_ns, actor, recorder)

        return audited(self._database, write, actor, org=org.key)

    def _override(
        self,
        cursor: Cursor,
        org: Organisation,
        id_: str,
        patch: OverrideValues,
        now_ns: int,
        actor: Actor,
        recorder: Recorder,
    ) -> None:
        stored, author = self._found(cursor, org, id_), OverrideAuthor(actor.name, now_ns)
        before = override_values(get_override(cursor, org, stored.key))
        if patch_override(cursor, self._rows, org, stored, patch, author):
            after = override_values(get_override(cursor, org, stored.key))
            recorder.record(org, "verdict.set", id_, before=before, after=after)
        queue_patch(cursor, org, stored.event, patch.attributes(), actor)

    def _patch_of(
        self, cursor: Cursor, org: Organisation, stored: Stored[Deployment]
    ) -> Mapping[str, Any]:
        override = get_override(cursor, org, stored.key)
        return override.values.attributes() if override else {}

    def tag_keys(self, org: Organisation, limit: int) -> list[str]:
        """The keys of custom tags, in order."""
        return self._database.read(lambda cursor: tag_keys(cursor, org, limit))

    def tag_values(self, org: Organisation, key: str, beginning: str, limit: int) -> list[str]:
        """The values of custom tags with a key that begin so, in order."""
        return self._database.read(lambda cursor: tag_values(cursor, org, key, beginning, limit))

    def delete(self, org: Organisation, id_: str, *, actor: Actor) -> Future[None]:
        """Removes the event and its override; raises `NotFound` for an unknown event."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            stored = self._found(cursor, org, id_)
            recorder.record(org, "deployment.deleted", id_)
            remove_deployment(cursor, self._rows, org, stored)
            queue_delete(cursor, org, stored.event, actor)

        return audited(self._database, write, actor, org=org.key)


def put_deployment(
    cursor: Cursor, rows: Rows[Deployment], org: Organisation, deployment: Deployment, now_ns: int
) -> Upserted[Deployment]:
    """Adds or replaces a deployment, and queues what may be derived differently."""
    return put_deployments(cursor, rows, org, [deployment], now_ns)[0]


def put_deployments(
    cursor: Cursor,
    rows: Rows[Deployment],
    org: Organisation,
    deployments: Sequence[Deployment],
    now_ns: int,
) -> list[Upserted[Deployment]]:
    """The same of several deployments, one after another."""
    placed = rows.put_all(cursor, org, with_teams(cursor, org, deployments), now_ns)
    changed = [each for each in placed if each.outcome != "unchanged"]
    if changed:
        log_remedied(cursor, org, [each.now.event.id for each in changed])
        relink(cursor, rows, org, [state for each in changed for state in each.states])
        in_sequences = [state for each in changed for state in _by_sequence(each.states)]
        queue_deployments(cursor, org, in_sequences)
    return placed


def remove_deployment(
    cursor: Cursor, rows: Rows[Deployment], org: Organisation, stored: Stored[Deployment]
) -> None:
    """Removes a deployment with its override, measurements and facts."""
    drop_facts(cursor, org, stored.event.id)
    drop_override(cursor, org, stored)
    rows.remove(cursor, org, stored)
    drop_measured(cursor, org, stored.key)
    drop_shipped(cursor, org, stored.key)
    log_remedied(cursor, org, [stored.event.id])
    relink(cursor, rows, org, [stored])
    queue_deployments(cursor, org, [stored])


def _by_sequence(states: Iterable[Stored[Deployment]]) -> Iterable[Stored[Deployment]]:
    """One state for each sequence that the deployment is or was in."""
    return {(state.event.service, state.event.env): state for state in states}.values()
