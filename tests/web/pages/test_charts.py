"""Charts: well-formed drawings with values in their places, whatever they are given."""

import re
from datetime import UTC, datetime
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pooling import pooled
from theodora.dora.metrics.calendar import Bucket, Calendar, Period, buckets_of
from theodora.dora.metrics.metrics import Metrics
from theodora.dora.metrics.report import BucketMetrics
from theodora.dora.metrics.rows import DeploymentRow
from theodora.dora.metrics.shapes import Rate
from theodora.dora.metrics.stage_means import StageMeans
from theodora.dora.metrics.statistics import wilson_interval
from theodora.dora.metrics.table import CHANGE_LEAD_TIME
from theodora.report import charts
from theodora.report.charts.histogram import place_of, steps_of
from theodora.report.charts.plot import BASE, ROOF, Plot
from theodora.report.charts.scales import (
    Axis,
    count_axis,
    duration_axis,
    log_place,
    rate_axis,
)
from theodora.report.charts.svg import bars
from theodora.report.charts.timeline import Shape, timeline
from theodora.report.charts.timeline_rows import months_between, weeks_between
from theodora.report.clock import Clock
from theodora.report.scope import read_scope

SECOND_NS = 10**9
NOW_NS = int(datetime(2026, 11, 19, 14, 5, tzinfo=UTC).timestamp()) * SECOND_NS
CLOCK = Clock(Calendar(), NOW_NS)
SCOPE = read_scope({}, NOW_NS)
HOSTILE = "</title><script>alert(1)</script>\"' & \u202e\x00\ud7ff日本🚀" + "W" * 255


def read(svg: str) -> ET.Element:
    """The drawing, if it is XML and says nothing that is no number."""
    assert not re.search(r"\b(nan|inf|None|e[+-]\d\d)\b", re.sub(r"<title>.*?</title>", "", svg))
    assert "style=" not in svg
    return ET.fromstring(svg)


def titles(drawing: ET.Element) -> list[str]:
    return [
        (each.text or "").replace("\u202f", " ").replace("\u00a0", " ")
        for each in drawing.iter("title")
    ]


def texts(drawing: ET.Element) -> list[str]:
    return [(each.text or "").replace("\u202f", " ") for each in drawing.iter("text")]


def slot(name: str = "9 Nov", *, link: str = "/x", is_partial: bool = False) -> charts.Slot:
    return charts.Slot(name, f"week of {name}", link, is_partial)


def metrics(
    total: int, failed: int = 0, pending: int = 0, lead_times: list[float] | None = None
) -> Metrics:
    rows = [
        DeploymentRow(
            id=str(number),
            service="web",
            finished_at_ns=0,
            change_failure=None if number >= total - pending else number < failed,
            deployment_type="rollback" if number < failed else "standard",
            lead_times_ns=tuple(round(each * SECOND_NS) for each in lead_times or ())
            if not number
            else (),
        )
        for number in range(total)
    ]
    return pooled(rows, days=7)


def series(*those: Metrics) -> list[BucketMetrics]:
    bucket = Bucket(Period(0, 1), Period(0, 1), is_partial=False)
    return [BucketMetrics(bucket, each) for each in those]


values = st.lists(st.integers(0, 10**6), min_size=1, max_size=20)


@pytest.mark.parametrize("make", [count_axis, duration_axis])
@given(highest=st.floats(0, 1e9))
def test_an_axis_reaches_what_it_shows_in_few_round_steps(make, highest: float) -> None:
    """From 0, with one to four steps, never far above the highest value."""
    axis: Axis = make(highest)
    assert axis.values[0] == 0
    assert 2 <= len(axis.values) <= 5
    assert axis.top >= highest * (1 - 1e-9)
    assert len(set(axis.labels)) == len(axis.labels)


@given(highest=st.floats(0, 1))
def test_an_axis_of_rates_ends_at_all(highest: float) -> None:
    """No rate is above 100 %."""
    axis = rate_axis(highest)
    assert highest <= axis.top + 1e-9
    assert axis.top <= 1 + 1e-9
    assert len(axis.values) <= 5


