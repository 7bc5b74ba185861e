"""The lists of Datadog's API, read from the newest event to the oldest.

The API has no cursor: the next page is asked for by sliding `to` to the start of the oldest event
that was read. Both ends of a window are included, so what was read before is dropped by its id.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from theodora.errors import NoAnswer, RefusedForGood
from theodora.events.json_values import JsonObject, decimal_number, is_object
from theodora.events.timestamps import format_rfc3339
from theodora.events.values import SECOND_NS
from theodora.query.fields import Kind
from theodora.sources.datadog.client import (
    DatadogClient,
    complaint,
    is_passing,
    pause_seconds,
    rest_seconds,
)
from theodora.sources.datadog.events import started_at_ns
from theodora.sources.http_client import HttpAnswer

PAGE = 1_000
"""The greatest `limit` that the API takes."""

_MAX_TRIES = 8
"""Answers that were none or were a server's fault, in a row: about three minutes."""

_UNITS_NS = (1, 1_000_000, SECOND_NS)

Wait = Callable[[float, str], None]
"""Waits so many seconds, for a reason."""


class _List(NamedTuple):
    path: str
    type: str


_LISTS: Mapping[Kind, _List] = {
    Kind.DEPLOYMENT: _List("/api/v2/dora/deployments", "dora_deployments_list_request"),
    Kind.FAILURE: _List("/api/v2/dora/failures", "dora_failures_list_request"),
}

_decode = msgspec.json.Decoder(float_hook=decimal_number).decode


class ListedPage(NamedTuple):
    """Events that were not on an earlier page."""

    resources: Sequence[JsonObject]
    down_to_ns: int
    """Everything that started later has been read."""
    is_crowded: bool = False
    """Whether so many events share an instant above this page that some may not have been read."""


class DatadogListing:
    """Deployments or failures that started in a window, both ends included."""

    def __init__(
        self, client: DatadogClient, kind: Kind, from_ns: int, to_ns: int, wait: Wait
    ) -> None:
        self._client = client
        self._list = _LISTS[kind]
        self._from_ns = from_ns
        self._to_ns = to_ns
        self._wait = wait
        self._seen: dict[str, int] = {}
        """When each event started that may come again."""
        self._largest_page = 2
        self._steps = 0
        """How often in a row `to` was set below an instant that may have more events than a page
        holds."""
        self._cursor = ""

    def pages(self) -> Iterator[ListedPage]:
        """Raises `RefusedForGood`, and `NoAnswer` after several tries."""
        while self._from_ns <= self._to_ns:
            answer = self._ask()
            resources = _resources(answer)
            new = [each for each in resources if str(each.get("id")) not in self._seen]
            oldest_ns = min(filter(None, map(started_at_ns, resources)), default=self._to_ns)
            is_crowded = self._steps > 0 and bool(new)
            goes_on = self._go_on(answer, resources, oldest_ns, is_new=bool(new))
            yield ListedPage(new, oldest_ns if goes_on else self._from_ns, is_crowded)
            if not goes_on:
                return

    def _go_on(
        self, answer: HttpAnswer, resources: Sequence[JsonObject], oldest_ns: int, *, is_new: bool
    ) -> bool:
        """Has the next request ask for what follows; False if nothing does."""
        next_cursor = answer.headers.get("x-next-cursor", "")
        is_full = len(resources) >= self._largest_page
        self._largest_page = max(self._largest_page, len(resources))
        if not resources:
            return False
        if self._cursor or (next_cursor and not is_new and oldest_ns >= self._to_ns):
            # An addition of Theodora's, which ends paging even if more events share an instant.
            self._cursor = next_cursor
            return bool(next_cursor)
        if is_new:
            self._steps = 0
            self._slide(resources, oldest_ns)
        elif oldest_ns < self._to_ns:
            self._to_ns = oldest_ns
        else:
            if self._steps == len(_UNITS_NS):
                raise RefusedForGood("its answers do not follow the end of the period")
            # A server may read `to` in milliseconds or seconds: then a finer step is none.
            unit_ns = _UNITS_NS[self._steps]
            self._to_ns = self._to_ns // unit_ns * unit_ns - 1
            self._steps += 1
            return is_full
        return True

    def _slide(self, resources: Sequence[JsonObject], oldest_ns: int) -> None:
        """Sets `to` to the start of the oldest event of a page.

        To the end of its second where that is a step: a server may read a finer `to` as one that
        is earlier than the event.
        """
        second_ns = -(-oldest_ns // SECOND_NS) * SECOND_NS
        self._to_ns = second_ns if second_ns < self._to_ns else min(oldest_ns, self._to_ns)
        for each in resources:
            self._seen[str(each.get("id"))] = started_at_ns(each) or 0
        last_ns = self._to_ns + SECOND_NS
        self._seen = {id_: at for id_, at in self._seen.items() if at <= last_ns}

    def _ask(self) -> HttpAnswer:
        attributes: dict[str, Any] = {
            "from": format_rfc3339(self._from_ns),
            "to": format_rfc3339(self._to_ns),
            "limit": PAGE,
            "sort": "-started_at",
        }
        if self._cursor:
            attributes["cursor"] = self._cursor
        document = {"data": {"type": self._list.type, "attributes": attributes}}
        tries = 0
        while True:
            outcome = self._client.ask("POST", self._list.path, document)
            if isinstance(outcome, HttpAnswer) and outcome.status == 200:
                if rest := rest_seconds(outcome):
                    self._wait(rest, "the rate limit is used up")
                return outcome
            if not is_passing(outcome):
                assert isinstance(outcome, HttpAnswer)
                raise RefusedForGood(_refusal(outcome))
            limited = isinstance(outcome, HttpAnswer) and outcome.status == 429
            tries += not limited
            if tries > _MAX_TRIES:
                raise NoAnswer(complaint(outcome))
            self._wait(pause_seconds(outcome, tries), complaint(outcome))


def _resources(answer: HttpAnswer) -> Sequence[JsonObject]:
    try:
        document: Any = _decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    data: Any = document.get("data") if is_object(document) else None
    if not isinstance(data, list) or not all(map(is_object, data)):
        raise RefusedForGood("the answer is no list of events: is this the URL of the API?")
    return data


def _refusal(answer: HttpAnswer) -> str:
    said = complaint(answer)
    if answer.status in {401, 403}:
        return (
            f"the keys were refused ({said}). Both must belong to this site, and the application "
            "key needs the permission dora_metrics_read"
        )
    if answer.status == 404 or 300 <= answer.status < 400:
        return f"there is no DORA API here ({said}): is the site right?"
    return said
