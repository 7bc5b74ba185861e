"""Events of sources: each is what all facts about one thing add up to."""

from collections.abc import Collection, Mapping

from theodora.dora import PullRequest
from theodora.events import Deployment, Failure
from theodora.storage.deployments import put_deployment, remove_deployment
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.outbox import queue_delete, queue_put
from theodora.storage.events.rows import Rows
from theodora.storage.events.tables import DEPLOYMENTS, FAILURES
from theodora.storage.events.usage import Quotas
from theodora.storage.facts.commits import put_pull_requests
from theodora.storage.facts.correlations import correlations_about
from theodora.storage.facts.source_facts import (
    PULL_REQUEST,
    Fold,
    Folded,
    RepositoryPullRequest,
    Uncounted,
    events_about,
    facts_about,
    note_events,
)
from theodora.storage.failures import put_failure, remove_failure


class SourceEvents:
    """Writes the events, within the transaction that has changed their facts."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas
        self._deployments = Rows(DEPLOYMENTS, quotas)
        self._failures = Rows(FAILURES, quotas)

    def compute(
        self,
        cursor: Cursor,
        org: Organisation,
        kind: str,
        things: Collection[str],
        fold: Fold,
        now_ns: int,
        actor: Actor,
    ) -> Mapping[str, str]:
        """Makes the events about things of a kind of source what their facts add up to now.

        The things that do not count, with the reason. Raises the errors of `fold`, and
        `OverQuota`.
        """
        documents = facts_about(cursor, org, kind, things)
        correlations = correlations_about(cursor, org, kind, things)
        former = events_about(cursor, org, kind, things)
        events: dict[str, str | None] = {}
        uncounted: dict[str, str] = {}
        pull_requests: dict[str, list[PullRequest]] = {}
        for thing in sorted(things):
            facts = documents.get(thing, ())
            folded = fold(kind, thing, facts, correlations.get(thing, ())) if facts else None
            if isinstance(folded, Uncounted):
                uncounted[thing], folded = folded.reason, None
            id_ = former.get(thing)
            if id_ and not self._is_in_place(cursor, org, id_, folded):
                # Its facts stay, so they are no longer those of the event that goes.
                note_events(cursor, org, kind, {thing: None}, now_ns)
                self._remove(cursor, org, id_, actor)
            if isinstance(folded, RepositoryPullRequest):
                pull_requests.setdefault(folded.repository_id, []).append(folded.pull_request)
                events[thing] = PULL_REQUEST
            else:
                events[thing] = self._put(cursor, org, folded, now_ns, actor)
        for repository_id, given in pull_requests.items():
            put_pull_requests(cursor, org, repository_id, given, self._quotas)
        note_events(cursor, org, kind, events, now_ns)
        return uncounted

    def _is_in_place(
        self, cursor: Cursor, org: Organisation, former: str, folded: Folded | None
    ) -> bool:
        """Whether putting the event now replaces the former one; it may be of another service."""
        if isinstance(folded, Deployment):
            deployment = self._deployments.find(cursor, org, former)
            return deployment is not None and folded.shares_id_with(deployment.event)
        if isinstance(folded, Failure):
            failure = self._failures.find(cursor, org, former)
            return failure is not None and folded.shares_id_with(failure.event)
        return False

    def _put(
        self,
        cursor: Cursor,
        org: Organisation,
        event: Deployment | Failure | None,
        now_ns: int,
        actor: Actor,
    ) -> str | None:
        match event:
            case Deployment():
                placed = put_deployment(cursor, self._deployments, org, event, now_ns)
                queue_put(cursor, org, placed, actor)
                return placed.now.event.id
            case Failure():
                put = put_failure(cursor, self._failures, org, event, now_ns)
                queue_put(cursor, org, put, actor)
                return put.now.event.id
            case None:
                return None

    def _remove(self, cursor: Cursor, org: Organisation, id_: str, actor: Actor) -> None:
        if deployment := self._deployments.find(cursor, org, id_):
            remove_deployment(cursor, self._deployments, org, deployment)
            queue_delete(cursor, org, deployment.event, actor)
        elif failure := self._failures.find(cursor, org, id_):
            remove_failure(cursor, self._failures, org, failure)
            queue_delete(cursor, org, failure.event, actor)