@pytest.mark.parametrize(
    ("axis", "labels"),
    [
        (count_axis(71), ["0", "20", "40", "60", "80"]),
        (count_axis(0), ["0", "1"]),
        (count_axis(3), ["0", "1", "2", "3"]),
        (duration_axis(3.5 * 86_400), ["0", "1 d", "2 d", "3 d", "4 d"]),
        (duration_axis(5 * 60), ["0", "2 min", "4 min", "6 min"]),
        (rate_axis(0.29), ["0", "10 %", "20 %", "30 %"]),
    ],
)
def test_grid_lines_stand_at_round_values(axis: Axis, labels: list[str]) -> None:
    """As people count, and as clocks do."""
    assert [each.replace("\u202f", " ") for each in axis.labels] == labels


@given(values)
def test_a_higher_value_never_lies_lower(those: list[int]) -> None:
    """The axis is at the bottom, the highest grid line at the top."""
    plot = Plot([slot()], count_axis(max(those)))
    placed = [plot.y(value) for value in sorted(those)]
    assert placed == sorted(placed, reverse=True)
    assert plot.y(0) == BASE
    assert all(ROOF <= y <= BASE for y in placed)


@given(st.floats(1, 1e7), st.floats(1, 1e7))
def test_a_logarithmic_axis_keeps_order_and_its_ends(one: float, other: float) -> None:
    """What lies beyond an end is at the end."""
    low, high = sorted((one, other))
    assert 0 <= log_place(low, 300, 172_800) <= log_place(high, 300, 172_800) <= 1
    assert log_place(300, 300, 172_800) == 0
    assert log_place(172_800, 300, 172_800) == 1


def test_a_bar_is_as_high_as_its_count_and_stacks_what_failed() -> None:
    """47 deployments of an axis up to 80, two of them failed and four pending."""
    drawing = read(charts.deployments_chart(series(metrics(80), metrics(47, 2, 4)), [slot()] * 2))
    (fine,) = [each.get("d") for each in drawing.iter("path") if each.get("class") == "b-ok"]
    assert fine is not None
    heights = [BASE - float(each) for each in re.findall(r"V([\d.]+)", fine)]
    assert heights == pytest.approx([144, 41 * 1.8])
    stacked = {each.get("class"): list(each) for each in drawing.iter("g")}
    assert [len(stacked[name]) for name in ("b-pend", "b-fail")] == [1, 1]
    assert titles(drawing)[1].endswith("47 deployments, 2 failed, 4 pending")


def test_an_empty_interval_is_a_count_of_nothing() -> None:
    """A count without events is 0, and is drawn as 0."""
    drawing = read(charts.deployments_chart(series(metrics(0), metrics(3)), [slot()] * 2))
    assert titles(drawing)[0].endswith("no deployments")


def test_a_partial_interval_is_hatched_and_its_line_dashed() -> None:
    """It is not extrapolated."""
    slots = [slot("2 Nov"), slot("9 Nov"), slot("now", is_partial=True)]
    leads = [metrics(1, lead_times=[3_600.0 * each]) for each in (1, 2, 3)]
    drawing = read(charts.duration_chart(CHANGE_LEAD_TIME, series(*leads), slots))
    assert [each.get("class") for each in drawing.iter("rect")].count("part") == 1
    lines = [each.get("class") for each in drawing.iter("polyline")]
    assert lines == ["l-2", "l-2 l-p", "l-1", "l-1 l-p"]
    assert texts(drawing)[-1] == "now"


def test_a_line_breaks_where_an_interval_has_no_value() -> None:
    """Two runs of two, and no dot between them."""
    leads = [metrics(1, lead_times=[60.0] if each else []) for each in (1, 1, 0, 1, 1)]
    drawing = read(charts.duration_chart(CHANGE_LEAD_TIME, series(*leads), [slot()] * 5))
    assert len([each for each in drawing.iter("polyline") if each.get("class") == "l-1"]) == 2
    (dots,) = [each.get("d") or "" for each in drawing.iter("path") if each.get("class") == "dot"]
    assert dots.count("M") == 4
    assert titles(drawing)[2].endswith("no commits in this period, no value")


