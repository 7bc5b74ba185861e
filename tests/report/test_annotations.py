"""Which charts an annotation is on, and how it is drawn there."""

from actors import TESTER
from theodora.dora.metrics.calendar import Bucket, Period
from theodora.events.annotations import Annotation
from theodora.report.annotations import MOST_FLAGS, annotations_of
from theodora.report.charts import Flag, flags_drawn
from theodora.report.scope import read_scope
from theodora.storage import Organisation, Store

DAY_NS = 86_400 * 10**9
NOW_NS = 20_000 * DAY_NS


def test_the_newest_of_a_period_are_numbered_in_order_of_time(
    store: Store, org: Organisation
) -> None:
    days = [100, *range(MOST_FLAGS + 1, 0, -1)]
    for day in days:
        content = Annotation(at_ns=NOW_NS - day * DAY_NS, text=f"day {day}", env="production")
        store.annotations.add(org, content, NOW_NS, actor=TESTER).result()
    staging = Annotation(at_ns=NOW_NS - DAY_NS, text="not here", env="staging")
    store.annotations.add(org, staging, NOW_NS, actor=TESTER).result()
    found = annotations_of(store, org, read_scope({"query": "is:production"}, NOW_NS))
    assert [each.number for each in found.flags] == [*range(1, MOST_FLAGS + 1)]
    assert [each.words for each in found.flags] == [
        f"day {day} (production)" for day in range(MOST_FLAGS, 0, -1)
    ]
    assert found.has_more
    assert not annotations_of(store, org, read_scope({"query": "env:staging"}, NOW_NS)).has_more


def test_flags_are_at_their_time_and_close_ones_share_a_number() -> None:
    buckets = [
        Bucket(Period(start, start + 100), Period(start, start + 100), is_partial=False)
        for start in (0, 100)
    ]
    times = (50, 100, 104, 108, 190)
    flags = [
        Flag(at_ns, number, f"<{number}>", f"#annotation-{number}")
        for number, at_ns in enumerate(times, 1)
    ]
    drawing = flags_drawn(flags, buckets)
    assert 'd="M25 0V150M50 0V150M52 0V150M54 0V150M95 0V150"' in drawing
    assert [part.partition("<")[0] for part in drawing.split('y="-3">')[1:]] == ["1", "2–4", "5"]
    assert "<title>&lt;2&gt;; &lt;3&gt;; &lt;4&gt;</title>" in drawing
    assert 'href="#annotation-2"' in drawing
    assert flags_drawn([], buckets) == flags_drawn(flags, []) == ""
