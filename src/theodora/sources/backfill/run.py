"""A backfill: history becomes deliveries in the inbox of a source, as if webhooks had come.

Each delivery names the page that it is of, so the last one is the place to resume from.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from theodora.errors import Unavailable
from theodora.sources.backfill.client import Client
from theodora.sources.backfill.streams import Extent, HistoryPage, HistoryStream, pages
from theodora.sources.webhooks.worker import InboxWorker
from theodora.storage import InboxQuery, Store, WebhookSource
from theodora.storage.engine.actor import Actor

PLACE_HEADER = "x-theodora-backfill"
_LOOKED_AT = 20_000
"""Most deliveries, newest first, in which the place to resume from is looked for."""
_LOOKED_AT_ONCE = 500
_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 60.0


class ResumePlace(msgspec.Struct, frozen=True):
    """The page that a delivery is of."""

    target: str
    since_ns: int
    until_ns: int
    stream: str
    path: str


@dataclass
class BackfillSummary:
    """What became of the deliveries of a backfill."""

    done: int = 0
    ignored: Counter[str] = field(default_factory=Counter[str])
    """By the reason."""
    failed: Counter[str] = field(default_factory=Counter[str])


class Backfill:
    """Reads the history of one target into the inbox of one source."""

    def __init__(self, store: Store, source: WebhookSource, *, actor: Actor) -> None:
        self._store = store
        self._source = source
        self._actor = actor
        # Not started: it reads in this thread, and prunes nothing.
        self._reader = InboxWorker(store, 0)
        self.summary = BackfillSummary()

    def last_place(self, target: str) -> ResumePlace | None:
        """The page of the last delivery of an earlier backfill; None if there is none."""
        org, source = self._source.organisation, self._source
        before, looked_at = None, 0
        while looked_at < _LOOKED_AT:
            query = InboxQuery(source.kind, source.id, before=before, limit=_LOOKED_AT_ONCE)
            found = self._store.inbox.select(org, query)
            for delivery in found:
                if text := delivery.headers.get(PLACE_HEADER):
                    place = msgspec.json.decode(text, type=ResumePlace)
                    if place.target == target:
                        return place
            if len(found) < _LOOKED_AT_ONCE:
                return None
            before, looked_at = found[-1].number, looked_at + len(found)
        return None

    def run(
        self,
        client: Client,
        streams: Callable[[Client, Extent], Iterator[HistoryStream]],
        extent: Extent,
        place: ResumePlace | None = None,
    ) -> Iterator[HistoryPage]:
        """Stores page by page, from a place or the beginning; yields each page once it is read."""
        for stream in streams(client, extent):
            if place and stream.name != place.stream:
                continue
            path, place = (place.path, None) if place else ("", None)
            for page in pages(client, stream, extent.since_ns, path):
                self._store_page(extent, page)
                yield page

    def _store_page(self, extent: Extent, page: HistoryPage) -> None:
        org, source = self._source.organisation, self._source
        place = ResumePlace(extent.target, extent.since_ns, extent.until_ns, page.stream, page.path)
        header = {PLACE_HEADER: msgspec.json.encode(place).decode()}
        written = [
            self._store.inbox.receive(
                org,
                source.kind,
                source.id,
                {**each.headers, **header},
                msgspec.json.encode(each.payload).decode(),
                time.time_ns(),
                actor=self._actor,
            )
            for each in page.deliveries
        ]
        self._read([each.result() for each in written])

    def _read(self, numbers: list[int]) -> None:
        """Reads the deliveries, unless a server that runs beside does, and counts the results."""
        org, waited_sec = self._source.organisation, 0.0
        for number in numbers:
            while (delivery := self._store.inbox.get(org, number)).state == "waiting":
                if self._reader.work_off():
                    continue
                if waited_sec >= _LONGEST_PAUSE_SECONDS:
                    raise Unavailable("the inbox is not read: the organisation may be closed")
                time.sleep(_PAUSE_SECONDS)
                waited_sec += _PAUSE_SECONDS
            match delivery.state:
                case "ignored":
                    self.summary.ignored[delivery.reason] += 1
                case "failed":
                    self.summary.failed[delivery.reason] += 1
                case _:
                    self.summary.done += 1