def test_a_chart_without_anything_says_so() -> None:
    """A sentence, which takes less room than an empty frame."""
    nothing = series(metrics(0))
    none = Rate(None, None, None, 0, 0)
    for drawn, words in (
        (
            charts.duration_chart(CHANGE_LEAD_TIME, nothing, [slot()]),
            "no lead times in this period",
        ),
        (charts.rate_chart([course(none)], [slot()]), "none evaluated in this period"),
        (charts.deployments_chart([], []), "no deployments in this period"),
        (charts.deployments_chart(nothing, [slot()]), "no deployments in this period"),
        (charts.recovery_chart([], [], None, []), "no failures"),
        (charts.lead_time_histogram([0] * 16, []), "no lead times in this period"),
    ):
        assert (read(drawn).tag, read(drawn).text) == ("p", words)


def rate(hits: int, n: int) -> Rate:
    low, high = wilson_interval(hits, n) or (None, None)
    return Rate(hits / n if n else None, low, high, hits, n)


def course(*rates: Rate, name: str = "failed") -> charts.RateCourse:
    total = rate(sum(each.hits for each in rates), sum(each.n for each in rates))
    return charts.RateCourse(name, rates, total)


def test_two_rates_are_beside_each_other_in_each_slot() -> None:
    """Each with its interval, its share in a row of its own, and in one title."""
    failed, rework = course(rate(4, 45), rate(0, 9)), course(rate(6, 46), rate(1, 9), name="rework")
    drawing = read(charts.rate_chart([failed, rework], [slot(), slot(link="/y")]))
    paths = {each.get("class"): each.get("d") or "" for each in drawing.iter("path")}
    places = [re.findall(r"M(\S+)", paths[f"iv iv-{number}"]) for number in (1, 2)]
    assert places == [["-0.19", "0.81"], ["0.19", "1.19"]]
    assert [each for each in texts(drawing) if "/" in each] == ["4/45", "0/9", "6/46", "1/9"]
    assert {"failed", "rework"} <= set(texts(drawing))
    assert titles(drawing)[1].startswith("week of 9 Nov: failed 0 of 9 = 0.0 %, 95 % interval")
    assert "; rework 1 of 9 = 11.1 %" in titles(drawing)[1]
    assert [each.get("href") for each in drawing.iter("a")] == ["/x", "/y"]


def test_a_rate_is_a_mark_on_its_interval() -> None:
    """Four of 45, with the interval that Wilson gives; nothing where nothing was judged."""
    rates = [rate(4, 45), rate(0, 0)]
    drawing = read(
        charts.rate_chart([charts.RateCourse("failed", rates, rate(4, 45))], [slot()] * 2)
    )
    paths = {each.get("class"): each.get("d") or "" for each in drawing.iter("path")}
    assert paths["mk mk-1"].count("M") == paths["iv iv-1"].count("M") == 1
    assert [each for each in texts(drawing) if "/" in each] == ["4/45"]
    assert titles(drawing) == [
        "week of 9 Nov: 4 of 45 = 8.9 %, 95 % interval 4 to 21 %",
        "week of 9 Nov: none evaluated, no value",
    ]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=30))
def test_rates_of_any_size_are_drawn(pairs: list[tuple[int, int]]) -> None:
    """From none judged to all failed."""
    rates = [rate(min(hits, n), n) for hits, n in pairs]
    total = rate(sum(each.hits for each in rates), sum(each.n for each in rates))
    read(charts.rate_chart([charts.RateCourse("failed", rates, total)], [slot()] * len(rates)))


@given(st.lists(st.none() | st.floats(0, 1e7), min_size=1, max_size=20), st.booleans())
def test_any_series_has_a_sparkline(those: list[float | None], last_is_partial: bool) -> None:
    """One bar or dot a value, the highest as high as the drawing."""
    drawing = read(charts.sparkline(those, last_is_partial=last_is_partial))
    marks = "".join(each.get("d") or "" for each in drawing.iter("path"))
    assert marks.upper().count("M") + len(list(drawing.iter("rect"))) == len(those)


TENTHS = st.integers(-10_000, 10_000).map(lambda number: number / 10)


