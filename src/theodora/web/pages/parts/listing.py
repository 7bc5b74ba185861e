"""Paged lists of events: by time with a cursor, else only the first page.

A cursor is an instant and an id, so that what comes in meanwhile moves no page.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Literal, NamedTuple, TypeVar

from theodora.dora.metrics.calendar import Period
from theodora.errors import Invalid, Problem
from theodora.events import Deployment, Failure
from theodora.events.pull_requests import PullRequestEvent
from theodora.query import (
    Bound,
    Field,
    Kind,
    NumberRange,
    Query,
    TextRange,
    all_of,
    any_of,
    resolve,
    to_text,
)
from theodora.query.pull_request_fields import sort_field
from theodora.report.scope import Scope
from theodora.storage import Selection
from theodora.web.pages.shell.page import Visit

E = TypeVar("E", Deployment, Failure, PullRequestEvent)

LIMIT = 50
_AT_ONCE = 500
LIMITS = (25, 50, 100, 200)

Way = Literal["before", "after"]

_INSTANT = re.compile(r"[0-9]{1,19}")


class ListCursor(NamedTuple):
    """The event before or after which a page begins; it is not on the page."""

    way: Way
    instant_ns: int
    id: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The parameters of a list: the time of its period, its order, and the page."""

    kind: Kind
    period: Period
    clock: Field
    """The time that lies in the period."""
    sort: Field
    descending: bool
    limit: int
    cursor: ListCursor | None

    @property
    def is_by_time(self) -> bool:
        return self.sort is self.clock

    @property
    def order(self) -> str:
        return f"{'-' if self.descending else ''}{self.sort.name}"

    def query(self, tree: Query) -> Query:
        """The events of the period that match `tree`."""
        window = NumberRange(self.clock, self.period.start_ns, self.period.end_ns - 1)
        return all_of((tree, window))


class ListPage(NamedTuple, Generic[E]):
    """The events of a page, in order, and the cursors of its neighbours."""

    events: list[E]
    before: ListCursor | None
    """Of the page with older events; None where there are none."""
    after: ListCursor | None


class AdjacentPage(NamedTuple):
    """The page before or after, by where it leads."""

    words: str
    link: str
    rel: Literal["next", "prev"]


def read_listing(visit: Visit, kind: Kind, clock: str) -> Listing:
    """Raises `Invalid` for an order, a cursor or a limit that cannot be."""
    parameters = visit.query_parameters
    order = parameters.get("sort", f"-{clock}")
    sort, time = sort_field(order.removeprefix("-"), kind), sort_field(clock, kind)
    assert time is not None, "lists go by a time"
    if sort is None:
        raise Invalid(
            Problem("must name a column that the list can be sorted by", parameter="sort")
        )
    return Listing(
        kind,
        visit.scope.period,
        time,
        sort,
        order.startswith("-"),
        _limit(parameters.get("limit", str(LIMIT))),
        _cursor(parameters.get("before"), parameters.get("after")) if sort is time else None,
    )


def read_page(
    listing: Listing,
    tree: Query,
    select: Callable[[Selection], list[E]],
    instant_ns: Callable[[E], int],
) -> ListPage[E]:
    """Reads one event more than fits, to know whether there are more."""
    cursor = listing.cursor
    goes_on = cursor is None or (cursor.way == "before") == listing.descending
    query = listing.query(tree)
    if cursor is not None:
        query = all_of((query, _beyond(listing.clock, cursor, goes_on=goes_on)))
    selection = Selection(
        query=query,
        sort=listing.sort,
        descending=listing.descending == goes_on,
        limit=listing.limit + 1,
    )
    found = select(selection)
    has_more = len(found) > listing.limit
    events = found[: listing.limit]
    if not goes_on:
        events = _turned(_whole_instants(found, events, instant_ns), listing, instant_ns)
    if not events or not listing.is_by_time:
        return ListPage(events, None, None)
    has_next, has_previous = (has_more, cursor is not None) if goes_on else (True, has_more)
    first, last = events[0], events[-1]
    onward: Way = "before" if listing.descending else "after"
    back: Way = "after" if listing.descending else "before"
    ends = {
        onward: ListCursor(onward, instant_ns(last), last.id) if has_next else None,
        back: ListCursor(back, instant_ns(first), first.id) if has_previous else None,
    }
    return ListPage(events, ends["before"], ends["after"])


