"""The deployments explorer: search, facets, days, and the deployments themselves."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from markupsafe import Markup

from theodora.dora.derivation.stages import AVERAGED
from theodora.dora.metrics.calendar import Bucket, Interval, buckets_of
from theodora.events import Deployment
from theodora.events.values import DEPLOYMENT_TEXTS, STAGE_AVERAGES
from theodora.query import Everything, Kind, Query, any_of, resolve
from theodora.query.operands import equals
from theodora.report import wording
from theodora.report.annotations import annotations_of
from theodora.report.charts import (
    DAY_BASE,
    STAGE_NAMES,
    Count,
    day_histogram,
    flags_drawn,
    slots_of,
)
from theodora.report.links import UNMEASURED, VERDICTS, deployment_path, path_of
from theodora.report.scope import Scope, service_path
from theodora.storage import Selection
from theodora.storage.metrics.counts import PeriodCounts, ValueCounts, VerdictCounts
from theodora.web.pages.parts.clauses import clauses_of, joined, known_field, text_of
from theodora.web.pages.parts.csv_download import Cell, csv_stream
from theodora.web.pages.parts.facets import count_facets, count_production, facets
from theodora.web.pages.parts.list_columns import (
    CellPart,
    CellParts,
    ColumnChoice,
    ListColumn,
    ListContext,
    ShownCell,
    choose_columns,
    field_column,
    heads,
    tag_column,
)
from theodora.web.pages.parts.listing import (
    LIMITS,
    Listing,
    ListPage,
    every_event,
    neighbours,
    own_parameters,
    read_listing,
    read_page,
    request_body,
)
from theodora.web.pages.shell.page import Answer, View, Visit

CLOCK = "finished_at"
PATH = "/deployments"
_MOST_BARS = 120
_LONG_QUERY = 500
"""Characters; each link that repeats more would make the page many times as long."""
_MOST_CLAUSES = 6


class Remedy(NamedTuple):
    """A link between a failed deployment and its fix."""

    words: str
    path: str


class ExplorerRow(NamedTuple):
    """One deployment."""

    deployment: Deployment
    path: str
    chips: tuple[tuple[str, str], ...]
    remedies: tuple[Remedy, ...]


class ExplorerLine(NamedTuple):
    """A row of the list."""

    failed: bool
    cells: tuple[ShownCell, ...]


class Day(NamedTuple):
    """The deployments of one day; without a name where they are not in order of time."""

    name: str
    rows: tuple[ExplorerLine, ...]


class Way(NamedTuple):
    """A clause that might be dropped, and how many deployments there would be then."""

    clause: str
    deployments: int
    link: str


class _Counts(NamedTuple):
    """Counts of the deployments of the period."""

    all: int
    """Whatever is searched for."""
    facets: Sequence[ValueCounts]
    in_production: int
    bars: Sequence[VerdictCounts]


def show_deployments(visit: Visit) -> Answer:
    scope = visit.scope
    tree = scope.tree
    listing = read_listing(visit, Kind.DEPLOYMENT, CLOCK)
    page = _read(visit, listing, tree)
    choice = choose_columns(scope, COLUMNS, partial(tag_column, _DEPLOYMENT))
    bars = _in_bars(scope)
    buckets = buckets_of(bars.period, bars.interval, bars.calendar, bars.now_ns)
    is_long = len(scope.query) > _LONG_QUERY
    counts = _counted(visit, tree, buckets, with_facets=not is_long)
    query = scope.metrics_query(interval="total")
    own = own_parameters(listing)
    annotations = annotations_of(visit.store, visit.organisation, scope)
    flags = flags_drawn(annotations.flags, buckets, DAY_BASE)
    return View(
        {
            "total": visit.store.metrics.report(visit.organisation, query, tree).overall.total,
            "all": counts.all,
            "clauses": len(clauses_of(tree)),
            "facets": (
                tuple(facets(visit, tree, counts.facets, counts.in_production))
                if counts.facets
                else ()
            ),
            "is_long": is_long,
            "annotations": annotations,
            "histogram": _histogram(counts.bars, buckets, bars, flags, has_links=not is_long),
            "columns": tuple(heads(scope, PATH, listing, choice.shown)),
            "choice": choice,
            "days": tuple(_days(visit, listing, page, choice)),
            "listing": listing,
            "neighbours": tuple(neighbours(scope, PATH, listing, page)),
            "shown": page.events,
            "own": own,
            "limits": LIMITS,
            "csv_link": scope.link(f"{PATH}.csv", **own),
            "request": request_body(listing, tree, "dora_deployments_list_request"),
            "ways": () if page.events else tuple(_ways(visit, tree)),
            "dead": () if page.events else tuple(_dead(visit, tree)),
        }
    )


def deployments_csv(visit: Visit) -> Answer:
    """The complete list, however long it is."""
    listing = read_listing(visit, Kind.DEPLOYMENT, CLOCK)
    found = every_event(listing, visit.scope.tree, partial(_select, visit), _finished_at_ns)
    return csv_stream("deployments.csv", CSV_COLUMNS, map(_cells, found))


CSV_COLUMNS = (
    *("id", "service", *(text.name for text in DEPLOYMENT_TEXTS)),
    *("commit_sha", "repository_id", "source"),
    *("started_at", "finished_at", "duration", "change_failure", "deployment_type"),
    *("failed_by", "remediation.id", "remediation.type", "recovery_time_sec"),
    *("number_of_commits", "change_lead_time", "lead_time_status"),
    *(each.name for each in STAGE_AVERAGES),
    "tags",
)
"""Named and written as the search language has them."""


def _cells(deployment: Deployment) -> tuple[Cell, ...]:
    return tuple(" ".join(resolve(name).texts(deployment)) for name in CSV_COLUMNS)


def _read(visit: Visit, listing: Listing, tree: Query) -> ListPage[Deployment]:
    return read_page(listing, tree, partial(_select, visit), _finished_at_ns)


def _select(visit: Visit, selection: Selection) -> list[Deployment]:
    return visit.store.deployments.select(visit.organisation, selection)


def _finished_at_ns(deployment: Deployment) -> int:
    return deployment.finished_at_ns


def _counted(visit: Visit, tree: Query, buckets: Sequence[Bucket], *, with_facets: bool) -> _Counts:
    def look(those: PeriodCounts) -> _Counts:
        return _Counts(
            those.count(Everything()),
            count_facets(those, tree) if with_facets else (),
            count_production(those, tree) if with_facets else 0,
            those.verdicts(tree, [each.covered for each in buckets]),
        )

    return visit.store.metrics.in_period(visit.organisation, visit.scope.period, look)


def _count(visit: Visit, trees: Sequence[Query]) -> list[int]:
    """How many deployments of the period each of `trees` is true of."""
    return visit.store.metrics.in_period(
        visit.organisation, visit.scope.period, lambda those: list(map(those.count, trees))
    )


def _in_bars(scope: Scope) -> Scope:
    """The same scope, cut into as many days as there is room for bars, or into more each."""
    sizes: tuple[tuple[Interval, int], ...] = (("day", 1), ("week", 7), ("month", 31))
    days = scope.period.days()
    fitting = (interval for interval, size in sizes if days / size <= _MOST_BARS)
    return replace(scope, interval=next(fitting, "quarter"))


def _histogram(
    counts: Sequence[VerdictCounts],
    buckets: Sequence[Bucket],
    bars: Scope,
    flags: str,
    *,
    has_links: bool,
) -> Markup:
    slots = slots_of(buckets, bars)
    if not has_links:
        slots = tuple(slot._replace(link="") for slot in slots)
    heights = [Count(each.total, each.failed, each.pending) for each in counts]
    return day_histogram(heights, slots, bars.interval, flags)


def _days(
    visit: Visit,
    listing: Listing,
    page: ListPage[Deployment],
    choice: ColumnChoice[ExplorerRow],
) -> Iterator[Day]:
    clock, rows = visit.scope.clock, rows_of(visit, page.events)
    names_env = len({each.env for each in page.events}) > 1 and not choice.shows("env")
    context = ListContext(visit.scope, listing.is_by_time, names_env)

    def day(row: ExplorerRow) -> str:
        return clock.long_day(row.deployment.finished_at_ns) if listing.is_by_time else ""

    for name, those in groupby(rows, key=day):
        yield Day(name, tuple(_line(row, choice, context) for row in those))


def _line(
    row: ExplorerRow, choice: ColumnChoice[ExplorerRow], context: ListContext
) -> ExplorerLine:
    return ExplorerLine(row.deployment.change_failure is True, choice.cells(row, context))


def rows_of(visit: Visit, deployments: Sequence[Deployment]) -> Iterator[ExplorerRow]:
    remedied = _remedied(visit, deployments)
    for each in deployments:
        yield ExplorerRow(
            each,
            deployment_path(each),
            tuple(_chips(each)),
            tuple(_remedies(each, remedied.get(each.id, ()))),
        )


def _remedied(visit: Visit, deployments: Sequence[Deployment]) -> Mapping[str, list[Deployment]]:
    """The failed deployments that `deployments` fixed."""
    field = resolve("remediation.id")
    ids = [each.id for each in deployments if each.deployment_type != "standard"]
    if not ids:
        return {}
    selection = Selection(
        query=any_of([equals(field, id_) for id_ in ids]),
        sort=known_field(CLOCK),
        limit=len(ids) * 4,
    )
    found: dict[str, list[Deployment]] = {}
    for failed in visit.store.deployments.select(visit.organisation, selection):
        if failed.remediation:
            found.setdefault(failed.remediation.id, []).append(failed)
    return found


def _chips(deployment: Deployment) -> Iterator[tuple[str, str]]:
    yield VERDICTS[deployment.change_failure]
    if deployment.deployment_type != "standard":
        yield deployment.deployment_type, deployment.deployment_type.capitalize()
    elif "rework:true" in deployment.custom_tags:
        yield "rollforward", "Rework"
    if deployment.lead_time_status:
        yield "baseline", UNMEASURED[deployment.lead_time_status]


_AFTER = {"rollback": "rolled back after", "rollforward": "fixed after"}


def _remedies(deployment: Deployment, remedied: Sequence[Deployment]) -> Iterator[Remedy]:
    remediation = deployment.remediation
    if remediation:
        span = wording.duration(deployment.recovery_time_sec, "a time not known")
        yield Remedy(f"{_AFTER[remediation.type]} {span}", path_of(remediation.id))
    for failed in remedied:
        yield Remedy(
            f"fixes {wording.plain(failed.version or failed.id, 40)}", deployment_path(failed)
        )


def _ways(visit: Visit, tree: Query) -> Iterator[Way]:
    """Each clause that leaves nothing, and what there would be without it; most first."""
    clauses = clauses_of(tree)
    dropped = clauses[:_MOST_CLAUSES]
    rests = [joined(each for each in clauses if each != clause) for clause in dropped]
    ways = [
        Way(text_of(clause), count, visit.scope.link(PATH, query=text_of(rest)))
        for clause, rest, count in zip(dropped, rests, _count(visit, rests), strict=True)
    ]
    yield from sorted((way for way in ways if way.deployments), key=lambda way: -way.deployments)


def _dead(visit: Visit, tree: Query) -> Iterator[str]:
    """The clauses that nothing in the period matches."""
    clauses = clauses_of(tree)[:_MOST_CLAUSES]
    for clause, count in zip(clauses, _count(visit, clauses), strict=True):
        if not count:
            yield text_of(clause)


def _finished_cell(row: ExplorerRow, context: ListContext) -> CellParts:
    clock, at_ns = context.scope.clock, row.deployment.finished_at_ns
    words = clock.time(at_ns) if context.is_by_day else clock.time_tag(at_ns)
    return (CellPart(words, context.scope.href(row.path)),)


def _service_cell(row: ExplorerRow, context: ListContext) -> CellParts:
    deployment = row.deployment
    link = context.scope.link(service_path(deployment.service), query=None)
    service = CellPart(deployment.service, link, is_given=True)
    if not deployment.env or not context.names_env:
        return (service,)
    return service, CellPart(deployment.env, look="small")


def _version_cell(row: ExplorerRow, _: ListContext) -> CellParts:
    version, git = row.deployment.version, row.deployment.git
    return (
        *((CellPart(version, is_given=True),) if version else ()),
        *((CellPart(wording.short_sha(git.commit_sha), look="small"),) if git else ()),
    )


def _verdict_cell(row: ExplorerRow, _: ListContext) -> CellParts:
    return tuple(CellPart(word, chip=kind) for kind, word in row.chips)


def _fix_cell(row: ExplorerRow, context: ListContext) -> CellParts:
    return tuple(CellPart(each.words, context.scope.href(each.path)) for each in row.remedies)


_DEPLOYMENT = attrgetter("deployment")
_field = partial(field_column, Kind.DEPLOYMENT, _DEPLOYMENT)

COLUMNS: Sequence[ListColumn[ExplorerRow]] = (
    ListColumn("finished_at", "Finished", _finished_cell, "always", class_="fi"),
    ListColumn("service", "Service", _service_cell, "always", begins_ascending=True, is_head=True),
    _field("env", "Environment"),
    _field("team", "Team"),
    ListColumn("version", "Version", _version_cell, begins_ascending=True, class_="ve mono"),
    _field("repository_id", "Repository"),
    ListColumn("change_failure", "Verdict", _verdict_cell, class_="vd chips"),
    _field("failed_by", "Detected by"),
    _field("number_of_commits", "Commits", class_="co", shown="usually"),
    _field("change_lead_time", "Lead time", class_="le", shown="usually"),
    *(_field(average, STAGE_NAMES[stage].name) for average, stage in AVERAGED),
    _field("duration", "Took", class_="tk", shown="usually"),
    ListColumn("recovery_time_sec", "Fix", _fix_cell, class_="rem"),
    _field("source", "Source"),
    _field("started_at", "Started"),
    _field("created_at", "Received"),
    _field("id", "Id"),
)
"""The columns of the list, in order."""
