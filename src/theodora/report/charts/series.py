"""Charts of metrics by interval: counts, durations and rates."""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import Any, NamedTuple

from markupsafe import Markup

from theodora.dora.metrics.metrics import Metrics
from theodora.dora.metrics.report import BucketMetrics
from theodora.dora.metrics.shapes import Rate
from theodora.dora.metrics.statistics import Distribution
from theodora.dora.metrics.table import CHANGE_FAILURE_RATE, DEPLOYMENT_FREQUENCY, Metric
from theodora.report import wording
from theodora.report.charts.goal import GoalLine, goal_drawn, highest_with
from theodora.report.charts.plot import Plot, Slot, leading
from theodora.report.charts.scales import count_axis, duration_axis, rate_axis
from theodora.report.charts.svg import (
    STRIPE,
    bars,
    beside,
    box,
    dots,
    group,
    label,
    line,
    path,
    short,
)
from theodora.report.metric_words import nothing_of

_INSET = 0.16
"""The gap on either side of a bar, as a share of its slot."""
_SPLIT = 1.5
"""Pixels between the parts of a bar."""


class Count(NamedTuple):
    """Deployments of an interval, by verdict."""

    total: int
    failed: int = 0
    pending: int = 0

    @property
    def words(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        pending = f", {self.pending} pending" if self.pending else ""
        return f"{wording.counted(self.total, 'deployment')}{failed}{pending}"


def rate_words(rate: Rate) -> str:
    if not rate.n:
        return "none evaluated, no value"
    share = f"{rate.hits} of {rate.n} = {wording.percent(rate.value)}"
    return f"{share}, 95{wording.NARROW}% interval {wording.interval(rate.low, rate.high)}"


def count_of(metrics: Metrics) -> Count:
    rate = metrics[CHANGE_FAILURE_RATE]
    return Count(metrics[DEPLOYMENT_FREQUENCY].count, rate.hits, rate.pending)


def deployments_chart(
    series: Sequence[BucketMetrics],
    slots: Sequence[Slot],
    cells: Sequence[int] = (),
    flags: str = "",
    goal: GoalLine | None = None,
) -> Markup:
    """A bar an interval: those that did not fail, those that did, those still pending."""
    counts = [count_of(each.metrics) for each in series]
    totals = [count.total for count in counts]
    if not any(totals):
        return empty_chart("no deployments in this period")
    plot = Plot(leading(slots, totals), count_axis(highest_with(goal, max(totals))))
    stacks = [_stack(plot, count) for count in counts]
    standing = ((index, *stack[0]) for index, stack in enumerate(stacks) if stack[0])
    fine = bars("b-ok", 1 - 2 * _INSET, standing)
    return plot.drawn(
        [count.words for count in counts],
        [fine],
        group("b-pend", *_boxes(plot, [stack[1] for stack in stacks])),
        group("b-fail", *_boxes(plot, [stack[2] for stack in stacks]), more=STRIPE),
        _goal(plot, goal),
        cells=cells,
        flags=flags,
    )


def _goal(plot: Plot, goal: GoalLine | None) -> str:
    value = goal.value if goal else 0
    return goal_drawn(goal, plot.y(value), is_above=value > plot.axis.top)


_Ends = tuple[float, float] | None
"""The top and bottom of a part in pixels; None for an empty part."""


def _stack(plot: Plot, count: Count) -> tuple[_Ends, _Ends, _Ends]:
    """From the axis up: deployments that did not fail, pending ones, failed ones."""
    ends: list[_Ends] = []
    below = 0
    for part in (count.total - count.failed - count.pending, count.pending, count.failed):
        floor = plot.y(below) - (_SPLIT if below else 0)
        top = min(plot.y(below + part), floor - 1)
        ends.append((top, floor) if part else None)
        below += part
    fine, pending, failed = ends
    return fine, pending, failed


def _boxes(plot: Plot, ends: Sequence[_Ends]) -> Iterator[str]:
    width = plot.width * (1 - 2 * _INSET)
    for index, each in enumerate(ends):
        if each:
            top, bottom = each
            yield box("", plot.left(index, _INSET), top, width, bottom - top)


def duration_chart(
    metric: Metric[Any],
    series: Sequence[BucketMetrics],
    slots: Sequence[Slot],
    cells: Sequence[int] = (),
    flags: str = "",
    goal: GoalLine | None = None,
) -> Markup:
    """Median and 90th percentile; lines break where an interval has no durations."""
    spans: list[Distribution] = [each.metrics[metric] for each in series]
    known = [each.p90 for each in spans if each.p90 is not None]
    if not known:
        return empty_chart(nothing_of(metric))
    highest = highest_with(goal, max(known))
    plot = Plot(leading(slots, (each.n for each in spans)), duration_axis(highest))
    titles = [
        f"median {wording.duration(each.p50)}, p90 {wording.duration(each.p90)}, "
        f"{wording.counted(each.n, metric.noun)}"
        if each.n
        else f"no {metric.noun}s in this period, no value"
        for each in spans
    ]
    medians = [each.p50 for each in spans]
    points = [(index, plot.y(value)) for index, value in enumerate(medians) if value is not None]
    inside = (
        *_lines("l-2", plot, [each.p90 for each in spans]),
        *_lines("l-1", plot, medians),
        dots("dot", points),
        dots("dot in", points),
    )
    return plot.drawn(titles, inside, _goal(plot, goal), cells=cells, flags=flags)


def _lines(class_: str, plot: Plot, values: Sequence[float | None]) -> Iterator[str]:
    """A line for every run of neighbours that have a value; dashed to a partial one."""
    for has_value, run in groupby(range(len(values)), key=lambda index: values[index] is not None):
        if has_value:
            yield from _run(class_, plot, [(index, values[index] or 0) for index in run])


def _run(class_: str, plot: Plot, run: Sequence[tuple[int, float]]) -> Iterator[str]:
    points = [(index, plot.y(value)) for index, value in run]
    partial = [plot.slots[index].is_partial for index, _ in run]
    segments = [
        (one or other, pair)
        for one, other, pair in zip(partial, partial[1:], pairwise(points), strict=False)
    ]
    for is_dashed, those in groupby(segments, key=lambda segment: segment[0]):
        pairs = [pair for _, pair in those]
        dashes = f"{class_} l-p" if is_dashed else class_
        yield line(dashes, [pairs[0][0], *(end for _, end in pairs)])


class RateCourse(NamedTuple):
    """A rate, interval by interval."""

    name: str
    rates: Sequence[Rate]
    overall: Rate
    """Of the complete period."""
    goal: GoalLine | None = None


_BESIDE = 0.19
"""How far the marks of two rates are from the middle of their slot, as a share of its width."""
_SHARES_Y = 164
_SHARES_HEIGHT = 11
_MOST_SHARES = 14


def rate_chart(
    courses: Sequence[RateCourse], slots: Sequence[Slot], cells: Sequence[int] = (), flags: str = ""
) -> Markup:
    """Of one or two rates, marks for each interval on their 95 % intervals.

    k/N is beneath, a dashed line for the period. Marks are not joined: the numbers are small, and a
    line would turn chance into waves.
    """
    if not slots or all(course.overall.value is None for course in courses):
        return empty_chart("none evaluated in this period")
    every = [rate for course in courses for rate in course.rates]
    highs = [rate.high for rate in every if rate.high is not None]
    hits = (sum(rate.hits for rate in those) for those in zip(*_rates(courses), strict=True))
    highest = min(max(highs), _reach(every))
    for course in courses:
        highest = highest_with(course.goal, highest)
    plot = Plot(leading(slots, hits), rate_axis(highest))
    offsets = (-_BESIDE, _BESIDE) if len(courses) > 1 else (0,)
    inside = (
        part
        for number, (course, offset) in enumerate(zip(courses, offsets, strict=True), 1)
        for part in _rate_marks(plot, course, offset, number)
    )
    titles = [
        "; ".join(
            f"{course.name} {rate_words(rate)}" if len(courses) > 1 else rate_words(rate)
            for course, rate in zip(courses, those, strict=True)
        )
        for those in zip(*_rates(courses), strict=True)
    ]
    goals = (_goal(plot, course.goal) for course in courses)
    shares = (_shares(plot, course, row) for row, course in enumerate(courses))
    below = 1 + _SHARES_HEIGHT * len(courses)
    return plot.drawn(titles, inside, *goals, *shares, below=below, cells=cells, flags=flags)


def _rates(courses: Sequence[RateCourse]) -> Iterator[Sequence[Rate]]:
    return (course.rates for course in courses)


def _rate_marks(plot: Plot, course: RateCourse, offset: float, number: int) -> Iterator[str]:
    """The paths of one rate; classes end with its number."""
    yield path(f"iv iv-{number}", *_intervals(plot, course.rates, offset))
    if course.overall.value is not None:
        across = f"M-.5 {short(plot.y(course.overall.value))}h{len(plot.slots)}"
        yield path(f"avg avg-{number}", across)
    half = 0.3 - abs(offset) / 1.5
    yield path(f"mk mk-{number}", *_marks(plot, course.rates, offset, half))


def _reach(rates: Sequence[Rate]) -> float:
    """The upper end of the axis, capped so that one sparse interval does not flatten the others."""
    highs = sorted(rate.high for rate in rates if rate.high is not None)
    values = [rate.value for rate in rates if rate.value is not None]
    return max(*values, highs[len(highs) * 3 // 4], 0.02) if len(values) > 1 else highs[-1]


def _shares(plot: Plot, course: RateCourse, row: int) -> str:
    """k/N of each interval in a row; phones have no room for them."""
    y = _SHARES_Y + _SHARES_HEIGHT * row
    if len(course.rates) > _MOST_SHARES:
        return ""
    those = (
        label("", plot.middle(index), y, f"{rate.hits}/{rate.n}")
        for index, rate in enumerate(course.rates)
        if rate.n
    )
    return group("t y k2", beside(y, course.name)) + group("t s k2", *those)


def _intervals(plot: Plot, rates: Sequence[Rate], offset: float) -> Iterator[str]:
    for index, rate in enumerate(rates):
        if rate.low is not None and rate.high is not None:
            yield f"M{index + offset:g} {short(plot.y(rate.low))}V{short(plot.y(rate.high))}"


def _marks(plot: Plot, rates: Sequence[Rate], offset: float, half: float) -> Iterator[str]:
    for index, rate in enumerate(rates):
        if rate.value is not None:
            x = short(index + offset - half)
            yield f"M{x} {short(plot.y(rate.value))}h{short(2 * half)}"


def empty_chart(words: str) -> Markup:
    """A sentence in place of a chart: an empty frame would take the room of a chart."""
    return Markup('<p class="none">{}</p>').format(words)
