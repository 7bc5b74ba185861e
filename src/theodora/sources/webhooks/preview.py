"""What other settings of sources would change in what they have sent; nothing is stored."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from theodora.errors import Invalid
from theodora.events import Deployment, Failure
from theodora.sources.webhooks.common_settings import common_settings, followed_settings
from theodora.sources.webhooks.counting import fold_counted
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS, SourceSettings
from theodora.sources.webhooks.fold import fold
from theodora.sources.webhooks.read import decode_settings, read_received
from theodora.storage import (
    DeliveryReading,
    Folded,
    InboxQuery,
    KnownThing,
    Organisation,
    RepositoryPullRequest,
    Store,
    StoredDelivery,
    Uncounted,
    WebhookSource,
)

MOST_PREVIEWED = 2_000
"""Deliveries that are read again, the newest ones."""
_AT_ONCE = 50
_NOTHING_KNOWN = KnownThing(None, (), (), ())
_MEMBERS = (
    *("service", "services", "env", "team", "version", "severity", "name"),
    *("started_at_ns", "finished_at_ns"),
)
"""Members of events that are compared."""

DifferenceKind = Literal["new", "lost", "changed"]


class Difference(NamedTuple):
    """A thing whose event would differ, with texts of the event now and then."""

    kind: DifferenceKind
    thing: str
    now: str
    then: str
    """Why there would be no event, for one that would be lost."""


@dataclass(frozen=True, slots=True)
class SourcePreview:
    """How the deliveries in the inbox would be read, and which events would differ."""

    now: Counter[str]
    """Deliveries by state."""
    then: Counter[str]
    differences: list[Difference]

    @property
    def deliveries(self) -> int:
        return sum(self.now.values())

    def count(self, kind: DifferenceKind) -> int:
        """How many events would be new, lost or changed."""
        return sum(each.kind == kind for each in self.differences)


@dataclass(slots=True)
class _Again:
    """Deliveries of one kind of source as they would be read."""

    settings: SourceSettings
    """Of the source that sent the newest one."""
    now: Counter[str] = field(default_factory=Counter[str])
    readings: dict[int, DeliveryReading] = field(default_factory=dict[int, DeliveryReading])
    documents: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """The facts that they would be, by their things."""
    settings_of: dict[str, SourceSettings] = field(default_factory=dict[str, SourceSettings])
    """Of the source that says the last of a thing, by the thing."""

    def settings_about(self, thing: str) -> SourceSettings:
        return self.settings_of.get(thing, self.settings)

    def add(
        self, received: StoredDelivery, settings: SourceSettings, reading: DeliveryReading
    ) -> None:
        """Adds the next one, each older than the one before."""
        self.now[received.state] += 1
        # Without the facts, which are kept once, by their things.
        about = [fact._replace(document="") for fact in reading.facts]
        self.readings[received.number] = reading._replace(facts=about)
        for fact in reading.facts:
            self.documents.setdefault(fact.thing, set()).add(fact.document)
            self.settings_of.setdefault(fact.thing, settings)


def preview_settings(
    store: Store, source: WebhookSource, settings: SourceSettings
) -> SourcePreview:
    """Reads the newest deliveries of a source again with the settings, as a replay would.

    Raises `Invalid` for settings of all sources that cannot be used.
    """
    followed = followed_settings(source.kind, settings, common_settings(store, source.organisation))
    query = InboxQuery(source.kind, source.id)
    return _preview(store, source.organisation, query, lambda _: followed)


def preview_common_settings(
    store: Store, org: Organisation, settings: SourceSettings
) -> SourcePreview:
    """The same for settings of all sources, with the newest deliveries of all of them.

    Raises `Invalid` for settings of a source that cannot be used.
    """
    own = {each.id: decode_settings(each.settings) for each in store.sources.all_of(org)}

    def followed(received: StoredDelivery) -> SourceSettings:
        mine = own.get(received.source, DEFAULT_SETTINGS)
        return followed_settings(received.kind, mine, settings)

    return _preview(store, org, InboxQuery(), followed)


def _preview(
    store: Store,
    org: Organisation,
    query: InboxQuery,
    followed: Callable[[StoredDelivery], SourceSettings],
) -> SourcePreview:
    teams = store.settings.teams(org)
    kinds: dict[str, _Again] = {}
    for received in _newest(store, org, query):
        settings = followed(received)
        again = kinds.setdefault(received.kind, _Again(settings))
        again.add(received, settings, read_received(received, settings, teams))
    found = SourcePreview(Counter(), Counter(), [])
    for kind, again in kinds.items():
        differences, then = _compare(store, org, kind, again)
        found.now.update(again.now)
        found.then.update(then)
        found.differences.extend(differences)
    return found


def _compare(
    store: Store, org: Organisation, kind: str, again: _Again
) -> tuple[list[Difference], Counter[str]]:
    """The events of a kind of source that would differ, and the states of its deliveries."""
    known = store.inbox.known(org, kind, [*again.readings], [*again.documents])
    differences: list[Difference] = []
    uncounted: set[str] = set()
    failed: set[str] = set()
    for thing in sorted({*known, *again.documents}):
        before = known.get(thing, _NOTHING_KNOWN)
        documents = again.documents.get(thing, set()).union(before.others)
        try:
            then = _fold(again.settings_about(thing), kind, thing, documents, before)
        except Invalid as invalid:
            failed.add(thing)
            then = Uncounted(str(invalid))
        if isinstance(then, Uncounted) and thing not in failed:
            uncounted.add(thing)
        differences += _differing(thing, _event_now(kind, thing, before), then)
    return differences, Counter(_state(each, uncounted, failed) for each in again.readings.values())


def _newest(store: Store, org: Organisation, query: InboxQuery) -> Iterator[StoredDelivery]:
    before: int | None = None
    for _ in range(MOST_PREVIEWED // _AT_ONCE):
        found = store.inbox.select(org, query._replace(before=before, limit=_AT_ONCE))
        yield from found
        if len(found) < _AT_ONCE:
            return
        before = found[-1].number


def _fold(
    settings: SourceSettings, kind: str, thing: str, documents: set[str], known: KnownThing
) -> Folded | Uncounted | None:
    if not documents:
        return None
    return fold_counted(settings, kind, thing, [*documents], known.correlations)


def _event_now(kind: str, thing: str, known: KnownThing) -> Folded | None:
    """The event that is stored, which settings saved since then have not removed."""
    if known.event is None or not known.documents:
        return None
    return fold(kind, thing, known.documents, known.correlations)


def _state(reading: DeliveryReading, uncounted: set[str], failed: set[str]) -> str:
    things = {fact.thing for fact in reading.facts}
    if things & failed:
        return "failed"
    is_ignored = bool(things) and not reading.commits and things <= uncounted
    return "ignored" if is_ignored else reading.state


def _differing(
    thing: str, now: Folded | None, then: Folded | Uncounted | None
) -> Iterator[Difference]:
    if isinstance(then, Uncounted) or then is None:
        if now is not None:
            reason = then.reason if then else "nothing is said about it"
            yield Difference("lost", thing, described(now), reason)
    elif now is None:
        yield Difference("new", thing, "", described(then))
    elif changed := _changed(now, then):
        before, after = (_listed(each, changed) for each in (now, then))
        yield Difference("changed", thing, before, after)


def _changed(now: Folded, then: Folded) -> list[str]:
    """The members that differ."""
    return [name for name in _MEMBERS if getattr(now, name, None) != getattr(then, name, None)]


def _listed(event: Folded, names: Sequence[str]) -> str:
    return ", ".join(f"{name.removesuffix('_ns')} {_text(event, name)}" for name in names)


def _text(event: Folded, name: str) -> str:
    value = getattr(event, name, None)
    text = ", ".join(value) if isinstance(value, tuple) else value
    return "none" if text in (None, "") else str(text)


def described(event: Folded) -> str:
    """An event in a few words."""
    match event:
        case Deployment():
            parts = [event.service, event.env, event.version, event.team]
        case Failure():
            parts = [event.name, *event.services, event.env, event.severity, event.team]
        case RepositoryPullRequest(repository_id, pull_request):
            parts = [f"{repository_id}#{pull_request.number}", pull_request.title]
    return ", ".join(part for part in parts if part)
