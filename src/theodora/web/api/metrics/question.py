"""The validated parameters of a metrics request.

The endpoint takes them from its URL, `theodora metrics` from its options.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Literal, get_args

from msgspec import UNSET, Meta, Struct, UnsetType

from theodora.dora.metrics.calendar import (
    BUCKET_LIMIT,
    UTC_CALENDAR,
    Calendar,
    Interval,
    Period,
)
from theodora.dora.metrics.report import MetricsQuery
from theodora.dora.metrics.tally import Granularity
from theodora.errors import Invalid, Problem
from theodora.query import Everything, Query, parse
from theodora.query.fields import Kind
from theodora.query.parser import MAX_CHARACTERS
from theodora.report.parameters import (
    Parameters,
    instants_in,
    known_parameters,
    read_calendar,
    read_period,
)
from theodora.storage.metrics.columns import GROUPED
from theodora.web.api.metrics.parameters import (
    AnswerForm,
    Cut,
    End,
    FirstDay,
    Form,
    Now,
    Start,
    Zone,
    named_problems,
)

MOST_KEYS = 4
"""Most keys to group by."""
MOST_GROUPED_BUCKETS = 1_000
"""Most intervals of a grouped answer."""

_MOST_KEY_CHARACTERS = 200


class MetricsParameters(Struct, frozen=True, rename={"from_": "from"}):
    """The parameters of a metrics request, for schemas."""

    from_: Start = UNSET
    to: End = UNSET
    query: (
        Annotated[
            str,
            Meta(
                description="Which events count, see the search language.",
                max_length=MAX_CHARACTERS,
            ),
        ]
        | UnsetType
    ) = UNSET
    interval: Cut = "total"
    group_by: (
        Annotated[
            str,
            Meta(
                description=f"Up to {MOST_KEYS} keys with commas between them: "
                f"{', '.join(GROUPED)} or keys of custom tags."
            ),
        ]
        | UnsetType
    ) = UNSET
    timezone: Zone = "UTC"
    week_start: FirstDay = "monday"
    granularity: Annotated[
        Granularity,
        Meta(description="Whether lead times are of commits, or means of deployments."),
    ] = "commit"
    stages: Annotated[
        Literal["true", "false"],
        Meta(description="Whether `total` and `previous` include the stages of lead times."),
    ] = "false"
    as_of: Now = UNSET
    format: AnswerForm = "json"


PARAMETERS = MetricsParameters.__struct_encode_fields__


@dataclass(frozen=True, slots=True)
class Question:
    """A metrics request that can be answered."""

    query: MetricsQuery
    text: str
    """The search, as given."""
    tree: Query
    """What it means."""
    zone: str
    """The name of the calendar's zone."""
    form: Form


def read_question(parameters: Iterable[tuple[str, str]], now_ns: int) -> Question:
    """The question in parameters by name; `Invalid` lists all problems.

    An empty value counts as absent.
    """
    with named_problems():
        return _question(known_parameters(parameters, PARAMETERS), now_ns)


def _question(parameters: Parameters, now_ns: int) -> Question:
    calendar = read_calendar(parameters, UTC_CALENDAR)
    as_of_ns = parameters.read("as_of", instants_in(calendar), now_ns)
    query = MetricsQuery(
        period=read_period(parameters, calendar, as_of_ns),
        as_of_ns=as_of_ns,
        interval=parameters.choice("interval", get_args(Interval), "total"),
        calendar=calendar,
        group_by=parameters.read("group_by", _keys, ()),
        granularity=parameters.choice("granularity", get_args(Granularity), "commit"),
        stages=parameters.choice("stages", ("true", "false"), "false") == "true",
    )
    tree = parameters.read("query", read_tree, Everything())
    form: Form = parameters.choice("format", get_args(Form), "json")
    parameters.check()
    _check_size(query)
    zone = parameters.given("timezone") or "UTC"
    return Question(query, parameters.given("query"), tree, zone, form)


def _check_size(query: MetricsQuery) -> None:
    limit = MOST_GROUPED_BUCKETS if query.group_by else BUCKET_LIMIT
    check_intervals(query.calendar, query.period, query.interval, limit)


def check_intervals(
    calendar: Calendar, period: Period, interval: Interval, limit: int = MOST_GROUPED_BUCKETS
) -> None:
    """Raises `Invalid` for a period of more than so many intervals."""
    if interval == "total":
        return
    intervals = calendar.intervals(period, interval)
    if next(islice(intervals, limit, None), None):
        detail = f"must not cut the period into more than {limit} parts"
        raise Invalid(Problem(detail, parameter="interval"))


def _keys(text: str) -> tuple[str, ...]:
    """Keys to group by, with commas between them."""
    keys = tuple(key.strip().removeprefix("@") for key in text.split(","))
    if not all(keys) or len(set(keys)) < len(keys):
        raise Invalid(Problem("must be different keys with commas between them"))
    if len(keys) > MOST_KEYS:
        raise Invalid(Problem(f"must have at most {MOST_KEYS} keys"))
    if any(len(key) > _MOST_KEY_CHARACTERS for key in keys):
        detail = f"must have keys of at most {_MOST_KEY_CHARACTERS} characters"
        raise Invalid(Problem(detail))
    return keys


def read_tree(text: str, kind: Kind = Kind.DEPLOYMENT) -> Query:
    """What a search of events of a kind means; problems call it a parameter."""
    try:
        return parse(text, kind)
    except Invalid as invalid:
        details = (problem.detail for problem in invalid.problems)
        renamed = (detail.replace("attribute", "parameter", 1) for detail in details)
        raise Invalid(*map(Problem, renamed)) from None