@given(st.lists(st.tuples(TENTHS, TENTHS, TENTHS), min_size=1, max_size=30))
def test_bars_stand_where_they_belong_however_short_they_are_written(
    those: list[tuple[float, float, float]],
) -> None:
    """A stroke that is told by its distance from the one before ends in the same place."""
    (drawn,) = re.findall(r' d="(.*)"', bars("b-ok", 1, those))
    at = (0.0, 0.0)
    found: list[tuple[float, float, float]] = []
    for kind, move, up_kind, up in re.findall(r"([Mm])([^VvMm]+)([Vv])([^VvMm]+)", drawn):
        x, y = map(float, re.findall(r"-?(?:\d+\.?\d*|\.\d+)", move))
        if kind == "m":
            x, y = at[0] + x, at[1] + y
        top = float(up) + (y if up_kind == "v" else 0)
        found.append((round(x, 1), round(top, 1), round(y, 1)))
        at = x, top
    assert found == [tuple(each + 0.0 for each in bar) for bar in those]


@given(st.floats(0, 10), st.none() | st.floats(0, 10))
def test_a_score_fills_its_share_of_ten_tiles(score: float, mean: float | None) -> None:
    """9 pixels a tile; the triangle is there if there is a mean."""
    drawing = read(charts.score_tiles(score, mean))
    paths = {each.get("class"): each.get("d") or "" for each in drawing.iter("path")}
    (length,) = [float(length) for length in re.findall(r"h([\d.]+)", paths["tf"])]
    filled = sum(min(max(length - 11 * tile, 0), 9) for tile in range(10))
    assert filled == pytest.approx(9 * score, abs=0.11)
    assert ("tm" in paths) == (mean is not None)


WEEKS = buckets_of(SCOPE.period, "week", SCOPE.calendar, NOW_NS)


def recovery(seconds: float | None) -> charts.Recovery:
    return charts.Recovery(NOW_NS, seconds, "rollback", "web v1", "/deployments/1")


@pytest.mark.parametrize(
    ("seconds", "drawn", "said"),
    [
        (3_600, "circle", "web v1: rollback after 1 h"),
        (60, "path", "web v1: rollback after 1 min"),
        (400_000, "path", "web v1: rollback after 4 d 15 h"),
        (None, "path", "web v1: not fixed yet"),
    ],
)
def test_a_failure_is_a_dot_or_a_triangle_at_the_end(
    seconds: float | None, drawn: str, said: str
) -> None:
    """What lies beyond the axis keeps its value in its title."""
    drawing = read(charts.recovery_chart([recovery(seconds)], WEEKS, seconds, [slot()] * 12))
    (link,) = drawing.iter("a")
    assert len(list(link.iter(drawn))) == 1
    assert titles(drawing) == [said]


def test_a_failure_lies_in_the_slot_of_its_week() -> None:
    """As in the charts beside it, also where the last week has only begun: Thursday, 14:05."""
    slots = charts.slots_of(WEEKS, SCOPE)
    drawing = read(charts.recovery_chart([recovery(3_600)], WEEKS, None, slots))
    (dot,) = drawing.iter("circle")
    thursday = (3 + 14.1 / 24) / 7
    assert dot.get("cx") == f"{100 * (11 + thursday) / 12:.1f}%"
    (part,) = [each for each in drawing.iter("rect") if each.get("class") == "part"]
    assert part.get("x") == "91.7%"
    assert texts(drawing)[-1] == "now"


def test_older_failures_of_many_are_dots_without_a_link() -> None:
    """The newest fifteen have one each; of those that lie upon each other one is drawn."""
    many = [recovery(600.0 * each) for each in range(1, 121)]
    drawing = read(charts.recovery_chart(many, WEEKS, 3_600, [slot()] * 12))
    (dots,) = [
        each.get("d") or "" for each in drawing.iter("path") if each.get("class") == "dots rd"
    ]
    heights = {round(log_place(600.0 * each, 300, 172_800) * -144) for each in range(16, 121)}
    assert len(list(drawing.iter("a"))) == 15
    assert abs(dots.count("M") - len(heights)) <= 1


