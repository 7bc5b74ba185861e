"""Pull requests as a list, as a CSV file, and in figures."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from theodora.dora.metrics.pull_requests import (
    GROUPED,
    PULL_REQUEST_METRICS,
    PullRequestFigures,
    PullRequestGroup,
    PullRequestQuery,
    PullRequestReport,
)
from theodora.errors import Invalid, Problem
from theodora.events.pull_requests import STATES, PullRequestEvent
from theodora.query import Field, Kind, Query
from theodora.query.bots import IS_BOT, without_bots
from theodora.query.operands import equals
from theodora.query.pull_request_fields import pull_request_field
from theodora.report import wording
from theodora.report.links import PULL_REQUESTS_PATH as PATH
from theodora.report.links import STATES as STATE_CHIPS
from theodora.report.links import path_of, pull_request_path
from theodora.report.pull_request_words import (
    change_words,
    distribution_words,
    median_words,
    throughput_words,
)
from theodora.report.scope import Scope
from theodora.storage import Selection
from theodora.web.pages.parts.clauses import clauses_of, is_about, joined, text_of
from theodora.web.pages.parts.csv_download import csv_stream
from theodora.web.pages.parts.list_columns import (
    ABSENT,
    CellPart,
    CellParts,
    ListColumn,
    ListContext,
    choose_columns,
    field_column,
    heads,
)
from theodora.web.pages.parts.listing import (
    every_event,
    neighbours,
    own_parameters,
    read_listing,
    read_page,
    request_body,
)
from theodora.web.pages.shell.page import Answer, View, Visit

CLOCK = "updated_at"
_BY_INTERVAL = "interval"
_GROUP_LABELS = {
    _BY_INTERVAL: "By interval",
    "service": "By service",
    "team": "By team",
    "env": "By environment",
    "repository_id": "By repository",
    "base": "By target branch",
}
_STATE = pull_request_field("state")
_MOST_ROWS = 14


class StateLink(NamedTuple):
    """How many are in a state, and the search for them."""

    words: str
    requests: int
    link: str
    is_chosen: bool


class FigureRow(NamedTuple):
    """A metric as a line of the table."""

    label: str
    about: str
    n: int
    cells: tuple[str, ...]
    """Median, mean and the percentiles; dashes where there is nothing."""
    change: str


class MedianRow(NamedTuple):
    """A group, or an interval, with the medians of every metric."""

    name: str
    note: str
    merged: int
    deployed: int
    cells: tuple[str, ...]


class _RequestsAsked(NamedTuple):
    """What the page was asked for besides the list."""

    tree: Query
    """The search of the list, without bots unless they are wanted."""
    with_bots: bool
    names_bots: bool
    """Whether the search itself decides about bots."""
    group_by: str


def show_pull_requests(visit: Visit) -> Answer:
    scope = visit.scope
    asked = _read(visit)
    listing = read_listing(visit, Kind.PULL_REQUEST, CLOCK)
    page = read_page(listing, asked.tree, partial(_select, visit), _updated_at_ns)
    own = {**own_parameters(listing), **_own(asked)}
    choice = choose_columns(scope, COLUMNS, None)
    report = _report(visit, asked)
    has_any = bool(page.events) or visit.store.pull_requests.count(visit.organisation) > 0
    return View(
        {
            "has_any": has_any,
            "clauses": len(clauses_of(scope.tree)),
            **_counts(visit, asked, own),
            "columns": tuple(heads(scope, PATH, listing, choice.shown)),
            "choice": choice,
            "rows": tuple(choice.cells(each, ListContext(scope)) for each in page.events),
            "shown": page.events,
            "listing": listing,
            "neighbours": tuple(neighbours(scope, PATH, listing, page)),
            "own": own,
            "csv_link": scope.link(f"{PATH}.csv", **own),
            "request": request_body(listing, asked.tree, "dora_pull_requests_list_request"),
            **_figures(visit, report, asked),
        }
    )


CSV_COLUMNS = (
    *("id", "repository_id", "number", "title", "author", "state", "branch", "base", "url"),
    *("label", "reviewer", "service", "env", "team", "is_bot", "number_of_commits"),
    *("number_of_reviewers", "additions", "deletions", "first_commit_at", "opened_at"),
    *("ready_at", "first_reviewed_at", "approved_at", "merged_at", "closed_at", "deployed_at"),
    *("cycle_time", "time_to_ready", "review_time", "merge_time", "time_to_deploy"),
)
"""Named and written as the search language has them."""


def pull_requests_csv(visit: Visit) -> Answer:
    """The complete list, however long it is."""
    listing = read_listing(visit, Kind.PULL_REQUEST, CLOCK)
    found = every_event(listing, _read(visit).tree, partial(_select, visit), _updated_at_ns)
    fields = tuple(map(pull_request_field, CSV_COLUMNS))
    rows = ([" ".join(field.texts(each)) for field in fields] for each in found)
    return csv_stream("pull-requests.csv", CSV_COLUMNS, rows)


def _select(visit: Visit, selection: Selection) -> list[PullRequestEvent]:
    return visit.store.pull_requests.select(visit.organisation, selection)


def _updated_at_ns(request: PullRequestEvent) -> int:
    return request.updated_at_ns or 0


def _read(visit: Visit) -> _RequestsAsked:
    parameters, tree = visit.query_parameters, visit.scope.tree
    group_by = parameters.get("group_by", "")
    if group_by not in {"", *_GROUP_LABELS}:
        allowed = " ".join(_GROUP_LABELS)
        raise Invalid(Problem(f'must be one of "{allowed}"', parameter="group_by"))
    names_bots = _names(tree, IS_BOT)
    with_bots = names_bots or parameters.get("bots") == "shown"
    wanted = tree if with_bots else without_bots(tree)
    return _RequestsAsked(wanted, with_bots, names_bots, group_by)


def _names(tree: Query, field: Field) -> bool:
    return any(is_about(clause, field) for clause in clauses_of(tree))


def _own(asked: _RequestsAsked) -> dict[str, str | None]:
    shows_bots = asked.with_bots and not asked.names_bots
    return {"bots": "shown" if shows_bots else None, "group_by": asked.group_by or None}


def _counts(
    visit: Visit, asked: _RequestsAsked, own: Mapping[str, str | None]
) -> dict[str, object]:
    """How many are in each state, whatever state is searched for, and how many bots made."""
    scope = visit.scope
    others = [each for each in clauses_of(scope.tree) if not is_about(each, _STATE)]
    rest = joined(others)
    period = (scope.period.start_ns, scope.period.end_ns)
    found = {
        each.state: each
        for each in visit.store.pull_requests.count_states(visit.organisation, rest, *period)
    }
    states: list[StateLink] = []
    for state in STATES:
        counted = found.get(state)
        count = 0 if counted is None else counted.requests
        if counted and not asked.with_bots:
            count -= counted.of_bots
        chosen = equals(_STATE, state)
        is_chosen = chosen in clauses_of(scope.tree)
        tree = joined(others if is_chosen else (*others, chosen))
        link = scope.link(PATH, **{**own, "query": text_of(tree) or None})
        states.append(StateLink(STATE_CHIPS[state][1], count, link, is_chosen))
    of_bots = sum(each.of_bots for each in found.values())
    return {
        "states": tuple(states),
        "count": sum(each.requests for each in states),
        "of_bots": of_bots,
        "with_bots": asked.with_bots,
        "names_bots": asked.names_bots,
        "bots_link": scope.link(PATH, **{**own, "bots": None if asked.with_bots else "shown"}),
    }


def _report(visit: Visit, asked: _RequestsAsked) -> PullRequestReport:
    scope = visit.scope
    query = PullRequestQuery(
        period=scope.period,
        as_of_ns=scope.now_ns,
        interval=scope.interval,
        calendar=scope.calendar,
        group_by=(asked.group_by,) if asked.group_by in GROUPED else (),
    )
    return visit.store.pull_requests.report(
        visit.organisation, query, scope.tree, with_bots=asked.with_bots
    )


def _figures(visit: Visit, report: PullRequestReport, asked: _RequestsAsked) -> dict[str, object]:
    scope = visit.scope
    rows = list(_median_rows(scope, report, asked))
    return {
        "total": report.overall.total,
        "throughput": throughput_words(report.overall.total),
        "figures": tuple(_figure_rows(report.overall)),
        "metrics": PULL_REQUEST_METRICS,
        "medians": tuple(rows[:_MOST_ROWS]),
        "more_medians": max(0, len(rows) - _MOST_ROWS),
        "group_by": asked.group_by,
        "group_labels": _GROUP_LABELS,
        "metrics_request": {
            **scope.api_parameters,
            "bots": "true" if asked.with_bots else "false",
        },
    }


def _median_rows(
    scope: Scope, report: PullRequestReport, asked: _RequestsAsked
) -> Iterator[MedianRow]:
    """The groups asked for, or the intervals, newest first."""
    if asked.group_by == _BY_INTERVAL:
        for each in reversed(report.overall.series):
            name = scope.clock.day(each.bucket.period.start_ns)
            yield _interval_row(name, each.figures, is_partial=each.bucket.is_partial)
    else:
        yield from map(_group_row, report.groups)


def _figure_rows(group: PullRequestGroup) -> Iterator[FigureRow]:
    for metric in PULL_REQUEST_METRICS:
        found = group.total.distributions[metric.name]
        yield FigureRow(
            metric.label,
            metric.about,
            found.n,
            distribution_words(metric, found),
            change_words(metric, group),
        )


def _group_row(group: PullRequestGroup) -> MedianRow:
    return MedianRow(
        wording.visible(group.group[0]), "", *_counted(group.total), median_words(group.total)
    )


def _interval_row(name: str, figures: PullRequestFigures, *, is_partial: bool) -> MedianRow:
    note = "partial" if is_partial else ""
    return MedianRow(name, note, *_counted(figures), median_words(figures))


def _counted(figures: PullRequestFigures) -> tuple[int, int]:
    return figures.merged, figures.deployed


def _title_cell(request: PullRequestEvent, context: ListContext) -> CellParts:
    link = context.scope.link(pull_request_path(request.id))
    number = f"{request.repository_id}#{request.number}"
    return (
        CellPart(request.title or "Pull request", link, is_given=True),
        CellPart(number, look="mu", is_given=True),
    )


def _state_cell(request: PullRequestEvent, _: ListContext) -> CellParts:
    kind, word = STATE_CHIPS[request.state]
    return (CellPart(word, chip=kind),)


def _to_deploy_cell(request: PullRequestEvent, context: ListContext) -> CellParts:
    shipped = request.shipped
    if shipped is None:
        return ABSENT
    seconds = next(iter(_TO_DEPLOY.values(request)), None)
    words = "deployed" if seconds is None else wording.duration(int(seconds))
    return (CellPart(words, context.scope.href(path_of(shipped.id))),)


def _itself(request: PullRequestEvent) -> PullRequestEvent:
    return request


_TO_DEPLOY = pull_request_field("time_to_deploy")
_field = partial(field_column, Kind.PULL_REQUEST, _itself)

COLUMNS: Sequence[ListColumn[PullRequestEvent]] = (
    _field("updated_at", "Updated", shown="usually"),
    ListColumn("title", "Pull request", _title_cell, "always", begins_ascending=True, is_head=True),
    _field("author", "Author", shown="usually"),
    ListColumn("state", "State", _state_cell, begins_ascending=True),
    _field("label", "Labels"),
    _field("reviewer", "Reviewers"),
    _field("base", "Target branch"),
    _field("service", "Services"),
    _field("env", "Environments"),
    _field("number_of_commits", "Commits"),
    _field("cycle_time", "Cycle time", shown="usually"),
    _field("time_to_ready", "To ready"),
    _field("review_time", "Review", shown="usually"),
    _field("merge_time", "Merge"),
    ListColumn("time_to_deploy", "To deploy", _to_deploy_cell, is_number=True),
    _field("lines", "Lines", shown="usually"),
    _field("opened_at", "Opened"),
    _field("merged_at", "Merged"),
    _field("deployed_at", "Deployed"),
)
"""The columns of the list, in order."""
