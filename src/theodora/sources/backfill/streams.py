"""Streams of API objects, and the deliveries that they become."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from theodora.events.json_values import JsonObject, JsonValue, is_object
from theodora.sources.backfill.client import ApiPage, Client
from theodora.sources.webhooks.delivery import SourceSettings
from theodora.sources.webhooks.payload import instant_at


class HistoricDelivery(NamedTuple):
    """A delivery as the provider's webhook would have sent it."""

    headers: Mapping[str, str]
    payload: JsonObject


Deliveries: TypeAlias = Iterator[HistoricDelivery]


class Extent(NamedTuple):
    """What to read of a provider."""

    target: str
    """A repository, a project or a service, as the provider names it."""
    settings: SourceSettings
    since_ns: int
    until_ns: int
    with_ready_times: bool = False
    """Whether to ask when each pull request stopped being a draft."""
    with_commits: bool = False
    """Whether to read commits too."""


class HistoryStream(NamedTuple):
    """A list of the API, page by page."""

    name: str
    first: str
    """The path of the first page."""
    read: Callable[[JsonObject], Deliveries]
    """What one object of the list becomes; it may ask the API for more."""
    changed_at: str = ""
    """The member by which the list goes back in time; empty for one that begins at `since`."""
    member: str = ""
    """The member of the answer that has the list; empty if the answer is the list."""
    next_path: Callable[[str, ApiPage], str | None] = lambda _, page: page.next_url
    """The page after one, whose path is given; None after the last."""


class HistoryPage(NamedTuple):
    """The deliveries of one page of a stream."""

    stream: str
    path: str
    deliveries: tuple[HistoricDelivery, ...]
    reached_ns: int | None
    """How far back in time it goes, if the list goes back in time."""


def pages(
    client: Client, stream: HistoryStream, since_ns: int, path: str = ""
) -> Iterator[HistoryPage]:
    """The pages of a stream up to `since_ns`, from the one at `path` or the first."""
    at: str | None = path or stream.first
    while at is not None:
        answer = client.get(at)
        found = [*_objects(answer, stream.member)]
        kept = [
            each for each in found if (_changed_ns(each, stream.changed_at) or since_ns) >= since_ns
        ]
        deliveries = tuple(delivery for each in kept for delivery in stream.read(each))
        times = [each for each in (_changed_ns(each, stream.changed_at) for each in found) if each]
        yield HistoryPage(stream.name, at, deliveries, min(times, default=None))
        is_last = len(kept) < len(found)
        at = None if is_last else stream.next_path(at, answer)


def objects(client: Client, path: str, member: str = "") -> Iterator[JsonObject]:
    """All objects of a list that is linked page by page."""
    at: str | None = path
    while at is not None:
        answer = client.get(at)
        yield from _objects(answer, member)
        at = answer.next_url


def _objects(answer: ApiPage, member: str) -> Iterator[JsonObject]:
    value: JsonValue = answer.value
    if member:
        value = value.get(member) if is_object(value) else None
    if isinstance(value, list):
        yield from (each for each in value if is_object(each))


def _changed_ns(found: JsonObject, member: str) -> int | None:
    return instant_at(found, member) if member else None