@given(
    st.dictionaries(st.sampled_from(list(charts.STAGE_NAMES)), st.none() | st.floats(0, 1e7)),
    st.floats(0, 1e7),
)
def test_stages_fit_the_bar(stages: dict, longest: float) -> None:
    """Left to right, none of them beyond the end by more than its least width."""
    spans = charts.spans_of(stages)
    drawing = read(charts.stage_bar(spans, longest))
    boxes = [
        (float((each.get("x") or "")[:-1]), float((each.get("width") or "")[:-1]))
        for each in drawing.iter("rect")
    ]
    assert [x for x, _ in boxes] == sorted(x for x, _ in boxes)
    assert all(x + width <= 100.4 for x, width in boxes)
    assert len(boxes) == len(spans)


COMMITS = st.lists(st.integers(0, 500), min_size=16, max_size=16).filter(any)


def test_a_column_is_as_high_as_the_mean_lead_time_and_stacks_its_stages() -> None:
    means = [
        StageMeans(3, {"review_time": 3600, "time_to_deploy": 7200}),
        StageMeans(0, {}),
        StageMeans(1, {"other": 1800}),
    ]
    drawing = read(charts.stages_chart(means, [slot("2 Nov"), slot("9 Nov"), slot("16 Nov")]))
    paths = {each.get("class"): each.get("d") for each in drawing.iter("path")}
    assert paths["s2"] == "M0 150V102"
    assert paths["s4"] == "M0 102V6"
    assert paths["s6"] == "M2 150V126"
    assert titles(drawing) == [
        "week of 2 Nov: mean 3 h: review 1 h · wait 2 h; 3 commits",
        "week of 9 Nov: no commits in this period, no value",
        "week of 16 Nov: mean 30 min: other 30 min; 1 commit",
    ]


@given(COMMITS, st.floats(0, 1e8), st.floats(0, 1e8))
def test_a_longer_lead_time_lies_further_right(counts: list[int], one: float, other: float) -> None:
    low, high = sorted((one, other))
    steps = steps_of(counts)
    assert 0 <= place_of(low, steps) <= place_of(high, steps) <= 100


@given(COMMITS)
def test_few_steps_hold_all_commits_and_follow_on_each_other(counts: list[int]) -> None:
    steps = steps_of(counts)
    assert 2 <= len(steps) <= 11
    assert sum(step.commits for step in steps) == sum(counts)
    assert [step.high for step in steps[:-1]] == [step.low for step in steps[1:]]
    assert not any(one.commits == other.commits == 0 for one, other in pairwise(steps[:2]))
    assert len({step.name for step in steps}) == len(steps)


def test_a_histogram_of_lead_times_names_its_steps() -> None:
    """Each bar has its number above it, and the steps without commits at the ends are left out."""
    counts = [0, 4, 12, 42, 30, 64, 46, 16, 6, 0, 0, 0, 0, 0, 0, 0]
    marks = [charts.Mark("p50", 50_400), charts.Mark("p90", 172_800)]
    written = [
        each.replace("\u00a0", " ")
        for each in texts(read(charts.lead_time_histogram(counts, marks)))
    ]
    names = ["<1 h", "1–2 h", "2–4 h", "4–8 h", "8–12 h", "12–24 h", "1–2 d", "2–4 d", "4–7 d"]
    assert written[-10:] == [*names, "7–14 d"]
    assert {"p50 14 h", "p90 2 d"} <= set(written)


def test_lead_times_of_months_have_steps_of_months() -> None:
    """Those of few commits become one; both percentiles can be read, whichever side they are."""
    counts = [26, 0, 0, 1, 1, 1, 8, 27, 30, 64, 200, 180, 50, 5, 0, 0]
    marks = [charts.Mark("p50", 36 * 86_400), charts.Mark("p90", 61 * 86_400)]
    drawing = read(charts.lead_time_histogram(counts, marks))
    assert [step.name.replace("\u202f", " ") for step in steps_of(counts)] == [
        *("<1 h", "1–24 h", "1–2 d", "2–4 d", "4–7 d", "7–14 d", "14–30 d"),
        *("30–60 d", "60–90 d", "90–180 d", "180–365 d"),
    ]
    percentiles = [each for each in drawing.iter("text") if (each.text or "").startswith("p")]
    assert [each.get("y") for each in percentiles] == ["-12", "-24"]


