"""The answer to a question on AI impact: a period, and its intervals or groups.

Figures of fewer than five people are withheld, and so is what they could be computed from: where
the withheld intervals of a series, or groups, are of fewer than five people together, more are
withheld.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from theodora.dora.assistance.comparison import (
    FEWEST_PEOPLE,
    ComparedSides,
    DeployedRequest,
    Sorted,
    Unknown,
    compare,
    requests_of,
)
from theodora.dora.assistance.shipped import ActiveDay, ShippedDeployment
from theodora.dora.assistance.sides import (
    SIDES,
    Level,
    ReportedTool,
    Sides,
    reported_tools,
    shared_level,
)
from theodora.dora.metrics.calendar import Bucket, Calendar, Interval, Period, buckets_of
from theodora.dora.metrics.groups import Group, name_of
from theodora.errors import Invalid, Problem

Withheld = Literal["no_commits", "no_activity", "too_few_people", "protects_others"]

WITHHELD: Mapping[Withheld, str] = {
    "no_commits": "No deployment of this period shipped a commit that counts.",
    "no_activity": "No activity of the authors was reported for this period.",
    "too_few_people": f"Not shown: fewer than {FEWEST_PEOPLE} people wrote the commits on a side.",
    "protects_others": "Not shown: a part with too few people could be computed from it.",
}
"""Why there is no comparison, as a sentence."""


class ImpactQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What to compare; the deployments are already filtered."""

    period: Period
    as_of_ns: int
    interval: Interval = "total"
    calendar: Calendar = Calendar()
    level: Level | None = None
    """The most precise one that all tools share if None."""
    tools: tuple[str, ...] = ()
    """The tools whose use counts; all if there are none."""
    group_by: tuple[str, ...] = ()
    """Keys of `GROUPED`; with an interval too, parts of few people could be computed."""

    @property
    def days(self) -> range:
        """The local dates of the period, as days since 1970-01-01."""
        first, last = (
            self.calendar.local_date(at_ns).toordinal() - _EPOCH
            for at_ns in (self.period.start_ns, self.period.end_ns - 1)
        )
        return range(first, last + 1)


class ImpactCell(msgspec.Struct, frozen=True):
    """One comparison, or why there is none."""

    compared: ComparedSides | None
    withheld: Withheld | None
    unknown: Unknown | None
    """None where that would be of fewer than five people."""
    bot_commits: int


class ImpactBucket(msgspec.Struct, frozen=True):
    """The comparison of one interval."""

    bucket: Bucket
    cell: ImpactCell


class ImpactGroup(msgspec.Struct, frozen=True):
    """The comparison of one group over the period."""

    group: Group
    """Its values of the keys grouped by."""
    cell: ImpactCell


class ImpactReport(msgspec.Struct, frozen=True):
    """The answer to a query."""

    level: Level
    tools: tuple[ReportedTool, ...]
    """What was reported in the period, whatever the query chooses."""
    total: ImpactCell
    series: tuple[ImpactBucket, ...]
    groups: tuple[ImpactGroup, ...]
    """Sorted; those with a deployment that shipped a commit."""


MOST_GROUPS = 200
_EPOCH = 719_163
"""The ordinal of 1970-01-01."""


def assess(
    query: ImpactQuery,
    deployments: Iterable[ShippedDeployment],
    activity: Sequence[ActiveDay],
) -> ImpactReport:
    """Answers `query` from the deployments of its period; others are ignored.

    Raises `Invalid` for a period of more than `BUCKET_LIMIT` intervals, and for more than
    `MOST_GROUPS` groups.
    """
    shipped = [each for each in deployments if each.finished_at_ns in query.period]
    shipped.sort(key=lambda each: (each.finished_at_ns, each.id))
    buckets = buckets_of(query.period, query.interval, query.calendar, query.as_of_ns)
    tools = reported_tools(shipped, activity, query.days)
    level = query.level or shared_level(tools)
    sides = Sides(level, query.tools, activity, query.days)
    periods = [query.period, *(bucket.covered for bucket in buckets)]
    found = _sorted(periods, shipped, sides)
    hidden = _withheld(found[:1]) | {at + 1 for at in _withheld(found[1:])}
    cells = [
        _cell(each, period.days(query.as_of_ns), is_hidden=at in hidden)
        for at, (period, each) in enumerate(zip(periods, found, strict=True))
    ]
    series = map(ImpactBucket, buckets, cells[1:])
    groups = _groups(query, shipped, sides)
    return ImpactReport(level, tools, cells[0], tuple(series), groups)