def every_event(
    listing: Listing,
    tree: Query,
    select: Callable[[Selection], list[E]],
    instant_ns: Callable[[E], int],
) -> Iterator[E]:
    """The complete list, page by page and so in order of time, whatever the order of the page."""
    descending = listing.descending or not listing.is_by_time
    part = replace(listing, sort=listing.clock, descending=descending, limit=_AT_ONCE, cursor=None)
    while True:
        page = read_page(part, tree, select, instant_ns)
        yield from page.events
        onward = page.before if descending else page.after
        if onward is None:
            return
        part = replace(part, cursor=onward)


def _beyond(clock: Field, cursor: ListCursor, *, goes_on: bool) -> Query:
    """The events after the cursor; those of one instant are in order of their ids."""
    at = cursor.instant_ns
    bound = Bound(cursor.id, None, inclusive=False)
    id_ = resolve("id")
    tied = TextRange(id_, bound, None) if goes_on else TextRange(id_, None, bound)
    if cursor.way == "before":
        return all_of(
            (
                NumberRange(clock, None, at),
                any_of((NumberRange(clock, None, at - 1), tied)),
            )
        )
    return all_of((NumberRange(clock, at, None), any_of((NumberRange(clock, at + 1, None), tied))))


def _whole_instants(found: Sequence[E], events: list[E], instant_ns: Callable[[E], int]) -> list[E]:
    """Read backwards, events of one instant come in the wrong order: none of them is cut off.

    What would be is left for the page before.
    """
    if len(found) == len(events):
        return events
    cut_ns = instant_ns(found[-1])
    return [each for each in events if instant_ns(each) != cut_ns] or events


def _turned(events: list[E], listing: Listing, instant_ns: Callable[[E], int]) -> list[E]:
    sign = -1 if listing.descending else 1
    return sorted(events, key=lambda each: (sign * instant_ns(each), each.id))


def _limit(text: str) -> int:
    if text not in map(str, LIMITS):
        allowed = " ".join(map(str, LIMITS))
        raise Invalid(Problem(f'must be one of "{allowed}"', parameter="limit"))
    return int(text)


def _cursor(before: str | None, after: str | None) -> ListCursor | None:
    way: Way = "after" if before is None else "before"
    text = after if before is None else before
    if text is None:
        return None
    instant, _, id_ = text.partition(",")
    if not (_INSTANT.fullmatch(instant) and int(instant) < 2**63 and id_):
        raise Invalid(Problem("must be an instant in nanoseconds and an id", parameter=way))
    return ListCursor(way, int(instant), id_)


def own_parameters(listing: Listing) -> dict[str, str | None]:
    """The list's own parameters that differ from their defaults."""
    return {
        "sort": None if listing.order == f"-{listing.clock.name}" else listing.order,
        "limit": None if listing.limit == LIMIT else str(listing.limit),
    }


def neighbours(
    scope: Scope, path: str, listing: Listing, page: ListPage[E]
) -> Iterator[AdjacentPage]:
    """`Newer than …` and `Older than …`, where there are any."""
    for cursor, words in ((page.after, "Newer"), (page.before, "Older")):
        if cursor is not None:
            own = {**own_parameters(listing), cursor.way: f"{cursor.instant_ns},{cursor.id}"}
            goes_on = (cursor.way == "before") == listing.descending
            moment = scope.clock.moment(cursor.instant_ns)
            link = scope.link(path, **own)
            yield AdjacentPage(f"{words} than {moment}", link, "next" if goes_on else "prev")


def request_body(listing: Listing, tree: Query, type_: str) -> str:
    """The JSON that asks the API for exactly this list, from its beginning."""
    attributes = {
        "query": to_text(listing.query(tree)),
        "sort": listing.order,
        "limit": listing.limit,
    }
    return json.dumps({"data": {"type": type_, "attributes": attributes}}, ensure_ascii=False)