def test_a_bar_of_a_day_leads_to_the_day() -> None:
    """Days without a deployment lead nowhere."""
    counts = [charts.Count(14, 2), charts.Count(0), charts.Count(3)]
    slots = [slot(link=f"/{index}") for index in range(3)]
    drawing = read(charts.day_histogram(counts, slots))
    assert [each.get("href") for each in drawing.iter("a")] == ["/0", "/2"]
    assert "highest 14 a day" in texts(drawing)


def tile(at: datetime, shape: Shape = "ok", **more) -> charts.Tile:
    instant = int(at.timestamp()) * SECOND_NS
    return charts.Tile(instant, shape, "/deployments/1", "v1", **more)


MONDAY = datetime(2026, 11, 9, tzinfo=UTC)


def drawn_timeline(*tiles: charts.Tile, **more) -> ET.Element:
    start_ns = int(MONDAY.timestamp()) * SECOND_NS
    return read(timeline(tiles, weeks_between(CLOCK, start_ns, NOW_NS), NOW_NS, **more))


def test_a_tile_lies_at_its_true_time_in_its_week() -> None:
    """Thursday noon of the older of two weeks: half of the week, second row."""
    drawing = drawn_timeline(tile(MONDAY.replace(day=12, hour=12)))
    (row,) = [each for each in drawing.iter("svg") if each.find("a") is not None]
    (use,) = row.iter("use")
    assert use.get("x") == "50%"
    assert row.get("y") == "64"


def test_an_outage_runs_on_over_sunday() -> None:
    """From Saturday noon to Monday noon, in two rows."""
    failed = tile(
        datetime(2026, 11, 14, 12, tzinfo=UTC),
        "failed",
        remedied_at_ns=int(datetime(2026, 11, 16, 12, tzinfo=UTC).timestamp()) * SECOND_NS,
    )
    drawing = drawn_timeline(failed)
    (spans,) = [each.get("d") for each in drawing.iter("path") if each.get("class") == "out"]
    assert spans == "M78.6 75.5h21.4M0 45.5h7.1"
    assert "2 d" in texts(drawing)


def test_what_is_to_come_of_this_week_is_hatched() -> None:
    """From now on, with the time."""
    drawing = drawn_timeline()
    (part,) = [each for each in drawing.iter("rect") if each.get("class") == "part"]
    assert part.get("x") == "51.2%"
    assert "now, 14:05" in texts(drawing)


def instant_ns(*at: int) -> int:
    return int(datetime(*at, tzinfo=UTC).timestamp()) * SECOND_NS