def _groups(
    query: ImpactQuery, shipped: Sequence[ShippedDeployment], sides: Sides
) -> tuple[ImpactGroup, ...]:
    """A request counts in every group that shipped it."""
    if not query.group_by:
        return ()
    members: defaultdict[Group, list[ShippedDeployment]] = defaultdict(list)
    for each in shipped:
        members[tuple(name_of(getattr(each, key)) for key in query.group_by)].append(each)
    if len(members) > MOST_GROUPS:
        detail = f"must not make more than {MOST_GROUPS} groups; there are {len(members)}"
        raise Invalid(Problem(detail, parameter="group_by"))
    names = sorted(members)
    found = [_sorted([query.period], members[name], sides)[0] for name in names]
    hidden, days = _withheld(found), query.period.days(query.as_of_ns)
    return tuple(
        ImpactGroup(name, _cell(each, days, is_hidden=at in hidden))
        for at, (name, each) in enumerate(zip(names, found, strict=True))
    )


def _sorted(
    periods: Iterable[Period], shipped: Sequence[ShippedDeployment], sides: Sides
) -> list[Sorted]:
    """A request counts once, in the period of the first deployment that has it."""
    first_ns: dict[tuple[str, int], int] = {}
    for each in shipped:
        for commit in each.commits:
            if commit.request is not None:
                first_ns.setdefault((each.repository, commit.request), each.finished_at_ns)
    requests = requests_of(shipped, sides)
    by_instant: defaultdict[int, list[DeployedRequest]] = defaultdict(list)
    for key, request in requests.items():
        by_instant[first_ns[key]].append(request)
    return [
        Sorted(
            [each for each in shipped if each.finished_at_ns in period],
            [one for at_ns, of in by_instant.items() if at_ns in period for one in of],
            sides,
        )
        for period in periods
    ]


def _withheld(cells: Sequence[Sorted]) -> set[int]:
    """The places of cells that are of too few people, and of those that would give them away."""
    hidden = {at for at, cell in enumerate(cells) if _is_of_few([cell])}
    rest = [at for at, cell in enumerate(cells) if cell.commits and at not in hidden]
    rest.sort(key=lambda at: (-len(_people(cells[at])), at))
    while rest and _is_of_few([cells[at] for at in hidden]):
        hidden.add(rest.pop())
    return hidden


def _is_of_few(cells: Sequence[Sorted]) -> bool:
    """Whether a side that is compared has people, but fewer people than may be shown."""
    return any(
        sum(cell.commits[side] for cell in cells)
        and len({one for cell in cells for one in cell.people[side]}) < FEWEST_PEOPLE
        for side in SIDES[:2]
    )


def _people(cell: Sorted) -> set[str]:
    return {one for side in SIDES for one in cell.people[side]}


def _cell(found: Sorted, days: float, *, is_hidden: bool) -> ImpactCell:
    people = len(found.people["unknown"])
    unknown = Unknown(people, found.commits["unknown"])
    shows_unknown = people >= FEWEST_PEOPLE or not unknown.commits
    withheld: Withheld | None = None
    if not found.commits:
        withheld = "no_commits"
    elif not any(found.commits[side] for side in SIDES[:2]):
        withheld = "no_activity"
    elif is_hidden:
        withheld = "too_few_people" if _is_of_few([found]) else "protects_others"
    return ImpactCell(
        compared=None if withheld else compare(found, days),
        withheld=withheld,
        unknown=unknown if shows_unknown else None,
        bot_commits=found.bots,
    )
