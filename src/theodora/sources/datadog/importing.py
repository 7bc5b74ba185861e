"""The import of events from Datadog: what is stored, what was here already, what is skipped."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any, Literal, get_args

from theodora.errors import Invalid, NotFound
from theodora.events import Deployment, Failure
from theodora.events.json_values import JsonObject
from theodora.query.fields import Kind
from theodora.sources.datadog.events import (
    SOURCE,
    deployment_from_resource,
    failure_from_resource,
    verdict_from_resource,
)
from theodora.storage import Actor, Organisation, OverrideValues, Store, Upserted

KeptVerdicts = Literal["failed", "all", "none"]
KEPT_VERDICTS: tuple[KeptVerdicts, ...] = get_args(KeptVerdicts)
"""Which verdicts of Datadog override the rules here."""

OUTCOMES = ("added", "replaced", "unchanged", "already here", "skipped")
VERDICT_OUTCOMES = ("added", "unchanged", "taken back", "kept as given here")

_REASON = "Datadog's verdict"


class DatadogImport:
    """Takes pages of resources. The same resources again change nothing.

    An event that came here on another way, found by its id or its identity, stays as it is.
    """

    def __init__(
        self,
        store: Store,
        org: Organisation,
        verdicts: KeptVerdicts,
        skip: Callable[[str], None],
        actor: Actor,
    ) -> None:
        """`skip` receives a line for each event that cannot be stored. The name of `actor` marks
        verdicts as imported."""
        self._store = store
        self._org = org
        self._verdicts = verdicts
        self._skip = skip
        self._actor = actor
        self.counts: dict[str, Counter[str]] = {
            "deployments": Counter(),
            "failures": Counter(),
            "verdicts": Counter(),
        }

    def take(self, kind: Kind, resources: Iterable[JsonObject]) -> None:
        """Returns when they are durable."""
        if kind is Kind.DEPLOYMENT:
            self._take_deployments(resources)
        else:
            self._take_failures(resources)

    def _take_deployments(self, resources: Iterable[JsonObject]) -> None:
        written: list[tuple[JsonObject, Future[Upserted[Deployment]]]] = []
        for resource in resources:
            event = self._read(resource, deployment_from_resource, "deployments")
            if event and not self._is_here(self._store.deployments.counterpart, event):
                added = self._store.deployments.add(
                    self._org, event, time.time_ns(), actor=self._actor
                )
                written.append((resource, added))
        counts = self.counts["deployments"]
        placed: list[tuple[JsonObject, str]] = []
        for resource, future in written:
            outcome = future.result()
            counts[outcome.outcome] += 1
            placed.append((resource, outcome.now.event.id))
        if self._verdicts != "none":
            self._take_verdicts(placed)

    def _take_failures(self, resources: Iterable[JsonObject]) -> None:
        written: list[Future[Upserted[Failure]]] = []
        for resource in resources:
            event = self._read(resource, failure_from_resource, "failures")
            if event and not self._is_here(self._store.failures.counterpart, event):
                written.append(
                    self._store.failures.add(
                        self._org, event, time.time_ns(), may_be_late=True, actor=self._actor
                    )
                )
        self.counts["failures"].update(future.result().outcome for future in written)

    def _read(self, resource: JsonObject, read: Callable[[JsonObject], Any], kind: str) -> Any:
        try:
            return read(resource)
        except Invalid as error:
            self.counts[kind]["skipped"] += 1
            self._skip(f"{kind[:-1]} {resource.get('id')}: {error}")
            return None

    def _is_here(self, counterpart: Callable[[Organisation, Any], Any], event: Any) -> bool:
        found = counterpart(self._org, event)
        if found is None or found.source == SOURCE:
            return False
        kind = "deployments" if isinstance(event, Deployment) else "failures"
        self.counts[kind]["already here"] += 1
        return True

    def _take_verdicts(self, placed: Sequence[tuple[JsonObject, str]]) -> None:
        futures: list[Future[Any]] = []
        for resource, id_ in placed:
            verdict = verdict_from_resource(resource)
            if self._verdicts == "failed" and not verdict.change_failure:
                verdict = OverrideValues()
            outcome = self._give(id_, verdict, futures)
            if outcome:
                self.counts["verdicts"][outcome] += 1
        for future in futures:
            future.result()

    def _give(self, id_: str, verdict: OverrideValues, futures: list[Future[Any]]) -> str | None:
        """Gives a verdict, or takes back the one that an earlier import gave."""
        try:
            known = self._store.verdicts.get(self._org, id_)
        except NotFound:  # Deleted meanwhile.
            return None
        is_given = verdict != OverrideValues()
        if known.history and known.history[0].author.by != self._actor.name:
            return "kept as given here" if is_given else None
        current = known.current.values if known.current else OverrideValues()
        if current == verdict:
            return "unchanged" if is_given else None
        at_ns = time.time_ns()
        verdicts, actor = self._store.verdicts, self._actor
        futures.append(
            verdicts.put(self._org, id_, verdict, now_ns=at_ns, reason=_REASON, actor=actor)
            if is_given
            else verdicts.delete(self._org, id_, now_ns=at_ns, reason=_REASON, actor=actor)
        )
        return "added" if is_given else "taken back"