def test_months_of_a_quiet_service_are_side_by_side() -> None:
    """A year in one row, at true times; the year is above January, not beside a December."""
    rows = months_between(CLOCK, instant_ns(2025, 12, 1), NOW_NS)
    noon = datetime(2026, 2, 15, 12, tzinfo=UTC)
    drawing = read(timeline([tile(noon)], rows, NOW_NS))
    (use,) = drawing.iter("use")
    passed = noon - datetime(2025, 12, 1, tzinfo=UTC)
    all_of_it = datetime(2026, 11, 19, 14, 5, tzinfo=UTC) - datetime(2025, 12, 1, tzinfo=UTC)
    assert use.get("x") == f"{100 * (passed / all_of_it):.1f}%"
    months = ["Dec", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct"]
    assert texts(drawing) == [*months, "2026"]


def test_months_of_several_years_are_a_row_for_each_year() -> None:
    """What is before or after the rows is not drawn, and an outage ends with them."""
    rows = months_between(CLOCK, instant_ns(2024, 7, 1), NOW_NS)
    assert [rows.row(instant_ns(year, 2, 1)) for year in (2026, 2025, 2024, 2023)] == [0, 1, 2, 3]
    failed = tile(
        datetime(2025, 7, 2, 12, tzinfo=UTC), "failed", remedied_at_ns=instant_ns(2026, 12, 31)
    )
    drawing = read(timeline([failed, tile(datetime(2023, 7, 1, tzinfo=UTC))], rows, NOW_NS))
    assert [use.get("x") for use in drawing.iter("use")] == ["50%"]
    (spans,) = [each.get("d") for each in drawing.iter("path") if each.get("class") == "out"]
    assert spans == "M50 87.5h50M0 57.5h99.7"
    assert {"2026", "2025", "2024", "now, 14:05"} - set(texts(drawing)) == {"now, 14:05"}


def test_lengths_of_outages_never_lie_on_each_other() -> None:
    """Of two on one morning the first has its length, where no other outage follows at once."""
    minutes = 10**9 * 60
    at = instant_ns(2026, 11, 10, 8)
    first, second, third = (
        tile(datetime.fromtimestamp(each // 10**9, UTC), "failed", remedied_at_ns=each + wait)
        for each, wait in (
            (at, 14 * minutes),
            (at + 300 * minutes, 42 * minutes),
            (at + 4_000 * minutes, 9 * minutes),
        )
    )
    lengths = {"14 min", "42 min", "9 min"}
    assert lengths & set(texts(drawn_timeline(first, second, third))) == lengths - {"14 min"}
    assert lengths & set(texts(drawn_timeline(first, third))) == lengths - {"42 min"}


def test_of_many_deployments_those_that_failed_are_links_and_the_others_strokes() -> None:
    """A page stays short however often a service is deployed."""
    some = [tile(MONDAY.replace(minute=n % 60, hour=n // 60)) for n in range(300)]
    drawing = drawn_timeline(*some, tile(MONDAY, "failed"))
    assert [each.get("href") for each in drawing.iter("use")] == ["#t-failed"]
    assert [path.upper().count("M") for path in strokes(drawing, "b-ok")] == [300]


def strokes(drawing: ET.Element, class_: str) -> list[str]:
    return [each.get("d") or "" for each in drawing.iter("path") if each.get("class") == class_]


def test_a_week_of_very_many_deployments_is_bars_by_the_hour() -> None:
    """Five hours with 600 deployments, every tenth of which failed; nothing is a link."""
    many = [
        tile(MONDAY.replace(minute=n % 60, hour=n // 120), "failed" if n % 10 == 0 else "ok")
        for n in range(600)
    ]
    drawing = drawn_timeline(*(tile_ for one in many for tile_ in (one, one, one)))
    assert [path.upper().count("M") for path in strokes(drawing, "b-ok")] == [5]
    assert [path.upper().count("M") for path in strokes(drawing, "b-day")] == [5]
    assert not list(drawing.iter("a"))


def test_an_incident_is_a_line_above_the_tiles() -> None:
    """It may be open."""
    start = int(MONDAY.timestamp()) * SECOND_NS
    incident = charts.Incident(start, start + 86_400 * SECOND_NS, "Checkout fails")
    drawing = drawn_timeline(incidents=[incident])
    assert strokes(drawing, "inc") == ["M0 55H14.3"]
    assert "Checkout fails" in titles(drawing)


def test_hostile_names_stay_text() -> None:
    """Markup, quotes, controls and turned directions in titles and links."""
    bad = charts.Slot(HOSTILE, HOSTILE, HOSTILE, is_partial=False)
    drawn = [
        charts.deployments_chart(series(metrics(3, 1, 1)), [bad]),
        charts.rate_chart([course(rate(1, 2))], [bad]),
        charts.day_histogram([charts.Count(1)], [bad]),
        charts.recovery_chart(
            [charts.Recovery(5, 900, "", HOSTILE, HOSTILE)], WEEKS[:1], 900, [slot(HOSTILE)]
        ),
        timeline(
            [charts.Tile(NOW_NS, "ok", HOSTILE, HOSTILE)],
            weeks_between(CLOCK, NOW_NS - 1, NOW_NS),
            NOW_NS,
        ),
    ]
    for each in drawn:
        drawing = read(each)
        assert not list(drawing.iter("script"))
        assert "\u202e" not in each


def test_slots_are_the_intervals_of_a_chart() -> None:
    """Each leads to its deployments; the running one is `now`."""
    period = SCOPE.period
    buckets = buckets_of(period, "week", SCOPE.calendar, NOW_NS)
    slots = charts.slots_of(buckets, SCOPE, "change_failure:true")
    assert len(slots) == 12
    assert (slots[0].label, slots[-1].label) == ("31 Aug", "now")
    assert [each.is_partial for each in slots] == [False] * 11 + [True]
    assert "change_failure:true" in slots[0].link
    assert "from=2026-08-31" in slots[0].link
